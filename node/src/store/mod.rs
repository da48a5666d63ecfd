//! Step 8, store: logs as static files in the C2SP layout, documents by digest, and an index of
//! both that can be thrown away.
//!
//! The logs are the truth; `index` holds only what is rebuilt from them.

pub mod durable;
mod error;
pub mod feed;
pub mod index;
pub mod log;
mod ahead;
mod reading;
mod opening;
mod mending;
mod tail;
mod partial;
pub mod queue;
pub mod reindex;
mod hashes;
mod tiles;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use reattest_attestation::log::Origin;

use crate::disk::{self, Disk, SharedDisk};
use crate::limits::DOCUMENT_BYTES;
pub use ahead::Ahead;
pub use error::LogError;
pub use log::Log;

/// Every log below one data directory, and the documents that they name.
#[derive(Debug)]
pub struct Store {
    disk: SharedDisk,
    root: PathBuf,
    logs: BTreeMap<Origin, Log>,
    /// Bytes that logs of others may take, and what everything took when the store was opened.
    budget: Option<(u64, u64)>,
}

impl Store {
    /// Opens the store for writing; torn tails are cut back to the last whole entry.
    pub fn open(data: &Path) -> Result<Self, LogError> {
        Self::open_on(disk::local(), data)
    }

    /// As [`Store::open`], on a disk.
    pub fn open_on(disk: SharedDisk, data: &Path) -> Result<Self, LogError> {
        let store = Self::load(disk, data, opening::open)?;
        store.name_logs()?;
        Ok(store)
    }

    /// Opens the store for reading, beside a running node: nothing on disk is changed.
    pub fn read_only(data: &Path) -> Result<Self, LogError> {
        Self::read_only_on(disk::local(), data)
    }

    /// As [`Store::read_only`], on a disk.
    pub fn read_only_on(disk: SharedDisk, data: &Path) -> Result<Self, LogError> {
        Self::load(disk, data, opening::read_only)
    }

    fn load(
        disk: SharedDisk,
        data: &Path,
        open: fn(&SharedDisk, &Path, Origin) -> Result<Log, LogError>,
    ) -> Result<Self, LogError> {
        let mut logs = BTreeMap::new();
        for (origin, directory) in origins(&*disk, &data.join("logs"))? {
            logs.insert(origin.clone(), open(&disk, &directory, origin)?);
        }
        Ok(Self { disk, root: data.to_owned(), logs, budget: None })
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.root
    }

    /// The disk that the data directory is on.
    pub fn disk(&self) -> &SharedDisk {
        &self.disk
    }

    /// The logs.
    pub fn logs(&self) -> impl Iterator<Item = &Log> {
        self.logs.values()
    }

    /// One log.
    pub fn log(&self, origin: &Origin) -> Option<&Log> {
        self.logs.get(origin)
    }

    /// One log, made where it does not exist yet.
    pub fn log_mut(&mut self, origin: &Origin) -> Result<&mut Log, LogError> {
        if !self.logs.contains_key(origin) {
            let directory = self.root.join("logs").join(origin.to_string());
            durable::create_directory(&*self.disk, &directory)
                .map_err(|source| LogError::io(&directory, source))?;
            let log = Log::open_on(&self.disk, &directory, origin.clone())?;
            self.logs.insert(origin.clone(), log);
            self.name_logs()?;
        }
        self.logs.get_mut(origin).ok_or_else(|| LogError::Unknown(origin.clone()))
    }

    /// Keeps the list of all logs beside them, one origin a line, in order: whoever copies the
    /// directory, or reads it over HTTP, finds them by it.
    fn name_logs(&self) -> Result<(), LogError> {
        let path = self.root.join("logs/origins");
        let mut text = String::new();
        for origin in self.logs.keys() {
            text.push_str(&origin.to_string());
            text.push('\n');
        }
        let fail = |source| LogError::io(&path, source);
        if durable::read(&*self.disk, &path).map_err(fail)?.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        durable::write(&*self.disk, &path, text.as_bytes()).map_err(fail)
    }

    /// Bounds what is stored, in bytes.
    pub fn limit(&mut self, max_bytes: u64) {
        let taken = self.taken();
        self.budget = Some((max_bytes, self.disk.bytes_below(&self.root).saturating_sub(taken)));
    }

    /// Whether logs of others may still grow; the own log always may.
    pub fn has_room(&self) -> bool {
        self.budget.is_none_or(|(max, before)| before.saturating_add(self.taken()) < max)
    }

    /// Bytes of entries that were written since the store was opened.
    pub fn taken(&self) -> u64 {
        self.logs.values().map(Log::written).sum()
    }

    /// Keeps a recipe or a lock under its digest.
    pub fn put_document(&self, document: &[u8]) -> Result<Digest, LogError> {
        let digest = Digest::of(document);
        let path = self.document_path(digest);
        if !self.disk.exists(&path) {
            durable::write(&*self.disk, &path, document)
                .map_err(|source| LogError::io(&path, source))?;
        }
        Ok(digest)
    }

    /// A recipe or a lock, whole and with the digest it is asked by, or nothing.
    pub fn document(&self, digest: Digest) -> Option<Vec<u8>> {
        let path = self.document_path(digest);
        let size = self.disk.length(&path).ok()?;
        if size > DOCUMENT_BYTES as u64 {
            return None;
        }
        self.disk.read(&path).ok().filter(|bytes| Digest::of(bytes) == digest)
    }

    /// Whether a document is here; whether it is whole, [`Store::document`] tells.
    pub fn has_document(&self, digest: Digest) -> bool {
        self.disk.exists(&self.document_path(digest))
    }

    fn document_path(&self, digest: Digest) -> PathBuf {
        self.root.join("documents").join(digest.to_string())
    }
}

/// The logs that directories below `root` are named for: `reattest/<network>/<key>/<year>`.
fn origins(disk: &dyn Disk, root: &Path) -> Result<Vec<(Origin, PathBuf)>, LogError> {
    let mut level = vec![(String::new(), root.to_owned())];
    for _ in 0..4 {
        let mut below = Vec::new();
        for (name, directory) in level {
            let entries = match disk.list(&directory) {
                Ok(entries) => entries,
                // The list of the logs is a file among directories.
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
                {
                    continue;
                }
                Err(error) => return Err(LogError::io(&directory, error)),
            };
            for path in entries {
                let Some(part) = path.file_name().and_then(|part| part.to_str()) else {
                    continue;
                };
                let name = if name.is_empty() { part.to_owned() } else { format!("{name}/{part}") };
                below.push((name, path));
            }
        }
        level = below;
    }
    let found = level.into_iter();
    Ok(found.filter_map(|(name, path)| Some((name.parse().ok()?, path))).collect())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod index_tests;
#[cfg(test)]
mod queue_tests;
