//! A writer of zips that writes what it is told, for the tables of `zips` and `wheels`.

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::Write as _;

/// One entry, as a writer may write it; the headers are made of it.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) name: Vec<u8>,
    pub(super) content: Vec<u8>,
    /// 0 to 9, or stored.
    pub(super) level: Option<u32>,
    pub(super) time: u32,
    pub(super) flags: u16,
    pub(super) host: u8,
    pub(super) made_with: u8,
    pub(super) needed: u16,
    pub(super) external: u32,
    pub(super) internal: u16,
    pub(super) comment: Vec<u8>,
    pub(super) local_extra: Vec<u8>,
    pub(super) central_extra: Vec<u8>,
    pub(super) descriptor: Descriptor,
    /// What the local header says instead, where it lies.
    pub(super) local_name: Option<Vec<u8>>,
    pub(super) local_flags: Option<u16>,
    pub(super) local_size: Option<u32>,
    /// What both headers say.
    pub(super) method: Option<u16>,
    pub(super) size: Option<u32>,
    pub(super) crc: Option<u32>,
    pub(super) packed: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Eq, PartialEq)]
pub(super) enum Descriptor {
    None,
    Bare,
    Signed,
    Wrong,
}

pub(super) fn member(name: &str, content: &[u8]) -> Member {
    Member {
        name: name.as_bytes().to_vec(),
        content: content.to_vec(),
        level: Some(6),
        time: 0x5821_0000,
        flags: 0,
        host: 3,
        made_with: 20,
        needed: 20,
        external: 0o100_644 << 16,
        internal: 0,
        comment: Vec::new(),
        local_extra: Vec::new(),
        central_extra: Vec::new(),
        descriptor: Descriptor::None,
        local_name: None,
        local_flags: None,
        local_size: None,
        method: None,
        size: None,
        crc: None,
        packed: None,
    }
}

impl Member {
    pub(super) fn packed(&self) -> Vec<u8> {
        if let Some(packed) = &self.packed {
            return packed.clone();
        }
        let Some(level) = self.level else { return self.content.clone() };
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(&self.content).unwrap();
        encoder.finish().unwrap()
    }

    /// Checksum, packed and unpacked size.
    fn numbers(&self) -> [u32; 3] {
        let mut crc = Crc::new();
        crc.update(&self.content);
        let packed = u32::try_from(self.packed().len()).unwrap();
        let size = self.size.unwrap_or(u32::try_from(self.content.len()).unwrap());
        [self.crc.unwrap_or(crc.sum()), packed, size]
    }

    fn method(&self) -> u16 {
        self.method.unwrap_or(if self.level.is_some() { 8 } else { 0 })
    }

    fn flags(&self) -> u16 {
        self.flags | if self.descriptor == Descriptor::None { 0 } else { 8 }
    }

    fn local(&self) -> Vec<u8> {
        let mut out = b"PK\x03\x04".to_vec();
        out.extend(self.needed.to_le_bytes());
        out.extend(self.local_flags.unwrap_or(self.flags()).to_le_bytes());
        out.extend(self.method().to_le_bytes());
        out.extend(self.time.to_le_bytes());
        let [crc, packed, size] = self.numbers();
        let open = self.descriptor != Descriptor::None;
        let told = if open { [0; 3] } else { [crc, packed, self.local_size.unwrap_or(size)] };
        out.extend(told.map(u32::to_le_bytes).concat());
        let name = self.local_name.as_ref().unwrap_or(&self.name);
        out.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        out.extend(u16::try_from(self.local_extra.len()).unwrap().to_le_bytes());
        out.extend(name);
        out.extend(&self.local_extra);
        out.extend(self.packed());
        let numbers = [crc, packed, size].map(u32::to_le_bytes).concat();
        match self.descriptor {
            Descriptor::None => {}
            Descriptor::Bare => out.extend(numbers),
            Descriptor::Signed => out.extend([b"PK\x07\x08".as_slice(), &numbers].concat()),
            Descriptor::Wrong => out.extend([b"PK\x07\x08".as_slice(), &[1; 12]].concat()),
        }
        out
    }

    fn central(&self, offset: u32) -> Vec<u8> {
        let mut out = b"PK\x01\x02".to_vec();
        out.extend([self.made_with, self.host]);
        out.extend(self.needed.to_le_bytes());
        out.extend(self.flags().to_le_bytes());
        out.extend(self.method().to_le_bytes());
        out.extend(self.time.to_le_bytes());
        out.extend(self.numbers().map(u32::to_le_bytes).concat());
        for field in [&self.name, &self.central_extra, &self.comment] {
            out.extend(u16::try_from(field.len()).unwrap().to_le_bytes());
        }
        out.extend(0_u16.to_le_bytes());
        out.extend(self.internal.to_le_bytes());
        out.extend(self.external.to_le_bytes());
        out.extend(offset.to_le_bytes());
        out.extend([&self.name[..], &self.central_extra, &self.comment].concat());
        out
    }
}

/// Bytes that stand where none should: before, between entries, before the directory, inside it,
/// behind it, and behind the end record.
#[derive(Default)]
pub(super) struct Stray {
    pub(super) before: &'static [u8],
    pub(super) between: &'static [u8],
    pub(super) directory: &'static [u8],
    pub(super) end: &'static [u8],
    pub(super) behind: &'static [u8],
    pub(super) comment: &'static [u8],
    pub(super) overlap: bool,
    pub(super) count: u16,
}

pub(super) fn zip(members: &[Member]) -> Vec<u8> {
    zip_with(members, &Stray::default())
}

pub(super) fn zip_with(members: &[Member], stray: &Stray) -> Vec<u8> {
    let (mut out, mut offsets) = (stray.before.to_vec(), Vec::new());
    for member in members {
        offsets.push(u32::try_from(out.len()).unwrap());
        out.extend(member.local());
        out.extend(stray.between);
    }
    let from = u32::try_from(out.len()).unwrap();
    for (member, offset) in members.iter().zip(&offsets) {
        out.extend(member.central(if stray.overlap { offsets[0] } else { *offset }));
    }
    out.extend(stray.directory);
    let size = u32::try_from(out.len()).unwrap() - from;
    out.extend(stray.end);
    let count = u16::try_from(members.len()).unwrap() + stray.count;
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].map(u16::to_le_bytes).concat());
    out.extend([size, from].map(u32::to_le_bytes).concat());
    out.extend(u16::try_from(stray.comment.len()).unwrap().to_le_bytes());
    out.extend(stray.comment);
    out.extend(stray.behind);
    out
}
