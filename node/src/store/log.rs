//! One log on disk: immutable full tiles, one tail that grows, and the newest checkpoint.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::leaf_hash;
use reattest_attestation::log::tiles::{decode_entries, encode_entry, entries_path, tile_path};
use reattest_attestation::log::{
    ConsistencyProof, ForkProof, Frontier, InclusionProof, Origin, SignedCheckpoint,
    stored_consistency, stored_frontier, stored_inclusion, stored_root,
};
use reattest_attestation::{Bundle, Certificate, Digest, Envelope, PublicKey};

use super::durable;
use super::error::LogError;
use super::hashes::LogHashes;
use super::tiles::{self, Edge};

/// Entries of a full tile, as a length.
const TILE: usize = ENTRIES_PER_TILE as usize;

/// One log.
#[derive(Debug)]
pub struct Log {
    origin: Origin,
    directory: PathBuf,
    /// Entries in full tiles.
    full: u64,
    /// Entries in the tail, at most one tile.
    tail: Vec<Vec<u8>>,
    edge: Edge,
    checkpoint: Option<SignedCheckpoint>,
    certificate: Option<Vec<u8>>,
}

impl Log {
    /// Opens a log for writing. A torn tail is cut back to the last whole entry.
    pub fn open(directory: &Path, origin: Origin) -> Result<Self, LogError> {
        let (log, whole) = Self::load(directory, origin)?;
        let tail = log.tail_path();
        if let Some(length) = whole {
            let file = OpenOptions::new().write(true).open(&tail);
            file.and_then(|file| {
                file.set_len(length)?;
                file.sync_all()
            })
            .map_err(|source| LogError::io(&tail, source))?;
        }
        Ok(log)
    }

    /// Opens a log for reading: nothing on disk is changed.
    pub fn read_only(directory: &Path, origin: Origin) -> Result<Self, LogError> {
        Ok(Self::load(directory, origin)?.0)
    }

    /// Reads a log; with it the length to which a torn tail is to be cut.
    fn load(directory: &Path, origin: Origin) -> Result<(Self, Option<u64>), LogError> {
        let mut log = Self {
            origin,
            directory: directory.to_owned(),
            full: 0,
            tail: Vec::new(),
            edge: Edge::default(),
            checkpoint: None,
            certificate: read(&directory.join("certificate"))?,
        };
        let checkpoint = directory.join("checkpoint");
        if let Some(bytes) = read(&checkpoint)? {
            let parsed = SignedCheckpoint::parse(&bytes);
            log.checkpoint =
                Some(parsed.map_err(|error| LogError::damaged(&checkpoint, error.to_string()))?);
        }
        while let Some(hashes) = log.full_tile(log.full)? {
            for hash in hashes {
                log.push_hash(hash, false)?;
            }
            log.full = log.full.saturating_add(1);
        }
        let whole = log.load_tail()?;
        Ok((log, whole))
    }

    fn load_tail(&mut self) -> Result<Option<u64>, LogError> {
        let Some(bytes) = read(&self.tail_path())? else {
            return Ok(None);
        };
        let whole = whole_entries(&bytes);
        let entries = decode_entries(bytes.get(..whole).unwrap_or_default())
            .map_err(|error| LogError::damaged(&self.tail_path(), error.to_string()))?;
        self.tail = entries.into_iter().map(<[u8]>::to_vec).collect();
        for hash in self.tail.iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>() {
            self.push_hash(hash, false)?;
        }
        Ok((whole < bytes.len()).then_some(whole as u64))
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Entries on disk, whether a checkpoint covers them yet or not.
    pub fn size(&self) -> u64 {
        self.full.saturating_mul(u64::from(ENTRIES_PER_TILE)).saturating_add(self.tail.len() as u64)
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.checkpoint.as_ref()
    }

    /// The certificate of the log's key: a DSSE envelope.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// The log's key, by its certificate.
    pub fn key(&self) -> Option<PublicKey> {
        let envelope = Envelope::parse(self.certificate.as_deref()?).ok()?;
        Some(Certificate::verify(&envelope).ok()?.certificate().rebuilder)
    }

    /// Keeps the proof that this log was forked, as a bundle of one line.
    pub fn keep_fork(&mut self, proof: &ForkProof) -> Result<(), LogError> {
        let path = self.directory.join("fork");
        let bundle = Bundle { forks: vec![proof.clone()], ..Bundle::default() };
        let bytes =
            bundle.to_bytes().map_err(|error| LogError::damaged(&path, error.to_string()))?;
        durable::write(&path, &bytes).map_err(|source| LogError::io(&path, source))
    }

    /// The proof that this log was forked, if it was; nothing in it is checked.
    pub fn fork(&self) -> Result<Option<ForkProof>, LogError> {
        let path = self.directory.join("fork");
        let Some(bytes) = read(&path)? else { return Ok(None) };
        let mut bundle =
            Bundle::parse(&bytes).map_err(|error| LogError::damaged(&path, error.to_string()))?;
        Ok(bundle.forks.pop())
    }

    /// Appends entries from `from` on and syncs them. Entries that are there already must be equal,
    /// so that a repeated append does no harm.
    pub fn append<E: AsRef<[u8]>>(&mut self, from: u64, entries: &[E]) -> Result<(), LogError> {
        if from > self.size() {
            let (origin, size) = (self.origin.clone(), self.size());
            return Err(LogError::Gap { origin, size, index: from });
        }
        let mut index = from;
        let mut new = Vec::new();
        for entry in entries.iter().map(AsRef::as_ref) {
            if index < self.size() {
                if self.entry(index)?.as_deref() != Some(entry) {
                    return Err(LogError::Conflict { origin: self.origin.clone(), index });
                }
            } else {
                new.push(entry);
            }
            index = index.saturating_add(1);
        }
        let mut rest = new.as_slice();
        while !rest.is_empty() {
            let room = TILE.saturating_sub(self.tail.len()).min(rest.len());
            let (now, later) = rest.split_at(room);
            self.append_to_tail(now)?;
            rest = later;
        }
        Ok(())
    }

    /// TEMPORARY
    pub fn extend<E: AsRef<[u8]>>(&mut self, from: u64, entries: &[E]) -> Result<(), LogError> {
        self.append(from, entries)
    }

    /// TEMPORARY
    pub fn truncate(&mut self, size: u64) -> Result<(), LogError> {
        if size >= self.size() {
            return Ok(());
        }
        let keep = usize::try_from(size % 256).unwrap_or(0);
        self.tail.truncate(keep);
        let mut bytes = Vec::new();
        for entry in &self.tail {
            encode_entry(entry, &mut bytes).map_err(|_| LogError::TooLong(entry.len()))?;
        }
        durable::write(&self.tail_path(), &bytes)
            .map_err(|source| LogError::io(&self.directory, source))?;
        let origin = self.origin.clone();
        *self = Self::open(&self.directory.clone(), origin)?;
        Ok(())
    }

    /// TEMPORARY
    pub fn bundle(&self, from: u64, until: u64, limit: usize) -> Result<Vec<u8>, LogError> {
        let mut bytes = Vec::new();
        for entry in self.read(from, until, limit)? {
            encode_entry(&entry, &mut bytes).map_err(|_| LogError::TooLong(entry.len()))?;
        }
        Ok(bytes)
    }

    /// The root over the first `size` entries, from a few tiles.
    pub fn root(&self, size: u64) -> Result<Digest, LogError> {
        stored_root(&LogHashes::of(self), size)
    }

    /// The way from one size to another, from a few tiles.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Option<ConsistencyProof>, LogError> {
        stored_consistency(&LogHashes::of(self), old, new)
    }

    /// Appends at most as many entries as the tail has room for.
    fn append_to_tail(&mut self, entries: &[&[u8]]) -> Result<(), LogError> {
        let mut bytes = Vec::new();
        for entry in entries {
            encode_entry(entry, &mut bytes).map_err(|_| LogError::TooLong(entry.len()))?;
        }
        let tail = self.tail_path();
        let before = fs::metadata(&tail).map_or(0, |metadata| metadata.len());
        let written =
            OpenOptions::new().create(true).append(true).open(&tail).and_then(|mut file| {
                let done = file.write_all(&bytes).and_then(|()| file.sync_all());
                if done.is_err() {
                    // A full disk leaves no half entry behind.
                    file.set_len(before)?;
                }
                done
            });
        written.map_err(|source| LogError::io(&tail, source))?;
        for entry in entries {
            self.tail.push(entry.to_vec());
            self.push_hash(leaf_hash(entry), true)?;
        }
        if self.tail.len() >= TILE { self.complete_tail() } else { Ok(()) }
    }

    /// The tail is a full tile: it becomes one by a change of its name.
    fn complete_tail(&mut self) -> Result<(), LogError> {
        let path = self.directory.join(entries_path(self.full, ENTRIES_PER_TILE));
        let (tail, parent) = (self.tail_path(), path.parent().unwrap_or(&self.directory));
        durable::create_directory(parent)
            .and_then(|()| fs::rename(&tail, &path))
            .and_then(|()| durable::sync_directory(parent))
            .map_err(|source| LogError::io(&path, source))?;
        self.full = self.full.saturating_add(1);
        self.tail.clear();
        Ok(())
    }

    /// Publishes a checkpoint: partial tiles first, so that whoever reads it finds what it covers.
    pub fn publish(
        &mut self,
        checkpoint: SignedCheckpoint,
        certificate: &[u8],
    ) -> Result<(), LogError> {
        let directory = self.directory.clone();
        let fail = |source| LogError::io(&directory, source);
        if self.certificate.as_deref() != Some(certificate) {
            durable::write(&directory.join("certificate"), certificate).map_err(fail)?;
            self.certificate = Some(certificate.to_vec());
        }
        self.edge.write_partial(&directory).map_err(fail)?;
        if !self.tail.is_empty() {
            let width = u16::try_from(self.tail.len()).unwrap_or(u16::MAX);
            let mut bytes = Vec::new();
            for entry in &self.tail {
                encode_entry(entry, &mut bytes).map_err(|_| LogError::TooLong(entry.len()))?;
            }
            let path = directory.join(entries_path(self.full, width));
            durable::write(&path, &bytes).map_err(fail)?;
        }
        durable::write(&directory.join("checkpoint"), checkpoint.as_bytes()).map_err(fail)?;
        self.checkpoint = Some(checkpoint);
        Ok(())
    }

    /// One entry.
    pub fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.read(index, index.saturating_add(1), usize::MAX)?.pop())
    }

    /// Entries from `from` until `until`, as many as fit into `limit` bytes, at least one.
    pub fn read(&self, from: u64, until: u64, limit: usize) -> Result<Vec<Vec<u8>>, LogError> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0_usize;
        let mut tile: Option<(u64, Vec<Vec<u8>>)> = None;
        for index in from..until.min(self.size()) {
            let number = index.wrapping_div(u64::from(ENTRIES_PER_TILE));
            let place =
                usize::try_from(index.wrapping_rem(u64::from(ENTRIES_PER_TILE))).unwrap_or(0);
            let entry = if number == self.full {
                self.tail.get(place).cloned()
            } else {
                if tile.as_ref().is_none_or(|(held, _)| *held != number) {
                    tile = Some((number, self.read_entries(number)?));
                }
                tile.as_ref().and_then(|(_, entries)| entries.get(place).cloned())
            };
            let Some(entry) = entry else { break };
            bytes = bytes.saturating_add(entry.len());
            if bytes > limit && !found.is_empty() {
                break;
            }
            found.push(entry);
        }
        Ok(found)
    }

    /// The frontier over the first `size` entries, from a few tiles.
    pub fn frontier(&self, size: u64) -> Result<Frontier, LogError> {
        stored_frontier(&LogHashes::of(self), size)
    }

    /// The audit path of an entry in the tree of `size` entries, from a few tiles.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Option<InclusionProof>, LogError> {
        stored_inclusion(&LogHashes::of(self), index, size)
    }

    fn push_hash(&mut self, hash: Digest, write: bool) -> Result<(), LogError> {
        let root = write.then_some(self.directory.as_path());
        self.edge.push(hash, root).map_err(|source| LogError::io(&self.directory, source))
    }

    fn tail_path(&self) -> PathBuf {
        self.directory.join("tail")
    }

    /// The hashes of one tile. A full one that is missing or damaged is computed from what is below
    /// it: the entries are the truth.
    pub(super) fn tile(&self, level: u8, number: u64) -> Result<Vec<Digest>, LogError> {
        if let Some(hashes) = self.edge.incomplete(level, number) {
            return Ok(hashes.to_vec());
        }
        let path = self.directory.join(tile_path(level, number, ENTRIES_PER_TILE));
        if let Some(hashes) = read(&path)?.as_deref().and_then(tiles::parse) {
            return Ok(hashes);
        }
        let Some(below) = level.checked_sub(1) else {
            return Ok(self.read_entries(number)?.iter().map(|entry| leaf_hash(entry)).collect());
        };
        let first = number.saturating_mul(u64::from(ENTRIES_PER_TILE));
        let children = first..first.saturating_add(u64::from(ENTRIES_PER_TILE));
        let root = |child| Ok(tiles::subtree(&self.tile(below, child)?));
        let roots = children.map(root).collect::<Result<Option<Vec<_>>, LogError>>()?;
        roots.ok_or_else(|| LogError::damaged(&path, "what is below it is empty"))
    }

    /// The leaf hashes of one full tile, where there is one.
    fn full_tile(&self, number: u64) -> Result<Option<Vec<Digest>>, LogError> {
        let entries = self.directory.join(entries_path(number, ENTRIES_PER_TILE));
        if entries.exists() { self.tile(0, number).map(Some) } else { Ok(None) }
    }

    fn read_entries(&self, number: u64) -> Result<Vec<Vec<u8>>, LogError> {
        let path = self.directory.join(entries_path(number, ENTRIES_PER_TILE));
        let bytes = read(&path)?.ok_or_else(|| LogError::damaged(&path, "it is missing"))?;
        let entries =
            decode_entries(&bytes).map_err(|error| LogError::damaged(&path, error.to_string()))?;
        if entries.len() != TILE {
            let what = format!("{} entries, where a full tile has 256", entries.len());
            return Err(LogError::damaged(&path, what));
        }
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }
}

/// A file, or nothing where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, LogError> {
    durable::read(path).map_err(|source| LogError::io(path, source))
}

/// The length of the whole entries at the beginning of a tail.
fn whole_entries(bytes: &[u8]) -> usize {
    let mut length = 0_usize;
    while let Some([high, low]) = bytes.get(length..length.saturating_add(2)) {
        let end =
            length.saturating_add(2).saturating_add(usize::from(u16::from_be_bytes([*high, *low])));
        if end > bytes.len() {
            break;
        }
        length = end;
    }
    length
}
