//! Step 8, store, in memory: what outlives a crash of one node.

use std::collections::BTreeMap;

use reattest::limits::RESPONSE_ENTRY_BYTES;
use reattest::protocol::{CheckedHead, Head, Identity, Recovered};
use reattest_attestation::log::{Frontier, Origin, leaf_hash};
use reattest_attestation::{Digest, Timestamp};
use serde_bytes::ByteBuf;

use crate::checkers::{Broken, Invariant};

/// One log on a disk.
#[derive(Debug, Default)]
pub struct StoredLog {
    /// Its entries, whether a head covers them yet or not.
    pub entries: Vec<Vec<u8>>,
    /// Its newest head.
    pub head: Option<Head>,
    /// Two heads of it that cannot both be true, where they were seen.
    pub fork: Option<Box<(Head, Head)>>,
}

/// The disk of one node.
#[derive(Debug, Default)]
pub struct Disk {
    /// The logs.
    pub logs: BTreeMap<Origin, StoredLog>,
    /// Recipes and locks.
    pub documents: BTreeMap<Digest, Vec<u8>>,
    /// The canary: the last entry of what is pulled onto a log is lost, and reported as stored.
    pub loses_entries: bool,
}

impl Disk {
    /// Appends entries as the store of a node does; false where they contradict what is there.
    pub fn append(&mut self, origin: &Origin, from: u64, entries: &[Vec<u8>]) -> bool {
        let log = self.logs.entry(origin.clone()).or_default();
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let Some(there) = log.entries.get(from..) else {
            return false;
        };
        if there.iter().zip(entries).any(|(one, other)| one != other) {
            return false;
        }
        let there = there.len();
        log.entries.extend(entries.iter().skip(there).cloned());
        true
    }

    /// Appends entries that were pulled from a peer. Here lives the canary.
    pub fn append_pulled(&mut self, origin: &Origin, from: u64, entries: &[Vec<u8>]) -> bool {
        let lost = usize::from(self.loses_entries && from > 0);
        let kept = entries.len().saturating_sub(lost);
        self.append(origin, from, entries.get(..kept).unwrap_or_default())
    }

    /// Publishes a head.
    pub fn publish(&mut self, origin: &Origin, head: Head) {
        self.logs.entry(origin.clone()).or_default().head = Some(head);
    }

    /// Entries of a log, as many as one answer holds.
    pub fn read(&self, origin: &Origin, from: u64, until: u64) -> Vec<ByteBuf> {
        let bounds = usize::try_from(from).ok().zip(usize::try_from(until).ok());
        let range = bounds.map_or(0..0, |(from, until)| from..until);
        let entries = self.logs.get(origin).and_then(|log| log.entries.get(range));
        let mut room = RESPONSE_ENTRY_BYTES;
        let fits = |entry: &&Vec<u8>| {
            let left = room.checked_sub(entry.len());
            room = left.unwrap_or(0);
            left.is_some()
        };
        entries.unwrap_or_default().iter().take_while(fits).cloned().map(ByteBuf::from).collect()
    }

    /// The logs as a node finds them at its start, each checked against its head.
    pub fn recover(&self, identity: &Identity, now: Timestamp) -> Result<Vec<Recovered>, Broken> {
        let mut recovered = Vec::new();
        for (origin, log) in &self.logs {
            let Some(head) = log.head.clone() else { continue };
            let broken =
                |why: &str| Broken::new(Invariant::StartsAgain, format!("{origin}: {why}"));
            let head = CheckedHead::check(identity, head, now)
                .map_err(|refusal| broken(refusal.text()))?;
            let size = usize::try_from(head.size()).unwrap_or(usize::MAX);
            let entries = log.entries.get(..size).ok_or_else(|| broken("entries are missing"))?;
            let mut frontier = Frontier::new();
            for entry in entries {
                frontier.push(leaf_hash(entry));
            }
            if frontier.root() != head.checkpoint().checkpoint().root {
                return Err(broken("its entries do not lead to its head"));
            }
            let entries = entries.to_vec();
            recovered.push(Recovered { head, frontier, forked: log.fork.clone(), entries });
        }
        Ok(recovered)
    }
}
