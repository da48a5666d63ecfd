//! What the tests of the whole system share: the real program, real nodes, and a mirror on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for real processes"
)]

pub mod mirror;
pub mod network;
pub mod processes;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The program under test, built by `make test` before the tests run.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().find(|path| path.ends_with("debug")).unwrap().join("reattest");
    assert!(built.exists(), "{} is not built; run: make build", built.display());
    built
}

/// A command of the program.
pub fn reattest<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).env("NO_COLOR", "1").env_remove("RUST_LOG");
    command
}

/// Runs a command of the program to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    reattest(arguments).output().unwrap()
}

/// What a command wrote to standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command wrote to standard output.
pub fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The JSON document that a command wrote to standard output.
pub fn document(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", printed(output), said(output)))
}

/// This user's cache, where pinned inputs and environments stay between runs.
pub fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("reattest")
}

/// Prints a skip where the test harness does not swallow it.
pub fn skip(what: &str, why: &str) {
    let _closed = writeln!(std::io::stderr(), "skipped 1: {what}: {why}");
}

/// Whether inputs and environment of netbase are at hand: fetched and made once, tried three times.
/// Without a mirror every test that needs one is skipped, loudly.
pub fn at_hand(what: &str) -> bool {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let mut last = String::new();
        for _ in 0..3 {
            let output = run(&["rebuild", "deb:netbase"]);
            if output.status.success() {
                return Ok(());
            }
            last = said(&output);
            assert!(last.contains("cannot reach a mirror"), "netbase was not rebuilt: {last}");
        }
        Err(last)
    });
    if let Err(why) = ready {
        skip(what, why);
    }
    ready.is_ok()
}

/// A directory for one test, with a short path: control sockets live in it.
pub fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("reattest-").tempdir().unwrap()
}

/// Every file below a directory.
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}
