//! Proofs that an entry is in a log and that a log only grew (step 6).
//!
//! Consistency is checked by `ct-merkle`. Inclusion is checked here, after RFC 9162 section
//! 2.1.3.2: `ct-merkle` hashes the entry itself, and we often hold the leaf's hash alone; its
//! answers are the oracle of the tests.

use ct_merkle::RootHash;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::tree::{node_hash, root_of};
use crate::digest::Digest;
use crate::limits::{LOG_SIZE_MAX, PROOF_HASHES_MAX};

/// A proof that does not hold.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum ProofError {
    /// More entries than any log may have.
    #[error("found a log of {found} entries, needed at most 2^48; its key is at fault")]
    TooLarge {
        /// The size.
        found: u64,
    },
    /// The entry's place is beyond the log's end.
    #[error("found entry {index} in a log of {size}, needed a place before its end")]
    OutOfRange {
        /// The place, from 0.
        index: u64,
        /// The log's entries.
        size: u64,
    },
    /// The new size is below the old one.
    #[error(
        "found a log of {new} entries that had {old}, needed one that only grew; its key is at fault"
    )]
    Shrunk {
        /// Entries before.
        old: u64,
        /// Entries now.
        new: u64,
    },
    /// Too few or too many hashes for the place and the size.
    #[error("found {hashes} hashes for entry {index} of {size}, needed exactly the audit path")]
    Misfit {
        /// Hashes in the proof.
        hashes: usize,
        /// The place, from 0.
        index: u64,
        /// The log's entries.
        size: u64,
    },
    /// The hashes do not lead to the root.
    #[error(
        "found a proof of {hashes} hashes that does not lead to root {root}; get it again, or its log is forked"
    )]
    Wrong {
        /// Hashes in the proof.
        hashes: usize,
        /// The root that was expected.
        root: Digest,
    },
}

/// The audit path of one entry.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct InclusionProof {
    /// The entry's place, from 0.
    pub index: u64,
    /// Sibling hashes, nearest the leaf first.
    pub hashes: Vec<Digest>,
}

/// The proof that one tree begins with another.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// Subtree hashes in the order of RFC 6962, 2.1.2.
    pub hashes: Vec<Digest>,
}

/// Makes the audit path of the leaf at `index` over all leaf hashes of a tree (RFC 6962, 2.1.1);
/// `None` where there is no such leaf.
pub fn prove_inclusion(leaves: &[Digest], index: u64) -> Option<InclusionProof> {
    let mut hashes = Vec::new();
    let (mut rest, mut at) = (leaves, usize::try_from(index).ok()?);
    if at >= rest.len() {
        return None;
    }
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split(rest.len()));
        if at < left.len() {
            hashes.push(root_of(right));
            rest = left;
        } else {
            hashes.push(root_of(left));
            at -= left.len();
            rest = right;
        }
    }
    hashes.reverse();
    Some(InclusionProof { index, hashes })
}

/// Makes the proof that the tree of all `leaves` begins with the tree of the first `old` (RFC
/// 6962, 2.1.2); `None` where `old` is 0 or beyond the end.
pub fn prove_consistency(leaves: &[Digest], old: u64) -> Option<ConsistencyProof> {
    let mut hashes = Vec::new();
    let (mut rest, mut old) = (leaves, usize::try_from(old).ok()?);
    if old == 0 || old > rest.len() {
        return None;
    }
    let mut whole = true;
    while old < rest.len() {
        let (left, right) = rest.split_at(split(rest.len()));
        if old <= left.len() {
            hashes.push(root_of(right));
            rest = left;
        } else {
            hashes.push(root_of(left));
            old -= left.len();
            rest = right;
            whole = false;
        }
    }
    // The verifier holds the old root already; any other subtree it must be told.
    if !whole {
        hashes.push(root_of(rest));
    }
    hashes.reverse();
    Some(ConsistencyProof { hashes })
}

/// The largest power of two below `len`, which is at least 2.
fn split(len: usize) -> usize {
    len.next_power_of_two() / 2
}

/// Checks that the leaf with this hash is in the tree of `size` leaves under `root`.
pub fn verify_inclusion(
    leaf: Digest,
    proof: &InclusionProof,
    size: u64,
    root: Digest,
) -> Result<(), ProofError> {
    let found = inclusion_root(leaf, proof, size)?;
    let hashes = proof.hashes.len();
    if found == root { Ok(()) } else { Err(ProofError::Wrong { hashes, root }) }
}

/// The one root that an audit path leads to from this leaf hash, in a tree of `size` leaves (RFC
/// 9162, 2.1.3.2). Several heads can be compared with it for the work of one.
pub fn inclusion_root(
    leaf: Digest,
    proof: &InclusionProof,
    size: u64,
) -> Result<Digest, ProofError> {
    let (index, hashes) = (proof.index, proof.hashes.len());
    if size > LOG_SIZE_MAX {
        return Err(ProofError::TooLarge { found: size });
    }
    if index >= size {
        return Err(ProofError::OutOfRange { index, size });
    }
    let misfit = ProofError::Misfit { hashes, index, size };
    if hashes > PROOF_HASHES_MAX {
        return Err(misfit);
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in &proof.hashes {
        if last == 0 {
            return Err(misfit);
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(*sibling, hash);
            while node % 2 == 0 && node != 0 {
                node /= 2;
                last /= 2;
            }
        } else {
            hash = node_hash(hash, *sibling);
        }
        node /= 2;
        last /= 2;
    }
    if last == 0 { Ok(hash) } else { Err(misfit) }
}

/// Checks that the tree `new` begins with the tree `old`; each is (size, root).
pub fn verify_consistency(
    old: (u64, Digest),
    new: (u64, Digest),
    proof: &ConsistencyProof,
) -> Result<(), ProofError> {
    let wrong = ProofError::Wrong { hashes: proof.hashes.len(), root: new.1 };
    if new.0 > LOG_SIZE_MAX {
        return Err(ProofError::TooLarge { found: new.0 });
    }
    if old.0 > new.0 {
        return Err(ProofError::Shrunk { old: old.0, new: new.0 });
    }
    // The empty tree begins every tree, and has one root.
    if old.0 == 0 {
        let holds = proof.hashes.is_empty() && old.1 == root_of(&[]);
        return if holds && (new.0 > 0 || new.1 == old.1) { Ok(()) } else { Err(wrong) };
    }
    if proof.hashes.len() > PROOF_HASHES_MAX {
        return Err(wrong);
    }
    let bytes = proof.hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
    let Ok(theirs) = ct_merkle::ConsistencyProof::<Sha256>::try_from_bytes(bytes) else {
        return Err(wrong);
    };
    let root = |(size, root): (u64, Digest)| RootHash::new((*root.as_bytes()).into(), size);
    root(new).verify_consistency(&root(old), &theirs).map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;
    use crate::log::leaf_hash;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    const TREES: u8 = 40;

    fn leaves(count: u8) -> Vec<Digest> {
        (0..count).map(|number| leaf_hash(&[number])).collect()
    }

    fn theirs(count: u8) -> MemoryBackedTree<Sha256, Vec<u8>> {
        let mut tree = MemoryBackedTree::new();
        (0..count).for_each(|number| tree.push(vec![number]));
        tree
    }

    #[test]
    fn inclusion_proofs_are_ct_merkles_and_hold_nowhere_else() {
        for size in 1..TREES {
            let (leaves, tree) = (leaves(size), theirs(size));
            let root = root_of(&leaves);
            for index in 0..size {
                let proof = prove_inclusion(&leaves, index.into()).unwrap();
                let expected = tree.prove_inclusion(index.into());
                let ours: Vec<u8> = proof.hashes.iter().flat_map(|h| *h.as_bytes()).collect();
                assert_eq!(ours, expected.as_bytes());
                for (at, leaf) in leaves.iter().enumerate() {
                    let holds = verify_inclusion(*leaf, &proof, size.into(), root).is_ok();
                    assert_eq!(holds, at == usize::from(index), "{at} {index} {size}");
                }
            }
        }
    }

    #[test]
    fn a_proof_for_another_size_root_or_place_is_refused() {
        let leaves = leaves(7);
        let (root, leaf) = (root_of(&leaves), *leaves.get(3).unwrap());
        let proof = prove_inclusion(&leaves, 3).unwrap();
        verify_inclusion(leaf, &proof, 7, root).unwrap();
        assert!(verify_inclusion(leaf, &proof, 7, leaf).is_err());
        assert!(verify_inclusion(leaf, &proof, 3, root).is_err());
        assert!(verify_inclusion(leaf, &proof, 16, root).is_err());
        assert!(verify_inclusion(leaf, &proof, u64::MAX, root).is_err());
        assert!(
            verify_inclusion(leaf, &InclusionProof { index: 2, ..proof.clone() }, 7, root).is_err()
        );
        let longer = InclusionProof { hashes: [proof.hashes, vec![leaf]].concat(), index: 3 };
        assert!(verify_inclusion(leaf, &longer, 7, root).is_err());
        assert!(prove_inclusion(&leaves, 7).is_none());
    }

    #[test]
    fn consistency_proofs_are_ct_merkles_and_a_fork_is_refused() {
        for new in 1..TREES {
            let now = leaves(new);
            for old in 1..=new {
                let proof = prove_consistency(&now, old.into()).unwrap();
                let expected = theirs(new).prove_consistency((new - old).into());
                let ours: Vec<u8> = proof.hashes.iter().flat_map(|h| *h.as_bytes()).collect();
                assert_eq!(ours, expected.as_bytes());
                let before = (u64::from(old), root_of(&leaves(old)));
                let after = (u64::from(new), root_of(&now));
                verify_consistency(before, after, &proof).unwrap();
                let forked = (before.0, leaf_hash(b"another history"));
                assert!(verify_consistency(forked, after, &proof).is_err());
            }
        }
    }

    #[test]
    fn a_log_that_shrank_is_refused_and_the_empty_one_begins_all() {
        let (empty, three) = ((0, root_of(&[])), (3, root_of(&leaves(3))));
        let nothing = ConsistencyProof { hashes: Vec::new() };
        verify_consistency(empty, three, &nothing).unwrap();
        verify_consistency(empty, empty, &nothing).unwrap();
        verify_consistency(three, three, &nothing).unwrap();
        assert!(matches!(
            verify_consistency(three, empty, &nothing),
            Err(ProofError::Shrunk { .. })
        ));
        assert!(verify_consistency((0, three.1), three, &nothing).is_err());
    }
}
