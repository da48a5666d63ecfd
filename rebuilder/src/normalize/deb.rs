//! The normalizer `deb` (step 4): a Debian package, its two archives unpacked and listed; deb(5).
//!
//! Normalized away: the times, user and group ids of the outer `ar`, how control and data part are
//! compressed (gzip, xz, zstd or not at all), and in both what `tar` normalizes away, but for the
//! owners: dpkg gives files to the users that its archives name.
//!
//! ```text
//! record of debian-binary = field("debian-binary") number(mode) field(SHA-256 of its content)
//! record of each part     = field("control.tar" or "data.tar") number(mode) field(digest)
//! ```
//!
//! The digest of a part is that of a form whose CHAIN ends in `/control.tar` or `/data.tar`. Members
//! in another order, other members, and bytes behind the last leave no normalized form.

use reattest_attestation::Digest;

use super::bytes::Bytes;
use super::listing::{Listing, Record};
use super::packed::{Packing, unpack};
use super::tar::{self, Owners};
use super::{Refusal, hashed, quoted};

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: u64 = 60;

pub(super) fn normalize(bytes: &Bytes<'_>, chain: &str) -> Result<Digest, Refusal> {
    if bytes.exact(0, MAGIC.len() as u64)? != MAGIC {
        return Err(Refusal::new("another beginning".to_owned(), "an ar archive"));
    }
    let mut listing = Listing::default();
    let mut place = MAGIC.len() as u64;
    for part in ["debian-binary", "control.tar", "data.tar"] {
        let member = Member::at(bytes, place)?;
        let span = (member.from, member.until);
        let packing = member.packing(part)?;
        let digest = if part == "debian-binary" {
            unpack(bytes, packing, span, hashed)?
        } else {
            let list = |stream: &mut dyn std::io::Read| tar::list(stream, Owners::Kept);
            unpack(bytes, packing, span, list)?.digest(&format!("{chain}/{part}"))?
        };
        listing
            .push(Record::default().field(part.as_bytes()).number(member.mode).digest(&digest))?;
        place = member.end(bytes)?;
    }
    if place != bytes.size() {
        return Err(Refusal::new("bytes behind the data part".to_owned(), "the package's end"));
    }
    listing.digest(chain)
}

/// A member of the `ar`, with the places of its content.
struct Member {
    name: Vec<u8>,
    mode: u64,
    from: u64,
    until: u64,
}

impl Member {
    fn at(bytes: &Bytes<'_>, place: u64) -> Result<Self, Refusal> {
        let header = bytes.exact(place, HEADER)?;
        let field = |from: usize, length: usize| {
            let field = header.get(from..from + length).unwrap_or_default();
            let end = field.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
            field.get(..end).unwrap_or_default()
        };
        let number = |from: usize, length: usize, radix: u32| {
            let digits = std::str::from_utf8(field(from, length)).ok();
            let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|digits| u64::from_str_radix(digits, radix).ok())
        };
        let dropped = [(16, 12), (28, 6), (34, 6)];
        let are_numbers = dropped.iter().all(|(from, length)| number(*from, *length, 10).is_some());
        let (Some(mode), Some(size), true, b"`\n") =
            (number(40, 8, 8), number(48, 10, 10), are_numbers, field_end(&header))
        else {
            let found = format!("a header of {}", quoted(field(0, 16)));
            return Err(Refusal::new(found, "an ar header of plain numbers"));
        };
        let from = place + HEADER;
        Ok(Self { name: field(0, 16).to_vec(), mode, from, until: from.saturating_add(size) })
    }

    fn packing(&self, part: &str) -> Result<Packing, Refusal> {
        let packing = match self.name.strip_prefix(part.as_bytes()) {
            Some(b"") => Some(Packing::Plain),
            Some(b".gz") => Some(Packing::Gzip),
            Some(b".xz") => Some(Packing::Xz),
            Some(b".zst") => Some(Packing::Zstd),
            _ => None,
        };
        let packed = !matches!(packing, Some(Packing::Plain));
        packing.filter(|_| !(packed && part == "debian-binary")).ok_or_else(|| {
            let found = format!("the member {}", quoted(&self.name));
            Refusal::new(found, "debian-binary, control.tar, data.tar, plain or as .gz, .xz, .zst")
        })
    }

    /// Where the next member begins: an odd one is followed by one line end.
    fn end(&self, bytes: &Bytes<'_>) -> Result<u64, Refusal> {
        if self.until.is_multiple_of(2) {
            return Ok(self.until);
        }
        match bytes.exact(self.until, 1)?.as_slice() {
            b"\n" => Ok(self.until + 1),
            _ => Err(Refusal::new("an odd member without padding".to_owned(), "a line end")),
        }
    }
}

fn field_end(header: &[u8]) -> &[u8] {
    header.get(58..60).unwrap_or_default()
}
