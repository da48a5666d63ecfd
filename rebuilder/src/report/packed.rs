//! Single streams (step 4, pure): gzip (RFC 1952), xz (its file format 1.2), zstd (RFC 8878).

use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use ruzstd::decoding::StreamingDecoder;

use super::archive::Facts;
use super::budget::Budget;

/// A decoder that wants more memory is refused: `xz -9` takes 65 MiB.
const XZ_MEMORY: u64 = 128 << 20;

/// How one stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Xz,
    Zstd,
}

impl Packing {
    /// By its magic number.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let table: [(&[u8], Self); 3] = [
            (b"\x1f\x8b\x08", Self::Gzip),
            (b"\xfd7zXZ\0", Self::Xz),
            (b"\x28\xb5\x2f\xfd", Self::Zstd),
        ];
        table.into_iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, packing)| packing)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    /// The content.
    pub(super) fn unpack(self, packed: &[u8], budget: &mut Budget) -> Result<Vec<u8>, String> {
        let size = packed.len() as u64;
        match self {
            Self::Gzip => budget.unpack(size, MultiGzDecoder::new(packed)),
            Self::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)
                    .map_err(|error| error.to_string())?;
                budget.unpack(size, XzDecoder::new_stream(packed, stream))
            }
            Self::Zstd => budget.unpack(size, Frames::new(packed)),
        }
    }

    /// What the header says; fields that a reader could not name are left to the bytes.
    pub(super) fn facts(self, packed: &[u8]) -> Facts {
        match self {
            Self::Gzip => gzip(packed),
            Self::Xz => xz(packed),
            Self::Zstd => {
                let descriptor = packed.get(4).map(|byte| format!("{byte:#04x}"));
                vec![("zstd frame descriptor", descriptor.unwrap_or_default())]
            }
        }
    }
}

/// RFC 1952, section 2.3: flags, time, extra flags (the level), operating system, name.
fn gzip(packed: &[u8]) -> Facts {
    let byte = |at: usize| packed.get(at).copied().unwrap_or(0);
    let time = u32::from_le_bytes([byte(4), byte(5), byte(6), byte(7)]);
    let mut facts = vec![
        ("gzip time", super::archive::unix_time(i64::from(time))),
        (
            "gzip level",
            match byte(8) {
                2 => "best".to_owned(),
                4 => "fastest".to_owned(),
                other => other.to_string(),
            },
        ),
        ("gzip system", byte(9).to_string()),
        ("gzip flags", format!("{:#04x}", byte(3))),
    ];
    // Flag 8 is a name; with flag 4, extra fields stand before it and are left to the bytes.
    if byte(3) & 0b1100 == 0b1000 {
        let name = packed.get(10..).unwrap_or_default().split(|byte| *byte == 0).next();
        facts.push(("gzip name", super::shown::shown(name.unwrap_or_default(), 200)));
    }
    facts
}

/// Section 3.1 of the format: a block header with both sizes was written by several threads.
fn xz(packed: &[u8]) -> Facts {
    let byte = |at: usize| packed.get(at).copied().unwrap_or(0);
    let check = match byte(7) {
        0 => "none".to_owned(),
        1 => "CRC32".to_owned(),
        4 => "CRC64".to_owned(),
        10 => "SHA-256".to_owned(),
        other => other.to_string(),
    };
    let threads = if byte(13) & 0xc0 == 0xc0 { "several" } else { "one" };
    vec![("xz check", check), ("xz threads", threads.to_owned())]
}

/// Several zstd frames one after the other, as its own tools write them.
struct Frames<'a> {
    rest: &'a [u8],
    current: Option<Box<StreamingDecoder<&'a [u8], ruzstd::decoding::FrameDecoder>>>,
}

impl<'a> Frames<'a> {
    fn new(packed: &'a [u8]) -> Self {
        Self { rest: packed, current: None }
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if self.current.is_none() {
                if self.rest.is_empty() {
                    return Ok(0);
                }
                let decoder = StreamingDecoder::new(self.rest)
                    .map_err(|error| std::io::Error::other(error.to_string()))?;
                self.current = Some(Box::new(decoder));
            }
            let count = match &mut self.current {
                Some(decoder) => decoder.read(buffer)?,
                None => 0,
            };
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if let Some(decoder) = self.current.take() {
                self.rest = decoder.into_inner();
            }
        }
    }
}
