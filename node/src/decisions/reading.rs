//! The decision log read from its beginning: each line is checked against the one before (step 10).

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use reattest_attestation::{Digest, PublicKey, Timestamp, canonical};
use serde::Serialize;

use super::chain::{Head, segment_name};
use super::record::{Event, Record};
use super::{LogError, Shelf};
use crate::limits::{DECISION_BYTES, DECISION_FINDINGS};

/// Where bytes are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The record, where it is one; else 0.
    pub record: u64,
    /// What was found and needed.
    pub why: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if self.record != 0 {
            write!(f, ", record {}", self.record)?;
        }
        write!(f, ": {}", self.why)
    }
}

/// A record with its place on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The record.
    pub record: Record,
    /// SHA-256 of its line: what the next record names as the one before it.
    pub hash: Digest,
    /// First record of its file.
    pub segment: u64,
    /// Where its line begins in that file.
    pub start: u64,
    /// Where the next line begins.
    pub end: u64,
}

/// Reads one line as the record that follows `previous`.
pub(super) fn parse(line: &[u8], number: u64, previous: Digest) -> Result<Record, String> {
    let record: Record = canonical::from_bytes(line, "a record", DECISION_BYTES)
        .map_err(|error| error.to_string())?;
    if record.number != number {
        return Err(format!("found number {}, needed {number}", record.number));
    }
    if record.previous != previous {
        return Err(format!(
            "found that it follows a line of sha256:{}, needed sha256:{previous}: this line or the one before was changed",
            record.previous
        ));
    }
    record.check_signature()?;
    Ok(record)
}

/// Every record up to the log's head, in order; ends after the first that is damaged.
#[derive(Debug)]
pub struct Lines {
    directory: PathBuf,
    head: Head,
    open: Option<(u64, BufReader<File>)>,
    offset: u64,
    number: u64,
    previous: Digest,
    ended: bool,
}

impl Lines {
    pub(super) fn new(directory: &Path, head: Head) -> Self {
        Self {
            directory: directory.to_owned(),
            head,
            open: None,
            offset: 0,
            number: 1,
            previous: Digest::from_bytes([0; 32]),
            ended: false,
        }
    }

    fn step(&mut self) -> Result<Option<Line>, LogError> {
        if self.number > self.head.records {
            return self.finished();
        }
        let mut bytes = Vec::new();
        loop {
            let (segment, reader) = if let Some(open) = &mut self.open {
                open
            } else {
                let path = self.directory.join(segment_name(self.number));
                let file = File::open(&path).map_err(|error| self.gone(&path, &error))?;
                self.offset = 0;
                self.open.insert((self.number, BufReader::new(file)))
            };
            let segment = *segment;
            let path = self.directory.join(segment_name(segment));
            let limit = DECISION_BYTES as u64 + 1;
            reader
                .take(limit)
                .read_until(b'\n', &mut bytes)
                .map_err(|source| LogError::disk(&path, source))?;
            if bytes.is_empty() && segment != self.number {
                // The end of a file: the next record begins another.
                self.open = None;
                continue;
            }
            return self.line(&path, segment, &bytes).map(Some);
        }
    }

    fn line(&mut self, path: &Path, segment: u64, bytes: &[u8]) -> Result<Line, LogError> {
        let damaged = |why: String| LogError::damaged(path, self.number, why);
        let line = bytes.strip_suffix(b"\n").ok_or_else(|| {
            damaged("found a line without an end, needed a whole one: something was cut off or is too long".to_owned())
        })?;
        let record = parse(line, self.number, self.previous).map_err(damaged)?;
        let (hash, start) = (Digest::of(line), self.offset);
        self.offset = start.saturating_add(bytes.len() as u64);
        self.number = self.number.saturating_add(1);
        self.previous = hash;
        Ok(Line { record, hash, segment, start, end: self.offset })
    }

    fn gone(&self, path: &Path, error: &std::io::Error) -> LogError {
        let why = format!(
            "found no such file ({error}), needed it: the log has {} records",
            self.head.records
        );
        LogError::damaged(path, self.number, why)
    }

    fn finished(&self) -> Result<Option<Line>, LogError> {
        if self.previous == self.head.hash {
            return Ok(None);
        }
        let path = self.directory.join(segment_name(self.head.segment));
        let why = format!(
            "found sha256:{} as its last line, needed sha256:{} of the head",
            self.previous, self.head.hash
        );
        Err(LogError::damaged(&path, self.head.records, why))
    }
}

impl Iterator for Lines {
    type Item = Result<Line, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.step().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Something that an examiner should know, though the chain is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The record.
    pub record: u64,
    /// What was found.
    pub found: String,
}

/// What came of reading the whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Records that were read.
    pub records: u64,
    /// SHA-256 of the last line: with the number, all that must be kept elsewhere to notice a log
    /// that was rewritten or cut.
    pub head: Digest,
    /// Evidence and policies that were read.
    pub shelved: u64,
    /// What is not in order, though no record was changed.
    pub findings: Vec<Finding>,
    /// How many of those there are; at most a bounded number of them is listed.
    pub found: u64,
    /// Records of breakglasses and reviews that bear a signature.
    pub signed: u64,
    /// Keys that may sign; any may where none is named.
    #[serde(skip)]
    signers: Vec<PublicKey>,
    /// What was read from the shelf already.
    #[serde(skip)]
    seen: BTreeSet<Digest>,
}

impl Findings {
    pub(super) fn new(head: Digest, signers: &[PublicKey]) -> Self {
        Self {
            records: 0,
            head,
            shelved: 0,
            findings: Vec::new(),
            found: 0,
            signed: 0,
            signers: signers.to_vec(),
            seen: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, record: u64, found: String) {
        self.found = self.found.saturating_add(1);
        if self.findings.len() < DECISION_FINDINGS {
            self.findings.push(Finding { record, found });
        }
    }

    /// Looks at one record: the clock, whose signature it bears, what it names on the shelf, ends
    /// that were mended.
    pub(super) fn look(&mut self, line: &Line, before: Option<Timestamp>, kept: &Shelf) {
        let record = &line.record;
        self.records = record.number;
        if let Some(before) = before.filter(|before| record.clock < *before) {
            let back = before.as_unix().saturating_sub(record.clock.as_unix());
            self.add(
                record.number,
                format!("the clock went back by {back} s, to {}", record.clock),
            );
        }
        self.look_at_signature(record);
        match &record.event {
            Event::Decision(decided) => {
                for digest in decided.shelved() {
                    if !self.seen.insert(digest) {
                        continue;
                    }
                    match kept.get(&digest) {
                        Ok(_) => self.shelved = self.shelved.saturating_add(1),
                        Err(error) => self.add(record.number, error.to_string()),
                    }
                }
            }
            Event::Breakglass(_) | Event::Reviewed { .. } => {}
            Event::Mended { bytes, .. } => self.add(
                record.number,
                format!("the log ended in {bytes} torn bytes, as after a crash; they were cut off"),
            ),
        }
    }

    /// A signature that does not hold has ended the reading before.
    fn look_at_signature(&mut self, record: &Record) {
        match &record.signature {
            _ if !record.is_answered_for() => {}
            None => self.add(
                record.number,
                "nobody signed it: it stands in the chain, and no key answers for it".to_owned(),
            ),
            Some(one) if self.signers.is_empty() || self.signers.contains(&one.key) => {
                self.signed = self.signed.saturating_add(1);
            }
            Some(one) => self.add(
                record.number,
                format!(
                    "found a signature by {}, needed one by a key of this consumer's",
                    one.key.fingerprint()
                ),
            ),
        }
    }
}
