//! Whose turn it is: by who wants it, then fairly between those who announced, then by age.

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::{PublicKey, Purl, Timestamp};

use super::room::Class;
use super::row::{Row, State, Wanted};
use crate::limits::{LONGEST_WAIT_SECONDS, OVERTAKES};

/// Turns taken so far. It is forgotten at a restart: then all begin equal again.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The virtual time: that of the last turn taken.
    now: u64,
    /// When the next turn of a key comes that had one.
    next: BTreeMap<Option<PublicKey>, u64>,
    /// The release that waits for room, and how many went before it.
    held: Option<(Purl, u32)>,
}

impl Turns {
    /// The release whose turn it is among those that are due and that fit.
    ///
    /// A release that does not fit lets smaller ones go first, but only so many: then the machine
    /// is left to drain until it fits.
    pub(super) fn choose<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a Row> + Clone,
        busy: &BTreeSet<&Purl>,
        fits: impl Fn(Class) -> bool,
        now: Timestamp,
    ) -> Option<Purl> {
        let due = rows.filter(|row| is_due(row, now) && !busy.contains(&row.purl));
        let order = |row: &&Row| -> (Wanted, u64, Timestamp, Purl) {
            (row.wanted, self.tag(row.by), row.since, row.purl.clone())
        };
        let first = due.clone().min_by_key(order)?;
        if fits(first.class) {
            let (by, purl) = (first.by, first.purl.clone());
            self.held = None;
            self.take(by);
            return Some(purl);
        }
        let before = match &self.held {
            Some((held, before)) if *held == first.purl => *before,
            _ => 0,
        };
        let other = if before < OVERTAKES {
            due.filter(|row| fits(row.class)).min_by_key(order)
        } else {
            None
        };
        let overtakes = u32::from(other.is_some());
        self.held = Some((first.purl.clone(), before.saturating_add(overtakes)));
        let (by, purl) = other.map(|row| (row.by, row.purl.clone()))?;
        self.take(by);
        Some(purl)
    }

    /// Start-time fair queueing: who had no turn for long comes at the current time, not before.
    fn tag(&self, by: Option<PublicKey>) -> u64 {
        self.next.get(&by).copied().unwrap_or(0).max(self.now)
    }

    fn take(&mut self, by: Option<PublicKey>) {
        let tag = self.tag(by);
        self.now = tag;
        self.next.retain(|_, next| *next > tag);
        self.next.insert(by, tag.saturating_add(1));
    }
}

/// Whether a release may be built now. A time farther away than any wait was written by a clock that
/// was wrong.
pub(super) fn is_due(row: &Row, now: Timestamp) -> bool {
    wait_of(row, now) == Some(0)
}

/// Seconds until a release is due; none where it waits for no time.
pub(super) fn wait_of(row: &Row, now: Timestamp) -> Option<i64> {
    let State::Waiting { not_before } = row.state else {
        return None;
    };
    let wait = not_before.map_or(0, |at| at.as_unix().saturating_sub(now.as_unix()));
    Some(if wait > LONGEST_WAIT_SECONDS { 0 } else { wait.max(0) })
}
