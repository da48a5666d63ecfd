//! The normalizer `gzip` (step 4): what one gzip member unpacks to; RFC 1952.
//!
//! Normalized away: the header's modification time, extra flags (XFL), operating system and stored
//! name, and how the content is compressed. The content alone is listed:
//!
//! ```text
//! record = field(SHA-256 of the content)
//! ```
//!
//! A file has no normalized form where it has a second member or bytes behind the first, a comment,
//! an extra field, a header checksum or a reserved flag, or where checksum or size are wrong.

use reattest_attestation::Digest;

use super::bytes::Bytes;
use super::listing::{Listing, Record};
use super::packed::{Packing, unpack};
use super::{Refusal, hashed};

/// Bytes of the fixed header, and of the checksum and size behind the content.
const FIXED: u64 = 10;
const TRAILER: u64 = 8;

/// The one flag that a header may have: a stored name follows.
const NAME: u8 = 1 << 3;

pub(super) fn normalize(bytes: &Bytes<'_>, chain: &str) -> Result<Digest, Refusal> {
    let content = unpack(bytes, Packing::Gzip, (0, bytes.size()), hashed)?;
    let mut listing = Listing::default();
    listing.push(Record::default().digest(&content))?;
    listing.digest(chain)
}

/// The header's fixed part; `flate2` reads the whole and would take more than is normalized away.
pub(super) fn check_header(bytes: &Bytes<'_>, from: u64, until: u64) -> Result<(), Refusal> {
    if until.saturating_sub(from) < FIXED + TRAILER {
        return Err(Refusal::new("too few bytes".to_owned(), "a gzip member"));
    }
    match bytes.exact(from, FIXED)?.as_slice() {
        [0x1f, 0x8b, 8, flags, ..] if flags & !NAME == 0 => Ok(()),
        [0x1f, 0x8b, 8, flags, ..] => Err(Refusal::new(
            format!("gzip flags {flags:#04x}"),
            "none but that of a stored name: extra fields and comments hide bytes",
        )),
        _ => Err(Refusal::new("another beginning".to_owned(), "a gzip member")),
    }
}
