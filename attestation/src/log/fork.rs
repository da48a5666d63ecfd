//! The proof that a key signed two histories of one log: anybody checks it offline (steps 7 and 9).
//!
//! Two heads of one size with two roots are such a proof by themselves. Of two heads of different
//! sizes, the proof shows which root the first `smaller.size` entries under the larger head really
//! have: a consistency proof leads from that root to the larger head, and the root is not the one
//! that the smaller head names. Who signed only one history can be framed by nobody, short of a
//! collision of SHA-256.

use super::checkpoint::{CheckpointError, Origin, SignedCheckpoint, VerifiedCheckpoint};
use super::proof::{ConsistencyProof, ProofError, verify_consistency};
use crate::digest::Digest;
use crate::key::PublicKey;

/// Two heads that prove no fork.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum ForkError {
    /// A head is not the log's own.
    #[error(transparent)]
    Head(#[from] CheckpointError),
    /// The heads are of two logs.
    #[error("found heads of two logs, {one} and {other}; needed two heads of one log")]
    TwoLogs {
        /// The log of the smaller head.
        one: Box<Origin>,
        /// The log of the larger head.
        other: Box<Origin>,
    },
    /// The larger head begins with the smaller one.
    #[error("found two heads of {origin} that can both be true; needed two that cannot")]
    Consistent {
        /// The log.
        origin: Origin,
    },
    /// The proof does not lead from its root to the larger head.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Two heads of one log that cannot both be true, and why; nothing in it is checked yet.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct ForkProof {
    smaller: SignedCheckpoint,
    larger: SignedCheckpoint,
    root: Digest,
    proof: ConsistencyProof,
}

impl ForkProof {
    /// Two heads of any sizes, the root that the larger one's first entries have up to the size of
    /// the smaller one, and the way from that root to the larger head.
    pub fn new(
        smaller: SignedCheckpoint,
        larger: SignedCheckpoint,
        root: Digest,
        proof: ConsistencyProof,
    ) -> Self {
        Self { smaller, larger, root, proof }
    }

    /// Two heads of one size: the proof has no hashes.
    pub fn of_one_size(one: SignedCheckpoint, other: SignedCheckpoint) -> Self {
        let root = other.unverified().root;
        Self::new(one, other, root, ConsistencyProof { hashes: Vec::new() })
    }

    /// The head of the smaller size.
    pub fn smaller(&self) -> &SignedCheckpoint {
        &self.smaller
    }

    /// The head of the larger size.
    pub fn larger(&self) -> &SignedCheckpoint {
        &self.larger
    }

    /// The root that the larger head's first entries have.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// The way from that root to the larger head.
    pub fn proof(&self) -> &ConsistencyProof {
        &self.proof
    }

    /// The log that is said to be forked.
    pub fn origin(&self) -> &Origin {
        &self.larger.unverified().origin
    }

    /// Checks that `key`, the log's own, signed both heads, and that they cannot both be true.
    pub fn verify(&self, key: &PublicKey) -> Result<Forked, ForkError> {
        let (smaller, larger) = (self.smaller.verify(key)?, self.larger.verify(key)?);
        let (old, new) = (smaller.checkpoint(), larger.checkpoint());
        if old.origin != new.origin {
            let (one, other) = (Box::new(old.origin.clone()), Box::new(new.origin.clone()));
            return Err(ForkError::TwoLogs { one, other });
        }
        if old.root == self.root {
            return Err(ForkError::Consistent { origin: new.origin.clone() });
        }
        if old.size == new.size {
            let wrong = ProofError::Wrong { hashes: self.proof.hashes.len(), root: new.root };
            let plain = self.proof.hashes.is_empty() && self.root == new.root;
            return if plain { Ok(Forked { smaller, larger }) } else { Err(wrong.into()) };
        }
        verify_consistency((old.size, self.root), (new.size, new.root), &self.proof)?;
        Ok(Forked { smaller, larger })
    }
}

/// A fork that was checked; made only by [`ForkProof::verify`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Forked {
    smaller: VerifiedCheckpoint,
    larger: VerifiedCheckpoint,
}

impl Forked {
    /// Both heads, the smaller one first.
    pub fn heads(&self) -> [&VerifiedCheckpoint; 2] {
        [&self.smaller, &self.larger]
    }

    /// The key that signed both.
    pub fn key(&self) -> PublicKey {
        self.larger.key()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test may stop at the first surprise"
    )]
    use super::*;
    use crate::key::{SecretKey, Sign};
    use crate::log::proof::prove_consistency;
    use crate::log::tree::{leaf_hash, root_of};
    use crate::log::{Checkpoint, Origin};

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn leaves(history: &str, count: usize) -> Vec<Digest> {
        // Two histories share their first two entries.
        let entry = |n: usize| {
            if n < 2 { format!("both {n}") } else { format!("{history} {n}") }
        };
        (0..count).map(|n| leaf_hash(entry(n).as_bytes())).collect()
    }

    fn head_by(seed: u8, year: i16, leaves: &[Digest]) -> SignedCheckpoint {
        let origin = Origin::new(&"test".parse().unwrap(), &key(seed).public_key(), year);
        let size = u64::try_from(leaves.len()).unwrap();
        Checkpoint { origin, size, root: root_of(leaves) }.sign(&key(seed)).unwrap()
    }

    fn head(history: &str, count: usize) -> SignedCheckpoint {
        head_by(3, 2026, &leaves(history, count))
    }

    /// What somebody who holds the larger history can show.
    fn proof(old: &SignedCheckpoint, larger: &SignedCheckpoint, history: &str) -> ForkProof {
        let count = usize::try_from(larger.unverified().size).unwrap();
        let all = leaves(history, count);
        let size = old.unverified().size;
        let root = root_of(&all[..usize::try_from(size).unwrap()]);
        ForkProof::new(old.clone(), larger.clone(), root, prove_consistency(&all, size).unwrap())
    }

    #[test]
    fn two_histories_of_different_sizes_are_proven() {
        for (small, large) in [(3, 4), (3, 9), (5, 8), (8, 64), (7, 65)] {
            let (one, other) = (head("a", small), head("b", large));
            let forked = proof(&one, &other, "b").verify(&key(3).public_key()).unwrap();
            assert_eq!(forked.heads().map(|head| head.signed().clone()), [one, other]);
        }
    }

    #[test]
    fn two_roots_of_one_size_need_no_hashes() {
        let fork = ForkProof::of_one_size(head("a", 3), head("b", 3));
        assert_eq!(fork.verify(&key(3).public_key()).unwrap().key(), key(3).public_key());
        let same = ForkProof::of_one_size(head("a", 3), head("a", 3));
        assert!(matches!(same.verify(&key(3).public_key()), Err(ForkError::Consistent { .. })));
    }

    #[test]
    fn who_signed_one_history_cannot_be_framed() {
        let (small, large) = (head("a", 3), head("a", 9));
        let public = key(3).public_key();
        let honest = proof(&small, &large, "a");
        assert!(matches!(honest.verify(&public), Err(ForkError::Consistent { .. })));
        // Another root, with the true proof, an empty one, or that of another tree.
        let other = root_of(&leaves("b", 3));
        let proofs = [honest.proof.clone(), ConsistencyProof { hashes: Vec::new() }];
        let foreign = prove_consistency(&leaves("b", 9), 3).unwrap();
        for hashes in proofs.into_iter().chain([foreign]) {
            let framed = ForkProof::new(small.clone(), large.clone(), other, hashes);
            assert!(matches!(framed.verify(&public), Err(ForkError::Proof(_))));
        }
        // The sizes the other way around.
        let turned = ForkProof::new(large.clone(), small.clone(), other, honest.proof.clone());
        assert!(matches!(turned.verify(&public), Err(ForkError::Proof(_))));
        // One size, and a root that is neither head's.
        let beside =
            ForkProof::new(small.clone(), small, other, ConsistencyProof { hashes: Vec::new() });
        assert!(matches!(beside.verify(&public), Err(ForkError::Proof(_))));
    }

    #[test]
    fn heads_of_two_logs_or_two_keys_prove_nothing() {
        let public = key(3).public_key();
        let last_year = head_by(3, 2025, &leaves("a", 3));
        let fork = ForkProof::of_one_size(last_year, head("b", 3));
        assert!(matches!(fork.verify(&public), Err(ForkError::TwoLogs { .. })));
        let theirs = head_by(4, 2026, &leaves("a", 3));
        let fork = ForkProof::of_one_size(theirs, head("b", 3));
        assert!(matches!(fork.verify(&public), Err(ForkError::Head(_))));
        assert!(fork.verify(&key(4).public_key()).is_err());
    }
}
