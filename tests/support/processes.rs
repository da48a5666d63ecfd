//! Processes of this machine, found by what their command line says.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Ids of processes whose command line names a path.
pub fn naming(path: &Path) -> Vec<u32> {
    let wanted = path.to_string_lossy().into_owned();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let ours = String::from_utf8_lossy(&line).contains(&wanted);
            (ours && id != std::process::id()).then_some(id)
        })
        .collect()
}

/// Sends a signal to one process.
pub fn signal(id: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), id.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} {id}");
}

/// Waits until something holds, and fails with `what` when it never does.
pub fn wait_until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "in {patience:?} it never came to: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
