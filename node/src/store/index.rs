//! The index: which entries speak of a package or a file. It may be lost at any time.
//!
//! sled is used here alone. When tried, damaged files made it panic and truncated ones opened
//! empty; so it is opened under `catch_unwind`, compared with the sizes of the logs, and made anew
//! on any doubt.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use reattest_attestation::log::Origin;
use reattest_attestation::{ArtifactOutcome, Claim, Digest, PublicKey, Purl};

use super::{LogError, Store, durable};
use crate::entry::claim_of;
use crate::limits::{EVIDENCE_ENTRIES, RESPONSE_ENTRY_BYTES};

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The log.
    pub origin: Origin,
    /// The entry's index in it.
    pub index: u64,
}

/// What the index is asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Selector {
    /// Entries that speak of this package.
    Package(Purl),
    /// Entries that speak of these bytes, published or produced.
    File(Digest),
}

impl Selector {
    fn key(&self) -> Vec<u8> {
        match self {
            Self::Package(purl) => [b"p", purl.as_str().as_bytes(), b"\0"].concat(),
            Self::File(digest) => [b"f", digest.as_bytes().as_slice(), b"\0"].concat(),
        }
    }
}

/// An index of entries.
pub trait Index {
    /// Notes that an entry answers a selector.
    fn insert(&mut self, selector: &Selector, place: &Place);
    /// The entries that answer a selector, in the order of logs and places, bounded.
    fn find(&self, selector: &Selector) -> Vec<Place>;
    /// How many entries of a log are in the index.
    fn indexed(&self, origin: &Origin) -> u64;
    /// Notes how many entries of a log are in the index.
    fn set_indexed(&mut self, origin: &Origin, size: u64);
}

/// The selectors that an entry answers: none where it is no statement about artifacts.
pub fn selectors(key: &PublicKey, entry: &[u8]) -> Vec<Selector> {
    match claim_of(key, entry) {
        Some(Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild)) => {
            of_artifacts(&rebuild.artifacts)
        }
        Some(Claim::Retraction(retraction)) => vec![Selector::Package(retraction.purl)],
        _ => Vec::new(),
    }
}

fn of_artifacts(artifacts: &[ArtifactOutcome]) -> Vec<Selector> {
    let mut found = Vec::new();
    for artifact in artifacts {
        found.push(Selector::Package(artifact.purl.clone()));
        let files = [Some(artifact.published), artifact.produced];
        found.extend(files.into_iter().flatten().map(Selector::File));
    }
    found
}

/// Brings the index up to the heads of the logs.
pub fn catch_up(index: &mut dyn Index, store: &Store) -> Result<(), LogError> {
    for log in store.logs() {
        // Without a certificate nobody can say whose entries these are.
        let Some(key) = log.key() else { continue };
        let mut next = index.indexed(log.origin());
        while next < log.size() {
            for entry in log.read(next, log.size(), RESPONSE_ENTRY_BYTES)? {
                let place = Place { origin: log.origin().clone(), index: next };
                for selector in selectors(&key, &entry) {
                    index.insert(&selector, &place);
                }
                next = next.saturating_add(1);
            }
        }
        index.set_indexed(log.origin(), next);
    }
    Ok(())
}

/// The index in a sled database.
#[derive(Debug)]
pub struct SledIndex {
    path: PathBuf,
    database: sled::Db,
}

impl SledIndex {
    /// Opens the index below a data directory. One that was not closed, has another number of keys
    /// than when it was, or knows more than the logs is made anew.
    pub fn open(data: &Path, store: &Store) -> Result<Self, LogError> {
        let path = data.join("index");
        let closed_with = Self::take_seal(&path);
        let opened = closed_with.and_then(|keys| {
            let database = open_guarded(&path)?;
            let index = Self { path: path.clone(), database };
            let plausible = store.logs().all(|log| index.indexed(log.origin()) <= log.size());
            (index.count() == Some(keys) && plausible).then_some(index)
        });
        let mut index = match opened {
            Some(index) => index,
            None => Self::anew(path)?,
        };
        catch_up(&mut index, store)?;
        Ok(index)
    }

    fn anew(path: PathBuf) -> Result<Self, LogError> {
        tracing::info!(path = %path.display(), "the index is made anew from the logs");
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogError::io(&path, error));
            }
            _ => {}
        }
        let Some(database) = open_guarded(&path) else {
            let what = "a new index could not be made here; is another node using this directory?";
            return Err(LogError::damaged(&path, what));
        };
        Ok(Self { path, database })
    }

    /// Closes the index: what is on disk now is what the next start may believe.
    pub fn close(self) {
        let flushed = self.database.flush().map_err(std::io::Error::other);
        let sealed = flushed.and_then(|_| {
            let keys = self.count().unwrap_or(0);
            durable::write(&Self::seal(&self.path), keys.to_string().as_bytes())
        });
        if let Err(error) = sealed {
            tracing::warn!(path = %self.path.display(), %error, "the index is made anew next time");
        }
    }

    /// The number of keys, read from all of them: damage that sled meets is a panic of its own.
    fn count(&self) -> Option<usize> {
        catch_unwind(AssertUnwindSafe(|| self.database.len())).ok()
    }

    fn seal(path: &Path) -> PathBuf {
        path.with_extension("closed")
    }

    /// The number of keys at the last close; the seal is broken by reading it.
    fn take_seal(path: &Path) -> Option<usize> {
        let seal = Self::seal(path);
        let keys = fs::read_to_string(&seal).ok()?.parse().ok()?;
        fs::remove_file(&seal).ok()?;
        Some(keys)
    }
}

fn open_guarded(path: &Path) -> Option<sled::Db> {
    let config = sled::Config::new().path(path).cache_capacity(8 * 1024 * 1024);
    // Nothing of ours is inside: what a panic leaves behind is thrown away with the files.
    catch_unwind(AssertUnwindSafe(|| config.open().ok())).ok().flatten()
}

impl Index for SledIndex {
    fn insert(&mut self, selector: &Selector, place: &Place) {
        let mut key = selector.key();
        key.extend(place.index.to_be_bytes());
        key.extend(place.origin.to_string().as_bytes());
        if let Err(error) = self.database.insert(key, &[]) {
            tracing::warn!(%error, "the index did not take an entry");
        }
    }

    fn find(&self, selector: &Selector) -> Vec<Place> {
        let prefix = selector.key();
        let mut places: Vec<Place> = self
            .database
            .scan_prefix(&prefix)
            .take(EVIDENCE_ENTRIES)
            .filter_map(|item| place_of(item.ok()?.0.get(prefix.len()..)?))
            .collect();
        places.sort();
        places
    }

    fn indexed(&self, origin: &Origin) -> u64 {
        let value = self.database.get(size_key(origin)).ok().flatten();
        value
            .and_then(|bytes| Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?)))
            .unwrap_or(0)
    }

    fn set_indexed(&mut self, origin: &Origin, size: u64) {
        if let Err(error) = self.database.insert(size_key(origin), &size.to_be_bytes()) {
            tracing::warn!(%error, "the index did not take a size");
        }
    }
}

fn size_key(origin: &Origin) -> Vec<u8> {
    [b"s", origin.to_string().as_bytes()].concat()
}

fn place_of(rest: &[u8]) -> Option<Place> {
    let (index, origin) = rest.split_first_chunk::<8>()?;
    let origin = std::str::from_utf8(origin).ok()?.parse().ok()?;
    Some(Place { origin, index: u64::from_be_bytes(*index) })
}

/// The index of a command that runs beside no node: made in memory from the logs.
#[derive(Debug, Default)]
pub struct MemoryIndex {
    entries: BTreeSet<(Vec<u8>, Place)>,
    sizes: std::collections::BTreeMap<Origin, u64>,
}

impl Index for MemoryIndex {
    fn insert(&mut self, selector: &Selector, place: &Place) {
        self.entries.insert((selector.key(), place.clone()));
    }

    fn find(&self, selector: &Selector) -> Vec<Place> {
        let key = selector.key();
        let matching = self.entries.iter().filter(|(entry, _)| *entry == key);
        matching.take(EVIDENCE_ENTRIES).map(|(_, place)| place.clone()).collect()
    }

    fn indexed(&self, origin: &Origin) -> u64 {
        self.sizes.get(origin).copied().unwrap_or(0)
    }

    fn set_indexed(&mut self, origin: &Origin, size: u64) {
        self.sizes.insert(origin.clone(), size);
    }
}
