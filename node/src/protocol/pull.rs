//! One log on its way towards one head: which ranges are asked for, which have come, and what each
//! proves.

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::log::tiles::decode_entries;
use reattest_attestation::log::{
    ConsistencyProof, Frontier, Origin, leaf_hash, verify_consistency,
};
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

/// Consecutive entries of a log that stand under a head which its key signed. Only a pull makes them,
/// when it has checked that.
#[derive(Debug)]
pub struct ProvenRange {
    from: u64,
    bundle: Vec<u8>,
    leaves: Vec<Digest>,
    head: CheckedHead,
    proof: ConsistencyProof,
}

impl ProvenRange {
    /// The log.
    pub fn origin(&self) -> &Origin {
        self.head.origin()
    }

    /// The place of the first entry.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The entries, at least one and at most a tile's.
    pub fn entries(&self) -> Vec<&[u8]> {
        decode_entries(&self.bundle).unwrap_or_default()
    }

    /// The leaf hash of each entry.
    pub fn leaves(&self) -> &[Digest] {
        &self.leaves
    }

    /// The head.
    pub fn head(&self) -> &CheckedHead {
        &self.head
    }

    /// The way from the tree that ends with these entries to the head.
    pub fn proof(&self) -> &ConsistencyProof {
        &self.proof
    }
}

/// What a range turned out to be.
pub(super) enum Proven {
    /// Entries that stand under the head; with them the frontier after them.
    Entries(Box<ProvenRange>, Frontier),
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

    /// Checks what was asked for from the frontier until an entry.
    pub(super) fn prove(&self, until: u64, bundle: Vec<u8>, proof: Vec<Digest>) -> Proven {
        let Ok(entries) = decode_entries(&bundle) else {
            return Proven::Wrong;
        };
        let from = self.frontier.size();
        if entries.is_empty() || entries.len() as u64 > until.saturating_sub(from) {
            return Proven::Wrong;
        }
        let leaves: Vec<Digest> = entries.into_iter().map(leaf_hash).collect();
        let mut frontier = self.frontier.clone();
        for leaf in &leaves {
            frontier.push(*leaf);
        }
        let tree = (frontier.size(), frontier.root());
        let head = (self.target.size(), self.target.root());
        let proof = ConsistencyProof { hashes: proof };
        let holds = if tree.0 == head.0 {
            proof.hashes.is_empty() && tree.1 == head.1
        } else {
            verify_consistency(tree, head, &proof).is_ok()
        };
        if !holds {
            return Proven::Elsewhere;
        }
        let head = self.target.clone();
        let range = ProvenRange { from, bundle, leaves, head, proof };
        Proven::Entries(Box::new(range), frontier)
    }
}
