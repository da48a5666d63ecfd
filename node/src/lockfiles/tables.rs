//! Lockfiles in TOML: the document as its tool's types, the lines of its packages, and its version.

use serde::de::DeserializeOwned;

use super::PinsError;
use super::place::{Lines, shown};

/// The document; the parser refuses a key that stands twice, and tables nested too deep.
pub(super) fn document<T: DeserializeOwned>(text: &str) -> Result<T, PinsError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let line = error.span().map_or(0, |span| Lines::of(text).at(span.start));
        PinsError::Form {
            found: format!("on line {line}: {}", shown(error.message())),
            needed: "a lockfile as its tool writes it",
            fix: "have it written again by its own tool",
        }
    })
}

/// A version of the form that no reader here was written for.
pub(super) fn newer(found: &str, needed: &'static str) -> PinsError {
    PinsError::Form {
        found: format!("version {} of the form", shown(found)),
        needed,
        fix: "have it written again by its own tool in such a version",
    }
}
