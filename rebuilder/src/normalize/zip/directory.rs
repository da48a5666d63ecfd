//! A zip's end record and central directory (step 4), which must fill the file's end without a gap.

use super::super::bytes::Bytes;
use super::super::{Refusal, limits};

const END: &[u8] = b"PK\x05\x06";
/// The end record without its comment, and the longest comment.
const END_BYTES: u64 = 22;
const COMMENT_BYTES: u64 = 0xffff;

/// Where the central directory stands, and the archive's comment.
pub(super) struct End {
    pub(super) from: u64,
    until: u64,
    count: u16,
    pub(super) comment: Vec<u8>,
}

/// One entry as the central directory has it.
pub(super) struct Central {
    pub(super) host: u8,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: u32,
    pub(super) size: u32,
    pub(super) internal: u16,
    pub(super) external: u32,
    pub(super) offset: u32,
    pub(super) name: Vec<u8>,
    pub(super) extra: Vec<u8>,
    pub(super) comment: Vec<u8>,
}

/// The last end record of the file. Its comment must end with the file, so no bytes follow it.
pub(super) fn end(bytes: &Bytes<'_>) -> Result<End, Refusal> {
    let length = bytes.size().min(END_BYTES + COMMENT_BYTES);
    let tail = bytes.exact(bytes.size() - length, length)?;
    let at = tail.windows(END.len()).rposition(|window| window == END);
    let at = at.ok_or_else(|| Refusal::new("no end record".to_owned(), "a zip archive"))?;
    let place = bytes.size() - length + at as u64;
    let mut fields = Fields::new(tail.get(at + END.len()..).unwrap_or_default());
    let disks = (fields.u16()?, fields.u16()?);
    let (count, in_all) = (fields.u16()?, fields.u16()?);
    let (size, from) = (u64::from(fields.u32()?), u64::from(fields.u32()?));
    let comment = fields.u16()?;
    let comment = fields.take(u64::from(comment))?.to_vec();
    // The zip64 records would stand between the directory and this one.
    let is_plain = disks == (0, 0) && count == in_all && count != u16::MAX;
    if !is_plain || from + size != place || !fields.is_empty() {
        let found = format!("an end record at {place} for a directory of {size} bytes at {from}");
        return Err(Refusal::new(found, "one part, no zip64, no byte between or behind"));
    }
    if size > limits::LISTING_BYTES as u64 {
        let found = format!("a directory of {size} bytes");
        return Err(Refusal::new(found, "an archive within the limits of normalizers"));
    }
    Ok(End { from, until: place, count, comment })
}

/// The entries, which must fill the directory.
pub(super) fn entries(bytes: &Bytes<'_>, end: &End) -> Result<Vec<Central>, Refusal> {
    let directory = bytes.exact(end.from, end.until - end.from)?;
    let mut fields = Fields::new(&directory);
    let entries: Vec<Central> =
        (0..end.count).map(|_| entry(&mut fields)).collect::<Result<_, _>>()?;
    if !fields.is_empty() {
        let found = "bytes behind the central directory".to_owned();
        return Err(Refusal::new(found, "as many entries as the end record counts"));
    }
    Ok(entries)
}

fn entry(fields: &mut Fields<'_>) -> Result<Central, Refusal> {
    fields.signature(*b"PK\x01\x02")?;
    let [_made_with, host] = fields.u16()?.to_le_bytes();
    let (_needed, flags, method) = (fields.u16()?, fields.u16()?, fields.u16()?);
    let _time = fields.u32()?;
    let (crc, packed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let lengths = [fields.u16()?, fields.u16()?, fields.u16()?].map(u64::from);
    let disk = fields.u16()?;
    let (internal, external, offset) = (fields.u16()?, fields.u32()?, fields.u32()?);
    let [name, extra, comment] = lengths;
    let (name, extra) = (fields.take(name)?.to_vec(), fields.take(extra)?.to_vec());
    let comment = fields.take(comment)?.to_vec();
    if disk != 0 || [packed, size, offset].contains(&u32::MAX) {
        let found = "an entry elsewhere, or with sizes elsewhere".to_owned();
        return Err(Refusal::new(found, "one part, no zip64"));
    }
    Ok(Central {
        host,
        flags,
        method,
        crc,
        packed,
        size,
        internal,
        external,
        offset,
        name,
        extra,
        comment,
    })
}

/// Little-endian fields, one after the other.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], Refusal> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((taken, rest)) = self.0.split_at_checked(length) else {
            let found = format!("{} bytes left of {length}", self.0.len());
            return Err(Refusal::new(found, "a header with all its fields"));
        };
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Refusal> {
        Ok(self.take(2)?.iter().rev().fold(0, |value, byte| value << 8 | u16::from(*byte)))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Refusal> {
        Ok(self.take(4)?.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    pub(super) fn signature(&mut self, wanted: [u8; 4]) -> Result<(), Refusal> {
        if self.take(4)? == wanted {
            return Ok(());
        }
        let found = "another record".to_owned();
        Err(Refusal::new(found, "the headers of a zip, one behind the other"))
    }
}
