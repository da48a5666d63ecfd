//! How sandboxed commands end (step 3): by themselves, past a limit, or stopped; never with a process left.
//!
//! Our own commands over the host's root, read-only: there is no environment in a unit test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    Access, Bind, Ended, Filter, Identity, Limits, Overlay, Root, Sandbox, SandboxError, Spec,
    probe,
};
use crate::progress::Cancel;

/// `None`, and said so, where no sandbox can be had at all.
pub(super) fn sandbox() -> Option<Sandbox> {
    match probe(None) {
        Ok(sandbox) => Some(sandbox),
        Err(error) => {
            writeln!(std::io::stderr(), "SKIPPED 1: {error}").unwrap();
            None
        }
    }
}

pub(super) fn spec(script: &str) -> Spec {
    Spec {
        root: Root::Directory(PathBuf::from("/")),
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

/// Our own programs as the root's lower layer: `/usr` of the host, which `usr` in a layer above makes
/// a whole system of, where the host has the merged one.
fn layered(place: &Path, script: &str, access: Access) -> Option<Spec> {
    if !Path::new("/bin").is_symlink() {
        writeln!(std::io::stderr(), "SKIPPED 1: the host has no merged /usr").unwrap();
        return None;
    }
    let top = place.join("top");
    fs::create_dir_all(&top).unwrap();
    let _there_from_before = std::os::unix::fs::symlink(".", top.join("usr"));
    let layers = vec![top, PathBuf::from("/usr")];
    let root = Root::Layers(Overlay { layers, place: place.join("place") });
    Some(Spec { root, root_access: access, ..spec(script) })
}

fn run_layered(place: &Path, script: &str, access: Access) -> Option<(Ended, String)> {
    let spec = layered(place, script, access)?;
    let log = place.join("log");
    let _none_before = fs::remove_file(&log);
    let ended = run(&spec, &log)?.unwrap();
    Some((ended, fs::read_to_string(&log).unwrap()))
}

#[test]
fn a_root_of_layers_is_read_only_and_has_places_to_mount_on() {
    let place = tempfile::tempdir().unwrap();
    let script = "test -x /bin/sh && test -d /build/here && ! touch /new && ! touch /bin/new";
    let Some(mut spec) = layered(place.path(), script, Access::ReadOnly) else { return };
    let source = place.path().join("scratch");
    fs::create_dir(&source).unwrap();
    spec.binds = vec![Bind { source, target: "/build/here".to_owned(), access: Access::Writable }];
    for again in 0..2 {
        let Some(ended) = run(&spec, &place.path().join("log")) else { return };
        let said = fs::read_to_string(place.path().join("log")).unwrap();
        assert_eq!(ended.unwrap(), Ended::Success, "run {again}: {said}");
    }
    assert!(!place.path().join("place/upper").exists());
}

#[test]
fn what_a_command_writes_into_a_root_of_layers_is_in_its_upper_directory_alone() {
    let place = tempfile::tempdir().unwrap();
    // Of a layer that is ours: an ordinary user may remove nothing of the host's, whoever it looks like.
    let own = place.path().join("top/own");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "own").unwrap();
    let script = "echo x >/written && rm /own && mkdir /closed && chmod 0 /closed";
    let before = fs::read_dir("/usr").unwrap().count();
    let Some((ended, said)) = run_layered(place.path(), script, Access::Writable) else { return };
    assert_eq!(ended, Ended::Success, "{said}");
    let upper = place.path().join("place/upper");
    assert_eq!(fs::read_to_string(upper.join("written")).unwrap(), "x\n");
    assert!(upper.join("own").symlink_metadata().is_ok(), "a note that it is gone");
    assert_eq!(fs::read(&own).unwrap(), b"own");
    assert_eq!(fs::read_dir("/usr").unwrap().count(), before);
    // overlayfs leaves a work directory without any permission.
    crate::scratch::remove(&place.path().join("place"));
    assert!(!place.path().join("place").exists());
}

#[test]
fn a_limit_ends_everything_in_a_root_of_layers_and_its_mount() {
    let place = tempfile::tempdir().unwrap();
    let script = "setsid sleep 6543 & sleep 6543";
    let Some(mut spec) = layered(place.path(), script, Access::ReadOnly) else { return };
    spec.limits.wall = Duration::from_millis(500);
    let Some(ended) = run(&spec, &place.path().join("log")) else { return };
    assert!(matches!(ended, Err(SandboxError::Limit { limit: "wall time", .. })));
    let alive = fs::read_dir("/proc").unwrap().flatten().any(|process| {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        command == b"sleep\x006543\0"
    });
    assert!(!alive, "a process outlived its sandbox");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*place.path().to_string_lossy()));
}

#[test]
fn a_missing_layer_is_an_own_fault() {
    let place = tempfile::tempdir().unwrap();
    let Some(mut spec) = layered(place.path(), "true", Access::ReadOnly) else { return };
    spec.root = Root::Layers(Overlay {
        layers: vec![place.path().join("nowhere")],
        place: place.path().join("place"),
    });
    let Some(ended) = run(&spec, &place.path().join("log")) else { return };
    assert!(matches!(ended, Err(SandboxError::Io { .. })), "{ended:?}");
}
