//! Reads a log: entries, each checked against its hash, and roots and proofs from a few tiles.

use std::path::PathBuf;

use reattest_attestation::Digest;
use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::tiles::{decode_entries, entries_path};
use reattest_attestation::log::{
    ConsistencyProof, Frontier, InclusionProof, leaf_hash, stored_consistency, stored_frontier,
    stored_inclusion, stored_root,
};

use super::error::LogError;
use super::hashes::LogHashes;
use super::log::{Log, TILE, place_of};
use super::tail;

impl Log {
    /// One entry.
    pub fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.read(index, index.saturating_add(1), usize::MAX)?.pop())
    }

    /// Entries from `from` until `until`, as many as fit into `limit` bytes, at least one.
    pub fn read(&self, from: u64, until: u64, limit: usize) -> Result<Vec<Vec<u8>>, LogError> {
        let (mut found, mut next, mut left) = (Vec::new(), from, limit);
        let until = until.min(self.size());
        while next < until {
            let bundle = self.bundle(next, until, left)?;
            let entries = decode_entries(&bundle)
                .map_err(|error| LogError::damaged(&self.directory, error.to_string()))?;
            if !found.is_empty() && bundle.len() > left {
                break;
            }
            next = next.saturating_add(entries.len() as u64);
            found.extend(entries.into_iter().map(<[u8]>::to_vec));
            left = left.saturating_sub(bundle.len());
        }
        Ok(found)
    }

    /// Whole entries from `from` until `until` as a C2SP entry bundle, straight from one tile: it
    /// ends where the tile ends, so it has at most 256 of them; as many as fit into `limit` bytes,
    /// at least one; none only where there is none. Each is checked against its leaf hash, so that
    /// no damaged entry is served.
    pub fn bundle(&self, from: u64, until: u64, limit: usize) -> Result<Vec<u8>, LogError> {
        let (number, first) = place_of(from);
        let until = until.min(self.size());
        if from >= until {
            return Ok(Vec::new());
        }
        let wanted = usize::try_from(until.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut bytes = self.tile_bytes(number)?;
        let leaves = LogHashes::of(self).tile(0, number)?;
        let (mut start, mut end, mut at) = (0, 0, 0);
        for (place, stop) in tail::ends(&bytes).enumerate().take(first.saturating_add(wanted)) {
            if place < first {
                (start, end, at) = (stop, stop, stop);
                continue;
            }
            if end > start && stop.saturating_sub(start) > limit {
                break;
            }
            let entry = bytes.get(at.saturating_add(2)..stop).unwrap_or_default();
            if leaves.get(place) != Some(&leaf_hash(entry)) {
                let (path, index) = (self.tile_file(number), from.saturating_add(place as u64));
                let index = index.saturating_sub(first as u64);
                return Err(LogError::damaged(&path, format!("entry {index} is another one")));
            }
            (end, at) = (stop, stop);
        }
        if end == start {
            let what = format!("it ends before entry {from}");
            return Err(LogError::damaged(&self.tile_file(number), what));
        }
        bytes.truncate(end);
        bytes.drain(..start);
        Ok(bytes)
    }

    /// The root over the first `size` entries, from a few tiles.
    pub fn root(&self, size: u64) -> Result<Digest, LogError> {
        stored_root(&LogHashes::of(self), size)
    }

    /// The frontier over the first `size` entries, from a few tiles.
    pub fn frontier(&self, size: u64) -> Result<Frontier, LogError> {
        stored_frontier(&LogHashes::of(self), size)
    }

    /// The audit path of an entry in the tree of `size` entries, from a few tiles.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Option<InclusionProof>, LogError> {
        stored_inclusion(&LogHashes::of(self), index, size)
    }

    /// The proof that the tree of `new` entries begins with that of `old`, from a few tiles;
    /// nothing where `old` is 0 or more than `new`.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Option<ConsistencyProof>, LogError> {
        stored_consistency(&LogHashes::of(self), old, new)
    }

    /// Where the entries of a tile stand.
    fn tile_file(&self, number: u64) -> PathBuf {
        if number == self.edge.full(0) {
            self.tail.path().to_owned()
        } else {
            self.directory.join(entries_path(number, ENTRIES_PER_TILE))
        }
    }

    /// The entries of one tile, as they stand in its file.
    pub(super) fn tile_bytes(&self, number: u64) -> Result<Vec<u8>, LogError> {
        if number == self.edge.full(0) {
            self.tail.read(self.disk())
        } else {
            self.full_entries(number)
        }
    }

    /// The bytes of a full tile of entries.
    pub(super) fn full_entries(&self, number: u64) -> Result<Vec<u8>, LogError> {
        let path = self.directory.join(entries_path(number, ENTRIES_PER_TILE));
        self.file(&path)?.ok_or_else(|| LogError::damaged(&path, "it is missing"))
    }

    /// Each entry of a full tile, taken from its bytes.
    pub(super) fn decoded<T>(
        &self,
        number: u64,
        bytes: &[u8],
        take: impl FnMut(&[u8]) -> T,
    ) -> Result<Vec<T>, LogError> {
        let damaged = |what| {
            let path = self.directory.join(entries_path(number, ENTRIES_PER_TILE));
            LogError::damaged(&path, what)
        };
        let entries = decode_entries(bytes).map_err(|error| damaged(error.to_string()))?;
        if entries.len() != TILE {
            return Err(damaged(format!("{} entries, where a full tile has 256", entries.len())));
        }
        Ok(entries.into_iter().map(take).collect())
    }
}
