//! One log on disk: immutable full tiles, one tail that grows, and the newest checkpoint.
//!
//! In memory are only the edge of its hash tiles and where the tail's entries end.

use std::path::{Path, PathBuf};

use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::tiles::{encode_entry, entries_path, tile_path};
use reattest_attestation::log::{ForkProof, Origin, SignedCheckpoint, StoredHashes, leaf_hash};
use reattest_attestation::{Bundle, Certificate, Certified, Digest, Envelope, PublicKey};

use super::ahead::Ahead;
use super::durable::{self, Unsynced};
use super::error::LogError;
use super::hashes::LogHashes;
use super::tail::{self, Tail};
use super::tiles::{self, Edge};
use super::{opening, partial};
use crate::disk::{self, Disk, SharedDisk};

/// Entries of a full tile, as a length.
pub(super) const TILE: usize = ENTRIES_PER_TILE as usize;

/// One log.
#[derive(Debug)]
pub struct Log {
    disk: SharedDisk,
    pub(super) origin: Origin,
    pub(super) directory: PathBuf,
    /// Entries of the incomplete tile.
    pub(super) tail: Tail,
    pub(super) edge: Edge,
    pub(super) checkpoint: Option<SignedCheckpoint>,
    certificate: Option<Vec<u8>>,
    /// The key that the certificate is of.
    key: Option<PublicKey>,
    /// The head that it is on its way to.
    pub(super) ahead: Option<Ahead>,
    unsynced: Unsynced,
    /// Bytes written since it was opened.
    written: u64,
}

/// When what is appended must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durable {
    Now,
    Later,
}

impl Log {
    /// Opens a log for writing, in a few reads. What is not whole beyond its checkpoint is cut
    /// back; what is not whole below it is damage.
    pub fn open(directory: &Path, origin: Origin) -> Result<Self, LogError> {
        Self::open_on(&disk::local(), directory, origin)
    }

    /// As [`Log::open`], on a disk.
    pub fn open_on(disk: &SharedDisk, directory: &Path, origin: Origin) -> Result<Self, LogError> {
        opening::open(disk, directory, origin)
    }

    /// Opens a log as whoever is served it sees it: what its checkpoint covers. Nothing on disk is
    /// changed.
    pub fn read_only(directory: &Path, origin: Origin) -> Result<Self, LogError> {
        opening::read_only(&disk::local(), directory, origin)
    }

    /// A log without entries, and what is told about it beside them.
    pub(super) fn without_entries(
        disk: &SharedDisk,
        directory: &Path,
        origin: Origin,
    ) -> Result<Self, LogError> {
        let path = directory.join("checkpoint");
        let parse = |bytes: Vec<u8>| {
            SignedCheckpoint::parse(&bytes)
                .map_err(|error| LogError::damaged(&path, error.to_string()))
        };
        let checkpoint = read(&**disk, &path)?.map(parse).transpose()?;
        let certificate = read(&**disk, &directory.join("certificate"))?;
        Ok(Self {
            disk: disk.clone(),
            origin,
            directory: directory.to_owned(),
            tail: Tail::new(directory, 0),
            edge: Edge::default(),
            checkpoint,
            key: certificate.as_deref().and_then(key_of),
            certificate,
            ahead: None,
            unsynced: Unsynced::default(),
            written: 0,
        })
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Entries on disk, whether a checkpoint covers them yet or not.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.checkpoint.as_ref()
    }

    /// Entries under the newest checkpoint.
    pub fn published(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |signed| signed.unverified().size)
    }

    /// The certificate of the log's key: a DSSE envelope.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// The log's key, by its certificate.
    pub fn key(&self) -> Option<PublicKey> {
        self.key
    }

    /// The operator that certified the log's key.
    pub fn operator(&self) -> Option<PublicKey> {
        Some(self.certified()?.certificate().operator)
    }

    fn certified(&self) -> Option<Certified> {
        let envelope = Envelope::parse(self.certificate.as_deref()?).ok()?;
        Certificate::verify(&envelope).ok()
    }

    /// Bytes written since the log was opened.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// A file of this log, or nothing where there is none.
    pub(super) fn file(&self, path: &Path) -> Result<Option<Vec<u8>>, LogError> {
        read(self.disk(), path)
    }

    pub(super) fn edge(&self) -> &Edge {
        &self.edge
    }

    /// Keeps the proof that this log was forked, as a bundle of one line.
    pub fn keep_fork(&mut self, proof: &ForkProof) -> Result<(), LogError> {
        let path = self.directory.join("fork");
        let bundle = Bundle { forks: vec![proof.clone()], ..Bundle::default() };
        let bytes =
            bundle.to_bytes().map_err(|error| LogError::damaged(&path, error.to_string()))?;
        durable::write(self.disk(), &path, &bytes).map_err(|source| LogError::io(&path, source))
    }

    /// The proof that this log was forked, if it was; nothing in it is checked.
    pub fn fork(&self) -> Result<Option<ForkProof>, LogError> {
        let path = self.directory.join("fork");
        let Some(bytes) = self.file(&path)? else { return Ok(None) };
        let mut bundle =
            Bundle::parse(&bytes).map_err(|error| LogError::damaged(&path, error.to_string()))?;
        Ok(bundle.forks.pop())
    }

    /// Appends entries from `from` on; they are on disk when this returns. Entries that are there
    /// already must be equal, so that a repeated append does no harm.
    pub fn append<E: AsRef<[u8]>>(&mut self, from: u64, entries: &[E]) -> Result<(), LogError> {
        self.put(from, entries, &leaves(entries), Durable::Now)
    }

    /// Appends entries from `from` on without waiting for the disk: what a power cut takes of them
    /// is cut back when the log is opened again. Nobody may be told that they are kept.
    pub fn extend<E: AsRef<[u8]>>(&mut self, from: u64, entries: &[E]) -> Result<(), LogError> {
        self.put(from, entries, &leaves(entries), Durable::Later)
    }

    /// As [`Log::extend`], with the leaf hashes that the entries were proven by.
    pub(super) fn extend_hashed<E: AsRef<[u8]>>(
        &mut self,
        from: u64,
        entries: &[E],
        leaves: &[Digest],
    ) -> Result<(), LogError> {
        self.put(from, entries, leaves, Durable::Later)
    }

    fn put<E: AsRef<[u8]>>(
        &mut self,
        from: u64,
        entries: &[E],
        leaves: &[Digest],
        durable: Durable,
    ) -> Result<(), LogError> {
        let known = self.known(from, leaves)?;
        let rest: Vec<(&[u8], Digest)> = entries
            .iter()
            .zip(leaves)
            .skip(known)
            .map(|(entry, leaf)| (entry.as_ref(), *leaf))
            .collect();
        let mut rest = rest.as_slice();
        while !rest.is_empty() {
            let room = TILE.saturating_sub(self.tail.len()).min(rest.len());
            let (now, later) = rest.split_at(room);
            self.put_in_tile(now, durable)?;
            rest = later;
        }
        if durable == Durable::Now { self.sync() } else { Ok(()) }
    }

    /// How many of these entries are there already; those must be equal.
    fn known(&self, from: u64, leaves: &[Digest]) -> Result<usize, LogError> {
        if from > self.size() {
            let (origin, size) = (self.origin.clone(), self.size());
            return Err(LogError::Gap { origin, size, index: from });
        }
        let known = usize::try_from(self.size().saturating_sub(from)).unwrap_or(usize::MAX);
        let hashes = LogHashes::of(self);
        for (index, leaf) in (from..).zip(leaves).take(known) {
            if hashes.hash(0, index)? != *leaf {
                return Err(LogError::Conflict { origin: self.origin.clone(), index });
            }
        }
        Ok(known)
    }

    /// Appends entries, at most as many as the incomplete tile has room for. On disk is all of it
    /// or nothing, whatever fails.
    fn put_in_tile(
        &mut self,
        entries: &[(&[u8], Digest)],
        durable: Durable,
    ) -> Result<(), LogError> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(entries.len()));
        let (mut edge, mut completed) = (self.edge.clone(), Vec::new());
        for (entry, leaf) in entries {
            encode_entry(entry, &mut bytes).map_err(|_| LogError::TooLong(entry.len()))?;
            ends.push(bytes.len());
            completed.extend(edge.push(*leaf));
        }
        let number = self.edge.full(0);
        let full = self.directory.join(entries_path(number, ENTRIES_PER_TILE));
        // Hashes first: a tile of entries is checked against them when the log is opened.
        for tile in &completed {
            let path = tile_path(tile.level, tile.number, ENTRIES_PER_TILE);
            self.write(&self.directory.join(path), &tiles::bytes(&tile.hashes), durable)?;
        }
        if completed.is_empty() {
            self.tail.write_after(&*self.disk, &bytes)?;
            self.tail.grow(&ends);
            self.unsynced.note(self.tail.path());
        } else {
            if self.tail.is_empty() {
                self.write(&full, &bytes, durable)?;
            } else {
                self.tail.write_after(&*self.disk, &bytes)?;
                if durable == Durable::Now {
                    self.tail.sync(&*self.disk)?;
                }
                self.tail.become_tile(&*self.disk, bytes.len(), &full)?;
                self.unsynced.note(&full);
            }
            self.tail = Tail::new(&self.directory, edge.full(0));
        }
        self.edge = edge;
        self.written = self.written.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn write(&mut self, path: &Path, bytes: &[u8], durable: Durable) -> Result<(), LogError> {
        let written = match durable {
            Durable::Now => durable::write(&*self.disk, path, bytes),
            Durable::Later => durable::write_unsynced(&*self.disk, path, bytes),
        };
        written.map_err(|source| LogError::io(path, source))?;
        self.unsynced.note(path);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.unsynced
            .sync(&*self.disk, &self.directory)
            .map_err(|source| LogError::io(&self.directory, source))
    }

    /// Publishes a checkpoint: everything under it is on disk first, then stand the partial tiles,
    /// then it, so that whoever reads it finds what it covers. The partial tiles hold nothing that
    /// is not elsewhere; where a power cut took them they are made again at the next start.
    pub fn publish(
        &mut self,
        checkpoint: SignedCheckpoint,
        certificate: &[u8],
    ) -> Result<(), LogError> {
        let (head, before) = (checkpoint.unverified(), self.published());
        let (origin, size) = (self.origin.clone(), head.size);
        if size < before {
            return Err(LogError::Published { origin, published: before, size });
        }
        if size > self.size() {
            return Err(LogError::Gap { origin, size: self.size(), index: size });
        }
        if self.root(size)? != head.root {
            return Err(LogError::OtherRoot { origin, size });
        }
        let fail = |source| LogError::io(&self.directory, source);
        if self.certificate.as_deref() != Some(certificate) {
            durable::write(self.disk(), &self.directory.join("certificate"), certificate)
                .map_err(fail)?;
            self.certificate = Some(certificate.to_vec());
            self.key = key_of(certificate);
        }
        self.sync()?;
        partial::write(self, size)?;
        let path = self.directory.join("checkpoint");
        durable::write(self.disk(), &path, checkpoint.as_bytes())
            .map_err(|source| LogError::io(&path, source))?;
        self.checkpoint = Some(checkpoint);
        self.ahead = None;
        partial::sweep(self, &[before, size]);
        Ok(())
    }

    /// Forgets the entries beyond `size`; what is published stays.
    pub fn truncate(&mut self, size: u64) -> Result<(), LogError> {
        if size >= self.size() {
            return Ok(());
        }
        if size < self.published() {
            let (origin, published) = (self.origin.clone(), self.published());
            return Err(LogError::Published { origin, published, size });
        }
        self.ahead = None;
        let (number, width) = place_of(size);
        let mut edge = {
            let hashes = LogHashes::of(self);
            let mut edge =
                Edge::over(number, |level, n| hashes.tile(level, n).map(|h| h.to_vec()))?;
            if width > 0 {
                for leaf in hashes.tile(0, number)?.iter().take(width) {
                    edge.push(*leaf);
                }
            }
            edge
        };
        let mut bytes = if width > 0 { self.tile_bytes(number)? } else { Vec::new() };
        let ends: Vec<usize> = tail::ends(&bytes).take(width).collect();
        bytes.truncate(ends.last().copied().unwrap_or(0));
        // What is published may stand in the tail: a stop in between must not take it.
        let kept = Tail::write(self.disk(), &self.directory, number, &bytes, ends)?;
        if kept.path() != self.tail.path() {
            self.tail.remove(self.disk())?;
        }
        opening::remove_tiles(self, number)?;
        std::mem::swap(&mut self.edge, &mut edge);
        self.tail = kept;
        Ok(())
    }
}

fn leaves<E: AsRef<[u8]>>(entries: &[E]) -> Vec<Digest> {
    entries.iter().map(|entry| leaf_hash(entry.as_ref())).collect()
}

/// The tile in which an entry stands, and its place there.
pub(super) fn place_of(index: u64) -> (u64, usize) {
    let number = index.wrapping_div(u64::from(ENTRIES_PER_TILE));
    let place = index.wrapping_rem(u64::from(ENTRIES_PER_TILE));
    (number, usize::try_from(place).unwrap_or(0))
}

pub(super) fn key_of(certificate: &[u8]) -> Option<PublicKey> {
    let envelope = Envelope::parse(certificate).ok()?;
    Some(Certificate::verify(&envelope).ok()?.certificate().rebuilder)
}

/// A file, or nothing where there is none.
fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, LogError> {
    durable::read(disk, path).map_err(|source| LogError::io(path, source))
}
