//! Archives in memory (step 4, pure): ar(5) and tar(5) as members with their properties, never unpacked to disk.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{Cursor, Read};

use flate2::bufread::DeflateDecoder;
use jiff::Timestamp;
use tar::EntryType;

use super::budget::Budget;
use super::shown::shown;
use super::zip;

/// Properties by name, in the order in which they are told.
pub(super) type Facts = Vec<(&'static str, String)>;

/// A container with its members.
#[derive(Debug, Default)]
pub(super) struct Archive<'a> {
    /// Properties of the container itself.
    pub(super) facts: Facts,
    /// Members in their order.
    pub(super) members: Vec<Member<'a>>,
}

/// One member.
#[derive(Debug)]
pub(super) struct Member<'a> {
    /// Its name; not UTF-8, not unique, not safe.
    pub(super) name: Vec<u8>,
    /// Mode, owner, time and so on.
    pub(super) facts: Facts,
    /// Its bytes as they stand in the container.
    pub(super) packed: &'a [u8],
    /// How they are packed: a method of a zip archive, 0 where they are not.
    pub(super) method: u16,
}

impl<'a> Member<'a> {
    /// Its content; `.ZIP File Format Specification` section 4.4.5 has the methods.
    pub(super) fn content(&self, budget: &mut Budget) -> Result<Cow<'a, [u8]>, String> {
        match self.method {
            0 => Ok(Cow::Borrowed(self.packed)),
            8 => {
                let size = self.packed.len() as u64;
                Ok(Cow::Owned(budget.unpack(size, DeflateDecoder::new(self.packed))?))
            }
            other => Err(format!("its compression method {other} is not known here")),
        }
    }
}

/// The kinds of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Ar,
    Tar,
    Zip,
}

impl Form {
    /// By its magic number.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"!<arch>\n") {
            return Some(Self::Ar);
        }
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
            return Some(Self::Zip);
        }
        (bytes.get(257..262) == Some(b"ustar")).then_some(Self::Tar)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ar => "ar archive",
            Self::Tar => "tar archive",
            Self::Zip => "zip archive",
        }
    }

    pub(super) fn read<'a>(
        self,
        bytes: &'a [u8],
        budget: &mut Budget,
    ) -> Result<Archive<'a>, String> {
        match self {
            Self::Ar => read_ar(bytes, budget),
            Self::Tar => read_tar(bytes, budget),
            Self::Zip => zip::read(bytes, budget),
        }
    }
}

fn read_ar<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Archive<'a>, String> {
    let mut archive = Archive::default();
    // The library tells no offsets; it reads exactly what it needs, so a count of that is one.
    let position = Cell::new(0_u64);
    let mut reader = ar::Archive::new(Counted { rest: bytes, position: &position });
    while let Some(member) = reader.next_entry() {
        budget.member()?;
        let member = member.map_err(|error| error.to_string())?;
        let header = member.header();
        archive.members.push(Member {
            name: header.identifier().to_vec(),
            facts: vec![
                ("mode", format!("{:06o}", header.mode())),
                ("owner", header.uid().to_string()),
                ("group", header.gid().to_string()),
                ("mtime", unix_time(i64::try_from(header.mtime()).unwrap_or(i64::MAX))),
            ],
            packed: slice(bytes, position.get(), header.size())?,
            method: 0,
        });
    }
    Ok(archive)
}

struct Counted<'a> {
    rest: &'a [u8],
    position: &'a Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.rest.read(buffer)?;
        self.position.set(self.position.get().saturating_add(count as u64));
        Ok(count)
    }
}

fn read_tar<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Archive<'a>, String> {
    let mut archive = Archive::default();
    let mut end = 0;
    let mut reader = tar::Archive::new(Cursor::new(bytes));
    // Checked entry by entry: a cut archive still shows what stands before the cut.
    for entry in reader.entries().map_err(|error| error.to_string())? {
        budget.member()?;
        let mut entry = entry.map_err(|error| error.to_string())?;
        let header = entry.header();
        // A sparse file is larger than what stands for it here.
        let sparse = header.entry_type() == EntryType::GNUSparse;
        let size = if sparse { header.entry_size() } else { Ok(entry.size()) };
        let size = size.map_err(|error| error.to_string())?;
        let start = entry.raw_file_position();
        let packed = slice(bytes, start, size)?;
        end = start.saturating_add(size).next_multiple_of(512);
        let facts = tar_facts(&mut entry);
        archive.members.push(Member {
            name: entry.path_bytes().into_owned(),
            facts,
            packed,
            method: 0,
        });
    }
    archive.facts = tar_end(bytes, end);
    Ok(archive)
}

/// A record of GNU tar and of dpkg: twenty blocks.
const RECORD: usize = 20 * 512;

/// Two empty blocks end an archive; writers pad to some multiple of them, and anything may follow.
fn tar_end(bytes: &[u8], end: u64) -> Facts {
    let rest = usize::try_from(end).ok().and_then(|end| bytes.get(end..)).unwrap_or_default();
    let empty = rest.iter().all(|byte| *byte == 0);
    if empty && bytes.len().is_multiple_of(RECORD) && (1_024..RECORD + 1_024).contains(&rest.len())
    {
        // How many they are follows from the members.
        return vec![("bytes after the last member", "zeros, to a whole record".to_owned())];
    }
    let length = format!("{} bytes", rest.len());
    vec![(
        "bytes after the last member",
        if empty { length } else { format!("{length}, not all zero") },
    )]
}

fn tar_facts(entry: &mut tar::Entry<'_, Cursor<&[u8]>>) -> Facts {
    let header = entry.header();
    let number = |value: std::io::Result<u64>| {
        value.map_or_else(|_| "unreadable".to_owned(), |value| value.to_string())
    };
    let name = |value: Option<&[u8]>| shown(value.unwrap_or_default(), 64);
    let mode = header.mode().map_or_else(|_| "unreadable".to_owned(), |mode| format!("{mode:04o}"));
    let time = header.mtime().ok().and_then(|time| i64::try_from(time).ok());
    let mut facts = vec![
        ("type", kind(header.entry_type())),
        ("mode", mode),
        ("owner", format!("{} {}", number(header.uid()), name(header.username_bytes()))),
        ("group", format!("{} {}", number(header.gid()), name(header.groupname_bytes()))),
        ("mtime", time.map_or_else(|| "unreadable".to_owned(), unix_time)),
        ("header format", if header.as_gnu().is_some() { "GNU" } else { "ustar" }.to_owned()),
    ];
    if let (Ok(Some(major)), Ok(Some(minor))) = (header.device_major(), header.device_minor())
        && matches!(header.entry_type(), EntryType::Char | EntryType::Block)
    {
        facts.push(("device", format!("{major}:{minor}")));
    }
    if let Some(target) = entry.link_name_bytes() {
        facts.push(("link target", shown(&target, 200)));
    }
    facts.extend(pax(entry).map(|text| ("pax headers", text)));
    facts
}

/// Extended headers: times below the second, long names, attributes.
fn pax(entry: &mut tar::Entry<'_, Cursor<&[u8]>>) -> Option<String> {
    let extensions = entry.pax_extensions().ok()??;
    let one = |extension: tar::PaxExtension<'_>| {
        format!("{}={}", shown(extension.key_bytes(), 64), shown(extension.value_bytes(), 64))
    };
    // More than a few are somebody's game.
    let all: Vec<String> = extensions.filter_map(Result::ok).take(16).map(one).collect();
    Some(all.join(" "))
}

fn kind(entry: EntryType) -> String {
    match entry {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => "file".to_owned(),
        EntryType::Directory => "directory".to_owned(),
        EntryType::Symlink => "symbolic link".to_owned(),
        EntryType::Link => "hard link".to_owned(),
        EntryType::Char => "character device".to_owned(),
        EntryType::Block => "block device".to_owned(),
        EntryType::Fifo => "fifo".to_owned(),
        other => format!("{:#04x}", other.as_byte()),
    }
}

pub(super) fn slice(bytes: &[u8], start: u64, size: u64) -> Result<&[u8], String> {
    let start = usize::try_from(start).ok();
    let end =
        start.zip(usize::try_from(size).ok()).and_then(|(start, size)| start.checked_add(size));
    start
        .zip(end)
        .and_then(|(start, end)| bytes.get(start..end))
        .ok_or_else(|| "a member ends behind the end of the file".to_owned())
}

/// Seconds since 1970 as a date that people read; the number itself where it is none.
pub(super) fn unix_time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
