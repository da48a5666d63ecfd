//! Bytes that records name by digest, kept beside the log: evidence and policies, so that replay needs nothing else (step 10).

use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use reattest_attestation::limits::BUNDLE_MAX;

use super::LogError;
use crate::disk::SharedDisk;
use crate::store::durable;

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
        let path = self.path(&digest);
        let there = self.disk.length(&path).is_ok_and(|length| length == bytes.len() as u64)
            && self.disk.read(&path).is_ok_and(|found| Digest::of(&found) == digest);
        if !there {
            durable::write(&*self.disk, &path, bytes)
                .map_err(|source| LogError::disk(&path, source))?;
        }
        Ok(digest)
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
