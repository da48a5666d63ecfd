//! The hashes of a log on disk, as roots, frontiers and proofs ask for them: each tile is checked against the one above it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use reattest_attestation::Digest;
use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::tiles::tile_path;
use reattest_attestation::log::{StoredHashes, leaf_hash};

use super::error::LogError;
use super::log::Log;
use super::tiles;

/// Tiles held at once, 8 KiB each: a proof walks down one branch and along the right edge.
const HELD: usize = 16;

/// Tiles by level and number.
type Held = BTreeMap<(u8, u64), Rc<[Digest]>>;

/// A reader that holds the tiles it read last.
///
/// The edge of a log was checked against its signed head when it was opened; a full tile counts
/// where its root stands in the tile above. So damage of any tile is found when it is read.
pub(super) struct LogHashes<'a> {
    log: &'a Log,
    held: RefCell<Held>,
}

impl<'a> LogHashes<'a> {
    pub(super) fn of(log: &'a Log) -> Self {
        Self { log, held: RefCell::default() }
    }

    /// The hashes of one tile; of an incomplete one those that there are. A full tile that is
    /// missing or damaged is computed from what is below it: the entries are the truth.
    pub(super) fn tile(&self, level: u8, number: u64) -> Result<Rc<[Digest]>, LogError> {
        if let Some(held) = self.held.borrow().get(&(level, number)) {
            return Ok(held.clone());
        }
        let hashes: Rc<[Digest]> = match self.log.edge().incomplete(level, number) {
            Some(hashes) => hashes.into(),
            None => self.full(level, number)?.into(),
        };
        let mut held = self.held.borrow_mut();
        if held.len() >= HELD {
            held.pop_first();
        }
        held.insert((level, number), hashes.clone());
        Ok(hashes)
    }

    fn full(&self, level: u8, number: u64) -> Result<Vec<Digest>, LogError> {
        if number >= self.log.edge().full(level) {
            let (origin, index) = (self.log.origin().clone(), number);
            return Err(LogError::Unhashed { origin, level, index });
        }
        let expected = self.hash(level.saturating_add(1), number)?;
        let path = self.log.directory().join(tile_path(level, number, ENTRIES_PER_TILE));
        let on_disk = self.log.file(&path)?.as_deref().and_then(tiles::parse);
        if let Some(hashes) = on_disk.filter(|hashes| tiles::subtree(hashes) == expected) {
            return Ok(hashes);
        }
        tracing::warn!(path = %path.display(), "a tile of hashes is damaged; it is computed anew");
        let computed = self.computed(level, number)?;
        if tiles::subtree(&computed) == expected {
            return Ok(computed);
        }
        let what = "neither it nor what is below it leads to the signed head";
        Err(LogError::damaged(&path, what))
    }

    /// The hashes of a full tile from the tiles below it, or from the entries.
    pub(super) fn computed(&self, level: u8, number: u64) -> Result<Vec<Digest>, LogError> {
        let Some(below) = level.checked_sub(1) else {
            let bytes = self.log.full_entries(number)?;
            return self.log.decoded(number, &bytes, leaf_hash);
        };
        let first = number.saturating_mul(u64::from(ENTRIES_PER_TILE));
        let children = first..first.saturating_add(u64::from(ENTRIES_PER_TILE));
        children.map(|child| Ok(tiles::subtree(&self.raw(below, child)?))).collect()
    }

    /// A full tile as it stands on disk, computed where it does not: what is made of it is checked.
    pub(super) fn raw(&self, level: u8, number: u64) -> Result<Vec<Digest>, LogError> {
        let path = self.log.directory().join(tile_path(level, number, ENTRIES_PER_TILE));
        match self.log.file(&path)?.as_deref().and_then(tiles::parse) {
            Some(hashes) => Ok(hashes),
            None => self.computed(level, number),
        }
    }
}

impl StoredHashes for LogHashes<'_> {
    type Error = LogError;

    fn hash(&self, level: u8, index: u64) -> Result<Digest, LogError> {
        let number = index.wrapping_div(u64::from(ENTRIES_PER_TILE));
        let place = usize::try_from(index.wrapping_rem(u64::from(ENTRIES_PER_TILE))).unwrap_or(0);
        let hash = self.tile(level, number)?.get(place).copied();
        hash.ok_or_else(|| LogError::Unhashed { origin: self.log.origin().clone(), level, index })
    }
}
