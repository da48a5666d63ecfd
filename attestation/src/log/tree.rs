//! RFC 6962 tree hashing, and the frontier that a signer keeps of its own log (step 6).

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Digester};

/// The hash of an entry as a leaf: SHA-256 of 0x00 and the entry (RFC 6962, 2.1).
pub fn leaf_hash(entry: &[u8]) -> Digest {
    let mut digester = Digester::new();
    digester.update(&[0]);
    digester.update(entry);
    digester.finish()
}

/// The hash of two subtrees: SHA-256 of 0x01 and both (RFC 6962, 2.1).
pub fn node_hash(left: Digest, right: Digest) -> Digest {
    let mut digester = Digester::new();
    digester.update(&[1]);
    digester.update(left.as_bytes());
    digester.update(right.as_bytes());
    digester.finish()
}

/// The root over these leaf hashes.
pub fn root_of(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// The compact form of a tree: the roots of its full subtrees, largest first. Enough to append
/// and to know the root; at most 64 hashes however long the log.
#[derive(Clone, Eq, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

#[derive(Deserialize)]
struct Stored {
    size: u64,
    peaks: Vec<Digest>,
}

/// A stored frontier that belongs to no tree.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error(
    "found a frontier of size {size} with {found} hashes, needed {needed}; rebuild it from the log"
)]
pub struct FrontierError {
    size: u64,
    found: usize,
    needed: u32,
}

impl TryFrom<Stored> for Frontier {
    type Error = FrontierError;

    fn try_from(Stored { size, peaks }: Stored) -> Result<Self, FrontierError> {
        let (found, needed) = (peaks.len(), size.count_ones());
        if u32::try_from(found) == Ok(needed) {
            Ok(Self { size, peaks })
        } else {
            Err(FrontierError { size, found, needed })
        }
    }
}

impl Frontier {
    /// The frontier of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf hash, made by [`leaf_hash`].
    pub fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        // Every trailing one of the size is a full subtree that the new leaf completes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(left, node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// Entries so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root; of the empty tree it is SHA-256 of nothing.
    pub fn root(&self) -> Digest {
        fold(&self.peaks)
    }

    /// The frontier that these peaks are; the caller has one for each bit of the size.
    pub(super) fn of_peaks(size: u64, peaks: Vec<Digest>) -> Self {
        Self { size, peaks }
    }
}

/// The root over full subtrees, largest first; over none it is SHA-256 of nothing.
pub(super) fn fold(peaks: &[Digest]) -> Digest {
    let mut peaks = peaks.iter().rev().copied();
    match peaks.next() {
        Some(last) => peaks.fold(last, |right, left| node_hash(left, right)),
        None => Digest::of(b""),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::Sha256;

    #[test]
    fn roots_agree_with_ct_merkle() {
        let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let mut ours = Frontier::new();
        for number in 0..130_u8 {
            if number > 0 {
                assert_eq!(ours.root().as_bytes().as_slice(), theirs.root().as_bytes().as_slice());
            }
            theirs.push(vec![number]);
            ours.push(leaf_hash(&[number]));
        }
        assert_eq!(ours.size(), 130);
    }

    #[test]
    fn known_answers_of_rfc_6962() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Frontier::new().root().to_string(), empty);
        let leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(leaf_hash(b"").to_string(), leaf);
    }

    #[test]
    fn a_stored_frontier_is_checked() {
        let mut frontier = Frontier::new();
        (0..5).for_each(|n: u8| frontier.push(leaf_hash(&[n])));
        let stored = serde_json::to_string(&frontier).unwrap();
        assert_eq!(serde_json::from_str::<Frontier>(&stored).unwrap(), frontier);
        let broken = stored.replace("\"size\":5", "\"size\":7");
        assert!(serde_json::from_str::<Frontier>(&broken).is_err());
    }
}
