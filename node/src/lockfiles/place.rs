//! Where in a file something stands, and the bounds of the file itself.

use super::PinsError;
use crate::limits::PINS_FILE_BYTES;

/// The text of a file.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, PinsError> {
    if bytes.len() > PINS_FILE_BYTES {
        return Err(PinsError::Large { found: bytes.len(), most: PINS_FILE_BYTES });
    }
    // Windows editors put a mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        PinsError::Text { line: before.split(|byte| *byte == b'\n').count() }
    })
}

/// Turns places in bytes into lines, in the time of a binary search.
pub(crate) struct Lines<'a> {
    text: &'a str,
    ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, ends: newlines.map(|(at, _)| at).collect() }
    }

    /// The line of a byte, from 1.
    pub(crate) fn at(&self, byte: usize) -> usize {
        self.ends.partition_point(|end| *end < byte) + 1
    }

    /// The line on which a part of this very text begins.
    pub(crate) fn of_part(&self, part: &str) -> Option<usize> {
        let offset = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        (offset < self.text.len()).then(|| self.at(offset))
    }
}

/// A text of a file as it may be shown: short, and without anything that moves a cursor or hides.
pub(crate) fn shown(text: &str) -> String {
    const CHARACTERS: usize = 100;
    let mut shown = String::new();
    for (number, c) in text.chars().enumerate() {
        if number == CHARACTERS {
            shown.push('…');
            break;
        }
        let hides = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || hides {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}
