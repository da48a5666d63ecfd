//! One immutable file of sorted index records, in blocks that each carry their own checksum.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;

use super::record::{Key, Record};
use crate::disk::{Disk as _, FileSystem};
use crate::store::durable;
use crate::store::error::LogError;

/// Bytes of a block: one page of a disk.
const BLOCK: usize = 4096;
/// Records of a block; the last 16 bytes are the checksum.
const RECORDS: usize = BLOCK / 16 - 1;

/// A segment, open for reading.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) records: u64,
    path: PathBuf,
    file: File,
}

/// Whether a lookup goes on.
type Visit<'a> = &'a mut dyn FnMut(Record) -> bool;

impl Segment {
    /// Opens a segment that the manifest names; its length must be what its records need.
    pub(super) fn open(directory: &Path, number: u64, records: u64) -> Result<Self, LogError> {
        let path = path(directory, number);
        let file = File::open(&path).map_err(|source| LogError::io(&path, source))?;
        let length = file.metadata().map_err(|source| LogError::io(&path, source))?.len();
        let segment = Self { number, records, path, file };
        if length == segment.blocks().saturating_mul(BLOCK as u64) {
            Ok(segment)
        } else {
            Err(segment.damaged("it has another length than the manifest says"))
        }
    }

    /// Reads every block, for its checksum.
    pub(super) fn check(&self) -> Result<(), LogError> {
        (0..self.blocks()).try_for_each(|block| self.block(block).map(drop))
    }

    /// Writes records that come sorted, whole or not at all.
    pub(super) fn write(
        directory: &Path,
        number: u64,
        records: impl Iterator<Item = Result<Record, LogError>>,
    ) -> Result<Self, LogError> {
        let path = path(directory, number);
        let fail = |source| LogError::io(&path, source);
        let file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory).map_err(fail)?;
        let mut writer = BufWriter::with_capacity(64 * BLOCK, file);
        let (mut block, mut blocks, mut count) = (Vec::with_capacity(BLOCK), 0, 0_u64);
        for record in records {
            block.extend(record?.to_bytes());
            count = count.saturating_add(1);
            if block.len() == RECORDS * 16 {
                seal(&mut block, number, blocks);
                writer.write_all(&block).map_err(fail)?;
                block.clear();
                blocks += 1;
            }
        }
        if !block.is_empty() {
            block.resize(RECORDS * 16, u8::MAX);
            seal(&mut block, number, blocks);
            writer.write_all(&block).map_err(fail)?;
        }
        let file = writer.into_inner().map_err(|error| fail(error.into_error()))?;
        file.as_file().sync_all().map_err(fail)?;
        let file = file.persist(&path).map_err(|error| fail(error.error))?;
        FileSystem.sync(directory).map_err(fail)?;
        Ok(Self { number, records: count, path, file })
    }

    /// Every record, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Result<Record, LogError>> {
        let mut left = self.records;
        (0..self.blocks()).flat_map(move |number| match self.block(number) {
            Ok(mut records) => {
                records.truncate(usize::try_from(left).unwrap_or(RECORDS));
                left = left.saturating_sub(records.len() as u64);
                records.into_iter().map(Ok).collect()
            }
            Err(error) => vec![Err(error)],
        })
    }

    /// Visits the records of a key, until the visitor has enough.
    pub(super) fn find(&self, key: Key, visit: Visit<'_>) -> Result<(), LogError> {
        let (first, last) = (Record::first(key), Record::last(key));
        let (mut low, mut high) = (0, self.blocks());
        // The last block that begins before the key; the key may begin in it.
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if self.block(middle)?.first().is_some_and(|record| *record < first) {
                low = middle;
            } else {
                high = middle;
            }
        }
        let mut place = low.saturating_mul(RECORDS as u64);
        for number in low..self.blocks() {
            for record in self.block(number)? {
                if record > last || place >= self.records || (record >= first && !visit(record)) {
                    return Ok(());
                }
                place = place.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Removes the file of a segment that was merged into another.
    pub(super) fn remove(self) {
        if let Err(error) = durable::remove(&FileSystem, &self.path) {
            tracing::debug!(path = %self.path.display(), %error, "an old file was not removed");
        }
    }

    fn blocks(&self) -> u64 {
        self.records.div_ceil(RECORDS as u64)
    }

    fn block(&self, number: u64) -> Result<Vec<Record>, LogError> {
        let mut bytes = vec![0; BLOCK];
        self.file
            .read_exact_at(&mut bytes, number.saturating_mul(BLOCK as u64))
            .map_err(|source| LogError::io(&self.path, source))?;
        let (records, checksum) = bytes.split_at(RECORDS * 16);
        if sum(records, self.number, number) != checksum {
            return Err(self.damaged(&format!("block {number} has another checksum")));
        }
        let (records, _) = records.as_chunks::<16>();
        Ok(records.iter().map(|bytes| Record::of_bytes(*bytes)).collect())
    }

    fn damaged(&self, what: &str) -> LogError {
        LogError::damaged(&self.path, what)
    }
}

/// The records of several segments in order, each once.
pub(super) fn merged(segments: &[Segment]) -> impl Iterator<Item = Result<Record, LogError>> {
    let mut sources: Vec<_> = segments.iter().map(Segment::iter).collect();
    let mut heap = BinaryHeap::new();
    let mut failed = None;
    for (place, source) in sources.iter_mut().enumerate() {
        match source.next() {
            Some(Ok(record)) => heap.push(Reverse((record, place))),
            Some(Err(error)) => failed = Some(error),
            None => {}
        }
    }
    let mut last = None;
    std::iter::from_fn(move || {
        loop {
            if let Some(error) = failed.take() {
                heap.clear();
                return Some(Err(error));
            }
            let Reverse((record, place)) = heap.pop()?;
            match sources.get_mut(place).and_then(Iterator::next) {
                Some(Ok(next)) => heap.push(Reverse((next, place))),
                Some(Err(error)) => failed = Some(error),
                None => {}
            }
            if last.replace(record) != Some(record) {
                return Some(Ok(record));
            }
        }
    })
}

fn seal(block: &mut Vec<u8>, segment: u64, number: u64) {
    let checksum = sum(block, segment, number);
    block.extend(checksum);
}

/// The first half of SHA-256 over where the block stands and what is in it.
fn sum(records: &[u8], segment: u64, number: u64) -> [u8; 16] {
    let mut digester = reattest_attestation::Digester::new();
    digester.update(&segment.to_be_bytes());
    digester.update(&number.to_be_bytes());
    digester.update(records);
    half(digester.finish())
}

fn half(digest: Digest) -> [u8; 16] {
    digest.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("segment-{number}"))
}
