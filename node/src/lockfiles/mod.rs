//! Step 10, query: lockfiles and bills of materials read into pins that a policy can judge.
//!
//! A reader is a function of bytes: it opens nothing that a file names, and takes the file for an
//! attacker's. What it cannot turn into a purl and a digest stays in the list with the reason, so
//! that nothing is passed over and nothing is accepted by accident.

mod hashes;
mod place;
mod entries;
mod found;
mod tables;
mod cargo;
mod npm;
mod python;
mod requirements;
mod poetry;
mod uv;
mod pylock;
mod sbom;
mod cyclonedx;
mod spdx;
mod merge;
mod format;

pub use format::Format;
pub(crate) use found::unnameable;
pub use found::{Obstacle, Pin, PinnedFile, Role};
pub use hashes::Digests;
pub(crate) use hashes::conflict;
pub(crate) use place::{Lines, shown};

/// Why a file as a whole cannot be read. Its author's fault, or an attack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinsError {
    /// None of the forms.
    #[error(
        "found no lockfile that is known, needed one of {}; say which it is with --format",
        Format::names()
    )]
    Unknown,
    /// Longer than any such file is.
    #[error("found {found} bytes, needed at most {most}; check its parts one by one")]
    Large {
        /// Bytes that there are, or one more than allowed.
        found: usize,
        /// Bytes that may be.
        most: usize,
    },
    /// More pins, or files of one pin, than any such file has.
    #[error("found more than {most} {what}, needed fewer; check its parts one by one")]
    Many {
        /// What there is too much of.
        what: &'static str,
        /// How many may be.
        most: usize,
    },
    /// Not UTF-8.
    #[error("found bytes that are not UTF-8 on line {line}, needed a text; write the file again")]
    Text {
        /// The line.
        line: usize,
    },
    /// Not of the form that it should have.
    #[error("found {found}, needed {needed}; {fix}")]
    Form {
        /// What stands there, with its line where that is known.
        found: String,
        /// What should.
        needed: &'static str,
        /// What to do.
        fix: &'static str,
    },
}

/// What a file pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// The form that it has.
    pub format: Format,
    /// The pins, in the order of the file; each identity once.
    pub pins: Vec<Pin>,
    /// What is left out on purpose, for people.
    pub notes: Vec<String>,
}

impl Pins {
    /// Reads a file whose form its name tells, where nobody says it.
    pub fn read(name: &str, bytes: &[u8], format: Option<Format>) -> Result<Self, PinsError> {
        let text = place::text(bytes)?;
        let told = || Format::of(name).or_else(|| Format::told_by(text));
        let format = format.or_else(told).ok_or(PinsError::Unknown)?;
        let found = format.read(text)?;
        Ok(Self { format, pins: merge::merged(found.pins)?, notes: found.notes })
    }
}
