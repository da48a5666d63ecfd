//! The newest index records, in sled or in memory. They may be lost at any time.
//!
//! sled is used here alone. When tried, damaged files made it panic and truncated ones opened
//! empty; so it is opened under `catch_unwind`, and believed only with the seal of its last close,
//! which has a checksum of all that is in it.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use reattest_attestation::{Digest, Digester};
use serde::{Deserialize, Serialize};

use super::manifest::{read_summed, write_summed};
use super::record::{Key, Record};
use crate::disk::FileSystem;
use crate::limits::MANIFEST_BYTES;
use crate::store::durable;
use crate::store::error::LogError;

/// Where the newest records are.
pub(super) trait Newest: Send + Sync + std::fmt::Debug {
    /// Takes records in; what it does not take is found again in the logs at the next start.
    fn insert(&mut self, records: &[Record]);
    /// Visits the records of a key until the visitor has enough.
    fn find(&self, key: Key, visit: &mut dyn FnMut(Record) -> bool);
    /// All records.
    fn all(&self) -> Vec<Record>;
    /// How many there are.
    fn len(&self) -> usize;
    /// Forgets all records.
    fn clear(&mut self) -> Result<(), LogError>;
    /// Ends: what was taken in stands together with how many entries of each log it covers.
    fn close(self: Box<Self>, covered: &[u64]);
}

/// The index of a command that runs beside no node, and of what it reads beyond the segments.
#[derive(Debug, Default)]
pub(super) struct InMemory(BTreeSet<Record>);

impl Newest for InMemory {
    fn insert(&mut self, records: &[Record]) {
        self.0.extend(records);
    }

    fn find(&self, key: Key, visit: &mut dyn FnMut(Record) -> bool) {
        let range = self.0.range(Record::first(key)..=Record::last(key));
        let _enough = range.copied().all(visit);
    }

    fn all(&self) -> Vec<Record> {
        self.0.iter().copied().collect()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) -> Result<(), LogError> {
        self.0.clear();
        Ok(())
    }

    fn close(self: Box<Self>, _covered: &[u64]) {}
}

/// What a closed database must be to be believed.
#[derive(Debug, Serialize, Deserialize)]
struct Seal {
    /// Of all its keys.
    keys: Digest,
    /// How many entries of each log segments and database hold together.
    covered: Vec<u64>,
}

/// The newest records in a sled database.
#[derive(Debug)]
pub(super) struct InSled {
    directory: PathBuf,
    database: sled::Db,
    count: usize,
}

impl InSled {
    /// Opens the database below an index; with it how many entries of each log are in it, where it
    /// was closed and is whole. Otherwise it is made anew.
    pub(super) fn open(index: &Path) -> Result<(Self, Option<Vec<u64>>), LogError> {
        let directory = index.join("newest");
        let seal_path = seal_path(&directory);
        let seal: Option<Seal> = read_summed::<MANIFEST_BYTES, _>(&seal_path);
        // The seal is broken by opening.
        durable::remove(&FileSystem, &seal_path)
            .map_err(|source| LogError::io(&seal_path, source))?;
        if let Some(seal) = seal
            && let Some(database) = open_guarded(&directory)
            && let Some(records) = records(&database)
            && sum(&records) == seal.keys
        {
            let count = records.len();
            return Ok((Self { directory, database, count }, Some(seal.covered)));
        }
        Ok((Self { database: anew(&directory)?, directory, count: 0 }, None))
    }
}

impl Newest for InSled {
    fn insert(&mut self, records: &[Record]) {
        for record in records {
            let inserted =
                catch_unwind(AssertUnwindSafe(|| self.database.insert(record.to_bytes(), &[])));
            if !matches!(inserted, Ok(Ok(_))) {
                tracing::warn!(
                    "the index did not take an entry; it is found again at the next start"
                );
            }
        }
        self.count = self.count.saturating_add(records.len());
    }

    fn find(&self, key: Key, visit: &mut dyn FnMut(Record) -> bool) {
        let (first, last) = (Record::first(key).to_bytes(), Record::last(key).to_bytes());
        let range = || {
            let found = self.database.range(first..=last).keys();
            let mut records = found.filter_map(|key| record_of(&key.ok()?));
            let _enough = records.all(&mut *visit);
        };
        if catch_unwind(AssertUnwindSafe(range)).is_err() {
            tracing::warn!("the newest index entries cannot be read; start the node again");
        }
    }

    fn all(&self) -> Vec<Record> {
        records(&self.database).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.count
    }

    fn clear(&mut self) -> Result<(), LogError> {
        let cleared = catch_unwind(AssertUnwindSafe(|| self.database.clear()));
        self.count = 0;
        match cleared {
            Ok(Ok(())) => Ok(()),
            // What is left in it stands in a segment too, and is not believed at the next start.
            _ => Err(LogError::damaged(&self.directory, "it cannot be emptied")),
        }
    }

    fn close(self: Box<Self>, covered: &[u64]) {
        let flushed = catch_unwind(AssertUnwindSafe(|| self.database.flush().is_ok()));
        let Some(records) = records(&self.database).filter(|_| flushed.unwrap_or(false)) else {
            return;
        };
        let seal = Seal { keys: sum(&records), covered: covered.to_vec() };
        if let Err(error) = write_summed(&seal_path(&self.directory), &seal) {
            tracing::warn!(%error, "the newest index entries are read from the logs next time");
        }
    }
}

fn seal_path(directory: &Path) -> PathBuf {
    directory.with_extension("closed")
}

fn anew(directory: &Path) -> Result<sled::Db, LogError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(LogError::io(directory, error));
        }
        _ => {}
    }
    open_guarded(directory).ok_or_else(|| {
        let what = "a new index could not be made here; is another node using this directory?";
        LogError::damaged(directory, what)
    })
}

fn open_guarded(directory: &Path) -> Option<sled::Db> {
    let config = sled::Config::new().path(directory).cache_capacity(1024 * 1024);
    // Nothing of ours is inside: what a panic leaves behind is thrown away with the files.
    catch_unwind(AssertUnwindSafe(|| config.open().ok())).ok().flatten()
}

/// All records in order; nothing where sled or a key is not what it was.
fn records(database: &sled::Db) -> Option<Vec<Record>> {
    let read = || database.iter().keys().map(|key| record_of(&key.ok()?)).collect();
    catch_unwind(AssertUnwindSafe(read)).ok().flatten()
}

fn record_of(key: &[u8]) -> Option<Record> {
    Some(Record::of_bytes(key.try_into().ok()?))
}

fn sum(records: &[Record]) -> Digest {
    let mut digester = Digester::new();
    for record in records {
        digester.update(&record.to_bytes());
    }
    digester.finish()
}
