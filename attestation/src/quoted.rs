//! Words of others in our messages (every step): short, and without a character that a terminal obeys.

use std::fmt::Display;

/// Characters of a quoted text: enough to find it again.
const TEXT_CHARS: usize = 80;

/// Characters of what a parser says, which may quote a text too.
const SAID_CHARS: usize = 200;

/// A text that somebody else wrote.
pub(crate) fn quoted(text: &str) -> String {
    printable(text, TEXT_CHARS)
}

/// What a parser says about a text that somebody else wrote.
pub(crate) fn said(error: impl Display) -> String {
    printable(&error.to_string(), SAID_CHARS)
}

fn printable(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (place, character) in text.chars().enumerate() {
        if place >= most {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{quoted, said};

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        assert_eq!(quoted("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(quoted("zürich 🦀"), "zürich 🦀");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(quoted(&"x".repeat(1_000_000)).chars().count(), 81);
        assert_eq!(said("x".repeat(1_000_000)).chars().count(), 201);
    }
}
