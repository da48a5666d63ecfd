//! The queue of releases to rebuild: rows, what is remembered of builds, and how far logs were read.
//!
//! Every change is noted in [`Queue::changes`] and written to disk before anything follows from it;
//! the same changes, replayed, give the same queue.

mod room;
mod row;
mod turn;

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::log::Origin;
use reattest_attestation::{PublicKey, Purl, Timestamp};

pub use room::{Class, Room};
pub use row::{Change, Row, State, Took, Wanted, is_full, package_of};
use turn::{Turns, wait_of};

use crate::limits::{
    BUILDS_REMEMBERED, LONGEST_WAIT_SECONDS, SCHEDULED, SCHEDULED_BY_OPERATOR,
    SCHEDULED_BY_STRANGER,
};

/// The releases that wait, run, or were given up.
#[derive(Debug)]
pub struct Queue {
    room: Room,
    rows: BTreeMap<Purl, Row>,
    /// Rows of each key.
    held: BTreeMap<Option<PublicKey>, usize>,
    learned: BTreeMap<Origin, u64>,
    took: BTreeMap<String, Took>,
    changes: Vec<Change>,
    turns: Turns,
    /// From this time until that one nothing can start, unless something changes.
    quiet: Option<(Timestamp, Timestamp)>,
}

impl Queue {
    /// An empty queue on a machine.
    pub fn new(room: Room) -> Self {
        Self {
            room,
            rows: BTreeMap::new(),
            held: BTreeMap::new(),
            learned: BTreeMap::new(),
            took: BTreeMap::new(),
            changes: Vec::new(),
            turns: Turns::default(),
            quiet: None,
        }
    }

    /// The queue that these changes left.
    pub fn replayed(room: Room, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut queue = Self::new(room);
        for change in changes {
            queue.apply(change);
        }
        queue
    }

    /// The shortest list of changes that leaves this queue.
    pub fn snapshot(&self) -> Vec<Change> {
        let rows = self.rows.values().map(|row| Change::Is(Box::new(row.clone())));
        let took = self
            .took
            .iter()
            .map(|(package, took)| Change::Took { package: package.clone(), took: *took });
        let learned = self
            .learned
            .iter()
            .map(|(origin, size)| Change::Learned { origin: origin.clone(), size: *size });
        rows.chain(took).chain(learned).collect()
    }

    /// The releases, by name.
    pub fn rows(&self) -> impl Iterator<Item = &Row> + Clone {
        self.rows.values()
    }

    /// One release.
    pub fn row(&self, purl: &Purl) -> Option<&Row> {
        self.rows.get(purl)
    }

    /// The machine.
    pub fn room(&self) -> Room {
        self.room
    }

    /// Entries of a log that were read.
    pub fn learned(&self, origin: &Origin) -> u64 {
        self.learned.get(origin).copied().unwrap_or(0)
    }

    /// The class that a package's builds are known to need.
    pub(super) fn class_of(&self, purl: &Purl, source_bytes: Option<u64>) -> Class {
        let took = self.took.get(&package_of(purl));
        took.map_or_else(|| Class::guess(source_bytes), |took| Class::after(*took))
    }

    /// Whether there is a place for one more row; a less wanted one may have to leave for it.
    pub(super) fn admits(&mut self, wanted: Wanted, by: Option<PublicKey>) -> bool {
        let share = match wanted {
            Wanted::Person | Wanted::Feed => SCHEDULED,
            Wanted::Operator => SCHEDULED_BY_OPERATOR,
            Wanted::Stranger => SCHEDULED_BY_STRANGER,
        };
        if self.held.get(&by).copied().unwrap_or(0) >= share {
            return false;
        }
        if self.rows.len() < SCHEDULED {
            return true;
        }
        let given_up = |row: &Row| matches!(row.state, State::GivenUp { .. });
        let rows = self.rows.values().filter(|row| {
            given_up(row) || (row.wanted > wanted && matches!(row.state, State::Waiting { .. }))
        });
        let last = rows.max_by_key(|row| (given_up(row), row.wanted, row.since));
        let Some(purl) = last.map(|row| row.purl.clone()) else {
            return false;
        };
        self.leave(&purl);
        true
    }

    /// The next release to build.
    pub(super) fn next(
        &mut self,
        running: &[Class],
        busy: &BTreeSet<&Purl>,
        now: Timestamp,
    ) -> Option<Row> {
        if self.quiet.is_some_and(|(since, until)| since <= now && now < until) {
            return None;
        }
        let room = self.room;
        let fits = |class| room.fits(running, class);
        let chosen = self.turns.choose(self.rows.values(), busy, fits, now);
        if chosen.is_none() {
            self.quiet = Some((now, self.earliest(now)));
        }
        self.rows.get(&chosen?).cloned()
    }

    /// The next time at which some release becomes due that is not yet.
    fn earliest(&self, now: Timestamp) -> Timestamp {
        let waits = self.rows.values().filter_map(|row| wait_of(row, now)).filter(|wait| *wait > 0);
        let wait = waits.min().unwrap_or(LONGEST_WAIT_SECONDS);
        Timestamp::from_unix(now.as_unix().saturating_add(wait))
    }

    /// Has the next question look at everything: room was left, or the clock jumped.
    pub(super) fn look_again(&mut self) {
        self.quiet = None;
    }

    /// A row is like this from now on.
    pub(super) fn put(&mut self, row: Row) {
        self.change(Change::Is(Box::new(row)));
    }

    /// A row goes.
    pub(super) fn leave(&mut self, purl: &Purl) {
        if self.rows.contains_key(purl) {
            self.change(Change::Left(purl.clone()));
        }
    }

    /// A change that is to be written down.
    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change.clone());
        self.apply(change);
    }

    /// What the last build of a package took.
    pub(super) fn took(&self, purl: &Purl) -> Option<Took> {
        self.took.get(&package_of(purl)).copied()
    }

    /// Whether something is to be written down.
    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// What is to be written down since the last time.
    pub(super) fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn apply(&mut self, change: Change) {
        self.look_again();
        match change {
            Change::Is(row) => {
                if self.rows.len() < SCHEDULED || self.rows.contains_key(&row.purl) {
                    self.forget(&row.purl.clone());
                    let held = self.held.entry(row.by).or_default();
                    *held = held.saturating_add(1);
                    self.rows.insert(row.purl.clone(), *row);
                }
            }
            Change::Left(purl) => self.forget(&purl),
            Change::Learned { origin, size } => {
                self.learned.insert(origin, size);
            }
            Change::Took { package, took } => {
                // Beyond it every build of a new package begins as one of which nothing is known.
                if self.took.len() < BUILDS_REMEMBERED || self.took.contains_key(&package) {
                    self.took.insert(package, took);
                }
            }
        }
    }

    fn forget(&mut self, purl: &Purl) {
        let Some(row) = self.rows.remove(purl) else {
            return;
        };
        if let Some(held) = self.held.get_mut(&row.by) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.held.remove(&row.by);
            }
        }
    }
}
