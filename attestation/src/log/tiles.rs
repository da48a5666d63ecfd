//! C2SP tlog-tiles: the paths and the entry files that carry a log (steps 6 and 8).

use crate::limits::{ENTRIES_PER_TILE, ENVELOPE_MAX};

/// An entry file that is cut short, or an entry too long for one.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum TileError {
    /// The file ends within an entry.
    #[error(
        "found an entry file that ends within entry {entry}, needed whole entries; fetch it again"
    )]
    Cut {
        /// The entry, from 0.
        entry: usize,
    },
    /// More entries than a tile has.
    #[error("found an entry file of more than 256 entries; its source is at fault")]
    TooMany,
    /// The entry does not fit behind 16 bits of length.
    #[error("found an entry of {found} bytes, needed at most 65,535")]
    TooLong {
        /// Its bytes.
        found: usize,
    },
}

/// The path of a tile of hashes: `tile/<level>/<n>`, and `.p/<width>` where it is not full. A
/// `width` of 256 is the full tile.
pub fn tile_path(level: u8, n: u64, width: u16) -> String {
    path(&format!("tile/{level}"), n, width)
}

/// The path of a tile of entries: `tile/entries/<n>`, and `.p/<width>` where it is not full.
pub fn entries_path(n: u64, width: u16) -> String {
    path("tile/entries", n, width)
}

/// Groups of three digits, all but the last behind an `x`: 1234067 is `x001/x234/067`.
fn path(prefix: &str, n: u64, width: u16) -> String {
    let (mut rest, mut number) = (n / 1_000, format!("{:03}", n % 1_000));
    while rest > 0 {
        number = format!("x{:03}/{number}", rest % 1_000);
        rest /= 1_000;
    }
    if width == ENTRIES_PER_TILE {
        format!("{prefix}/{number}")
    } else {
        format!("{prefix}/{number}.p/{width}")
    }
}

/// Appends one entry to an entry file: its length in two bytes, big-endian, and its bytes.
pub fn encode_entry(entry: &[u8], into: &mut Vec<u8>) -> Result<(), TileError> {
    let found = entry.len();
    let length = u16::try_from(found).map_err(|_| TileError::TooLong { found })?;
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(entry);
    Ok(())
}

/// Takes an entry file apart.
pub fn decode_entries(bytes: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if entries.len() == usize::from(ENTRIES_PER_TILE) {
            return Err(TileError::TooMany);
        }
        let cut = TileError::Cut { entry: entries.len() };
        let Some((length, after)) = rest.split_first_chunk::<2>() else {
            return Err(cut);
        };
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((entry, after)) = after.split_at_checked(length) else {
            return Err(cut);
        };
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

// An envelope always fits an entry.
const _: () = assert!(ENVELOPE_MAX == u16::MAX as usize);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(1, 0, 17), "tile/1/000.p/17");
        assert_eq!(entries_path(273, 112), "tile/entries/273.p/112");
        assert_eq!(entries_path(1_000, 256), "tile/entries/x001/000");
    }

    #[test]
    fn entries_come_apart_as_they_went_in() {
        let mut file = Vec::new();
        for entry in [b"one".as_slice(), b"", b"three"] {
            encode_entry(entry, &mut file).unwrap();
        }
        assert_eq!(decode_entries(&file).unwrap(), [b"one".as_slice(), b"", b"three"]);
        file.pop();
        assert_eq!(decode_entries(&file), Err(TileError::Cut { entry: 2 }));
        assert_eq!(decode_entries(&[0; 514]), Err(TileError::TooMany));
        assert!(encode_entry(&vec![0; 65_536], &mut file).is_err());
    }
}
