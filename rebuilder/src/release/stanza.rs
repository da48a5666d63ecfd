//! Stanzas of an archive's indexes (step 1), read one by one: `Packages` has 55 MB unpacked.

use std::io::{BufRead, Read};

use deb822_fast::Paragraph;

use crate::limits;

/// One stanza, parsed only when it is one of the few that are asked for.
pub(crate) struct Stanza(Paragraph);

/// The raw stanzas of an index.
pub(crate) struct Stanzas<R> {
    reader: R,
    text: Vec<u8>,
}

impl<R: BufRead> Stanzas<R> {
    /// Reads stanzas from unpacked text.
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, text: Vec::new() }
    }

    /// The next stanza's text, or `None` at the end.
    ///
    /// Borrowed and reused: of 69,000 stanzas a rebuild needs 200, so the others are never copied.
    pub(crate) fn next_raw(&mut self) -> Result<Option<&str>, String> {
        self.text.clear();
        loop {
            let start = self.text.len();
            let room = (limits::STANZA_BYTES - start.min(limits::STANZA_BYTES)) as u64;
            let mut line = self.reader.by_ref().take(room);
            let count = line.read_until(b'\n', &mut self.text).map_err(|e| e.to_string())?;
            if count as u64 == room {
                return Err(format!("a stanza of more than {} bytes", limits::STANZA_BYTES));
            }
            let is_blank = self.text.get(start..).is_some_and(|l| l.trim_ascii().is_empty());
            if count == 0 || (is_blank && start > 0) {
                break;
            }
            if is_blank {
                self.text.clear();
            }
        }
        if self.text.is_empty() {
            return Ok(None);
        }
        std::str::from_utf8(&self.text)
            .map(Some)
            .map_err(|_| "a stanza that is not UTF-8".to_owned())
    }
}

/// One field of a raw stanza, first line only, without parsing the rest.
pub(crate) fn field<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    raw.lines().find_map(value).map(str::trim)
}

impl Stanza {
    /// Parses one raw stanza.
    pub(crate) fn parse(raw: &str) -> Result<Self, String> {
        raw.parse::<Paragraph>().map(Self).map_err(|e| e.to_string())
    }

    /// A field that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("a stanza without {name}"))
    }

    /// A field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(str::trim)
    }
}

/// `PACKAGE` or `PACKAGE (VERSION)`, as in `Source:`; the version is the binary's where it is missing.
pub(crate) fn source_of<'a>(
    name: &'a str,
    version: &'a str,
    source: Option<&'a str>,
) -> (&'a str, &'a str) {
    match source.map(|s| s.split_once(' ').unwrap_or((s, ""))) {
        None => (name, version),
        Some((source, rest)) => {
            let stated = rest.trim().trim_start_matches('(').trim_end_matches(')');
            (source, if stated.is_empty() { version } else { stated })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn stanzas_come_one_by_one_and_the_last_needs_no_blank_line() {
        let text = "\n\nPackage: a\nDepends: b,\n c\n\n\nPackage: d\nVersion: 1";
        let mut stanzas = Stanzas::new(text.as_bytes());
        let first = Stanza::parse(stanzas.next_raw().unwrap().unwrap()).unwrap();
        assert_eq!(first.need("Package"), Ok("a"));
        assert_eq!(first.need("Depends").unwrap().split_whitespace().count(), 2);
        let second = stanzas.next_raw().unwrap().unwrap();
        assert_eq!((field(second, "Package"), field(second, "Vers")), (Some("d"), None));
        assert!(stanzas.next_raw().unwrap().is_none());
    }

    #[test]
    fn a_stanza_without_end_is_refused() {
        let endless = format!("Package: {}", "a".repeat(limits::STANZA_BYTES));
        assert!(Stanzas::new(endless.as_bytes()).next_raw().is_err());
    }

    #[test]
    fn a_source_is_stated_in_full_in_part_or_not_at_all() {
        assert_eq!(source_of("a", "1+b1", Some("src (1)")), ("src", "1"));
        assert_eq!(source_of("a", "1", Some("src")), ("src", "1"));
        assert_eq!(source_of("a", "1", None), ("a", "1"));
    }
}
