//! The normalized form (step 4): a sorted list of records, defined here byte by byte and hashed.
//!
//! ```text
//! form    = field("reattest normalized form 1") field(CHAIN) number(count) record*
//! record  = field(bytes of the record's fields, one after the other)
//! field   = number(length in bytes) bytes
//! number  = 8 bytes, most significant first
//! digest  = SHA-256 of a form
//! ```
//!
//! CHAIN names the normalizers in the order in which they were applied, `NAME@VERSION` with one
//! space between, such as `zip@1 wheel@1`; parts of an archive have it with `/` and their own name
//! behind. Records are sorted as byte strings and none stands twice. What the fields of a record
//! are stands at the head of each normalizer. No other library's writer takes part, so a digest
//! stays what it is when a library changes.

use reattest_attestation::Digest;
use reattest_attestation::digest::Digester;

use super::{Refusal, limits};

/// The first field of every form.
const FORM: &[u8] = b"reattest normalized form 1";

/// One record, field after field.
#[derive(Default)]
pub(super) struct Record(Vec<u8>);

impl Record {
    pub(super) fn field(mut self, bytes: &[u8]) -> Self {
        self.0.extend(number(bytes.len() as u64));
        self.0.extend(bytes);
        self
    }

    /// A number, as a field of 8 bytes.
    pub(super) fn number(self, value: u64) -> Self {
        self.field(&number(value))
    }

    pub(super) fn digest(self, digest: &Digest) -> Self {
        self.field(digest.as_bytes())
    }
}

/// The records of one archive.
#[derive(Default)]
pub(super) struct Listing {
    records: Vec<Vec<u8>>,
    bytes: usize,
}

impl Listing {
    pub(super) fn push(&mut self, record: Record) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(record.0.len());
        if self.records.len() as u64 >= limits::PACKAGE_ENTRIES
            || self.bytes > limits::LISTING_BYTES
        {
            let found = format!("{} entries, {} bytes listed", self.records.len(), self.bytes);
            return Err(Refusal::new(found, "an archive within the limits of normalizers"));
        }
        self.records.push(record.0);
        Ok(())
    }

    /// The digest of the form.
    pub(super) fn digest(mut self, chain: &str) -> Result<Digest, Refusal> {
        self.records.sort_unstable();
        if self.records.windows(2).any(|pair| pair.first() == pair.get(1)) {
            return Err(Refusal::new("one record twice".to_owned(), "each entry once"));
        }
        let mut digester = Digester::new();
        let mut field = |bytes: &[u8]| {
            digester.update(&number(bytes.len() as u64));
            digester.update(bytes);
        };
        field(FORM);
        field(chain.as_bytes());
        digester.update(&number(self.records.len() as u64));
        for record in &self.records {
            digester.update(&number(record.len() as u64));
            digester.update(record);
        }
        Ok(digester.finish())
    }
}

fn number(value: u64) -> [u8; 8] {
    value.to_be_bytes()
}
