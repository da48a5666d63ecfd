//! Bytes that records name by digest, kept beside the log: evidence and policies, so that replay needs nothing else (step 10).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use reattest_attestation::limits::BUNDLE_MAX;

use super::LogError;
use crate::disk::SharedDisk;
use crate::store::durable::{self, SYNCED_ONE_BY_ONE};

/// The directory, a file a digest, spread over 256 directories.
#[derive(Debug, Clone)]
pub struct Shelf {
    disk: SharedDisk,
    directory: PathBuf,
}

impl Shelf {
    pub(super) fn new(disk: SharedDisk, decisions: &Path) -> Self {
        Self { disk, directory: decisions.join("sha256") }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        let first: String = name.chars().take(2).collect();
        self.directory.join(first).join(name)
    }

    /// Puts bytes there; on disk when this returns. What is there already is hashed again, since a
    /// record is about to rely on it.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, LogError> {
        let digest = Digest::of(bytes);
        self.put_all([bytes].into_iter())?;
        Ok(digest)
    }

    /// Puts many there, with one write to the disk where that is cheaper.
    pub(super) fn put_all<'a>(&self, all: impl Iterator<Item = &'a [u8]>) -> Result<(), LogError> {
        let all: BTreeMap<Digest, &[u8]> = all.map(|bytes| (Digest::of(bytes), bytes)).collect();
        let missing: Vec<(PathBuf, &[u8])> = all
            .into_iter()
            .map(|(digest, bytes)| (self.path(&digest), digest, bytes))
            .filter(|(path, digest, bytes)| !self.holds(path, digest, bytes))
            .map(|(path, _, bytes)| (path, bytes))
            .collect();
        let one_by_one = missing.len() <= SYNCED_ONE_BY_ONE;
        for (path, bytes) in &missing {
            let written = if one_by_one {
                durable::write(&*self.disk, path, bytes)
            } else {
                durable::write_unsynced(&*self.disk, path, bytes)
            };
            written.map_err(|source| LogError::disk(path, source))?;
        }
        if one_by_one {
            return Ok(());
        }
        self.disk
            .sync_all(&self.directory)
            .map_err(|source| LogError::disk(&self.directory, source))
    }

    fn holds(&self, path: &Path, digest: &Digest, bytes: &[u8]) -> bool {
        self.disk.length(path).is_ok_and(|length| length == bytes.len() as u64)
            && self.disk.read(path).is_ok_and(|found| Digest::of(&found) == *digest)
    }

    /// The bytes of a digest, hashed again.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, LogError> {
        let path = self.path(digest);
        let fail = |source| LogError::disk(&path, source);
        if self.disk.length(&path).map_err(fail)? > BUNDLE_MAX as u64 {
            return Err(LogError::damaged(&path, 0, "the file is longer than any evidence"));
        }
        let bytes = self.disk.read(&path).map_err(fail)?;
        let found = Digest::of(&bytes);
        if found == *digest {
            return Ok(bytes);
        }
        let why = format!("found bytes of sha256:{found}, needed those of sha256:{digest}");
        Err(LogError::damaged(&path, 0, why))
    }
}
