//! Step 8, store: the queue's changes in an append-only file, one line for each time that some came.
//!
//! A line is 16 hexadecimal digits of the SHA-256 of its JSON, a space, and the JSON: a list of
//! changes. What a crash tore off the end is cut back; a damaged line before others is refused,
//! since what stands after it might contradict what is lost.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;

use super::durable;
use crate::disk::{self, SharedDisk};
use crate::limits::{CHANGES_PER_LINE, QUEUE_FILE_BYTES, QUEUE_LINE_BYTES};
use crate::protocol::Change;

/// The first line.
const HEADER: &str = "reattest queue v1\n";
/// Digits of a line's checksum.
const DIGITS: usize = 16;

/// Why the queue's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The operating system refused.
    #[error("{path}: {source}; needed a file that can be written, on a disk with some space left", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Bytes on disk that this node did not write.
    #[error(
        "{path} is damaged in line {line}; move it away: what is announced is then learned again from the logs, and what was built is known from the own log",
        path = path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
}

/// The file.
#[derive(Debug)]
pub struct QueueFile {
    disk: SharedDisk,
    path: PathBuf,
    length: u64,
    /// The length when it was last written anew.
    written: u64,
}

impl QueueFile {
    /// Opens or makes the file below a data directory; the changes that it holds.
    pub fn open(data: &Path) -> Result<(Self, Vec<Change>), QueueError> {
        Self::open_on(disk::local(), data)
    }

    /// As [`QueueFile::open`], on a disk.
    pub fn open_on(disk: SharedDisk, data: &Path) -> Result<(Self, Vec<Change>), QueueError> {
        let path = data.join("queue");
        let fail = |source| QueueError::Io { path: path.clone(), source };
        if !disk.exists(&path) {
            durable::write(&*disk, &path, HEADER.as_bytes()).map_err(fail)?;
        }
        let bytes = disk.read(&path).map_err(fail)?;
        let (changes, whole) = read(&bytes, &path)?;
        if bytes.len() as u64 > whole {
            disk.set_length(&path, whole).and_then(|()| disk.sync(&path)).map_err(fail)?;
        }
        Ok((Self { disk, path, length: whole, written: 0 }, changes))
    }

    /// Appends changes; on disk when this returns, or not at all.
    pub fn append(&mut self, changes: &[Change]) -> Result<(), QueueError> {
        let bytes = lines(changes).map_err(|source| self.fail(source))?;
        let written = self.disk.write_at(&self.path, self.length, &bytes);
        if let Err(source) = written.and_then(|()| self.disk.sync(&self.path)) {
            // Half a line would be taken for damage once another stands after it.
            let _ended_anyway = self.disk.set_length(&self.path, self.length);
            return Err(self.fail(source));
        }
        self.length = self.length.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Whether the file is long, and most of it is history.
    pub fn is_long(&self) -> bool {
        self.length > QUEUE_FILE_BYTES && self.length > self.written.saturating_mul(4)
    }

    /// Writes the file anew, with these changes alone.
    pub fn rewrite(&mut self, changes: &[Change]) -> Result<(), QueueError> {
        let mut bytes = HEADER.as_bytes().to_vec();
        bytes.extend(lines(changes).map_err(|source| self.fail(source))?);
        durable::write(&*self.disk, &self.path, &bytes).map_err(|source| self.fail(source))?;
        self.length = bytes.len() as u64;
        self.written = self.length;
        Ok(())
    }

    fn fail(&self, source: io::Error) -> QueueError {
        QueueError::Io { path: self.path.clone(), source }
    }
}

fn lines(changes: &[Change]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for some in changes.chunks(CHANGES_PER_LINE) {
        let json = serde_json::to_string(some)?;
        writeln!(bytes, "{} {json}", checksum(json.as_bytes()))?;
    }
    Ok(bytes)
}

fn checksum(json: &[u8]) -> String {
    Digest::of(json).to_string().chars().take(DIGITS).collect()
}

/// The changes, and how many bytes hold them.
fn read(bytes: &[u8], path: &Path) -> Result<(Vec<Change>, u64), QueueError> {
    let damaged = |line| QueueError::Damaged { path: path.to_owned(), line };
    let lines = bytes.strip_prefix(HEADER.as_bytes()).ok_or_else(|| damaged(1))?;
    let (mut changes, mut whole, mut torn) = (Vec::new(), HEADER.len() as u64, None);
    for (number, line) in (2_usize..).zip(lines.split_inclusive(|byte| *byte == b'\n')) {
        let short = line.len() <= QUEUE_LINE_BYTES;
        match (short.then(|| parse(line)).flatten(), torn) {
            (Some(some), None) => {
                changes.extend(some);
                whole = whole.saturating_add(line.len() as u64);
            }
            (Some(_), Some(torn)) => return Err(damaged(torn)),
            (None, _) => torn = torn.or(Some(number)),
        }
    }
    Ok((changes, whole))
}

fn parse(line: &[u8]) -> Option<Vec<Change>> {
    let (sum, json) = line.strip_suffix(b"\n")?.split_at_checked(DIGITS)?;
    let json = json.strip_prefix(b" ")?;
    (sum == checksum(json).as_bytes()).then(|| serde_json::from_slice(json).ok())?
}
