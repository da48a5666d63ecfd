//! Hostile bytes as text that is safe to show anywhere (step 4, pure): a terminal, a page, a log.
//!
//! Letters of every language stay. Whatever moves a cursor, hides or turns text around becomes an
//! escape, and so do bytes that are not UTF-8 and the backslash itself: two different names never
//! look the same.

use std::fmt::Write as _;

/// Bytes as printable text, cut at `limit` characters with an ellipsis.
pub(super) fn shown(bytes: &[u8], limit: usize) -> String {
    // One character has at most four bytes; what lies beyond is not even decoded.
    let within = bytes.get(..limit.saturating_mul(4)).unwrap_or(bytes);
    let mut text = String::new();
    let mut count = 0;
    for chunk in within.utf8_chunks() {
        for character in chunk.valid().chars() {
            if count >= limit {
                text.push('…');
                return text;
            }
            push(&mut text, character);
            count += 1;
        }
        // The end of the excerpt may cut a character in two: that is no fault of the bytes.
        for byte in chunk.invalid() {
            let _infallible = write!(text, "\\x{byte:02x}");
            count += 1;
        }
    }
    if within.len() < bytes.len() {
        text.push('…');
    }
    text
}

fn push(text: &mut String, character: char) {
    match character {
        '\\' => text.push_str("\\\\"),
        '\t' => text.push_str("\\t"),
        _ if is_safe(character) => text.push(character),
        _ => {
            let _infallible = write!(text, "\\u{{{:x}}}", u32::from(character));
        }
    }
}

/// Whether a character only shows itself. Unicode's general categories Cc, Cf, Zl, Zp, private use,
/// variation selectors, tags and combining marks from the first two blocks do more than that.
pub(super) fn is_safe(character: char) -> bool {
    let code = u32::from(character);
    let hidden = matches!(code,
        0..0x20 | 0x7f..0xa0 | 0xad | 0x300..0x370 | 0x600..0x606 | 0x61c | 0x6dd | 0x70f
        | 0x8e2 | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..0x1810 | 0x2000..0x2010
        | 0x2028..0x2030 | 0x205f..0x2070 | 0x20d0..0x2100 | 0x2800 | 0x3000 | 0x3164
        | 0xe000..0xf900 | 0xfe00..0xfe10 | 0xfeff | 0xffa0 | 0xfff0..0xfffc
        | 0x110bd | 0x110cd | 0x13430..0x13440 | 0x1bca0..0x1bca4 | 0x1d173..0x1d17b
        | 0xe0000..=0x0010_ffff);
    !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_hide_or_turn_text_is_escaped() {
        let table: [(&[u8], &str); 9] = [
            (b"usr/bin/hostname", "usr/bin/hostname"),
            ("Übergröße/日本".as_bytes(), "Übergröße/日本"),
            (b"a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("exe.\u{202e}gnp".as_bytes(), "exe.\\u{202e}gnp"),
            ("zero\u{200b}width".as_bytes(), "zero\\u{200b}width"),
            (b"caf\xe9", "caf\\xe9"),
            (b"back\\slash", "back\\\\slash"),
            (b"a\r\n\tb", "a\\u{d}\\u{a}\\tb"),
            ("a\u{e0041}\u{feff}".as_bytes(), "a\\u{e0041}\\u{feff}"),
        ];
        for (bytes, expected) in table {
            assert_eq!(shown(bytes, 100), expected);
            assert!(shown(bytes, 100).chars().all(is_safe));
        }
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(shown(b"abcdef", 3), "abc…");
        assert_eq!(shown(b"abc", 3), "abc");
        assert!(shown(&vec![b'x'; 1 << 20], 10).chars().count() <= 11);
    }
}
