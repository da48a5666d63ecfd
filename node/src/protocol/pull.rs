//! One log on its way towards one head: which ranges are asked for, which have come, and what each
//! proves.

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::log::tiles::decode_entries;
use reattest_attestation::log::{ConsistencyProof, Frontier, leaf_hash, verify_consistency};
use reattest_attestation::{Digest, Timestamp};

use super::heads::CheckedHead;
use super::peers::{Peer, RequestId};
use crate::limits::RANGE_ENTRIES;

/// One log on its way towards one head.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) target: CheckedHead,
    /// Over the entries that were given to the store.
    pub(super) frontier: Frontier,
    /// Whether a range of this pull was proven already: then all below it is.
    pub(super) proven: bool,
    /// The first entry that nobody was asked for yet.
    pub(super) next: u64,
    /// Ranges below `next` that are to be asked again: where each begins and ends.
    pub(super) gaps: BTreeMap<u64, u64>,
    pub(super) asked: BTreeMap<RequestId, Range>,
    pub(super) arrived: BTreeMap<u64, Arrived>,
    /// Peers that are not asked any more in this pull.
    pub(super) passed: BTreeSet<Peer>,
    /// Ranges that the store has not acknowledged.
    pub(super) unstored: usize,
    /// The head was given to the store.
    pub(super) ending: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Range {
    pub(super) peer: Peer,
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) since: Timestamp,
}

#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) peer: Peer,
    pub(super) until: u64,
    pub(super) bundle: Vec<u8>,
    pub(super) proof: Vec<Digest>,
}

/// What a range turned out to be.
pub(super) enum Proven {
    /// Entries that stand under the head; with them the frontier after them.
    Entries(Vec<Vec<u8>>, Frontier),
    /// Not what was asked for, whatever is held here.
    Wrong,
    /// A well-formed range that does not continue what is held here.
    Elsewhere,
}

impl Pull {
    pub(super) fn towards(target: CheckedHead, frontier: Frontier) -> Self {
        let next = frontier.size();
        Self {
            target,
            frontier,
            proven: false,
            next,
            gaps: BTreeMap::new(),
            asked: BTreeMap::new(),
            arrived: BTreeMap::new(),
            passed: BTreeSet::new(),
            unstored: 0,
            ending: false,
        }
    }

    /// Ranges under way, wherever they are.
    pub(super) fn open(&self) -> usize {
        self.asked.len().saturating_add(self.arrived.len()).saturating_add(self.unstored)
    }

    /// The next range to ask for, in whole tiles where the log has them.
    pub(super) fn next_range(&mut self) -> Option<(u64, u64)> {
        if let Some(gap) = self.gaps.pop_first() {
            return Some(gap);
        }
        let from = self.next;
        let tile = from.checked_div(RANGE_ENTRIES)?.saturating_add(1);
        let until = tile.saturating_mul(RANGE_ENTRIES).min(self.target.size());
        self.next = until.max(from);
        (from < until).then_some((from, until))
    }

    pub(super) fn has_more(&self) -> bool {
        !self.gaps.is_empty() || self.next < self.target.size()
    }

    /// Gives a peer's ranges to others.
    pub(super) fn pass_over(&mut self, peer: &Peer) {
        self.passed.insert(peer.clone());
        self.asked.retain(|_, range| {
            if range.peer == *peer {
                self.gaps.insert(range.from, range.until);
            }
            range.peer != *peer
        });
        self.arrived.retain(|from, range| {
            if range.peer == *peer {
                self.gaps.insert(*from, range.until);
            }
            range.peer != *peer
        });
    }

    /// Checks a range that begins where the frontier ends.
    pub(super) fn prove(&self, range: &Arrived) -> Proven {
        let Ok(entries) = decode_entries(&range.bundle) else {
            return Proven::Wrong;
        };
        let asked = range.until.saturating_sub(self.frontier.size());
        if entries.is_empty() || entries.len() as u64 > asked {
            return Proven::Wrong;
        }
        let mut frontier = self.frontier.clone();
        for entry in &entries {
            frontier.push(leaf_hash(entry));
        }
        let tree = (frontier.size(), frontier.root());
        let head = (self.target.size(), self.target.root());
        let proof = ConsistencyProof { hashes: range.proof.clone() };
        let holds = if tree.0 == head.0 {
            proof.hashes.is_empty() && tree.1 == head.1
        } else {
            verify_consistency(tree, head, &proof).is_ok()
        };
        if !holds {
            return Proven::Elsewhere;
        }
        Proven::Entries(entries.into_iter().map(<[u8]>::to_vec).collect(), frontier)
    }
}
