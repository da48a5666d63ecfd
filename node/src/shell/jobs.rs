//! The queue's effects: its file, the own log's memory of what was built, and the builder's jobs.

use std::collections::BTreeSet;

use reattest_attestation::{Claim, PublicKey, Purl, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::logs::Kept;
use super::node::Node;
use super::report::Report;
use crate::builder::messages::ToBuilder;
use crate::entry::claim_of;
use crate::fault::Fault;
use crate::limits::QUEUE_SHOWN;
use crate::protocol::queue::{Class, Row, State, Wanted};
use crate::protocol::{BuildEnd, Change, Event};
use crate::signer::messages::ToSigner;
use crate::store::index::{Index, Place, Selector};

/// The queue, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Builds at a time.
    pub jobs: u32,
    /// Bytes of memory for all of them together.
    pub memory: u64,
    /// Releases that wait.
    pub waiting: u64,
    /// Releases that are built.
    pub running: u64,
    /// Releases that were given up.
    pub given_up: u64,
    /// Releases, those that are built first and those that were given up last; at most
    /// [`QUEUE_SHOWN`].
    pub releases: Vec<QueuedRelease>,
}

/// One release in the queue, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRelease {
    /// The release.
    pub purl: Purl,
    /// `running`, `waiting`, `logged` or `given-up`.
    pub state: String,
    /// Who wants it.
    pub wanted: Wanted,
    /// How much of the machine it gets.
    pub class: Class,
    /// Attempts that gave no outcome.
    pub attempts: u32,
    /// Since when it is in the queue.
    pub since: Timestamp,
    /// When it is tried again, where that is not as soon as possible.
    pub next_try: Option<Timestamp>,
    /// Why the last attempt gave no outcome.
    pub why: Option<String>,
}

impl From<&Row> for QueuedRelease {
    fn from(row: &Row) -> Self {
        let (state, next_try) = match row.state {
            State::Running { .. } => ("running", None),
            State::Waiting { not_before } => ("waiting", not_before),
            State::Logged { .. } => ("logged", None),
            State::GivenUp { .. } => ("given-up", None),
        };
        Self {
            purl: row.purl.clone(),
            state: state.to_owned(),
            wanted: row.wanted,
            class: row.class,
            attempts: row.faults.saturating_add(row.absences),
            since: row.since,
            next_try,
            why: row.why.clone(),
        }
    }
}

impl Node {
    /// Where the queue cannot be written down, nothing may follow from it.
    pub(super) fn record(&mut self, changes: &[Change]) {
        if let Err(error) = self.queue_file.append(changes) {
            self.halted = Some(error.into());
        }
    }

    /// Writes the queue's file anew once most of it is history.
    pub(super) fn tidy_queue(&mut self) {
        if self.halted.is_none() && self.queue_file.is_long() {
            let snapshot = self.core.queue().snapshot();
            if let Err(error) = self.queue_file.rewrite(&snapshot) {
                self.halted = Some(error.into());
            }
        }
    }
}

impl Kept<'_> {
    /// Which releases have an outcome in a log of the own key.
    pub fn recall(&self, own: Option<&PublicKey>, purls: Vec<Purl>) -> Event {
        let is_built = |purl: &Purl| {
            let places =
                self.index.find(&Selector::Package(purl.clone())).unwrap_or_else(|error| {
                    tracing::warn!(%error, %purl, "not looked up; it may be built once more");
                    Vec::new()
                });
            own.is_some_and(|own| places.iter().any(|place| self.is_outcome(own, place)))
        };
        let built: BTreeSet<Purl> = purls.into_iter().filter(is_built).collect();
        Event::Recalled { built }
    }

    fn is_outcome(&self, own: &PublicKey, place: &Place) -> bool {
        if place.origin.key_digest() != own.digest() {
            return false;
        }
        let entry = self.store.log(&place.origin).and_then(|log| log.entry(place.index).ok()?);
        let claim = entry.and_then(|entry| claim_of(own, &entry));
        matches!(claim, Some(Claim::Rebuild(_) | Claim::BuildFailure(_)))
    }
}

impl Node {
    pub(super) fn build(&mut self, job: u64, purl: Purl, memory: u64) -> Option<Event> {
        self.report(&Report::Rebuilding { job, purl: purl.to_string() });
        let message = ToBuilder::Rebuild { job, purl, memory };
        let why = match self.roles.as_ref().map(|roles| roles.tell_builder(&message)) {
            Some(Ok(())) => return None,
            Some(Err(fault)) => fault.to_string(),
            None => "this node has no builder".to_owned(),
        };
        Some(Event::BuildEnded { job, end: BuildEnd::Fault, why })
    }

    pub(super) fn cancel_build(&mut self, job: u64) {
        let told = self.roles.as_ref().map(|roles| roles.tell_builder(&ToBuilder::Cancel { job }));
        if let Some(Err(error)) = told {
            tracing::warn!(%error, "a job was not stopped");
        }
    }

    /// The links between builder and signer are theirs alone, so both go, and the node with them.
    pub(super) fn end_builder(&mut self) {
        self.halted = Some(Fault::text(
            "the builder neither works nor stops and was ended; start the node again, and what it \
             built is tried again",
        ));
    }

    /// A registry that this node follows has something new.
    pub(super) fn announce(&mut self, purl: Purl) {
        let Some(roles) = &self.roles else { return };
        match roles.tell_signer(&ToSigner::Announce(purl)) {
            // The signer's answer takes its place among those that commands wait for.
            Ok(()) => self.announcing.push_back(oneshot::channel().0),
            Err(error) => tracing::warn!(%error, "a new release was not announced"),
        }
    }

    /// Releases that wait, that are built, and that were given up.
    pub(super) fn queue_counts(&self) -> (u64, u64, u64) {
        let queue = self.core.queue();
        let count =
            |is: fn(&State) -> bool| queue.rows().filter(|row| is(&row.state)).count() as u64;
        (
            count(|state| matches!(state, State::Waiting { .. })),
            count(|state| matches!(state, State::Running { .. })),
            count(|state| matches!(state, State::GivenUp { .. })),
        )
    }

    pub(super) fn queue_status(&self) -> QueueStatus {
        let queue = self.core.queue();
        let (waiting, running, given_up) = self.queue_counts();
        let place = |row: &&Row| match row.state {
            State::Running { since, .. } | State::Logged { since } => (0, since),
            State::Waiting { not_before } => (1, not_before.unwrap_or(Timestamp::from_unix(0))),
            State::GivenUp { since } => (2, since),
        };
        let mut rows: Vec<&Row> = queue.rows().collect();
        rows.sort_by_key(|row| (place(row), row.wanted, row.since));
        QueueStatus {
            jobs: queue.room().jobs,
            memory: queue.room().memory,
            waiting,
            running,
            given_up,
            releases: rows.into_iter().take(QUEUE_SHOWN).map(QueuedRelease::from).collect(),
        }
    }
}
