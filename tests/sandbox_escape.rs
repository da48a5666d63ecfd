//! The sandbox refuses a build that reaches for the network, a key, the answer or another process (step 3).
//!
//! Each attempt is a script in `escapes/` whose success means an escape. Its head says what must
//! come of it inside, and whether it works outside: an attempt that cannot succeed shows nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "escapes/attempt.rs"]
mod attempt;
#[path = "escapes/bait.rs"]
mod bait;
#[path = "escapes/room.rs"]
mod room;

use std::process::Command;

use reattest_rebuilder::sandbox::{Ended, SandboxError};

use attempt::{Attempt, Inside, Outside};
use bait::{Bait, MARKER};
use room::{Room, Tried};

#[test]
fn a_build_cannot_leave_its_sandbox() {
    let Some(room) = room::room() else { return };
    let bait = Bait::lay();
    assert_eq!(room.inside("true").ended.unwrap(), Ended::Success, "what does no harm runs");
    for attempt in attempt::all() {
        let script = bait.fill(&attempt.script);
        let tried = room.attempt(&attempt, &script);
        judge(&attempt, &tried, &bait);
        control(&attempt, &script);
        let after = room.inside("test -z \"$(ls -A .; ls -A /tmp; ls -A /dev/shm; ls -A /run)\"");
        assert_eq!(
            after.ended.unwrap(),
            Ended::Success,
            "the build after {} is clean",
            attempt.name
        );
    }
    nothing_is_inherited(&room);
    nothing_is_poisoned(&room);
}

fn judge(attempt: &Attempt, tried: &Tried, bait: &Bait) {
    let Attempt { name, claim, .. } = attempt;
    let said = &tried.said;
    match &attempt.inside {
        Inside::Refused => assert!(
            matches!(tried.ended, Ok(Ended::Failure(_))),
            "{name}: {claim}: {:?}: {said}",
            tried.ended
        ),
        Inside::KeptIn => {
            assert_eq!(*tried.ended.as_ref().unwrap(), Ended::Success, "{name}: {claim}: {said}");
        }
        Inside::NothingLeft => {
            assert_eq!(*tried.ended.as_ref().unwrap(), Ended::Success, "{name}: {said}");
        }
        Inside::Limits(names) => match &tried.ended {
            Err(SandboxError::Limit { limit, .. }) if names.iter().any(|name| name == limit) => {}
            other => panic!("{name}: {claim}: needed one of {names:?}, found {other:?}: {said}"),
        },
    }
    let left = Command::new("pgrep").args(["-f", &format!("sleep {}", bait.seconds)]).output();
    let left = left.unwrap().stdout;
    assert!(left.is_empty(), "{name}: left {}", String::from_utf8_lossy(&left));
    bait.is_untouched(name);
}

/// The same outside, where it must succeed, but for what this machine itself lacks.
fn control(attempt: &Attempt, script: &str) {
    let (must, why) = match &attempt.outside {
        Outside::Never => return,
        Outside::Works => (true, ""),
        Outside::WorksWhere(why) => (false, why.as_str()),
    };
    if !bait::outside(script) {
        assert!(!must, "the attempt {} does not even work outside", attempt.name);
        let what = format!("the control of {}", attempt.name);
        reattest_tests::skip(&what, &format!("it fails outside as well; it works {why}"));
    }
}

/// What one build leaves anywhere, the next one does not find, also while the first still runs.
fn nothing_is_poisoned(room: &Room) {
    let places = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/usr/bin", "/etc", "/", "/build", "."];
    let poison = places.map(|place| format!("echo x > {place}/poison 2>/dev/null")).join("; ");
    let seek = places.map(|place| format!("test ! -e {place}/poison")).join(" && ");
    let fine = |tried: Tried, claim: &str| {
        assert_eq!(tried.ended.unwrap(), Ended::Success, "{claim}: {}", tried.said);
    };
    let own = format!("{poison}; test -e ./poison && ! test -e /usr/bin/poison");
    fine(room.inside(&own), "a build writes below its own directory only");
    fine(room.inside(&seek), "a later build found poison");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| room.inside(&format!("{poison}; sleep 2")));
        std::thread::sleep(std::time::Duration::from_millis(700));
        fine(room.inside(&seek), "a build beside it found poison");
        fine(first.join().unwrap(), "the poisoner ended");
    });
}

/// No variable, descriptor or second network interface; the same limits on every machine.
fn nothing_is_inherited(room: &Room) {
    let said = |script: &str| room.inside(script).said;
    assert_eq!(said("env | cut -d= -f1 | sort | tr '\\n' ' '").trim(), "PATH PWD");
    assert!(!said("env").contains(MARKER));
    let descriptors = said("for fd in /proc/self/fd/*; do readlink $fd; done");
    for line in descriptors.lines() {
        let fine = ["/dev/null", "pipe:", "/proc/"].iter().any(|start| line.starts_with(start));
        assert!(fine, "descriptors inside: {descriptors}");
    }
    assert_eq!(said("tail -n +3 /proc/net/dev | cut -d: -f1").trim(), "lo");
    assert_eq!(said("ulimit -Hn; ulimit -c").trim(), "256\n0");
}
