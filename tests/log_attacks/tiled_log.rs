//! A log of a test as the tile files that a node would serve, and proofs made from those files.

use std::collections::BTreeMap;

use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::tiles::{encode_entry, entries_path, tile_path};
use reattest_attestation::log::tree::root_of;
use reattest_attestation::log::{
    Checkpoint, ConsistencyProof, InclusionProof, Origin, SignedCheckpoint, StoredHashes,
    TlogProof, VerifiedCheckpoint, leaf_hash, stored_consistency, stored_inclusion, stored_root,
};
use reattest_attestation::{Digest, PublicKey, SecretKey, Sign};

use crate::worlds::{network, rebuilder};

/// A log as the files that its node would serve: tiles of hashes and of entries, by their paths.
pub(crate) struct TiledLog {
    pub(crate) key: SecretKey,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl TiledLog {
    pub(crate) fn new(key: SecretKey, entries: Vec<Vec<u8>>) -> Self {
        let mut files = BTreeMap::new();
        for (n, chunk) in (0..).zip(entries.chunks(256)) {
            let mut bytes = Vec::new();
            for entry in chunk {
                encode_entry(entry, &mut bytes).unwrap();
            }
            files.insert(entries_path(n, u16::try_from(chunk.len()).unwrap()), bytes);
        }
        let mut hashes: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        for level in 0.. {
            for (n, tile) in (0..).zip(hashes.chunks(256)) {
                let path = tile_path(level, n, u16::try_from(tile.len()).unwrap());
                files.insert(path, tile.iter().flat_map(Digest::as_bytes).copied().collect());
            }
            // Only full tiles have a hash in the level above.
            hashes = hashes.as_chunks::<256>().0.iter().map(|tile| root_of(tile)).collect();
            if hashes.is_empty() {
                break;
            }
        }
        Self { key, entries, files }
    }

    /// A log of short entries, each its place and the name of a history.
    pub(crate) fn of(count: u64, history: &str) -> Self {
        let key = rebuilder('a', '1');
        Self::new(key, (0..count).map(|n| format!("{n} of {history}").into_bytes()).collect())
    }

    /// The first `shared` entries of one history, and `count` in all.
    pub(crate) fn forked_at(shared: usize, count: u64) -> Self {
        let mut entries = Self::of(count, "one").entries;
        entries.truncate(shared);
        entries.extend(Self::of(count, "other").entries.into_iter().skip(shared));
        Self::new(rebuilder('a', '1'), entries)
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.key.public_key()
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin::new(&network(), &self.public(), 2026)
    }

    pub(crate) fn signed(&self, size: u64) -> SignedCheckpoint {
        let root = stored_root(self, size).unwrap();
        Checkpoint { origin: self.origin(), size, root }.sign(&self.key).unwrap()
    }

    pub(crate) fn head(&self, size: u64) -> VerifiedCheckpoint {
        self.signed(size).verify(&self.public()).unwrap()
    }

    /// Size and root, as consistency is asked between two.
    pub(crate) fn at(&self, size: u64) -> (u64, Digest) {
        (size, stored_root(self, size).unwrap())
    }

    pub(crate) fn leaf(&self, index: u64) -> Digest {
        leaf_hash(&self.entries[usize::try_from(index).unwrap()])
    }

    pub(crate) fn inclusion(&self, index: u64, size: u64) -> InclusionProof {
        stored_inclusion(self, index, size).unwrap().unwrap()
    }

    pub(crate) fn consistency(&self, old: u64, new: u64) -> ConsistencyProof {
        stored_consistency(self, old, new).unwrap().unwrap()
    }

    pub(crate) fn proof(&self, index: u64, head: SignedCheckpoint) -> TlogProof {
        TlogProof::new(self.inclusion(index, head.unverified().size), head).unwrap()
    }
}

/// Hashes come out of the bytes of tile files, and of nothing else.
impl StoredHashes for TiledLog {
    type Error = String;

    fn hash(&self, level: u8, index: u64) -> Result<Digest, String> {
        let full = u64::from(ENTRIES_PER_TILE);
        let held = self.entries.len() as u64 / full.pow(level.into());
        let (n, place) = (index / full, usize::try_from(index % full).unwrap());
        let width = u16::try_from(held.saturating_sub(n * full).min(full)).unwrap();
        let path = tile_path(level, n, width);
        let tile = self.files.get(&path).ok_or_else(|| format!("no {path}"))?;
        let hash = tile.as_chunks::<32>().0.get(place).ok_or_else(|| format!("short {path}"))?;
        Ok(Digest::from_bytes(*hash))
    }
}
