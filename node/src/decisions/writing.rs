//! The decision log held for writing: its end is looked at first, lines come before the head that names them (step 10).

use std::fs::File;

use reattest_attestation::{Digest, Sign, Timestamp, canonical};

use super::LogError;
use super::chain::{Chain, Head, Place};
use super::reading::{Line, parse};
use super::record::{Breakglass, Event, Record, Request};
use crate::limits::{BREAKGLASSES_OPEN, DECISION_BYTES, DECISION_WRITE_BYTES};

impl Chain {
    /// The breakglasses that nobody reviewed yet: number, time, and what it is.
    pub fn open_breakglasses(&self) -> Result<Vec<(u64, Timestamp, Breakglass)>, LogError> {
        let Some(head) = self.head()? else { return Ok(Vec::new()) };
        head.open.iter().map(|place| self.breakglass(place)).collect()
    }

    fn breakglass(&self, place: &Place) -> Result<(u64, Timestamp, Breakglass), LogError> {
        let path = self.path(place.segment);
        let damaged = |why: &str| LogError::damaged(&path, place.number, why);
        let size = usize::try_from(place.end.saturating_sub(place.start)).unwrap_or(usize::MAX);
        if size > DECISION_BYTES {
            return Err(damaged("found a head that names a longer record than any may be"));
        }
        let mut bytes = vec![0; size];
        let read = self.disk.read_at(&path, place.start, &mut bytes);
        read.map_err(|source| LogError::disk(&path, source))?;
        let record: Option<Record> = canonical::from_bytes(&bytes, "a record", DECISION_BYTES).ok();
        match record {
            Some(Record { number, clock, event: Event::Breakglass(one), .. })
                if number == place.number && Digest::of(&bytes) == place.hash =>
            {
                Ok((number, clock, one))
            }
            _ => Err(damaged("found no such breakglass, needed the one that the head names")),
        }
    }
}

/// The log, held for writing by this process alone.
#[derive(Debug)]
pub struct Taken {
    pub(super) chain: Chain,
    pub(super) head: Head,
    /// Released when it is closed.
    pub(super) _lock: File,
}

impl Taken {
    /// The later of now and the latest clock of the log: a clock that went back opens nothing again.
    pub fn now(&self) -> Timestamp {
        (self.chain.clock)().max(self.head.latest)
    }

    /// Breakglasses that nobody reviewed yet, whether they still let something in or not.
    pub fn open_breakglasses(&self) -> Result<Vec<(u64, Timestamp, Breakglass)>, LogError> {
        self.head.open.iter().map(|place| self.chain.breakglass(place)).collect()
    }

    /// Numbers of the open breakglasses that let this in at `now`.
    pub(super) fn open_for(&self, request: &Request, now: Timestamp) -> Result<Vec<u64>, LogError> {
        let all = self.open_breakglasses()?;
        let lets_in = |one: &Breakglass| now <= one.expires && one.covers(request);
        Ok(all.iter().filter(|(_, _, one)| lets_in(one)).map(|(number, _, _)| *number).collect())
    }

    /// The number that the next record gets.
    pub fn next_number(&self) -> u64 {
        self.head.records.saturating_add(1)
    }

    /// Appends events, in order; on disk when this returns, or not there.
    pub fn append(&mut self, events: Vec<Event>) -> Result<Vec<Line>, LogError> {
        self.append_signed(events, None)
    }

    /// As [`Taken::append`]; the key, where there is one, signs each record.
    pub fn append_signed(
        &mut self,
        events: Vec<Event>,
        key: Option<&dyn Sign>,
    ) -> Result<Vec<Line>, LogError> {
        let mut lines = Vec::with_capacity(events.len());
        let (mut head, mut bytes) = (self.head.clone(), Vec::new());
        for event in events {
            let full = head.length >= self.chain.segment_bytes;
            if full || bytes.len() >= DECISION_WRITE_BYTES {
                self.write(&mut bytes, &head)?;
            }
            if full {
                head.segment = head.records.saturating_add(1);
                head.length = 0;
            }
            let line = self.line(&mut head, event, key, &mut bytes)?;
            lines.push(line);
        }
        self.write(&mut bytes, &head)?;
        Ok(lines)
    }

    /// Draws up one line behind `head`, which then ends with it.
    fn line(
        &self,
        head: &mut Head,
        event: Event,
        key: Option<&dyn Sign>,
        bytes: &mut Vec<u8>,
    ) -> Result<Line, LogError> {
        let mut record = Record {
            number: head.records.saturating_add(1),
            previous: head.hash,
            clock: (self.chain.clock)(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            event,
            signature: None,
        };
        if let Some(key) = key {
            record.sign(key)?;
        }
        let line = canonical::to_bytes(&record)
            .map_err(|error| LogError::Unwritable(error.to_string()))?;
        if line.len() > DECISION_BYTES {
            return Err(LogError::TooLong { found: line.len(), limit: DECISION_BYTES });
        }
        let start = head.length;
        *head = head.clone().after(&record, &line);
        if head.open.len() > BREAKGLASSES_OPEN {
            return Err(LogError::TooManyOpen(head.open.len()));
        }
        bytes.extend_from_slice(&line);
        bytes.push(b'\n');
        let (hash, end) = (head.hash, head.length);
        Ok(Line { record, hash, segment: head.segment, start, end })
    }

    /// Writes lines and then the head that ends with them.
    fn write(&mut self, bytes: &mut Vec<u8>, head: &Head) -> Result<(), LogError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (disk, path) = (&*self.chain.disk, self.chain.path(head.segment));
        let from = head.length.saturating_sub(bytes.len() as u64);
        let written = disk.write_at(&path, from, bytes).and_then(|()| disk.sync(&path));
        let named = written.and_then(|()| match from {
            0 => disk.sync(&self.chain.directory),
            _ => Ok(()),
        });
        let done = named
            .map_err(|source| LogError::disk(&path, source))
            .and_then(|()| self.chain.write_head(head));
        if let Err(error) = done {
            // Nobody is answered by these lines. Where they cannot be cut off now, the next writer
            // finds them after the head.
            let _found_later = disk.set_length(&path, from);
            return Err(error);
        }
        self.head = head.clone();
        bytes.clear();
        Ok(())
    }

    /// Looks at the end of the log before anything is added to it.
    pub(super) fn settle(&mut self) -> Result<(), LogError> {
        self.check_last()?;
        loop {
            let rest = self.rest()?;
            if !rest.is_empty() {
                self.adopt(&rest)?;
            }
            let next = self.head.records.saturating_add(1);
            if next == self.head.segment || !self.chain.disk.exists(&self.chain.path(next)) {
                return Ok(());
            }
            self.head.segment = next;
            self.head.length = 0;
        }
    }

    /// The last line must be the one that the head names.
    fn check_last(&self) -> Result<(), LogError> {
        let Head { records, start, length, .. } = self.head;
        let path = self.chain.path(self.head.segment);
        let damaged = |why: String| LogError::damaged(&path, records, why);
        if records == 0 {
            return Ok(());
        }
        let there = self.chain.disk.length(&path).unwrap_or(0);
        if there < length {
            return Err(damaged(format!(
                "found {there} bytes, needed {length}: its end was cut off"
            )));
        }
        let size = usize::try_from(length.saturating_sub(start)).unwrap_or(usize::MAX);
        if size > DECISION_BYTES.saturating_add(1) {
            return Err(damaged(format!("found a head that names a record of {size} bytes")));
        }
        let mut bytes = vec![0; size];
        let read = self.chain.disk.read_at(&path, start, &mut bytes);
        read.map_err(|source| LogError::disk(&path, source))?;
        let found = Digest::of(bytes.strip_suffix(b"\n").unwrap_or_default());
        if found == self.head.hash {
            return Ok(());
        }
        Err(damaged(format!(
            "found a last line of sha256:{found}, needed sha256:{}: it was changed",
            self.head.hash
        )))
    }

    /// What stands after the head in its file.
    fn rest(&self) -> Result<Vec<u8>, LogError> {
        let path = self.chain.path(self.head.segment);
        let there = self.chain.disk.length(&path).unwrap_or(0);
        let more = there.saturating_sub(self.head.length);
        if more == 0 {
            return Ok(Vec::new());
        }
        let limit = (DECISION_WRITE_BYTES + DECISION_BYTES + 1) as u64;
        if more > limit {
            let why = format!(
                "found {more} bytes after the last record, needed {limit} at most, which is what one write may leave"
            );
            return Err(LogError::damaged(&path, self.head.records, why));
        }
        let mut bytes = vec![0; usize::try_from(more).unwrap_or(0)];
        let read = self.chain.disk.read_at(&path, self.head.length, &mut bytes);
        read.map_err(|source| LogError::disk(&path, source)).map(|()| bytes)
    }

    /// Whole lines after the head were written before a crash and are taken over. What is torn is
    /// cut off, and a record says so.
    fn adopt(&mut self, rest: &[u8]) -> Result<(), LogError> {
        let (mut head, mut taken) = (self.head.clone(), 0_usize);
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            let Some(text) = line.strip_suffix(b"\n") else { break };
            let number = head.records.saturating_add(1);
            let Ok(record) = parse(text, number, head.hash) else { break };
            head = head.after(&record, text);
            taken = taken.saturating_add(line.len());
        }
        let torn = rest.get(taken..).unwrap_or_default();
        self.chain.write_head(&head)?;
        self.head = head;
        if torn.is_empty() { Ok(()) } else { self.mend(torn) }
    }

    fn mend(&mut self, torn: &[u8]) -> Result<(), LogError> {
        let path = self.chain.path(self.head.segment);
        // What has no end is torn, however much of it is there.
        let whole = |line: &[u8]| {
            line.strip_suffix(b"\n")
                .and_then(|line| canonical::value_from_bytes(line, "a record", DECISION_BYTES).ok())
                .is_some_and(|value| value.get("previous").is_some())
        };
        if torn.split_inclusive(|byte| *byte == b'\n').any(whole) {
            let why = "found a whole record after the last one that does not follow it, needed one that does: records or the head were changed";
            return Err(LogError::damaged(&path, self.head.records, why));
        }
        let disk = &self.chain.disk;
        disk.set_length(&path, self.head.length)
            .and_then(|()| disk.sync(&path))
            .map_err(|source| LogError::disk(&path, source))?;
        let (bytes, sha256) = (torn.len() as u64, Digest::of(torn));
        tracing::warn!(
            path = %path.display(), bytes, "the decision log ended in torn bytes, which were cut off"
        );
        self.append(vec![Event::Mended { bytes, sha256 }]).map(drop)
    }
}
