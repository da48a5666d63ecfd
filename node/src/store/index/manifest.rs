//! What an index consists of: its secret, the numbers of the logs, and the segments, in one file with a checksum.

use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use reattest_attestation::log::Origin;
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::disk::FileSystem;
use crate::limits::MANIFEST_BYTES;
use crate::store::durable;
use crate::store::error::LogError;

/// The version of the index's format; another one is made anew.
const VERSION: u8 = 1;

/// What an index consists of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u8,
    /// What keys are hashed with, so that nobody outside can make two that collide.
    pub(super) secret: [u8; 32],
    /// The logs; a log's number is its place.
    pub(super) logs: Vec<Origin>,
    /// For each log, how many of its entries are in the segments.
    pub(super) covered: Vec<u64>,
    /// Number and records of each segment.
    pub(super) segments: Vec<(u64, u64)>,
    /// The number of the next segment.
    pub(super) next: u64,
}

impl Manifest {
    pub(super) fn new() -> Self {
        let mut secret = [0; 32];
        if let Err(error) = getrandom::fill(&mut secret) {
            // Without it the index is as right, and only easier to make slow.
            tracing::warn!(%error, "no randomness for the index");
        }
        let (logs, covered, segments) = (Vec::new(), Vec::new(), Vec::new());
        Self { version: VERSION, secret, logs, covered, segments, next: 0 }
    }

    /// The manifest of an index, where it is whole and of this version.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        let manifest: Self = read_summed::<MANIFEST_BYTES, _>(&path(directory))?;
        let fits = manifest.version == VERSION && manifest.logs.len() == manifest.covered.len();
        fits.then_some(manifest)
    }

    pub(super) fn write(&self, directory: &Path) -> Result<(), LogError> {
        write_summed(&path(directory), self)
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("manifest")
}

/// Writes a value and its SHA-256.
pub(super) fn write_summed<T: Serialize>(path: &Path, value: &T) -> Result<(), LogError> {
    let mut bytes =
        codec::encode(value).map_err(|error| LogError::io(path, std::io::Error::other(error)))?;
    let sum = Digest::of(&bytes);
    bytes.extend(sum.as_bytes());
    durable::write(&FileSystem, path, &bytes).map_err(|source| LogError::io(path, source))
}

/// Reads a value back; nothing where a bit of it is another one.
pub(super) fn read_summed<const LIMIT: usize, T>(path: &Path) -> Option<T>
where
    T: Serialize + serde::de::DeserializeOwned,
{
    let bytes = durable::read(&FileSystem, path).ok()??;
    let (value, sum) = bytes.split_last_chunk::<32>()?;
    (Digest::of(value).as_bytes() == sum).then(|| codec::decode::<LIMIT, T>(value).ok())?
}
