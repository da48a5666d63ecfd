//! Step 1, announce: hints become builds, each release once, as many at a time as the machine holds.
//!
//! A hint confers nothing: the builder checks the authority and derives the recipe by itself. Every
//! change of the queue goes to disk ([`Effect::Record`]) before what follows from it is done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use reattest_attestation::log::Origin;
use reattest_attestation::{ArtifactOutcome, Claim, PublicKey, Purl, Timestamp};

use super::Identity;
use super::effect::Effect;
use super::event::BuildEnd;
use super::lease::Lease;
use super::queue::{Change, Class, Queue, Row, State, Took, Wanted, is_full, package_of};
use crate::limits::{
    ABSENCE_SECONDS, ABSENCES, BUILD_ATTEMPTS, BUILD_RETRY_SECONDS, GIVEN_UP_SECONDS,
    LEARNED_NOTED, RESUME_SECONDS, WHY_BYTES,
};

/// A release that somebody wants, before it is known whether it was built here already.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) purl: Purl,
    pub(super) wanted: Wanted,
    pub(super) by: Option<PublicKey>,
    pub(super) announced: bool,
    pub(super) source_bytes: Option<u64>,
}

/// Candidates, and the entries that they came from.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) candidates: Vec<Candidate>,
    learned: BTreeMap<Origin, u64>,
}

/// A release that a followed registry has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Listed {
    /// One artifact of it.
    pub purl: Purl,
    /// Bytes of its source, where the registry's index says them.
    pub source_bytes: Option<u64>,
}

/// The releases that were announced, and those that are built.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) queue: Queue,
    pub(super) running: BTreeMap<u64, Lease>,
    next_job: u64,
    pub(super) heard: Heard,
    /// What the shell is asked about, in the order of its answers.
    pub(super) asked: VecDeque<Heard>,
    /// Effects that wait until the changes before them are on disk.
    pub(super) after_record: Vec<Effect>,
    /// Releases whose outcome is signed, and not seen in the own log yet.
    pub(super) logged: BTreeSet<Purl>,
    pub(super) last_tick: Option<Timestamp>,
    /// Whether what ran when the node ended was dealt with.
    pub(super) resumed: bool,
}

impl Schedule {
    pub(super) fn of(queue: Queue) -> Self {
        let ran = |row: &Row| match row.state {
            State::Running { job, .. } => Some(job),
            _ => None,
        };
        let last_job = queue.rows().filter_map(ran).max();
        let logged = queue.rows().filter(|row| matches!(row.state, State::Logged { .. }));
        Self {
            logged: logged.map(|row| row.purl.clone()).collect(),
            next_job: last_job.unwrap_or(0),
            resumed: last_job.is_none(),
            queue,
            running: BTreeMap::new(),
            heard: Heard::default(),
            asked: VecDeque::new(),
            after_record: Vec::new(),
            last_tick: None,
        }
    }

    /// Learns from an entry of a followed log; nothing of one that was learned from before.
    pub(super) fn learn(
        &mut self,
        identity: &Identity,
        key: PublicKey,
        (origin, index): (&Origin, u64),
        claim: Option<&Claim>,
    ) {
        if !identity.rebuilds || index < self.queue.learned(origin) {
            return;
        }
        match claim {
            Some(Claim::Announcement(announcement))
                if announcement.network == identity.network && is_full(&announcement.purl) =>
            {
                self.heard.candidates.push(Candidate {
                    purl: announcement.purl.clone(),
                    wanted: Wanted::Operator,
                    by: Some(key),
                    announced: true,
                    source_bytes: None,
                });
            }
            Some(Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild))
                if identity.own == Some(key) =>
            {
                self.concluded(&rebuild.artifacts);
            }
            _ => {}
        }
        self.heard.learned.insert(origin.clone(), index.saturating_add(1));
    }

    /// The own log has outcomes of these: whoever wanted them was served.
    fn concluded(&mut self, artifacts: &[ArtifactOutcome]) {
        for artifact in artifacts {
            self.queue.leave(&artifact.purl);
            let others = |candidate: &Candidate| candidate.purl != artifact.purl;
            self.heard.candidates.retain(others);
            for heard in &mut self.asked {
                heard.candidates.retain(others);
            }
        }
    }

    pub(super) fn insert(&mut self, candidate: Candidate, again: bool, now: Timestamp) {
        let Candidate { purl, wanted, by, announced, source_bytes } = candidate;
        if let Some(row) = self.queue.row(&purl) {
            let mut row = Row { wanted: row.wanted.min(wanted), ..row.clone() };
            row.announced |= announced;
            let revived = match row.state {
                State::GivenUp { since } => {
                    wanted == Wanted::Person || is_past(since, GIVEN_UP_SECONDS, now)
                }
                State::Waiting { .. } => wanted == Wanted::Person,
                State::Running { .. } | State::Logged { .. } => false,
            };
            if revived {
                row.again |= again;
                (row.faults, row.absences) = (0, 0);
                row.state = State::Waiting { not_before: None };
            }
            if self.queue.row(&purl) != Some(&row) {
                self.queue.put(row);
            }
            return;
        }
        if !self.queue.admits(wanted, by) {
            return;
        }
        self.queue.put(Row {
            class: self.queue.class_of(&purl, source_bytes),
            purl,
            wanted,
            by,
            since: now,
            state: State::Waiting { not_before: None },
            faults: 0,
            absences: 0,
            again,
            announced,
            why: None,
        });
    }

    /// Takes the answer to the oldest question.
    pub(super) fn recalled(&mut self, built: &BTreeSet<Purl>, now: Timestamp) {
        let Some(heard) = self.asked.pop_front() else {
            return;
        };
        for candidate in heard.candidates {
            if !built.contains(&candidate.purl) {
                self.insert(candidate, false, now);
            }
        }
        for (origin, size) in heard.learned {
            // What came meanwhile reaches farther.
            self.heard.learned.entry(origin).or_insert(size);
        }
    }

    /// How far logs were read is noted once everything from there is in the queue. It is worth a
    /// line of its own only after many entries: what is read twice is only read twice.
    pub(super) fn note_learned(&mut self) {
        if !self.heard.candidates.is_empty() || !self.asked.is_empty() {
            return;
        }
        let queued = self.queue.has_changes();
        let learned = std::mem::take(&mut self.heard.learned);
        for (origin, size) in learned {
            if queued || size >= self.queue.learned(&origin).saturating_add(LEARNED_NOTED) {
                self.queue.change(Change::Learned { origin, size });
            } else {
                self.heard.learned.insert(origin, size);
            }
        }
    }

    pub(super) fn begin(&mut self, mut row: Row, now: Timestamp) -> (u64, Purl, u64) {
        self.next_job = self.next_job.wrapping_add(1);
        let (job, purl, class) = (self.next_job, row.purl.clone(), row.class);
        row.state = State::Running { job, since: now };
        self.queue.put(row);
        self.running.insert(job, Lease::new(purl.clone(), class, now));
        (job, purl, self.queue.room().memory_of(class))
    }

    /// What becomes of a release whose build gave no outcome; whether it is given up.
    pub(super) fn free(&mut self, purl: &Purl, end: BuildEnd, why: &str, now: Timestamp) -> bool {
        let Some(row) = self.queue.row(purl) else {
            return false;
        };
        let mut row = Row { why: Some(shortened(why)), ..row.clone() };
        let wait = match end {
            BuildEnd::Attested | BuildEnd::Hopeless => None,
            BuildEnd::Fault | BuildEnd::Interrupted => {
                row.faults = row.faults.saturating_add(1);
                let first = end == BuildEnd::Interrupted && row.faults == 1;
                let wait = if first { RESUME_SECONDS } else { backoff(row.faults) };
                (row.faults < BUILD_ATTEMPTS).then_some(wait)
            }
            BuildEnd::TooLarge => match self.queue.room().more_than(row.class) {
                Some(larger) => {
                    row.class = larger;
                    let took = Took { at_least: larger, seconds: 0 };
                    self.queue.change(Change::Took { package: package_of(purl), took });
                    Some(0)
                }
                None => None,
            },
            BuildEnd::Busy => Some(BUILD_RETRY_SECONDS),
            BuildEnd::Absent => {
                row.absences = row.absences.saturating_add(1);
                (row.absences < ABSENCES).then_some(ABSENCE_SECONDS)
            }
        };
        row.state = match (end, wait) {
            (BuildEnd::Attested, _) => State::Logged { since: now },
            (_, Some(wait)) => {
                let at = Timestamp::from_unix(now.as_unix().saturating_add(wait));
                State::Waiting { not_before: Some(at) }
            }
            (_, None) => State::GivenUp { since: now },
        };
        if matches!(row.state, State::Logged { .. }) {
            self.logged.insert(purl.clone());
        }
        let given_up = matches!(row.state, State::GivenUp { .. });
        self.queue.put(row);
        given_up
    }

    pub(super) fn remember(&mut self, purl: &Purl, begun: Timestamp, now: Timestamp) {
        let seconds = now.as_unix().saturating_sub(begun.as_unix());
        let seconds = u64::try_from(seconds).unwrap_or(0);
        // A class that was too small once is not tried again.
        let at_least = self.queue.took(purl).map_or(Class::Small, |took| took.at_least);
        let took = Took { at_least, seconds };
        self.queue.change(Change::Took { package: package_of(purl), took });
    }

    /// What ran when the node ended counts as an attempt, and is tried once more.
    pub(super) fn resume(&mut self, now: Timestamp) -> Vec<Purl> {
        self.resumed = true;
        let interrupted: Vec<Purl> = self
            .queue
            .rows()
            .filter(|row| matches!(row.state, State::Running { .. }))
            .map(|row| row.purl.clone())
            .collect();
        let why = "the node ended while it was built";
        let mut given_up = interrupted;
        given_up.retain(|purl| self.free(purl, BuildEnd::Interrupted, why, now));
        given_up
    }
}

/// Seconds before the next attempt after so many faults: twice as long each time.
fn backoff(faults: u32) -> i64 {
    let times = 1_i64.checked_shl(faults.saturating_sub(1)).unwrap_or(i64::MAX);
    BUILD_RETRY_SECONDS.saturating_mul(times)
}

/// Whether so many seconds passed; a clock that jumped back counts as passed.
pub(super) fn is_past(since: Timestamp, seconds: i64, now: Timestamp) -> bool {
    let passed = now.as_unix().saturating_sub(since.as_unix());
    passed >= seconds || passed < 0
}

/// A reason, short enough to be kept with each release.
pub(super) fn shortened(why: &str) -> String {
    let end = (0..=WHY_BYTES.min(why.len())).rev().find(|at| why.is_char_boundary(*at));
    why.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}
