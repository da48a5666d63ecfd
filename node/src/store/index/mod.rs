//! The index: which entries speak of a package, a file or a recipe. It may be lost at any time.
//!
//! Most of it stands in immutable sorted segments; only the newest records are in sled, or in
//! memory while a log is caught up with.

mod manifest;
mod newest;
mod record;
mod segment;
mod settling;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use reattest_attestation::log::Origin;
use reattest_attestation::log::tiles::decode_entries;
use reattest_attestation::{ArtifactOutcome, Claim, Digest, PublicKey, Purl};

use self::manifest::Manifest;
use self::newest::{InMemory, InSled, Newest};
use self::record::{Key, Record};
use self::segment::Segment;
use super::{LogError, Store, durable};
use crate::disk::FileSystem;
use crate::entry::{claim_of, mentions};
use crate::limits::{EVIDENCE_ENTRIES, INDEX_MATCHES, INDEX_PENDING, RESPONSE_ENTRY_BYTES};

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
    /// Entries of builds by this recipe.
    Recipe(Digest),
}

/// An index of entries.
pub trait Index {
    /// The entries that answer a selector, in the order of logs and places: at most
    /// [`EVIDENCE_ENTRIES`], the newest of each log first, since a key's newest word counts.
    ///
    /// Rarely one more, which says nothing of what was asked.
    fn find(&self, selector: &Selector) -> Result<Vec<Place>, LogError>;
    /// How many entries of a log are in the index.
    fn indexed(&self, origin: &Origin) -> u64;
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

/// The index of a store.
#[derive(Debug)]
pub struct StoredIndex {
    /// Where it is written; an index without one is in memory alone.
    directory: Option<PathBuf>,
    manifest: Manifest,
    numbers: BTreeMap<Origin, u16>,
    /// Entries of each log that are in it, by the log's number.
    covered: Vec<u64>,
    segments: Vec<Segment>,
    newest: Box<dyn Newest>,
    /// Records on their way to a segment or to the newest.
    pending: Vec<Record>,
    /// Whether a log has a number that is not on disk yet.
    unwritten: bool,
}

impl StoredIndex {
    /// Opens the index below a data directory and brings it up to the logs. One that is damaged,
    /// or knows more than the logs, is made anew.
    pub fn open(data: &Path, store: &Store) -> Result<Self, LogError> {
        Self::open_seen(data, store, |_| {})
    }

    /// As [`StoredIndex::open`]; `seen` is told how many entries were read so far.
    pub(super) fn open_seen(
        data: &Path,
        store: &Store,
        seen: impl FnMut(u64),
    ) -> Result<Self, LogError> {
        let directory = data.join("index");
        let mut index = match Self::believed(&directory, store)? {
            Some(index) => index,
            None => Self::anew(&directory)?,
        };
        index.catch_up_seen(store, seen)?;
        Ok(index)
    }

    /// The index below a data directory as it is, and in memory what the logs have beyond it.
    /// Nothing on disk is changed.
    pub fn read_only(data: &Path, store: &Store) -> Result<Self, LogError> {
        let mut index = Self::in_memory();
        if let Some(manifest) = Manifest::read(&data.join("index"))
            && let Some(segments) = open_segments(&data.join("index"), &manifest)
            && plausible(&manifest, &manifest.covered, store)
        {
            index.covered.clone_from(&manifest.covered);
            index.numbers = numbers(&manifest);
            (index.manifest, index.segments) = (manifest, segments);
        }
        index.catch_up(store)?;
        Ok(index)
    }

    /// An empty index in memory.
    pub fn in_memory() -> Self {
        Self::of(None, Manifest::new(), Vec::new(), Box::new(InMemory::default()))
    }

    fn of(
        directory: Option<PathBuf>,
        manifest: Manifest,
        segments: Vec<Segment>,
        newest: Box<dyn Newest>,
    ) -> Self {
        Self {
            directory,
            numbers: numbers(&manifest),
            covered: manifest.covered.clone(),
            manifest,
            segments,
            newest,
            pending: Vec::new(),
            unwritten: false,
        }
    }

    /// The index on disk, where nothing about it is in doubt.
    fn believed(directory: &Path, store: &Store) -> Result<Option<Self>, LogError> {
        let Some(manifest) = Manifest::read(directory) else {
            return Ok(None);
        };
        let Some(segments) = open_segments(directory, &manifest) else {
            return Ok(None);
        };
        if let Some(error) = segments.iter().find_map(|segment| segment.check().err()) {
            tracing::warn!(%error, "the index is damaged");
            return Ok(None);
        }
        let (newest, sealed) = InSled::open(directory)?;
        let covered = sealed.unwrap_or_else(|| manifest.covered.clone());
        if !plausible(&manifest, &covered, store) {
            return Ok(None);
        }
        let mut index = Self::of(Some(directory.to_owned()), manifest, segments, Box::new(newest));
        index.covered = covered;
        index.remove_strays();
        Ok(Some(index))
    }

    fn anew(directory: &Path) -> Result<Self, LogError> {
        tracing::info!(path = %directory.display(), "the index is made anew from the logs");
        remove(directory)?;
        durable::create_directory(&FileSystem, directory)
            .map_err(|source| LogError::io(directory, source))?;
        let (newest, _) = InSled::open(directory)?;
        let manifest = Manifest::new();
        manifest.write(directory)?;
        Ok(Self::of(Some(directory.to_owned()), manifest, Vec::new(), Box::new(newest)))
    }

    /// Brings the index up to the logs, with one tile in memory at a time.
    pub fn catch_up(&mut self, store: &Store) -> Result<(), LogError> {
        self.catch_up_seen(store, |_| {})
    }

    fn catch_up_seen(&mut self, store: &Store, mut seen: impl FnMut(u64)) -> Result<(), LogError> {
        let mut done = 0_u64;
        for log in store.logs() {
            let origin = log.origin();
            // Entries that were forgotten since are no longer in the log.
            self.forget(origin, log.size());
            let mut next = self.indexed(origin);
            while next < log.size() {
                let bundle = log.bundle(next, log.size(), RESPONSE_ENTRY_BYTES)?;
                let entries = decode_entries(&bundle)
                    .map_err(|error| LogError::damaged(log.directory(), error.to_string()))?;
                self.take(origin, next, &entries)?;
                next = next.saturating_add(entries.len() as u64);
                done = done.saturating_add(entries.len() as u64);
                seen(done);
            }
        }
        self.settle()
    }

    /// Indexes entries of a log that were just stored, without reading them again. Entries that
    /// are not the next ones are left to [`StoredIndex::catch_up`].
    pub fn take<E: AsRef<[u8]>>(
        &mut self,
        origin: &Origin,
        from: u64,
        entries: &[E],
    ) -> Result<(), LogError> {
        if self.indexed(origin) != from {
            return Ok(());
        }
        let Some(log) = self.number(origin) else {
            tracing::warn!(%origin, "more logs than an index can number; this one is not indexed");
            return Ok(());
        };
        let secret = self.manifest.secret;
        let mut next = from;
        for entry in entries {
            let found = mentions(entry.as_ref());
            let purls = found.purls.iter().map(|purl| Key::of_purl(purl, &secret));
            let files = found.files.iter().map(|file| Key::of_file(*file, &secret));
            let recipe = found.recipe.map(|recipe| Key::of_recipe(recipe, &secret));
            let keys = purls.chain(files).chain(recipe);
            self.pending.extend(keys.map(|key| Record::new(key, log, next)));
            next = next.saturating_add(1);
        }
        if let Some(covered) = self.covered.get_mut(usize::from(log)) {
            *covered = next;
        }
        if self.directory.is_some() && self.pending.len() >= INDEX_PENDING {
            self.write_segment()?;
        }
        Ok(())
    }

    /// Lets the index know no more of a log than its first `size` entries. Records of later ones
    /// stay, and say of an entry that comes there at worst what it does not say.
    pub fn forget(&mut self, origin: &Origin, size: u64) {
        if let Some(number) = self.numbers.get(origin)
            && let Some(covered) = self.covered.get_mut(usize::from(*number))
        {
            *covered = (*covered).min(size);
        }
    }

    /// The number of a log, given out where it has none yet.
    fn number(&mut self, origin: &Origin) -> Option<u16> {
        if let Some(number) = self.numbers.get(origin) {
            return Some(*number);
        }
        let number = u16::try_from(self.manifest.logs.len()).ok()?;
        self.manifest.logs.push(origin.clone());
        self.manifest.covered.push(0);
        self.covered.push(0);
        self.numbers.insert(origin.clone(), number);
        self.unwritten = true;
        Some(number)
    }
}

impl Index for StoredIndex {
    fn find(&self, selector: &Selector) -> Result<Vec<Place>, LogError> {
        let key = Key::of(selector, &self.manifest.secret);
        let mut found = Vec::new();
        let mut visit = |record: Record| {
            found.push(record);
            found.len() < INDEX_MATCHES
        };
        let range = Record::first(key)..=Record::last(key);
        let _enough = self.pending.iter().copied().filter(|r| range.contains(r)).all(&mut visit);
        self.newest.find(key, &mut visit);
        for segment in self.segments.iter().rev() {
            segment.find(key, &mut visit)?;
        }
        found.sort_unstable();
        found.dedup();
        let mut places: Vec<Place> = newest_of_each(&found)
            .into_iter()
            .filter_map(|record| {
                let origin = self.manifest.logs.get(usize::from(record.log()))?.clone();
                Some(Place { origin, index: record.index() })
            })
            .collect();
        places.sort();
        Ok(places)
    }

    fn indexed(&self, origin: &Origin) -> u64 {
        let number = self.numbers.get(origin);
        number.and_then(|number| self.covered.get(usize::from(*number)).copied()).unwrap_or(0)
    }
}

/// The newest record of each log, then the one before of each, and so on: no log can crowd out
/// what another one says.
fn newest_of_each(sorted: &[Record]) -> Vec<Record> {
    let mut ranked: Vec<(usize, Record)> = Vec::with_capacity(sorted.len());
    for of_log in sorted.chunk_by(|one, other| one.log() == other.log()) {
        ranked.extend(of_log.iter().rev().copied().enumerate());
    }
    ranked.sort_unstable();
    ranked.into_iter().take(EVIDENCE_ENTRIES).map(|(_, record)| record).collect()
}

fn open_segments(directory: &Path, manifest: &Manifest) -> Option<Vec<Segment>> {
    let segments = manifest.segments.iter();
    let opened = segments.map(|(number, records)| Segment::open(directory, *number, *records));
    opened.collect::<Result<_, _>>().inspect_err(|error| tracing::warn!(%error, "no index")).ok()
}

/// Whether an index knows no more than the logs.
fn plausible(manifest: &Manifest, covered: &[u64], store: &Store) -> bool {
    covered.len() == manifest.logs.len()
        && manifest
            .logs
            .iter()
            .zip(covered)
            .all(|(origin, covered)| store.log(origin).map_or(0, super::Log::size) >= *covered)
}

fn numbers(manifest: &Manifest) -> BTreeMap<Origin, u16> {
    manifest.logs.iter().cloned().zip(0_u16..).collect()
}

/// Removes an index; the next start makes it anew.
pub(super) fn remove(directory: &Path) -> Result<(), LogError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LogError::io(directory, error))
        }
        _ => Ok(()),
    }
}
