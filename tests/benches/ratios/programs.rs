//! Programs that a bench runs: ours, others' where they are installed, and how much memory one takes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The release build beside this bench, or what `REATTEST_PROGRAM` names.
pub(crate) fn reattest() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("REATTEST_PROGRAM") {
        return Some(named.into());
    }
    let own = std::env::current_exe().ok()?;
    own.ancestors().map(|directory| directory.join("reattest")).find(|path| path.is_file())
}

/// A program of others: first where `make oracles` puts them, then on the path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/oracles/bin");
    let path = std::env::var_os("PATH")?;
    let places = std::iter::once(own).chain(std::env::split_paths(&path));
    places.map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// A command that says nothing.
pub(crate) fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs it to its end, which must be this exit code.
pub(crate) fn run(command: &mut Command, code: i32) {
    let status = command.status().unwrap();
    assert_eq!(status.code(), Some(code), "{command:?}");
}

/// The most memory it ever held, in bytes: the kernel's own high-water mark of the program alone,
/// read until it ends. (`wait4` counts what the child shared with this process before it began.)
#[allow(clippy::cast_precision_loss, reason = "a table shows three digits")]
pub(crate) fn peak_memory(command: &mut Command) -> f64 {
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or_default() * 1_024);
        std::thread::sleep(Duration::from_millis(1));
    }
    peak as f64
}
