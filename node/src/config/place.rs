//! Where a value stands in the configuration file: a mistake is told with its line and column.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::fault::Fault;

/// One step on the way to a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// The value of a key.
    Of(&'static str),
    /// A place in a list, from 0.
    At(usize),
}

/// A value that is well formed as TOML and means nothing.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// The way to it.
    pub(crate) at: Vec<Key>,
    /// What was found, and what was needed.
    pub(crate) why: String,
}

impl Mistake {
    /// A mistake in the value at the end of this way.
    pub(crate) fn new(at: &[Key], why: impl Into<String>) -> Self {
        Self { at: at.to_vec(), why: why.into() }
    }

    /// The mistake of a table, as one of the whole file.
    pub(crate) fn below(mut self, table: &[Key]) -> Self {
        self.at.splice(..0, table.iter().copied());
        self
    }

    /// The mistake with its place, as the parser of TOML tells its own, and the way to it.
    pub(crate) fn within(&self, file: &Path, text: &str) -> Fault {
        let span = span(text, &self.at);
        told(file, text, span.as_ref(), &format!("{}: {}", self.way(), self.why))
    }

    /// The way to the value, as `mirror[1].url`.
    fn way(&self) -> String {
        self.at.iter().fold(String::new(), |way, key| match key {
            Key::Of(name) if way.is_empty() => (*name).to_owned(),
            Key::Of(name) => format!("{way}.{name}"),
            Key::At(place) => format!("{way}[{place}]"),
        })
    }
}

/// What the parser could not read, in one line.
pub(crate) fn unreadable(file: &Path, text: &str, error: &toml::de::Error) -> Fault {
    let why = error.message().trim_end().replace('\n', "; ");
    // What is missing at the top is missing from its beginning on.
    let span = error.span().unwrap_or(0..0);
    let key = key_before(text, span.start).map_or_else(String::new, |key| format!("{key}: "));
    let why = format!("{key}{why}; compare with a configuration that `reattest init` writes");
    told(file, text, Some(&span), &why)
}

/// The key whose value a place is in, where it stands on the same line.
fn key_before(text: &str, place: usize) -> Option<&str> {
    let line = text.get(..place)?.rsplit('\n').next()?;
    Some(line.split_once('=')?.0.trim())
}

fn told(file: &Path, text: &str, span: Option<&Range<usize>>, why: &str) -> Fault {
    let file = file.display();
    Fault::text(match span.and_then(|span| place(text, span)) {
        Some((line, column)) => format!("{file}, line {line}, column {column}: {why}"),
        None => format!("{file}: {why}"),
    })
}

/// The bytes of the value, or of the last part of the way to it that is in the file.
fn span(text: &str, at: &[Key]) -> Option<Range<usize>> {
    let table = DeTable::parse(text).ok()?;
    let mut found: Option<Range<usize>> = None;
    let mut value: Option<&DeValue<'_>> = None;
    for key in at {
        let next = match (value, key) {
            (None, Key::Of(name)) => table.get_ref().get(*name),
            (Some(DeValue::Table(table)), Key::Of(name)) => table.get(*name),
            (Some(DeValue::Array(list)), Key::At(index)) => list.get(*index),
            // A single value where a list may stand: the value itself.
            _ => break,
        };
        let Some(next) = next else { break };
        found = Some(next.span());
        value = Some(next.get_ref());
    }
    found
}

/// Line and column, both from 1; the column in characters.
fn place(text: &str, span: &Range<usize>) -> Option<(usize, usize)> {
    let before = text.get(..span.start)?;
    let line = before.lines().count().max(1);
    let begun = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    let column = before.get(begun..)?.chars().count().saturating_add(1);
    let line = if before.ends_with('\n') { line.saturating_add(1) } else { line };
    Some((line, column))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const TEXT: &str =
        "a = 1\n\nlist = [\n  \"é\", \"two\",\n]\n[t]\nk = \"v\"\n[[m]]\nu = 1\n[[m]]\n u = 2\n";

    fn of(at: &[Key]) -> Option<(usize, usize)> {
        span(TEXT, at).and_then(|span| place(TEXT, &span))
    }

    #[test]
    fn a_value_is_found_by_line_and_column() {
        assert_eq!(of(&[Key::Of("a")]), Some((1, 5)));
        assert_eq!(of(&[Key::Of("list"), Key::At(1)]), Some((4, 8)));
        assert_eq!(of(&[Key::Of("t"), Key::Of("k")]), Some((7, 5)));
        assert_eq!(of(&[Key::Of("m"), Key::At(1), Key::Of("u")]), Some((11, 6)));
        // A list that is written as one value, and a key that is not there.
        assert_eq!(of(&[Key::Of("t"), Key::Of("k"), Key::At(0)]), Some((7, 5)));
        assert_eq!(of(&[Key::Of("none")]), None);
    }
}
