//! One header block of a tar (step 4): 512 bytes of which each is read as something; ustar(5), tar(5).

use super::super::{Refusal, quoted};

/// Bytes of a header, and of every unit of an archive.
pub(super) const BLOCK: usize = 512;

/// Which reading of a header's last third is meant.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(super) enum Dialect {
    Old,
    Posix,
    Gnu,
}

impl Dialect {
    /// Its letter in the normalized form.
    pub(super) fn letter(self) -> &'static [u8] {
        match self {
            Self::Old => b"o",
            Self::Posix => b"p",
            Self::Gnu => b"g",
        }
    }
}

/// What a header says.
pub(super) struct Header {
    pub(super) dialect: Dialect,
    pub(super) name: Vec<u8>,
    pub(super) mode: u64,
    pub(super) user_id: u64,
    pub(super) group_id: u64,
    pub(super) size: u64,
    pub(super) kind: u8,
    pub(super) link: Vec<u8>,
    pub(super) user: Vec<u8>,
    pub(super) group: Vec<u8>,
}

impl Header {
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self, Refusal> {
        let part = |from: usize, length: usize| block.get(from..from + length).unwrap_or_default();
        let dialect = match part(257, 8) {
            b"ustar\x0000" => Dialect::Posix,
            b"ustar  \0" => Dialect::Gnu,
            [0, 0, 0, 0, 0, 0, 0, 0] => Dialect::Old,
            other => return Err(refused(other, "a tar header of a known dialect")),
        };
        check_sum(block, part(148, 8))?;
        check_rest(dialect, &part)?;
        time(part(136, 12))?;
        let mut name = text(part(0, 100))?;
        let prefix = if dialect == Dialect::Posix { text(part(345, 155))? } else { Vec::new() };
        if !prefix.is_empty() {
            name = [prefix.as_slice(), b"/", &name].concat();
        }
        let named =
            |from| if dialect == Dialect::Old { Ok(Vec::new()) } else { text(part(from, 32)) };
        Ok(Self {
            dialect,
            name,
            mode: octal(part(100, 8))?,
            user_id: id(part(108, 8))?,
            group_id: id(part(116, 8))?,
            size: octal(part(124, 12))?,
            kind: part(156, 1).first().copied().unwrap_or_default(),
            link: text(part(157, 100))?,
            user: named(265)?,
            group: named(297)?,
        })
    }
}

fn refused(found: &[u8], needed: &'static str) -> Refusal {
    Refusal::new(format!("the header field {}", quoted(found)), needed)
}

fn check_sum(block: &[u8; BLOCK], told: &[u8]) -> Result<(), Refusal> {
    let outside = |place: usize| !(148..156).contains(&place);
    let sum: u64 = (0..)
        .zip(block)
        .map(|(place, byte)| u64::from(if outside(place) { *byte } else { b' ' }))
        .sum();
    if octal(told)? == sum { Ok(()) } else { Err(refused(told, "the header's checksum")) }
}

/// What is no part of a file, directory or link: device numbers, GNU's access and change times (the
/// only ones of these that may say something, since times are dropped), and padding.
fn check_rest<'a>(
    dialect: Dialect,
    part: &impl Fn(usize, usize) -> &'a [u8],
) -> Result<(), Refusal> {
    let unused = match dialect {
        Dialect::Old => part(265, BLOCK - 265),
        Dialect::Posix => part(500, 12),
        Dialect::Gnu => {
            time(part(345, 12))?;
            time(part(357, 12))?;
            part(369, BLOCK - 369)
        }
    };
    let is_device = dialect != Dialect::Old
        && [part(329, 8), part(337, 8)].iter().any(|field| !matches!(number(field), Some(0)));
    if is_device || unused.iter().any(|byte| *byte != 0) {
        return Err(refused(unused, "neither device numbers nor bytes that nothing reads"));
    }
    Ok(())
}

/// A name up to its first zero byte; what stands behind must be zeros.
fn text(field: &[u8]) -> Result<Vec<u8>, Refusal> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (name, rest) = field.split_at(end);
    if rest.iter().any(|byte| *byte != 0) {
        return Err(refused(field, "nothing behind the end of a name"));
    }
    Ok(name.to_vec())
}

/// Octal digits between spaces and zero bytes; nothing at all is 0.
fn number(field: &[u8]) -> Option<u64> {
    let is_space = |byte: &u8| *byte == b' ';
    let from = field.iter().position(|byte| !is_space(byte)).unwrap_or(field.len());
    let rest = field.get(from..)?;
    let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, behind) = rest.split_at(length);
    if digits.is_empty() && behind.iter().all(|byte| *byte == 0) {
        return Some(0);
    }
    if !behind.iter().all(|byte| is_space(byte) || *byte == 0) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// A number that decides: in octal, since readers disagree about anything else.
fn octal(field: &[u8]) -> Result<u64, Refusal> {
    let is_told = field.iter().any(u8::is_ascii_digit);
    number(field).filter(|_| is_told).ok_or_else(|| refused(field, "an octal number"))
}

/// A user or group, in octal or in GNU's base 256.
fn id(field: &[u8]) -> Result<u64, Refusal> {
    match field {
        [0x80, digits @ ..] => {
            Ok(digits.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
        }
        _ => number(field).ok_or_else(|| refused(field, "a user or group number")),
    }
}

/// A time, in any form that is one: it is dropped.
fn time(field: &[u8]) -> Result<(), Refusal> {
    match field {
        [0x80 | 0xff, ..] => Ok(()),
        _ => number(field).map(drop).ok_or_else(|| refused(field, "a time")),
    }
}
