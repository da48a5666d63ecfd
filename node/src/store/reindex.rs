//! Reads every log again: each entry against its signed head, lost hashes written anew, and a new index.

use std::path::Path;

use super::error::LogError;
use super::index::{self, StoredIndex};
use super::{Log, Store, mending, origins};
use crate::disk::FileSystem;

/// How far a reading of all logs is.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What is done: `checking` or `indexing`.
    pub what: &'static str,
    /// Entries done.
    pub done: u64,
    /// Entries in all.
    pub total: u64,
}

/// What a reading of all logs found.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Reindexed {
    /// Logs with a signed head.
    pub logs: usize,
    /// Entries under those heads.
    pub entries: u64,
    /// Tiles of hashes that were lost or damaged, and are written anew.
    pub mended: usize,
}

/// Checks every entry of every log below a data directory against its signed head, mends hashes,
/// and makes the index anew. No node may use the directory meanwhile. Memory does not grow with the
/// logs; the error names the first tile or entry that is not what was signed.
pub fn reindex(data: &Path, mut seen: impl FnMut(Reading)) -> Result<Reindexed, LogError> {
    let mut logs = Vec::new();
    for (origin, directory) in origins(&FileSystem, &data.join("logs"))? {
        logs.push(Log::open(&directory, origin)?);
    }
    let total = logs.iter().map(Log::published).sum();
    let mut found = Reindexed::default();
    for log in logs.iter().filter(|log| log.checkpoint().is_some()) {
        let before = found.entries;
        found.mended += mending::mend(log, |done| {
            seen(Reading { what: "checking", done: before.saturating_add(done), total });
        })?;
        found.logs += 1;
        found.entries = before.saturating_add(log.published());
    }
    drop(logs);
    index::remove(&data.join("index"))?;
    let store = Store::open(data)?;
    let total = store.logs().map(Log::size).sum();
    let indexing = |done| seen(Reading { what: "indexing", done, total });
    StoredIndex::open_seen(data, &store, indexing)?.close();
    Ok(found)
}
