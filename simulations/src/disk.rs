//! Step 8, store, in memory: what outlives a crash of one node.

use std::collections::BTreeMap;

use reattest::limits::RESPONSE_ENTRY_BYTES;
use reattest::protocol::{Change, CheckedHead, Fork, Head, Identity, Recovered, Response};
use reattest_attestation::log::tiles::encode_entry;
use reattest_attestation::log::{ConsistencyProof, Frontier, Origin, leaf_hash, prove_consistency};
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
    /// The proof that it was forked, where it was seen.
    pub fork: Option<Box<Fork>>,
}

/// The disk of one node.
#[derive(Debug, Default)]
pub struct Disk {
    /// The logs.
    pub logs: BTreeMap<Origin, StoredLog>,
    /// The queue's file: its changes in their order.
    pub queue: Vec<Change>,
    /// Recipes and locks.
    pub documents: BTreeMap<Digest, Vec<u8>>,
    /// What operators say about keys.
    pub words: Vec<Vec<u8>>,
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
    pub fn extend(&mut self, origin: &Origin, from: u64, entries: &[&[u8]]) -> bool {
        let mut entries: Vec<Vec<u8>> = entries.iter().map(|entry| entry.to_vec()).collect();
        if self.loses_entries && from > 0 {
            entries.pop();
        }
        self.append(origin, from, &entries)
    }

    /// Forgets what is beyond a size.
    pub fn rewind(&mut self, origin: &Origin, size: u64) {
        if let Some(log) = self.logs.get_mut(origin) {
            log.entries.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        }
    }

    /// The root over the first `old` entries of a log, and the way from it to the first `new`.
    pub fn way(&self, origin: &Origin, old: u64, new: u64) -> Option<(Digest, ConsistencyProof)> {
        let new = usize::try_from(new).ok()?;
        let entries = self.logs.get(origin)?.entries.get(..new)?;
        let leaves: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let mut frontier = Frontier::new();
        for leaf in leaves.get(..usize::try_from(old).ok()?)? {
            frontier.push(*leaf);
        }
        Some((frontier.root(), prove_consistency(&leaves, old)?))
    }

    /// Publishes a head.
    pub fn publish(&mut self, origin: &Origin, head: Head) {
        self.logs.entry(origin.clone()).or_default().head = Some(head);
    }

    /// Entries of a log, as many as one answer holds, and the way from their end to a head.
    pub fn serve(&self, origin: &Origin, from: u64, until: u64, head: u64) -> Response {
        let bounds = usize::try_from(from).ok().zip(usize::try_from(until).ok());
        let range = bounds.map_or(0..0, |(from, until)| from..until);
        let entries = self.logs.get(origin).and_then(|log| log.entries.get(range));
        let (mut bundle, mut end) = (Vec::new(), from);
        for entry in entries.unwrap_or_default() {
            if !bundle.is_empty() && bundle.len().saturating_add(entry.len()) > RESPONSE_ENTRY_BYTES
                || encode_entry(entry, &mut bundle).is_err()
            {
                break;
            }
            end = end.saturating_add(1);
        }
        let bundle = ByteBuf::from(bundle);
        if end == head {
            return Response::Entries { bundle, proof: Vec::new() };
        }
        match self.way(origin, end, head) {
            Some((_, proof)) => Response::Entries { bundle, proof: proof.hashes },
            None => Response::Nothing,
        }
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
            let under = log.entries.get(..size).ok_or_else(|| broken("entries are missing"))?;
            let frontier = frontier_over(under);
            if frontier.root() != head.root() {
                return Err(broken("its entries do not lead to its head"));
            }
            let (recent, extended) = (log.entries.clone(), frontier_over(&log.entries));
            let forked = log.fork.clone();
            recovered.push(Recovered { head, frontier, extended, forked, recent });
        }
        Ok(recovered)
    }
}

/// The frontier over these entries.
pub fn frontier_over(entries: &[Vec<u8>]) -> Frontier {
    let mut frontier = Frontier::new();
    for entry in entries {
        frontier.push(leaf_hash(entry));
    }
    frontier
}
