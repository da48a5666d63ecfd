//! What a command may use, under every mechanism that this machine has (step 3), and a killed builder.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests of processes wait for them")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::cgroup::{Group, Places};
use super::tests::{sandbox, spec};
use super::{Access, Bind, Limits, Mechanism, Sandbox, SandboxError, Spec};
use crate::progress::Cancel;

/// Small enough to be passed at once, and far above what the shell needs.
fn small() -> Limits {
    Limits {
        wall: Duration::from_mins(1),
        cpu: Duration::from_mins(1),
        memory_bytes: 64 << 20,
        processes: 48,
        open_files: 64,
        log_bytes: 1 << 20,
        disk_bytes: 16 << 20,
        file_bytes: 12 << 20,
        tmpfs_bytes: 8 << 20,
    }
}

/// Each ends with this limit named; bounded by itself where the sandbox should fail to.
const ATTEMPTS: &[(&str, &str)] = &[
    ("memory", "head -c 400000000 /dev/zero | tail -n 1 | wc -c"),
    ("processes", "i=0; while test $i -lt 300; do sleep 9 & i=$((i+1)); done; wait"),
    ("CPU time", "while :; do :; done"),
    ("temporary files", "head -c 30000000 /dev/zero > /tmp/full"),
    ("temporary files", "head -c 30000000 /dev/zero > /dev/shm/full"),
    ("file size", "head -c 14000000 /dev/zero > /mnt/large"),
    ("disk space", "for i in 1 2 3 4 5 6; do head -c 5000000 /dev/zero > /mnt/$i; done; sleep 9"),
    ("disk space", "mkdir /mnt/a && cd /mnt/a && seq 9000 | xargs touch; sleep 30"),
    ("log size", "yes"),
];

fn confined(script: &str, place: &Path) -> Spec {
    let target = "/mnt".to_owned();
    let bind = Bind { source: place.to_owned(), target, access: Access::Writable };
    Spec { binds: vec![bind], limits: small(), ..spec(script) }
}

/// Both ways to count, where both exist.
fn mechanisms() -> Vec<Sandbox> {
    let Some(sandbox) = sandbox() else { return Vec::new() };
    let mut all = vec![sandbox.clone().without_groups()];
    if sandbox.confinement().memory != Mechanism::Watcher {
        all.push(sandbox);
    }
    all
}

#[test]
fn every_limit_that_is_passed_ends_the_build_by_its_name() {
    for sandbox in mechanisms() {
        for (expected, script) in ATTEMPTS {
            let place = tempfile::tempdir().unwrap();
            let mut spec = confined(script, place.path());
            if *expected == "CPU time" {
                spec.limits.cpu = Duration::from_millis(300);
            }
            let log = tempfile::NamedTempFile::new().unwrap();
            let ended = sandbox.run(&spec, log.path(), &Cancel::new());
            let said = fs::read_to_string(log.path()).unwrap();
            let said = said.get(..said.len().min(500)).unwrap();
            let how = sandbox.confinement();
            assert!(
                matches!(ended, Err(SandboxError::Limit { limit, .. }) if limit == *expected),
                "{script} with {how}: {ended:?}; {said}"
            );
        }
    }
}

#[test]
fn a_build_within_its_limits_passes_none() {
    let script = "head -c 4000000 /dev/zero > /tmp/a; head -c 4000000 /dev/zero > /mnt/a; \
        for i in 1 2 3 4 5 6 7 8; do sleep 0.1 & done; wait; head -c 9000000 /dev/zero | tail -n 1 | wc -c";
    for sandbox in mechanisms() {
        let place = tempfile::tempdir().unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        let ended = sandbox.run(&confined(script, place.path()), log.path(), &Cancel::new());
        assert_eq!(ended.unwrap(), super::Ended::Success);
    }
}

#[test]
fn groups_of_a_killed_builder_are_swept_with_what_is_in_them() {
    let places = Places::find();
    if places.confinement().memory == Mechanism::Watcher {
        return;
    }
    let mut process = Command::new("sleep").arg("600").spawn().unwrap();
    let group = Group::make(&places, &small()).unwrap();
    group.add(i32::try_from(process.id()).unwrap()).unwrap();
    let paths = group.paths();
    Places::find();
    assert!(paths.iter().all(|path| path.exists()), "a living builder's group stays");
    assert!(process.try_wait().unwrap().is_none());
    let gone = wait_until(|| {
        // The killed builder's lock goes away with it; its directories stay.
        group.forget_locks();
        Places::find();
        let _ = process.try_wait();
        paths.iter().all(|path| !path.exists())
    });
    let _ = process.kill();
    let status = process.wait().unwrap();
    assert!(gone && !status.success(), "{paths:?}");
}

/// Kills spread over a third of a second: a start takes 20 ms, ten times that on a busy machine.
#[test]
fn a_builder_that_is_killed_at_any_moment_leaves_no_process() {
    if sandbox().is_none() {
        return;
    }
    let kills = std::env::var("REATTEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let mut begun = 0;
    for kill in 0..kills {
        let place = tempfile::tempdir().unwrap();
        let mut builder = builder(place.path());
        std::thread::sleep(Duration::from_micros(10_000 + 290_000 * kill / kills));
        builder.kill().unwrap();
        builder.wait().unwrap();
        let marker = place.path().to_string_lossy().into_owned();
        let clean = wait_until(|| naming(&marker).is_empty());
        assert!(clean, "after kill {kill}: {:?}", naming(&marker));
        begun += u32::from(place.path().join("begun").exists());
    }
    if kills >= 200 {
        assert!(begun > 0, "no kill came late enough to show anything");
    }
    // The groups of those killed builders.
    Places::find();
}

/// Not a test by itself: the process that the one above kills.
#[test]
#[ignore = "runs for ever, to be killed"]
fn a_builder_to_be_killed() {
    let place = std::env::var("REATTEST_KILLED_PLACE").unwrap();
    let sandbox = sandbox().unwrap();
    let spec = confined("touch /mnt/begun; setsid sleep 600 & sleep 600", Path::new(&place));
    let log = Path::new(&place).join("log");
    loop {
        let _ = sandbox.run(&spec, &log, &Cancel::new());
    }
}

fn builder(place: &Path) -> Child {
    let name = "sandbox::limit_tests::a_builder_to_be_killed";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", name]).env("REATTEST_KILLED_PLACE", place);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Processes whose command line or environment names a path: bubblewrap binds it, and a child that
/// has not become bubblewrap yet has the builder's environment.
fn naming(marker: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let named = processes.filter_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let names = |file: &str| {
            let text = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&text).contains(marker)
        };
        (names("environ") || names("cmdline")).then_some(id)
    });
    named.collect()
}

fn wait_until(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
