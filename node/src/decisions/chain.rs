//! The decision log's files: lines that each hold the hash of the line before, and a head apart from them (step 10).
//!
//! A file of lines is named after its first record. The head says how many records there are, where
//! the last one stands and what its hash is, so that a log that was cut off is noticed. Order of a
//! write: lines, synced; head, synced; answer. What stands after the head was answered to nobody.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reattest_attestation::{Digest, PublicKey, Timestamp, canonical};
use serde::{Deserialize, Serialize};

use super::reading::{Findings, Lines};
use super::record::{Event, Record};
use super::writing::Taken;
use super::{LogError, Shelf};
use crate::clock;
use crate::disk::{self, SharedDisk};
use crate::limits::{
    DECISION_HEAD_BYTES, DECISION_SEGMENT_BYTES, DECISIONS_LOCKED, DECISIONS_LOOK,
};
use crate::store::durable;

/// How far the log reaches: the file `head`.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// The format, 1.
    pub(super) format: u64,
    /// How many records there are.
    pub(super) records: u64,
    /// SHA-256 of the last line.
    pub(super) hash: Digest,
    /// First record of the file that the last one stands in.
    pub(super) segment: u64,
    /// Where its line begins in that file.
    pub(super) start: u64,
    /// Where it ends: the file's length.
    pub(super) length: u64,
    /// The latest clock of any record.
    pub(super) latest: Timestamp,
    /// Breakglasses that nobody reviewed yet.
    pub(super) open: Vec<Place>,
    /// How many there ever were.
    pub(super) broken: u64,
}

/// What metrics tell of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records.
    pub records: u64,
    /// Breakglasses, reviewed or not.
    pub broken: u64,
    /// Breakglasses that nobody reviewed yet.
    pub open: usize,
}

/// Where a record stands.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// Its number.
    pub(super) number: u64,
    /// SHA-256 of its line.
    pub(super) hash: Digest,
    /// First record of its file.
    pub(super) segment: u64,
    /// Where its line begins in that file.
    pub(super) start: u64,
    /// Where it ends, without its newline.
    pub(super) end: u64,
}

impl Head {
    /// The head after one more line in the file that it is in; `text` is without its newline.
    pub(super) fn after(self, record: &Record, text: &[u8]) -> Self {
        let (hash, start) = (Digest::of(text), self.length);
        let end = start.saturating_add(text.len() as u64);
        let number = record.number;
        let (mut open, mut broken) = (self.open, self.broken);
        match &record.event {
            Event::Breakglass(_) => {
                broken = broken.saturating_add(1);
                open.push(Place { number, hash, segment: self.segment, start, end });
            }
            Event::Reviewed { breakglass, .. } => open.retain(|one| one.number != *breakglass),
            Event::Decision(_) | Event::Mended { .. } => {}
        }
        Self {
            records: number,
            hash,
            start,
            length: end.saturating_add(1),
            latest: self.latest.max(record.clock),
            open,
            broken,
            ..self
        }
    }

    fn of_nothing() -> Self {
        Self {
            format: 1,
            records: 0,
            hash: Digest::from_bytes([0; 32]),
            segment: 1,
            start: 0,
            length: 0,
            latest: Timestamp::from_unix(0),
            open: Vec::new(),
            broken: 0,
        }
    }
}

/// Name of the file whose first record has this number.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:012}.jsonl")
}

/// The log in one directory. Several processes may have it open.
#[derive(Debug, Clone)]
pub struct Chain {
    pub(super) disk: SharedDisk,
    pub(super) directory: PathBuf,
    pub(super) clock: fn() -> Timestamp,
    pub(super) segment_bytes: u64,
}

impl Chain {
    /// The log in a directory of this machine's; nothing is looked at yet.
    pub fn at(directory: &Path) -> Self {
        Self::on(disk::local(), directory)
    }

    /// As [`Chain::at`], on a disk.
    pub fn on(disk: SharedDisk, directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self { disk, directory, clock: clock::now, segment_bytes: DECISION_SEGMENT_BYTES }
    }

    /// With another clock than this machine's.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }

    /// With files of another length, for tests.
    #[cfg(test)]
    pub(super) fn in_files_of(self, segment_bytes: u64) -> Self {
        Self { segment_bytes, ..self }
    }

    /// The evidence and the policies that records name.
    pub fn shelf(&self) -> Shelf {
        Shelf::new(self.disk.clone(), &self.directory)
    }

    fn head_path(&self) -> PathBuf {
        self.directory.join("head")
    }

    pub(super) fn path(&self, segment: u64) -> PathBuf {
        self.directory.join(segment_name(segment))
    }

    /// The head; nothing where there is no log yet. A head that is gone while records are there is
    /// damage.
    pub(super) fn head(&self) -> Result<Option<Head>, LogError> {
        let path = self.head_path();
        if !self.disk.exists(&path) {
            let first = self.path(1);
            if self.disk.exists(&first) {
                let why = "found records without it, needed the file that says how many there are";
                return Err(LogError::damaged(&path, 0, why));
            }
            return Ok(None);
        }
        let fail = |source| LogError::disk(&path, source);
        let length = self.disk.length(&path).map_err(fail)?;
        let damaged = |why: String| LogError::damaged(&path, 0, why);
        if length > DECISION_HEAD_BYTES as u64 {
            return Err(damaged(format!(
                "found {length} bytes, needed {DECISION_HEAD_BYTES} at most"
            )));
        }
        let bytes = self.disk.read(&path).map_err(fail)?;
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let head: Head = canonical::from_bytes(line, "the head", DECISION_HEAD_BYTES)
            .map_err(|error| damaged(error.to_string()))?;
        if head.format != 1 {
            return Err(damaged(format!("found format {}, needed 1", head.format)));
        }
        Ok(Some(head))
    }

    /// What metrics tell of it: the head alone is read.
    pub fn counts(&self) -> Result<Counts, LogError> {
        let Some(Head { records, broken, open, .. }) = self.head()? else {
            return Ok(Counts::default());
        };
        Ok(Counts { records, broken, open: open.len() })
    }

    /// Every record, in order; nothing where there is no log yet.
    pub fn lines(&self) -> Result<Lines, LogError> {
        let head = self.head()?.unwrap_or_else(Head::of_nothing);
        Ok(Lines::new(&self.directory, head))
    }

    /// Reads the whole log and everything that it names; the first damage ends it. With `at`, the log
    /// must hold the record of that number under that hash, as it was once kept elsewhere; with
    /// `signers`, whoever else signed a record is a finding.
    pub fn verify(
        &self,
        at: Option<(u64, Digest)>,
        signers: &[PublicKey],
    ) -> Result<Findings, LogError> {
        let head = self.head()?.unwrap_or_else(Head::of_nothing);
        let (kept, mut findings) = (self.shelf(), Findings::new(head.hash, signers));
        let (mut before, mut segment, mut has_it) = (None, 1, at.is_none());
        let mut open = BTreeSet::new();
        for line in Lines::new(&self.directory, head.clone()) {
            let line = line?;
            findings.look(&line, before, &kept);
            before = Some(line.record.clock);
            segment = line.segment;
            match &line.record.event {
                Event::Breakglass(_) => {
                    open.insert(line.record.number);
                }
                Event::Reviewed { breakglass, .. } => {
                    open.remove(breakglass);
                }
                Event::Decision(_) | Event::Mended { .. } => {}
            }
            has_it |= at == Some((line.record.number, line.hash));
        }
        if let Some((number, hash)) = at.filter(|_| !has_it) {
            let why = format!(
                "found no record {number} of sha256:{hash}, needed it, since it was kept elsewhere as the head of this log: records were changed or cut off"
            );
            return Err(LogError::damaged(&self.head_path(), number, why));
        }
        let named: BTreeSet<u64> = head.open.iter().map(|place| place.number).collect();
        if named != open {
            let why = format!("found {named:?} as open breakglasses, needed {open:?}");
            return Err(LogError::damaged(&self.head_path(), 0, why));
        }
        let length = self.disk.length(&self.path(segment)).unwrap_or(0);
        if length > head.length {
            let more = length.saturating_sub(head.length);
            findings.add(
                head.records,
                format!("{more} bytes stand after the last record, which nobody was answered by"),
            );
        }
        Ok(findings)
    }

    /// Takes the log for writing: waits for other processes, a bounded time.
    pub fn take(&self) -> Result<Taken, LogError> {
        let missing = !self.disk.exists(&self.directory);
        if missing {
            self.create()?;
        }
        let lock = self.lock()?;
        let head = if let Some(head) = self.head()? {
            head
        } else {
            let head = Head::of_nothing();
            self.write_head(&head)?;
            head
        };
        let mut taken = Taken { chain: self.clone(), head, _lock: lock };
        taken.settle()?;
        Ok(taken)
    }

    /// Reasons and names of people are in there: it is its owner's alone.
    fn create(&self) -> Result<(), LogError> {
        let fail = |source| LogError::disk(&self.directory, source);
        if let Some(above) = self.directory.parent() {
            durable::create_directory(&*self.disk, above).map_err(fail)?;
        }
        match std::fs::DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(fail(error)),
            _ => {
                let above = self.directory.parent().unwrap_or(Path::new("."));
                self.disk.sync(above).map_err(fail)
            }
        }
    }

    fn lock(&self) -> Result<File, LogError> {
        let path = self.directory.join("lock");
        let fail = |source| LogError::disk(&path, source);
        let mut options = OpenOptions::new();
        let options = options.create(true).write(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(fail)?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(fail(source)),
                Err(TryLockError::WouldBlock) if waited >= DECISIONS_LOCKED => {
                    return Err(LogError::Locked { path, seconds: waited.as_secs() });
                }
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(DECISIONS_LOOK);
                    waited = waited.saturating_add(DECISIONS_LOOK);
                }
            }
        }
    }

    pub(super) fn write_head(&self, head: &Head) -> Result<(), LogError> {
        let mut bytes =
            canonical::to_bytes(head).map_err(|error| LogError::Unwritable(error.to_string()))?;
        bytes.push(b'\n');
        let path = self.head_path();
        durable::write(&*self.disk, &path, &bytes).map_err(|source| LogError::disk(&path, source))
    }
}
