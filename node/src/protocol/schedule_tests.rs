//! The queue: what is built when, after which fault, and what a power cut leaves of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use reattest_attestation::{PublicKey, Purl, SecretKey, Sign, Timestamp};

use super::queue::{Change, Class, Queue, Room, Row, State, Wanted};
use super::{BuildEnd, Core, Effect, Event, Identity, Listed, Notice};
use crate::limits::{
    ABSENCE_SECONDS, ABSENCES, BUILD_ATTEMPTS, BUILD_RETRY_SECONDS, CANCEL_SECONDS,
    GIVEN_UP_SECONDS, JOB_SECONDS, LEASE_SECONDS, RESUME_SECONDS,
};

pub(super) const NOW: i64 = 1_790_000_000;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const ONE: Room = Room { jobs: 1, memory: GIB };
pub(super) const FOUR: Room = Room { jobs: 4, memory: 4 * GIB };

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds)
}

pub(super) fn purl(name: &str) -> Purl {
    let (name, version) = name.split_once('@').unwrap_or((name, "1"));
    format!("pkg:deb/debian/{name}@{version}?arch=all&distro=trixie").parse().unwrap()
}

pub(super) fn key(seed: u8) -> PublicKey {
    SecretKey::from_seed(&[seed; 32]).public_key()
}

/// A core, the file of its queue, and its own log.
pub(super) struct Node {
    pub(super) core: Core,
    pub(super) file: Vec<Change>,
    pub(super) built: BTreeSet<Purl>,
    pub(super) room: Room,
}

pub(super) fn core(queue: Queue) -> Core {
    let identity = Identity {
        network: "test".parse().unwrap(),
        operators: BTreeSet::new(),
        own: Some(key(1)),
        rebuilds: true,
        witnesses: Vec::new(),
        cosigns: false,
        allowed: None,
    };
    Core::new(identity, Vec::new(), queue)
}

impl Node {
    pub(super) fn new(room: Room) -> Self {
        Self { core: core(Queue::new(room)), file: Vec::new(), built: BTreeSet::new(), room }
    }

    /// One event, its effects performed as the shell does; the effects.
    pub(super) fn take(&mut self, event: Event, now: i64) -> Vec<Effect> {
        let mut all = Vec::new();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.core.handle(event, at(now)) {
                match &effect {
                    Effect::Record(changes) => self.file.extend(changes.clone()),
                    Effect::Recall(purls) => {
                        let built = purls.iter().filter(|purl| self.built.contains(purl));
                        events.insert(0, Event::Recalled { built: built.cloned().collect() });
                    }
                    _ => {}
                }
                all.push(effect);
            }
        }
        all
    }

    /// The jobs that an event starts, with their releases.
    pub(super) fn builds(&mut self, event: Event, now: i64) -> Vec<(u64, Purl)> {
        builds(&self.take(event, now))
    }

    pub(super) fn want(&mut self, name: &str, now: i64) -> Vec<(u64, Purl)> {
        self.builds(Event::Wanted { purl: purl(name), again: false }, now)
    }

    pub(super) fn follow(&mut self, names: &[&str], now: i64) -> Vec<(u64, Purl)> {
        let new = names.iter().map(|name| Listed { purl: purl(name), source_bytes: None });
        self.builds(Event::Followed { new: new.collect(), superseded: Vec::new() }, now)
    }

    pub(super) fn end(&mut self, job: u64, end: BuildEnd, now: i64) -> Vec<Effect> {
        self.take(Event::BuildEnded { job, end, why: "it broke".to_owned() }, now)
    }

    pub(super) fn tick(&mut self, now: i64) -> Vec<(u64, Purl)> {
        self.builds(Event::Tick, now)
    }

    pub(super) fn row(&self, name: &str) -> Option<&Row> {
        self.core.queue().row(&purl(name))
    }

    /// Killed; what is in the file is all that is left.
    pub(super) fn restart(&mut self) {
        self.core = core(Queue::replayed(self.room, self.file.clone()));
    }

    /// A row as an announcement by `by` leaves it.
    pub(super) fn announced(&mut self, name: &str, by: u8, class: Class) {
        self.file.push(Change::Is(Box::new(Row {
            purl: purl(name),
            wanted: Wanted::Operator,
            by: Some(key(by)),
            since: at(0),
            state: State::Waiting { not_before: None },
            faults: 0,
            absences: 0,
            class,
            again: false,
            announced: true,
            why: None,
        })));
        self.restart();
    }
}

pub(super) fn builds(effects: &[Effect]) -> Vec<(u64, Purl)> {
    let build = |effect: &Effect| match effect {
        Effect::Build { job, purl, .. } => Some((*job, purl.clone())),
        _ => None,
    };
    effects.iter().filter_map(build).collect()
}

pub(super) fn gave_up(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Notice(Notice::GaveUp { .. })))
}

#[test]
fn a_release_is_written_down_before_it_is_built() {
    let mut node = Node::new(ONE);
    let effects = node.take(Event::Wanted { purl: purl("a"), again: false }, 0);
    let place = |is: fn(&Effect) -> bool| effects.iter().position(is).unwrap();
    let recorded = place(|effect| matches!(effect, Effect::Record(_)));
    let built = place(|effect| matches!(effect, Effect::Build { .. }));
    assert!(recorded < built, "{effects:?}");
    let runs = |change: &Change| matches!(change, Change::Is(row) if matches!(row.state, State::Running { .. }));
    assert!(node.file.iter().any(runs));
}

#[test]
fn what_has_an_outcome_is_built_again_only_when_a_person_says_so() {
    let mut node = Node::new(ONE);
    node.built.insert(purl("a"));
    assert!(node.want("a", 0).is_empty() && node.follow(&["a"], 0).is_empty());
    assert!(node.row("a").is_none());
    assert_eq!(node.builds(Event::Wanted { purl: purl("a"), again: true }, 0).len(), 1);
}

#[test]
fn own_faults_are_tried_again_ever_later_and_then_given_up_until_somebody_asks() {
    let mut node = Node::new(ONE);
    let mut job = node.want("a", 0)[0].0;
    let (mut now, mut wait) = (0, BUILD_RETRY_SECONDS);
    for _ in 1..BUILD_ATTEMPTS {
        assert!(!gave_up(&node.end(job, BuildEnd::Fault, now)));
        assert!(node.tick(now + wait - 1).is_empty(), "not before {wait} s");
        now += wait;
        job = node.tick(now)[0].0;
        wait *= 2;
    }
    assert!(gave_up(&node.end(job, BuildEnd::Fault, now)));
    assert!(node.tick(now + 10 * ABSENCE_SECONDS).is_empty());
    assert_eq!(node.row("a").unwrap().why.as_deref(), Some("it broke"));
    node.restart();
    assert!(node.tick(now + 10 * ABSENCE_SECONDS).is_empty(), "given up over a restart too");
    assert_eq!(node.want("a", now).len(), 1);
    assert_eq!(node.row("a").unwrap().faults, 0);
}

#[test]
fn what_was_given_up_is_tried_again_when_it_is_followed_anew_another_day() {
    let mut node = Node::new(ONE);
    let job = node.follow(&["a"], 0)[0].0;
    assert!(gave_up(&node.end(job, BuildEnd::Hopeless, 0)));
    assert!(node.follow(&["a"], GIVEN_UP_SECONDS - 1).is_empty());
    assert_eq!(node.follow(&["a"], GIVEN_UP_SECONDS).len(), 1);
}

#[test]
fn what_is_not_on_the_mirror_is_looked_for_once_a_day_for_a_month() {
    let mut node = Node::new(ONE);
    let mut job = node.want("a", 0)[0].0;
    let mut now = 0;
    for _ in 1..ABSENCES {
        assert!(!gave_up(&node.end(job, BuildEnd::Absent, now)));
        assert!(node.tick(now + ABSENCE_SECONDS - 1).is_empty());
        now += ABSENCE_SECONDS;
        job = node.tick(now)[0].0;
    }
    assert!(gave_up(&node.end(job, BuildEnd::Absent, now)));
}

#[test]
fn a_job_that_ended_with_its_machine_starts_again_once() {
    let mut node = Node::new(ONE);
    let first = node.want("a", 0)[0].0;
    node.restart();
    assert!(node.tick(10).is_empty(), "the signer first logs what it signed");
    let again = node.tick(10 + RESUME_SECONDS);
    assert_eq!(again.len(), 1);
    assert!(again[0].0 > first);
    assert!(node.tick(20 + RESUME_SECONDS).is_empty(), "once, not twice");
    // The old life's end of it reaches nobody.
    assert!(node.end(first, BuildEnd::Attested, 30).is_empty());
    assert!(matches!(node.row("a").unwrap().state, State::Running { .. }));
}

#[test]
fn a_build_that_takes_the_machine_down_each_time_is_given_up() {
    let mut node = Node::new(ONE);
    node.want("a", 0);
    let mut now = 0;
    for _ in 0..BUILD_ATTEMPTS {
        node.restart();
        node.take(Event::Tick, now);
        now += ABSENCE_SECONDS;
        node.take(Event::Tick, now);
    }
    assert!(matches!(node.row("a").unwrap().state, State::GivenUp { .. }));
}

#[test]
fn a_power_cut_after_any_line_of_the_file_leaves_a_queue_that_goes_on() {
    let mut whole = Node::new(FOUR);
    whole.want("a", 0);
    let job = whole.follow(&["b", "c"], 1)[0].0;
    let (job, second) = builds(&whole.end(job, BuildEnd::Fault, 2))[0].clone();
    assert_eq!(second, purl("c"));
    whole.want("d", 3);
    whole.end(job, BuildEnd::Attested, 4);
    for cut in 0..=whole.file.len() {
        let mut node = Node::new(FOUR);
        node.file = whole.file[..cut].to_vec();
        node.restart();
        let again = Queue::replayed(FOUR, node.core.queue().snapshot());
        assert!(again.rows().eq(node.core.queue().rows()), "written anew it says the same");
        let waiting = node.core.queue().rows().count();
        // What is signed leaves by itself.
        let signed = node.row("c").is_some_and(|row| matches!(row.state, State::Logged { .. }));
        let mut next = node.tick(10_000);
        next.extend(node.tick(20_000));
        let mut began = BTreeSet::new();
        while let Some((job, purl)) = next.pop() {
            assert!(began.insert(purl), "twice, after {cut} changes");
            next.extend(builds(&node.end(job, BuildEnd::Hopeless, 20_000)));
        }
        assert_eq!(began.len() + usize::from(signed), waiting, "after {cut} changes: {began:?}");
    }
}

#[test]
fn a_lease_that_runs_out_is_an_own_fault_and_its_job_ends_before_another_begins() {
    let mut node = Node::new(FOUR);
    node.tick(0);
    let job = node.want("a", 0)[0].0;
    for now in 1..LEASE_SECONDS / 30 {
        node.take(Event::BuildAlive { job, building: false }, now * 30);
        node.tick(now * 30);
    }
    let silent = LEASE_SECONDS - 30;
    let mut cancelled = Vec::new();
    for now in silent..silent + LEASE_SECONDS + BUILD_RETRY_SECONDS + 20 {
        let effects = node.take(Event::Tick, now);
        assert!(builds(&effects).is_empty(), "the old job may still be signed");
        cancelled.extend(effects.into_iter().filter(|e| matches!(e, Effect::CancelBuild { .. })));
    }
    assert_eq!(cancelled.len(), 1);
    let row = node.row("a").unwrap();
    assert_eq!(row.faults, 1);
    assert!(row.why.as_ref().unwrap().contains("no sign of life"));
    let now = silent + LEASE_SECONDS + BUILD_RETRY_SECONDS + 20;
    assert_eq!(builds(&node.end(job, BuildEnd::Fault, now)).len(), 1);
    assert_eq!(node.row("a").unwrap().faults, 1, "counted once");
}

#[test]
fn a_builder_that_does_not_even_stop_is_ended_once() {
    let mut node = Node::new(ONE);
    node.want("a", 0);
    let mut ended = 0;
    for now in 0..LEASE_SECONDS + 3 * CANCEL_SECONDS {
        let effects = node.take(Event::Tick, now);
        ended += effects.iter().filter(|e| matches!(e, Effect::EndBuilder)).count();
    }
    assert_eq!(ended, 1);
}

#[test]
fn a_job_that_lives_and_never_ends_is_stopped() {
    let mut node = Node::new(ONE);
    let job = node.want("a", 0)[0].0;
    let mut cancelled = false;
    for now in (0..=JOB_SECONDS).step_by(30) {
        node.take(Event::BuildAlive { job, building: false }, now);
        let effects = node.take(Event::Tick, now);
        cancelled = effects.iter().any(|e| matches!(e, Effect::CancelBuild { .. }));
        assert_eq!(cancelled, now >= JOB_SECONDS);
    }
    assert!(cancelled);
}

#[test]
fn a_machine_that_slept_blames_no_builder() {
    let mut node = Node::new(ONE);
    node.tick(0);
    node.want("a", 0);
    for now in [10 * LEASE_SECONDS, 10 * LEASE_SECONDS + 1, -50 * LEASE_SECONDS] {
        let effects = node.take(Event::Tick, now);
        assert!(!effects.iter().any(|e| matches!(e, Effect::CancelBuild { .. })), "at {now}");
    }
}

#[test]
fn a_wait_that_a_wrong_clock_wrote_does_not_last() {
    let mut node = Node::new(ONE);
    let year = 365 * 24 * 3600;
    let job = node.want("a", year)[0].0;
    node.end(job, BuildEnd::Fault, year);
    assert_eq!(node.tick(0).len(), 1, "the clock was set back by a year");
}
