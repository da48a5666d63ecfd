//! The entries of a log's incomplete tile: one file that grows, and becomes the tile by a change of its name.
//!
//! Its name has the tile's number, so that a tail which outlived its tile in a power cut is never
//! taken for the beginning of another one.

use std::io;
use std::path::{Path, PathBuf};

use super::durable;
use super::error::LogError;
use crate::disk::Disk;

/// What the names of tails begin with.
pub(super) const PREFIX: &str = "tail-";

/// The incomplete tile's file, and where its entries end. The entries themselves stay on disk.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    ends: Vec<usize>,
}

impl Tail {
    /// An empty tail of the tile with this number.
    pub(super) fn new(directory: &Path, number: u64) -> Self {
        Self { path: directory.join(format!("{PREFIX}{number}")), ends: Vec::new() }
    }

    /// The beginning of a file that holds the incomplete tile's entries.
    pub(super) fn of_file(path: PathBuf, ends: Vec<usize>) -> Self {
        Self { path, ends }
    }

    /// Writes a tail anew, durably; an empty one is no file.
    pub(super) fn write(
        disk: &dyn Disk,
        directory: &Path,
        number: u64,
        bytes: &[u8],
        ends: Vec<usize>,
    ) -> Result<Self, LogError> {
        let tail = Self { ends, ..Self::new(directory, number) };
        let written = if bytes.is_empty() {
            durable::remove(disk, &tail.path)
        } else {
            durable::write(disk, &tail.path, bytes)
        };
        written.map_err(|source| LogError::io(&tail.path, source))?;
        Ok(tail)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn ends(&self) -> &[usize] {
        &self.ends
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn bytes(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Writes entries after those that the tail has; they are its own when it [grows](Self::grow).
    pub(super) fn write_after(&self, disk: &dyn Disk, bytes: &[u8]) -> Result<(), LogError> {
        let before = self.bytes() as u64;
        let fail = |source| LogError::io(&self.path, source);
        if let Err(error) = disk.write_at(&self.path, before, bytes) {
            // A full disk leaves no half entry behind.
            return Err(fail(match disk.set_length(&self.path, before) {
                Err(worse) if worse.kind() != io::ErrorKind::NotFound => worse,
                _ => error,
            }));
        }
        Ok(())
    }

    /// Takes in what was written; the ends count from where it begins.
    pub(super) fn grow(&mut self, ends: &[usize]) {
        let before = self.bytes();
        self.ends.extend(ends.iter().map(|end| end.saturating_add(before)));
    }

    pub(super) fn sync(&self, disk: &dyn Disk) -> Result<(), LogError> {
        disk.sync(&self.path).map_err(|source| LogError::io(&self.path, source))
    }

    /// Moves the file, which holds a whole tile with the last `added` bytes, to its place.
    pub(super) fn become_tile(
        &self,
        disk: &dyn Disk,
        added: usize,
        full: &Path,
    ) -> Result<(), LogError> {
        let parent = full.parent().unwrap_or(Path::new("."));
        let length = self.bytes().saturating_add(added) as u64;
        disk.create_directories(parent)
            .and_then(|()| disk.set_length(&self.path, length))
            .and_then(|()| disk.rename(&self.path, full))
            .map_err(|source| LogError::io(full, source))
    }

    pub(super) fn remove(&self, disk: &dyn Disk) -> Result<(), LogError> {
        durable::remove(disk, &self.path).map_err(|source| LogError::io(&self.path, source))
    }

    /// The whole entries of the tail.
    pub(super) fn read(&self, disk: &dyn Disk) -> Result<Vec<u8>, LogError> {
        let mut bytes = vec![0; self.bytes()];
        if !bytes.is_empty() {
            disk.read_at(&self.path, 0, &mut bytes)
                .map_err(|source| LogError::io(&self.path, source))?;
        }
        Ok(bytes)
    }
}

/// Where each whole entry of an entry file ends.
pub(super) fn ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0_usize;
    std::iter::from_fn(move || {
        let length = bytes.get(at..)?.first_chunk::<2>()?;
        let end = at.checked_add(2)?.checked_add(usize::from(u16::from_be_bytes(*length)))?;
        (end <= bytes.len()).then(|| at = end)?;
        Some(end)
    })
}
