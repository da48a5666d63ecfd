//! How sandboxed commands end (step 3): by themselves, past a limit, or stopped; never with a process left.
//!
//! Our own commands over the host's root, read-only: there is no environment in a unit test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Access, Ended, Filter, Identity, Limits, Sandbox, SandboxError, Spec, probe};
use crate::progress::Cancel;

/// `None`, and said so, where no sandbox can be had at all.
fn sandbox() -> Option<Sandbox> {
    match probe(None) {
        Ok(sandbox) => Some(sandbox),
        Err(error) => {
            writeln!(std::io::stderr(), "SKIPPED 1: {error}").unwrap();
            None
        }
    }
}

fn spec(script: &str) -> Spec {
    Spec {
        root: PathBuf::from("/"),
        root_access: Access::ReadOnly,
        binds: Vec::new(),
        identity: Identity::Builder,
        hostname: "reattest".to_owned(),
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        directory: "/".to_owned(),
        command: vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()],
        filter: Filter::Build,
        limits: Limits { wall: Duration::from_secs(20), ..Limits::build() },
    }
}

fn run(spec: &Spec, log: &Path) -> Option<Result<Ended, SandboxError>> {
    sandbox().map(|sandbox| sandbox.run(spec, log, &Cancel::new()))
}

#[test]
fn a_command_ends_with_its_own_code_and_its_words_are_kept() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let Some(ended) = run(&spec("echo out; echo err >&2; hostname; id -u; exit 7"), &log) else {
        return;
    };
    assert_eq!(ended.unwrap(), Ended::Failure(7));
    assert_eq!(fs::read_to_string(&log).unwrap(), "out\nerr\nreattest\n1000\n");
}

#[test]
fn a_limit_that_is_passed_is_an_own_fault() {
    let place = tempfile::tempdir().unwrap();
    let mut slow = spec("sleep 600");
    slow.limits.wall = Duration::from_millis(300);
    let mut loud = spec("yes");
    loud.limits.log_bytes = 100_000;
    for (spec, expected) in [(slow, "wall time"), (loud, "log size")] {
        let log = place.path().join(expected);
        let Some(ended) = run(&spec, &log) else { return };
        let error = ended.unwrap_err();
        assert!(matches!(error, SandboxError::Limit { limit, .. } if limit == expected), "{error}");
        assert!(fs::metadata(&log).unwrap().len() <= 100_000);
    }
}

#[test]
fn a_raised_flag_ends_it() {
    let Some(sandbox) = sandbox() else { return };
    let (place, cancel) = (tempfile::tempdir().unwrap(), Cancel::new());
    cancel.cancel();
    let ended = sandbox.run(&spec("sleep 600"), &place.path().join("log"), &cancel);
    assert!(matches!(ended, Err(SandboxError::Cancelled)));
}

#[test]
fn a_descriptor_that_a_careless_parent_left_open_is_not_inherited() {
    let place = tempfile::tempdir().unwrap();
    let secret = place.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let file = fs::File::open(&secret).unwrap();
    // A plain dup is not close-on-exec.
    let leaked = rustix::io::dup(&file).unwrap();
    let log = place.path().join("log");
    let script = "for fd in /proc/$$/fd/*; do readlink $fd; done; exit 0";
    let plain = std::process::Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(String::from_utf8_lossy(&plain.stdout).contains("/secret"), "a plain child has it");
    let Some(ended) = run(&spec(script), &log) else { return };
    drop(leaked);
    assert_eq!(ended.unwrap(), Ended::Success);
    assert!(!fs::read_to_string(&log).unwrap().contains("/secret"));
}

#[test]
fn pretended_changes_of_owner_succeed_for_an_installer_only() {
    let place = tempfile::tempdir().unwrap();
    for (filter, expected) in [(Filter::Install, true), (Filter::Build, false)] {
        let mut spec = spec("touch /tmp/file && chown 7:7 /tmp/file");
        (spec.filter, spec.identity) = (filter, Identity::Administrator);
        let Some(ended) = run(&spec, &place.path().join("log")) else { return };
        assert_eq!(ended.unwrap() == Ended::Success, expected);
    }
}
