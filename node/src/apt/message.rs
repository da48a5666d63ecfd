//! Messages of apt's method protocol: a status line, fields, an empty line.

use std::fmt;
use std::io::{self, BufRead, Read as _};

use crate::limits::{APT_FIELDS, APT_LINE_BYTES};

/// One message between apt and a method, such as `600 URI Acquire`.
///
/// The form is that of apt's own documentation of methods (`doc/method.dbk` in its source).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What kind of message: 600 asks for a file, 201 says that one is there.
    pub code: u16,
    title: String,
    fields: Vec<(String, String)>,
}

/// Why no message could be read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The pipe broke.
    #[error("the pipe between apt and its methods failed")]
    Pipe(#[from] io::Error),
    /// The bytes are not a message.
    #[error("found {found:?} in a message of apt's methods, needed {needed}")]
    Form {
        /// The beginning of what was found.
        found: String,
        /// What would have been right.
        needed: &'static str,
    },
}

impl Message {
    /// A message without fields. The title is the one that apt's documentation gives to the code.
    pub fn new(code: u16, title: &str) -> Self {
        Self { code, title: title.to_owned(), fields: Vec::new() }
    }

    /// The value of a field; of several, the first.
    pub fn field(&self, name: &str) -> Option<&str> {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.fields.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// The values of a field that may come several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.fields.iter();
        fields.filter_map(move |(key, value)| {
            key.eq_ignore_ascii_case(name).then_some(value.as_str())
        })
    }

    /// With one value for a field, in the place of those that it had. Line ends in a value become
    /// blanks, as apt does it: a value can add no field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let value: String =
            value.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
        let place = self.fields.iter().position(|(key, _)| key.eq_ignore_ascii_case(name));
        self.fields.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        let at = place.unwrap_or(self.fields.len()).min(self.fields.len());
        self.fields.insert(at, (name.to_owned(), value));
        self
    }

    /// Reads the next message; none where the other side has ended.
    pub fn read(from: &mut impl BufRead) -> Result<Option<Self>, MessageError> {
        let first = loop {
            match line(from)? {
                None => return Ok(None),
                Some(text) if text.is_empty() => {}
                Some(text) => break text,
            }
        };
        let (code, title) = first.split_once(' ').unwrap_or((&first, ""));
        let code = code.parse().map_err(|_| form(&first, "a code of three digits"))?;
        let mut message = Self::new(code, title);
        while let Some(text) = line(from)?.filter(|text| !text.is_empty()) {
            let (name, value) =
                text.split_once(':').ok_or_else(|| form(&text, "a field and a colon"))?;
            if message.fields.len() == APT_FIELDS {
                return Err(form(&text, "fewer fields"));
            }
            message.fields.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Some(message))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.code, self.title)?;
        for (name, value) in &self.fields {
            writeln!(f, "{name}: {value}")?;
        }
        writeln!(f)
    }
}

/// A line without its end; none at the end of the stream, which may come within a message.
fn line(from: &mut impl BufRead) -> Result<Option<String>, MessageError> {
    let mut bytes = Vec::new();
    let read = from.by_ref().take(APT_LINE_BYTES).read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    if bytes.pop_if(|last| *last == b'\n').is_none() {
        return Err(form(&String::from_utf8_lossy(&bytes), "a line that ends"));
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|error| form(&String::from_utf8_lossy(error.as_bytes()), "UTF-8"))
}

fn form(found: &str, needed: &'static str) -> MessageError {
    MessageError::Form { found: found.chars().take(80).collect(), needed }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects,
        reason = "a test fails by panicking"
    )]
    use super::*;

    fn read(text: &str) -> Result<Option<Message>, MessageError> {
        Message::read(&mut text.as_bytes())
    }

    #[test]
    fn a_message_is_written_as_it_was_read() {
        let text = "600 URI Acquire\nURI: http://m.example/a_1%3a2.deb\nFilename: /p/a\n\n";
        let message = read(text).unwrap().unwrap();
        assert_eq!(message.code, 600);
        assert_eq!(message.field("uri"), Some("http://m.example/a_1%3a2.deb"));
        assert_eq!(message.to_string(), text);
    }

    #[test]
    fn a_field_changes_in_its_place_and_a_value_adds_no_field() {
        let message = read("600 URI Acquire\nURI: a\nFilename: b\n\n").unwrap().unwrap();
        let changed = message.with("URI", "x\nFilename: evil");
        assert_eq!(changed.to_string(), "600 URI Acquire\nURI: x Filename: evil\nFilename: b\n\n");
    }

    #[test]
    fn what_is_no_message_is_refused_and_the_end_is_the_end() {
        assert_eq!(read("").unwrap(), None);
        assert_eq!(read("\n\n").unwrap(), None);
        assert!(read("hello\n\n").is_err());
        assert!(read("600 URI Acquire\nno colon\n\n").is_err());
        assert!(read("600 URI Acquire\nURI: cut").is_err());
        let many = format!("600 URI Acquire\n{}\n", "A: b\n".repeat(APT_FIELDS + 1));
        assert!(read(&many).is_err());
        let long = format!("600 {}\n\n", "x".repeat(usize::try_from(APT_LINE_BYTES).unwrap()));
        assert!(read(&long).is_err());
    }
}
