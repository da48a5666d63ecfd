//! The normalizer `tar` (step 4): the entries of a tar whose every byte is read as something.
//!
//! Normalized away: times, also those of pax and GNU headers; the order of entries; names and
//! numbers of users and groups, but for set-user-id and set-group-id files; the names of extended
//! headers, which have a process number in them; how the numbers of a header are spelled (blanks and
//! leading zeros); how many blocks of zeros stand behind the end.
//! **Modes stay.**
//!
//! ```text
//! record of an entry = field(kind: "f" file, "F" file of the old type 0, "d" directory,
//!                            "l" symbolic, "h" hard link)
//!                      field(name as it is spelled) number(mode) field(link target)
//!                      field(SHA-256 of the content, or empty) field(dialect: "o" old, "p" POSIX, "g" GNU)
//!                      field(kinds of extended headers that say names: "x", "L", "K", or empty)
//!                      field(name in the header itself) field(link target in the header itself)
//!                      number(user) number(group) field(user's name) field(group's name)
//! record of a comment = field("comment") field(the global pax comment)
//! ```
//!
//! Owners are 0 and empty where they are normalized away. A long name stays beside the short one
//! that older readers see, and an archive in another dialect is another archive: what a name is
//! depends on both. Only files, directories and links have a normalized form: no devices, pipes or
//! sparse files, no extended attributes, no pax sizes. A hard link must follow the file that it
//! names. After the end mark only zeros may stand.

mod header;
mod pax;

use std::collections::BTreeMap;
use std::io::Read;

use reattest_attestation::Digest;

use super::bytes::Bytes;
use super::listing::{Listing, Record};
use super::names::{Case, Names, plain};
use super::packed::{Packing, unpack};
use super::{Refusal, each, hashed, limits, quoted};
use header::{BLOCK, Header};
use pax::Overrides;

/// Whether owners are listed of every entry.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(super) enum Owners {
    /// Whoever unpacks owns the files.
    Dropped,
    /// They become the installed files' owners.
    Kept,
}

const SET_ID: u64 = 0o6000;

pub(super) fn normalize(bytes: &Bytes<'_>, chain: &str) -> Result<Digest, Refusal> {
    of(bytes, Packing::Plain, chain)
}

pub(super) fn normalize_gzipped(bytes: &Bytes<'_>, chain: &str) -> Result<Digest, Refusal> {
    of(bytes, Packing::Gzip, chain)
}

fn of(bytes: &Bytes<'_>, packing: Packing, chain: &str) -> Result<Digest, Refusal> {
    unpack(bytes, packing, (0, bytes.size()), |stream| list(stream, Owners::Dropped))?.digest(chain)
}

/// Lists the entries of a tar, which must be all that the stream holds.
pub(super) fn list(stream: &mut dyn Read, owners: Owners) -> Result<Listing, Refusal> {
    let case = if owners == Owners::Kept { Case::Kept } else { Case::Folded };
    let mut reader = Reader {
        stream,
        owners,
        listing: Listing::default(),
        names: Names::new(case),
        files: BTreeMap::new(),
    };
    let mut overrides = Overrides::default();
    let mut is_first = true;
    loop {
        let block = reader.block()?;
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        let header = Header::parse(&block)?;
        match header.kind {
            b'x' => overrides.pax(&reader.extended(&header)?)?,
            b'L' | b'K' => overrides.gnu(header.kind, &reader.extended(&header)?)?,
            b'g' if is_first => {
                let comment = pax::global_comment(&reader.extended(&header)?)?;
                reader.listing.push(Record::default().field(b"comment").field(&comment))?;
            }
            _ => reader.entry(header, std::mem::take(&mut overrides))?,
        }
        is_first = false;
    }
    if !overrides.is_empty() {
        return Err(Refusal::new("an extended header of nothing".to_owned(), "an entry behind it"));
    }
    reader.end()
}

struct Reader<'a> {
    stream: &'a mut dyn Read,
    owners: Owners,
    listing: Listing,
    names: Names,
    /// Files that hard links may name, with their modes.
    files: BTreeMap<Vec<u8>, u64>,
}

impl Reader<'_> {
    fn block(&mut self) -> Result<[u8; BLOCK], Refusal> {
        let mut block = [0; BLOCK];
        self.stream.read_exact(&mut block)?;
        Ok(block)
    }

    /// The content of an entry and its padding, which must be zeros.
    fn content<T>(
        &mut self,
        size: u64,
        take: impl FnOnce(&mut dyn Read) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut content = self.stream.take(size);
        let taken = take(&mut content)?;
        if content.limit() > 0 {
            return Err(Refusal::new("a tar that ends early".to_owned(), "all of its content"));
        }
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        each(&mut self.stream.take(padding), zeros)?;
        Ok(taken)
    }

    fn extended(&mut self, header: &Header) -> Result<Vec<u8>, Refusal> {
        if header.size > limits::PAX_BYTES || !header.link.is_empty() {
            let found = format!("an extended header of {} bytes", header.size);
            return Err(Refusal::new(found, "one of at most 64 KiB without a link"));
        }
        self.content(header.size, |stream| {
            let mut content = Vec::new();
            stream.read_to_end(&mut content)?;
            Ok(content)
        })
    }

    fn entry(&mut self, header: Header, overrides: Overrides) -> Result<(), Refusal> {
        let name = overrides.path.as_ref().unwrap_or(&header.name).clone();
        let entry = Entry { header, overrides, name };
        self.take(&entry).map_err(|refusal| refusal.within(&entry.name))
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Refusal> {
        let kind = entry.kind()?;
        let is_directory = kind == b"d";
        let path = plain(&entry.name, is_directory)?.to_vec();
        self.names.claim(&path, is_directory)?;
        let mut content = None;
        match kind {
            b"f" | b"F" => {
                content = Some(self.content(entry.header.size, hashed)?);
                self.files.insert(path, entry.header.mode);
            }
            // Whether a link's mode or its target's counts depends on the reader.
            b"h" if self.files.get(plain(entry.link(), false)?) == Some(&entry.header.mode) => {
                self.files.insert(path, entry.header.mode);
            }
            b"h" => {
                let found = format!("a hard link to {}", quoted(entry.link()));
                return Err(Refusal::new(found, "a file before it, of the same mode"));
            }
            _ => {}
        }
        self.listing.push(entry.record(kind, content, self.owners))
    }

    /// At least one more block of zeros, and nothing but zeros.
    fn end(mut self) -> Result<Listing, Refusal> {
        if self.block()?.iter().any(|byte| *byte != 0) {
            return Err(Refusal::new("bytes after the end mark".to_owned(), "zeros alone"));
        }
        each(self.stream, zeros)?;
        self.names.check()?;
        Ok(self.listing)
    }
}

fn zeros(part: &[u8]) -> Result<(), Refusal> {
    if part.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    Err(Refusal::new("bytes in the padding or after the end".to_owned(), "zeros alone"))
}

/// One entry with what extended headers say about it.
struct Entry {
    header: Header,
    overrides: Overrides,
    name: Vec<u8>,
}

impl Entry {
    fn link(&self) -> &[u8] {
        self.overrides.link.as_ref().unwrap_or(&self.header.link)
    }

    fn kind(&self) -> Result<&'static [u8], Refusal> {
        let header = &self.header;
        let kind: &[u8] = match header.kind {
            // Readers of old take a trailing slash for a directory.
            b'0' if !self.name.ends_with(b"/") => b"f",
            0 if !self.name.ends_with(b"/") => b"F",
            b'5' => b"d",
            b'2' => b"l",
            b'1' => b"h",
            other => {
                let found = format!("an entry of type {:?}", char::from(other));
                return Err(Refusal::new(found, "a file, directory or link"));
            }
        };
        let is_link = matches!(header.kind, b'1' | b'2');
        if (!kind.eq_ignore_ascii_case(b"f") && header.size != 0)
            || is_link == self.link().is_empty()
        {
            let found = format!("{} bytes and the target {}", header.size, quoted(self.link()));
            return Err(Refusal::new(found, "content in files and targets in links alone"));
        }
        Ok(kind)
    }

    fn record(&self, kind: &[u8], content: Option<Digest>, owners: Owners) -> Record {
        let (header, overrides) = (&self.header, &self.overrides);
        let overridden = overrides.path.is_some() || overrides.link.is_some();
        let kinds = if overridden { overrides.kinds.as_slice() } else { b"" };
        let is_owned = owners == Owners::Kept || header.mode & SET_ID != 0;
        let id =
            |number: u64, other: Option<u64>| if is_owned { other.unwrap_or(number) } else { 0 };
        let text = |name: &Vec<u8>, other: &Option<Vec<u8>>| match (is_owned, other) {
            (false, _) => Vec::new(),
            (true, other) => other.as_ref().unwrap_or(name).clone(),
        };
        Record::default()
            .field(kind)
            .field(&self.name)
            .number(header.mode)
            .field(self.link())
            .field(content.as_ref().map_or(&[][..], |digest| digest.as_bytes()))
            .field(header.dialect.letter())
            .field(kinds)
            .field(&header.name)
            .field(&header.link)
            .number(id(header.user_id, overrides.user_id))
            .number(id(header.group_id, overrides.group_id))
            .field(&text(&header.user, &overrides.user))
            .field(&text(&header.group, &overrides.group))
    }
}
