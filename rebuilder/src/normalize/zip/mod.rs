//! The normalizer `zip` (step 4): the entries of a zip whose every byte is read as something.
//!
//! Normalized away: times; the order of entries; how they are compressed (stored or deflated, bits
//! 1 and 2 of the flags); data descriptors (bit 3) and what the local header leaves to them; the
//! versions made with and needed; bit 11 where a name is ASCII, since it is one name either way;
//! the extra fields of `extra`.
//!
//! ```text
//! record of the archive = field("") field(comment)
//! record of an entry    = field(name) number(host) number(external attributes)
//!                         number(internal attributes) field(comment) field(SHA-256 of the content)
//! ```
//!
//! Host, the upper byte of "version made by", says how the external attributes are to be read: mode
//! bits, and whether an entry is a symbolic link. So it stays.
//!
//! Local headers, contents, descriptors, central directory and end record must fill the file
//! without gap or overlap, and the two headers of an entry must agree. Encryption, zip64, methods
//! but those two, names that are not UTF-8, and what `names` refuses leave no normalized form.

mod directory;
mod extra;

use reattest_attestation::Digest;
use reattest_attestation::digest::Digester;

use super::bytes::Bytes;
use super::listing::{Listing, Record};
use super::names::{Case, Names, plain};
use super::packed::inflate;
use super::{Refusal, limits};
use directory::{Central, Fields};
use extra::{Header, name_owner};

const LOCAL_BYTES: u64 = 30;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Flags: sizes stand behind the content, names are UTF-8, and the two of deflate's levels.
const DESCRIPTOR: u16 = 1 << 3;
const UTF8: u16 = 1 << 11;
const LEVELS: u16 = 3 << 1;
/// Set-user-id and set-group-id, in the Unix mode that is the upper half of the attributes.
const SET_ID: u32 = 0o6000 << 16;

/// What a zip says.
pub(super) struct Archive {
    comment: Vec<u8>,
    pub(super) entries: Vec<Entry>,
}

/// What it says of one entry.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) size: u32,
    /// SHA-256 of the content, or what stands in the form instead.
    pub(super) content: Digest,
    /// The content itself, where it was asked for.
    pub(super) kept: Vec<u8>,
    host: u8,
    external: u32,
    internal: u16,
    comment: Vec<u8>,
}

impl Entry {
    pub(super) fn is_directory(&self) -> bool {
        self.name.ends_with('/')
    }
}

impl Archive {
    pub(super) fn listing(&self) -> Result<Listing, Refusal> {
        let mut listing = Listing::default();
        listing.push(Record::default().field(b"").field(&self.comment))?;
        for entry in &self.entries {
            let record = Record::default()
                .field(entry.name.as_bytes())
                .number(u64::from(entry.host))
                .number(u64::from(entry.external))
                .number(u64::from(entry.internal))
                .field(&entry.comment)
                .digest(&entry.content);
            listing.push(record)?;
        }
        Ok(listing)
    }
}

pub(super) fn normalize(bytes: &Bytes<'_>, chain: &str) -> Result<Digest, Refusal> {
    read(bytes, |_| false)?.listing()?.digest(chain)
}

/// Reads an archive; the contents of the names that `keep` picks are kept, up to a limit.
pub(super) fn read(bytes: &Bytes<'_>, keep: fn(&str) -> bool) -> Result<Archive, Refusal> {
    let end = directory::end(bytes)?;
    let mut central = directory::entries(bytes, &end)?;
    central.sort_by_key(|entry| entry.offset);
    let ends = central.iter().skip(1).map(|next| u64::from(next.offset)).chain([end.from]);
    let mut names = Names::new(Case::Folded);
    let (mut entries, mut place) = (Vec::new(), 0);
    for (header, until) in central.iter().zip(ends.collect::<Vec<u64>>()) {
        if u64::from(header.offset) != place {
            let found = format!("a local header at {}, not at {place}", header.offset);
            return Err(Refusal::new(found, "no byte before or between entries"));
        }
        let entry =
            entry(bytes, header, until, keep).map_err(|refusal| refusal.within(&header.name))?;
        let path = plain(entry.name.as_bytes(), entry.is_directory())?;
        names.claim(path, entry.is_directory())?;
        entries.push(entry);
        place = until;
    }
    if place != end.from {
        return Err(Refusal::new("bytes before the directory".to_owned(), "entries alone"));
    }
    names.check()?;
    Ok(Archive { comment: end.comment, entries })
}

/// Reads the entry whose local header, content and descriptor end at `until`.
fn entry(
    bytes: &Bytes<'_>,
    central: &Central,
    until: u64,
    keep: fn(&str) -> bool,
) -> Result<Entry, Refusal> {
    let name = name(central)?;
    let (from, local_owner) = local(bytes, central)?;
    let content_end = from.saturating_add(u64::from(central.packed));
    descriptor(bytes, central, content_end, until)?;
    let owner = local_owner | name_owner(&central.extra, Header::Central)?;
    if owner && central.external & SET_ID != 0 {
        let found = "a set-user-id or set-group-id file with an owner".to_owned();
        return Err(Refusal::new(found, "none whose owner matters"));
    }
    let mut kept = Vec::new();
    let keeps = keep(&name);
    let content = content(bytes, central, (from, content_end), |part| {
        if keeps {
            kept.extend_from_slice(part);
        }
        if kept.len() > limits::LISTING_BYTES {
            return Err(Refusal::new("a list too long to read".to_owned(), "a shorter one"));
        }
        Ok(())
    })?;
    if name.ends_with('/') && central.size != 0 {
        return Err(Refusal::new("a directory with content".to_owned(), "an empty one"));
    }
    Ok(Entry {
        name,
        size: central.size,
        content,
        kept,
        host: central.host,
        external: central.external,
        internal: central.internal,
        comment: central.comment.clone(),
    })
}

fn name(central: &Central) -> Result<String, Refusal> {
    let is_ascii = central.name.is_ascii() && central.comment.is_ascii();
    let name = String::from_utf8(central.name.clone()).ok();
    name.filter(|name| (is_ascii || central.flags & UTF8 != 0) && !name.contains('\\')).ok_or_else(
        || Refusal::new("its name".to_owned(), "UTF-8 that is called so, and no backslash"),
    )
}

/// Checks the local header against the central one; where the content begins, and whether the
/// header names an owner.
fn local(bytes: &Bytes<'_>, central: &Central) -> Result<(u64, bool), Refusal> {
    let place = u64::from(central.offset);
    let header = bytes.exact(place, LOCAL_BYTES)?;
    let mut fields = Fields::new(&header);
    fields.signature(*b"PK\x03\x04")?;
    let (_needed, flags, method) = (fields.u16()?, fields.u16()?, fields.u16()?);
    let _time = fields.u32()?;
    let sizes = [fields.u32()?, fields.u32()?, fields.u32()?];
    let (name, extra) = (u64::from(fields.u16()?), u64::from(fields.u16()?));
    let names = place + LOCAL_BYTES;
    let told = [central.crc, central.packed, central.size];
    let left_open = flags & DESCRIPTOR != 0 && sizes == [0; 3];
    if flags & !(DESCRIPTOR | UTF8 | LEVELS) != 0
        || (flags, method) != (central.flags, central.method)
        || !(sizes == told || left_open)
        || bytes.exact(names, name)? != central.name
    {
        let found = "two headers that disagree, or flags that hide something".to_owned();
        return Err(Refusal::new(found, "one name, one size, neither encrypted nor patched"));
    }
    let owner = name_owner(&bytes.exact(names + name, extra)?, Header::Local)?;
    Ok((names + name + extra, owner))
}

/// What stands behind the content: nothing, or a descriptor that repeats the central header.
fn descriptor(
    bytes: &Bytes<'_>,
    central: &Central,
    content_end: u64,
    until: u64,
) -> Result<(), Refusal> {
    let numbers = [central.crc, central.packed, central.size].map(u32::to_le_bytes).concat();
    let behind = until.checked_sub(content_end).filter(|length| *length <= 16);
    let behind = behind.map(|length| bytes.exact(content_end, length)).transpose()?;
    // A reader that streams finds no end of a stored entry whose size stands behind it.
    let may_have = central.flags & DESCRIPTOR != 0 && central.method == DEFLATED;
    let good = match behind.as_deref() {
        Some([]) => central.flags & DESCRIPTOR == 0,
        Some(bare) if bare.len() == 12 => may_have && bare == numbers,
        Some([b'P', b'K', 7, 8, signed @ ..]) => may_have && *signed == *numbers,
        _ => false,
    };
    if good {
        return Ok(());
    }
    let found = "bytes behind the content, an overlap, or a wrong descriptor".to_owned();
    Err(Refusal::new(found, "the next header, or a descriptor that agrees"))
}

/// The digest of the content, which must be as long as it says and have its checksum.
fn content(
    bytes: &Bytes<'_>,
    central: &Central,
    (from, until): (u64, u64),
    mut keep: impl FnMut(&[u8]) -> Result<(), Refusal>,
) -> Result<Digest, Refusal> {
    let (mut digester, mut crc, mut size) = (Digester::new(), flate2::Crc::new(), 0_u64);
    let mut sink = |part: &[u8]| {
        bytes.unpack(part.len())?;
        size += part.len() as u64;
        if size > u64::from(central.size) {
            return Err(Refusal::new("more than it says".to_owned(), "the size it says"));
        }
        digester.update(part);
        crc.update(part);
        keep(part)
    };
    let mut span = bytes.span(from, until)?;
    match central.method {
        DEFLATED => inflate(span, &mut sink)?,
        STORED => super::each(&mut span, &mut sink)?,
        other => {
            let found = format!("compression method {other}");
            return Err(Refusal::new(found, "stored or deflated entries"));
        }
    }
    if size != u64::from(central.size) || crc.sum() != central.crc {
        let found = format!("{size} bytes with checksum {:08x}", crc.sum());
        return Err(Refusal::new(found, "the size and checksum of the headers"));
    }
    Ok(digester.finish())
}
