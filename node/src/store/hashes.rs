//! The hashes of a log on disk, as roots, frontiers and proofs ask for them: tile by tile.

use std::cell::RefCell;

use reattest_attestation::Digest;
use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::StoredHashes;

use super::error::LogError;
use super::log::Log;

/// A reader that holds the tile it read last: what is asked for next mostly stands in it.
pub(super) struct LogHashes<'a> {
    log: &'a Log,
    held: RefCell<Option<(u8, u64, Vec<Digest>)>>,
}

impl<'a> LogHashes<'a> {
    pub(super) fn of(log: &'a Log) -> Self {
        Self { log, held: RefCell::new(None) }
    }
}

impl StoredHashes for LogHashes<'_> {
    type Error = LogError;

    fn hash(&self, level: u8, index: u64) -> Result<Digest, LogError> {
        let number = index.wrapping_div(u64::from(ENTRIES_PER_TILE));
        let place = usize::try_from(index.wrapping_rem(u64::from(ENTRIES_PER_TILE))).unwrap_or(0);
        let mut held = self.held.borrow_mut();
        let is_held = held.as_ref().is_some_and(|(l, n, _)| (*l, *n) == (level, number));
        if !is_held {
            *held = Some((level, number, self.log.tile(level, number)?));
        }
        let hash = held.as_ref().and_then(|(_, _, hashes)| hashes.get(place).copied());
        hash.ok_or_else(|| LogError::Unhashed { origin: self.log.origin().clone(), level, index })
    }
}
