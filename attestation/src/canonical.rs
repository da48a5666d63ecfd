//! RFC 8785 canonical JSON: the one spelling of whatever is signed or addressed by digest (step 5).

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::limits::{JSON_DEPTH_MAX, JSON_INTEGER_MAX};
use crate::quoted::said;
use crate::strict::Strict;

/// Bytes or a value that are not canonical JSON within the bounds.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum CanonicalError {
    /// Longer than the document may be.
    #[error("found {what} of {found} bytes, needed at most {limit}; split it or refuse its source")]
    TooLong {
        /// What was read.
        what: &'static str,
        /// Its bytes.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Not JSON in UTF-8, or with bytes after its end.
    #[error("found {what} that is not one JSON document: {why}; its producer is at fault")]
    NotJson {
        /// What was read.
        what: &'static str,
        /// What the parser said.
        why: String,
    },
    /// JSON, in another spelling than RFC 8785's (white space, order, escapes, duplicate keys).
    #[error(
        "found {what} that differs from its RFC 8785 form at byte {at}, needed canonical JSON; its producer is at fault"
    )]
    NotCanonical {
        /// What was read.
        what: &'static str,
        /// Offset of the first byte that differs.
        at: usize,
    },
    /// A number with a fraction or an exponent, or beyond 2^53 - 1.
    #[error(
        "found the number {found} in {what}, needed an integer between -(2^53 - 1) and 2^53 - 1"
    )]
    Number {
        /// What was read.
        what: &'static str,
        /// The number as text.
        found: String,
    },
    /// Nested deeper than any document of ours.
    #[error("found {what} nested deeper than {limit} levels; its producer is at fault")]
    TooDeep {
        /// What was read.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Canonical, and not the shape that the document has.
    #[error(
        "found {what} of another shape: {why}; its producer is at fault, or speaks a newer format"
    )]
    Shape {
        /// What was read.
        what: &'static str,
        /// The field and what is wrong with it.
        why: String,
    },
}

/// Writes `value` as canonical JSON, or says which number has no exact spelling.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let what = "a document to write";
    let value = serde_json::to_value(value)
        .map_err(|error| CanonicalError::Shape { what, why: said(error) })?;
    check(&value, what, 0)?;
    encode(&value, what)
}

/// Reads a document that must already be canonical.
///
/// The check is made on the whole value before any field is looked at, so it covers fields that
/// `T` ignores. Comparing with the re-encoded bytes catches what no parser option does together:
/// duplicate keys, bytes after the end, `1.0` and `1e3`, other escapes, other key order.
pub fn from_bytes<T: DeserializeOwned>(
    bytes: &[u8],
    what: &'static str,
    limit: usize,
) -> Result<T, CanonicalError> {
    T::deserialize(Strict(&value_from_bytes(bytes, what, limit)?))
        .map_err(|error| CanonicalError::Shape { what, why: said(error) })
}

/// The same for a document whose shape is looked at later.
pub fn value_from_bytes(
    bytes: &[u8],
    what: &'static str,
    limit: usize,
) -> Result<Value, CanonicalError> {
    if bytes.len() > limit {
        return Err(CanonicalError::TooLong { what, found: bytes.len(), limit });
    }
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| CanonicalError::NotJson { what, why: said(error) })?;
    check(&value, what, 0)?;
    let spelled = encode(&value, what)?;
    if spelled == bytes {
        return Ok(value);
    }
    let at = spelled.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(CanonicalError::NotCanonical { what, at })
}

fn encode(value: &Value, what: &'static str) -> Result<Vec<u8>, CanonicalError> {
    serde_json_canonicalizer::to_vec(value)
        .map_err(|error| CanonicalError::Shape { what, why: said(error) })
}

/// Depth first: `serde_json` itself stops at 128 levels, so this recursion is bounded. `around` is
/// how many arrays and objects stand around the value.
fn check(value: &Value, what: &'static str, around: usize) -> Result<(), CanonicalError> {
    if (value.is_array() || value.is_object()) && around >= JSON_DEPTH_MAX {
        return Err(CanonicalError::TooDeep { what, limit: JSON_DEPTH_MAX });
    }
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            match magnitude {
                Some(size) if size <= JSON_INTEGER_MAX => Ok(()),
                _ => Err(CanonicalError::Number { what, found: number.to_string() }),
            }
        }
        Value::Array(items) => items.iter().try_for_each(|item| check(item, what, around + 1)),
        Value::Object(map) => map.values().try_for_each(|item| check(item, what, around + 1)),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn read(text: &str) -> Result<Value, CanonicalError> {
        from_bytes(text.as_bytes(), "a test", 1_000)
    }

    #[test]
    fn one_spelling_is_read() {
        for text in ["{}", r#"{"a":1,"b":[null,true,"x"]}"#, "-9007199254740991", r#""é""#] {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "{} ",
            " {}",
            "{}{}",
            r#"{"a":1,"a":1}"#,
            r#"{"b":1,"a":1}"#,
            r#"{"a": 1}"#,
            r#""\u00e9""#,
            "1.0",
            "1.5",
            "1e3",
            "-0",
            "9007199254740992",
            "18446744073709551616",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = format!("{}{}", "[".repeat(17), "]".repeat(17));
        assert!(read(&deep[1..33]).is_ok());
        assert!(read(&deep[1..33].replace("[]", "[1]")).is_ok());
        assert!(matches!(read(&deep), Err(CanonicalError::TooDeep { .. })));
        assert!(matches!(read(&"[".repeat(900)), Err(CanonicalError::NotJson { .. })));
        assert!(matches!(read(&" ".repeat(1_001)), Err(CanonicalError::TooLong { .. })));
    }

    #[test]
    fn keys_are_ordered_by_utf16_as_rfc_8785_asks() {
        let value: Value =
            serde_json::from_str("{\"\u{fb33}\":1,\"\u{1f600}\":2,\"a\":3}").unwrap();
        let text = String::from_utf8(to_bytes(&value).unwrap()).unwrap();
        assert_eq!(text, "{\"a\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}");
        assert!(to_bytes(&1.5).is_err());
        assert!(to_bytes(&u64::MAX).is_err());
    }
}
