//! Roots, frontiers and proofs over hashes that are kept in tiles (step 6): a few reads, whatever the log's size.
//!
//! The functions of [`super::proof`] and [`super::tree`] over all leaf hashes are their oracle in
//! the tests.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::log::proof::{ConsistencyProof, InclusionProof};
use crate::log::tree::{Frontier, fold, node_hash};

/// Levels of the tree that one level of tiles spans: a tile has 2^8 hashes (C2SP tlog-tiles).
const TILE_HEIGHT: u32 = 8;

/// Where hashes of a tree are kept.
pub trait StoredHashes {
    /// Why a hash cannot be had.
    type Error;

    /// The root over the 256^`level` leaves that begin at leaf `index` * 256^`level`: entry
    /// `index` of the tiles of that level. Only full subtrees are asked for.
    fn hash(&self, level: u8, index: u64) -> Result<Digest, Self::Error>;
}

/// The root over the first `size` leaves.
pub fn stored_root<S: StoredHashes + ?Sized>(hashes: &S, size: u64) -> Result<Digest, S::Error> {
    range(hashes, 0, size)
}

/// The frontier over the first `size` leaves.
pub fn stored_frontier<S: StoredHashes + ?Sized>(
    hashes: &S,
    size: u64,
) -> Result<Frontier, S::Error> {
    Ok(Frontier::of_peaks(size, peaks(hashes, 0, size)?))
}

/// The audit path of the leaf at `index` in the tree of `size` leaves (RFC 6962, 2.1.1); `None`
/// where there is no such leaf.
pub fn stored_inclusion<S: StoredHashes + ?Sized>(
    hashes: &S,
    index: u64,
    size: u64,
) -> Result<Option<InclusionProof>, S::Error> {
    if index >= size {
        return Ok(None);
    }
    let (mut low, mut high) = (0, size);
    let mut path = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(range(hashes, middle, high)?);
            high = middle;
        } else {
            path.push(range(hashes, low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(Some(InclusionProof { index, hashes: path }))
}

/// The proof that the tree of `new` leaves begins with that of `old` (RFC 6962, 2.1.2); `None`
/// where `old` is 0 or more than `new`.
pub fn stored_consistency<S: StoredHashes + ?Sized>(
    hashes: &S,
    old: u64,
    new: u64,
) -> Result<Option<ConsistencyProof>, S::Error> {
    if old == 0 || old > new {
        return Ok(None);
    }
    let (mut low, mut high) = (0, new);
    let mut path = Vec::new();
    while old < high {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(range(hashes, middle, high)?);
            high = middle;
        } else {
            path.push(range(hashes, low, middle)?);
            low = middle;
        }
    }
    // The verifier holds the old root already; any other subtree it must be told.
    if low > 0 {
        path.push(range(hashes, low, high)?);
    }
    path.reverse();
    Ok(Some(ConsistencyProof { hashes: path }))
}

/// What a consistency proof tells of a tree beyond the leaves that are stored: enough to prove each
/// stored leaf under the larger head already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond {
    stored: u64,
    size: u64,
    /// Roots over ranges of leaves that are not stored.
    roots: BTreeMap<(u64, u64), Digest>,
}

impl Beyond {
    /// Reads a proof that holds between the tree of `stored` leaves and that of `size`; `None` where
    /// it cannot be one of these.
    pub fn of(stored: u64, size: u64, proof: &ConsistencyProof) -> Option<Self> {
        let (mut roots, mut low, mut high) = (BTreeMap::new(), 0, size);
        let mut hashes = proof.hashes.iter().rev();
        while 0 < stored && stored < high {
            let middle = low + split(high - low);
            let hash = *hashes.next()?;
            if stored <= middle {
                roots.insert((middle, high), hash);
                high = middle;
            } else {
                low = middle;
            }
        }
        (0 < stored && stored <= size).then_some(Self { stored, size, roots })
    }

    /// Leaves that are stored.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// The audit path of a stored leaf in the larger tree; `None` where it is not stored.
    pub fn inclusion<S: StoredHashes + ?Sized>(
        &self,
        hashes: &S,
        index: u64,
    ) -> Result<Option<InclusionProof>, S::Error> {
        if index >= self.stored {
            return Ok(None);
        }
        let (mut low, mut high) = (0, self.size);
        let mut path = Vec::new();
        while high - low > 1 {
            let middle = low + split(high - low);
            let beside = if index < middle { (middle, high) } else { (low, middle) };
            let Some(hash) = self.root(hashes, beside)? else { return Ok(None) };
            path.push(hash);
            (low, high) = if index < middle { (low, middle) } else { (middle, high) };
        }
        path.reverse();
        Ok(Some(InclusionProof { index, hashes: path }))
    }

    /// The root over a range of the splits of RFC 6962, stored, beyond, or both.
    fn root<S: StoredHashes + ?Sized>(
        &self,
        hashes: &S,
        (low, high): (u64, u64),
    ) -> Result<Option<Digest>, S::Error> {
        if high <= self.stored {
            return range(hashes, low, high).map(Some);
        }
        if low >= self.stored {
            return Ok(self.roots.get(&(low, high)).copied());
        }
        let middle = low + split(high - low);
        let left = self.root(hashes, (low, middle))?;
        let right = self.root(hashes, (middle, high))?;
        Ok(left.zip(right).map(|(left, right)| node_hash(left, right)))
    }
}

/// The root over the leaves from `low` until `high`, where `low` is a multiple of every full
/// subtree that fits: true of every range that the splits of RFC 6962 make.
fn range<S: StoredHashes + ?Sized>(hashes: &S, low: u64, high: u64) -> Result<Digest, S::Error> {
    Ok(fold(&peaks(hashes, low, high)?))
}

/// The roots of the full subtrees of a range, largest first.
fn peaks<S: StoredHashes + ?Sized>(
    hashes: &S,
    mut low: u64,
    high: u64,
) -> Result<Vec<Digest>, S::Error> {
    let mut peaks = Vec::new();
    while let Some(height) = (high - low).checked_ilog2() {
        peaks.push(subtree(hashes, height, low >> height)?);
        low += 1 << height;
    }
    Ok(peaks)
}

/// The root over the 2^`height` leaves from `index` * 2^`height`, from at most 128 stored hashes.
fn subtree<S: StoredHashes + ?Sized>(
    hashes: &S,
    height: u32,
    index: u64,
) -> Result<Digest, S::Error> {
    // A tree of 2^64 leaves has 8 levels of tiles.
    let level = u8::try_from(height / TILE_HEIGHT).unwrap_or(u8::MAX);
    let width = 1_u64 << (height % TILE_HEIGHT);
    let first = index * width;
    let mut nodes = (first..first + width)
        .map(|entry| hashes.hash(level, entry))
        .collect::<Result<Vec<_>, _>>()?;
    while nodes.len() > 1 {
        nodes = pairs(&nodes);
    }
    Ok(nodes.pop().unwrap_or_else(|| fold(&[])))
}

/// One level up.
fn pairs(nodes: &[Digest]) -> Vec<Digest> {
    let (pairs, _) = nodes.as_chunks::<2>();
    pairs.iter().map(|[left, right]| node_hash(*left, *right)).collect()
}

/// The largest power of two below `len`, which is at least 2.
fn split(len: u64) -> u64 {
    len.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;
    use crate::log::tree::root_of;
    use crate::log::{leaf_hash, prove_consistency, prove_inclusion};

    /// All leaf hashes, and how often a hash was asked for.
    struct Tiles {
        leaves: Vec<Digest>,
        reads: Cell<usize>,
    }

    impl StoredHashes for Tiles {
        type Error = Infallible;

        fn hash(&self, level: u8, index: u64) -> Result<Digest, Infallible> {
            self.reads.set(self.reads.get() + 1);
            let width = 256_usize.pow(u32::from(level));
            let first = usize::try_from(index).unwrap() * width;
            // A hash of an incomplete subtree must never be asked for.
            Ok(root_of(self.leaves.get(first..first + width).unwrap()))
        }
    }

    fn tiles(size: u32) -> Tiles {
        let leaves = (0..size).map(|number| leaf_hash(&number.to_be_bytes())).collect();
        Tiles { leaves, reads: Cell::new(0) }
    }

    /// Around every power of two up to two tiles, and one log of three levels.
    const SIZES: [u32; 14] = [1, 2, 3, 7, 8, 9, 255, 256, 257, 300, 511, 512, 513, 65_537 + 300];

    #[test]
    fn roots_and_frontiers_are_those_of_all_leaves() {
        for size in SIZES {
            let tiles = tiles(size);
            let (expected, size) = (root_of(&tiles.leaves), u64::from(size));
            assert_eq!(stored_root(&tiles, size).unwrap(), expected);
            let mut frontier = stored_frontier(&tiles, size).unwrap();
            assert_eq!((frontier.size(), frontier.root()), (size, expected));
            // It goes on as one that was pushed leaf by leaf.
            frontier.push(leaf_hash(b"next"));
            let mut leaves = tiles.leaves.clone();
            leaves.push(leaf_hash(b"next"));
            assert_eq!(frontier.root(), root_of(&leaves));
        }
        assert_eq!(stored_root(&tiles(0), 0).unwrap(), root_of(&[]));
    }

    #[test]
    fn proofs_are_those_of_all_leaves() {
        for size in SIZES {
            let tiles = tiles(size);
            let size = u64::from(size);
            for at in [0, 1, size / 3, size / 2, size.saturating_sub(2), size - 1, size] {
                let inclusion = stored_inclusion(&tiles, at, size).unwrap();
                assert_eq!(inclusion, prove_inclusion(&tiles.leaves, at), "{at} of {size}");
                let consistency = stored_consistency(&tiles, at, size).unwrap();
                assert_eq!(consistency, prove_consistency(&tiles.leaves, at), "{at} of {size}");
            }
        }
    }

    #[test]
    fn stored_leaves_are_proven_under_a_head_that_is_not_all_here() {
        for size in SIZES {
            let all = tiles(size);
            let size = u64::from(size);
            for stored in [1, 2, 7, 255, 256, 257, size / 2, size - 1, size] {
                let Some(proof) = prove_consistency(&all.leaves, stored) else { continue };
                let beyond = Beyond::of(stored, size, &proof).unwrap();
                // What is not stored cannot be asked for.
                let here =
                    all.leaves.iter().copied().take(usize::try_from(stored).unwrap()).collect();
                let here = Tiles { leaves: here, reads: Cell::new(0) };
                for at in [0, 1, stored / 2, stored - 1] {
                    let expected = prove_inclusion(&all.leaves, at).filter(|_| at < stored);
                    let found = beyond.inclusion(&here, at).unwrap();
                    assert_eq!(found, expected, "{at} of {stored} of {size}");
                }
                assert_eq!(beyond.inclusion(&here, stored).unwrap(), None);
            }
        }
        let none = ConsistencyProof { hashes: Vec::new() };
        assert_eq!(Beyond::of(0, 9, &none), None);
        assert_eq!(Beyond::of(3, 9, &none), None, "a proof that is too short");
        assert_eq!(Beyond::of(9, 3, &none), None);
    }

    #[test]
    fn a_proof_reads_few_hashes_of_a_long_log() {
        let tiles = tiles(65_837);
        stored_inclusion(&tiles, 40_000, 65_837).unwrap();
        assert!(tiles.reads.get() < 1_500, "{} reads", tiles.reads.get());
    }
}
