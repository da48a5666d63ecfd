//! The report as a document (step 4, pure): what differs, where, and why, small and deterministic.
//!
//! It is canonical JSON, holds no time and no path of this machine, and names both files by digest,
//! so two rebuilders that made the same bytes write the same report. Every text in it was made
//! printable before it got here; a document that says otherwise is refused.

use reattest_attestation::{Digest, canonical};
use serde::{Deserialize, Serialize};

use super::shown::is_safe;
use super::{Dependence, Limits};

/// The format of the document.
pub(super) const FORMAT: u32 = 1;

/// Why two files differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// 1.
    pub format: u32,
    /// The file that was published.
    pub published: Artifact,
    /// The file that was rebuilt.
    pub produced: Artifact,
    /// All of it in a sentence.
    pub summary: String,
    /// How many members were compared.
    pub members: Members,
    /// The causes, the most telling first.
    pub causes: Vec<Finding>,
    /// Each difference, in the order of the published file.
    pub differences: Vec<Difference>,
    /// Differences that were found and are not told here.
    pub omitted: u64,
    /// What could not be looked into, and was compared as bytes.
    pub notes: Vec<Note>,
    /// What a varied run here changed, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<Dependence>,
}

/// One of the two files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its file name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// Members of all containers, each counted once; a file that is no container is its own only one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Members of either side.
    pub compared: u64,
    /// Those that differ by themselves, in content or metadata, or are on one side only.
    pub differing: u64,
    /// Those that differ only because they list checksums or sizes of others.
    pub following: u64,
}

/// One cause, and how much of the report it explains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub cause: Cause,
    /// In words, with the values that were found.
    pub words: String,
    /// Differences that it explains, among those told here.
    pub differences: u64,
}

/// The likely cause of a difference. It is a guess from the bytes, and says so by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Another compiler, packager, generator, or level of compression.
    Toolchain,
    /// The directory of the build.
    BuildPath,
    /// When it was built.
    Time,
    /// On which machine.
    HostName,
    /// User, group, umask, file modes.
    User,
    /// Language, character set or collation.
    Locale,
    /// Number or kind of processors.
    Parallelism,
    /// The same things in another order.
    Order,
    /// Identifiers, temporary names.
    Randomness,
    /// Nothing that is known: the content is another.
    Content,
    /// Checksums and sizes of something else that differs.
    Consequence,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The way through the containers; empty for the file itself.
    pub path: Vec<String>,
    /// Which part of that member: a section of an ELF file, the header of a compiled module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// What kind of difference.
    pub kind: Kind,
    /// Which property, where the kind is `metadata` or `compression`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// The likely cause.
    pub cause: Cause,
    /// The same in words, with the values that were found.
    pub words: String,
    /// Sizes in bytes, where content is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Values>,
    /// Both sides, in excerpts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Runs, lines or rows of this difference that the evidence leaves out.
    pub more: u64,
}

/// What kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Bytes of a content that is not text.
    Bytes,
    /// Lines.
    Text,
    /// Mode, owner, time, link target, flags.
    Metadata,
    /// Only the published file has it.
    OnlyPublished,
    /// Only the rebuilt file has it.
    OnlyProduced,
    /// The same members in another order.
    Order,
    /// The same content, compressed into other bytes.
    Compression,
}

/// Both sides of a difference, in excerpts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Runs of bytes.
    Runs(Vec<ByteRun>),
    /// Lines with their neighbours.
    Hunks(Vec<Hunk>),
    /// A table of values.
    Rows(Vec<Values>),
}

/// Differing bytes, with some equal ones before them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRun {
    /// Offset of the first differing byte in the published content.
    pub published_at: u64,
    /// The same in the produced content.
    pub produced_at: u64,
    /// Equal bytes that the excerpts begin with.
    pub before: u64,
    /// Published bytes, in hexadecimal.
    pub published: String,
    /// Produced bytes, in hexadecimal.
    pub produced: String,
}

/// Lines that differ, with their neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hunk {
    /// Number of the first line in the published text, from 1.
    pub published_line: u64,
    /// The same in the produced text.
    pub produced_line: u64,
    /// The lines.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which side has it.
    pub side: Origin,
    /// What it says, without its end.
    pub text: String,
}

/// Which side has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Both.
    Both,
    /// Only the published text.
    Published,
    /// Only the produced text.
    Produced,
}

/// One value on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// Of which member, where several share a table.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// Published.
    pub published: String,
    /// Produced.
    pub produced: String,
}

/// Something that could not be looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Where.
    pub path: Vec<String>,
    /// Why, and what was done instead.
    pub text: String,
}

/// Why bytes are no report.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not the one spelling.
    #[error(transparent)]
    Canonical(#[from] canonical::CanonicalError),
    /// Another format.
    #[error(
        "found a report of format {0}, needed {FORMAT}; use the version of reattest that wrote it"
    )]
    Format(u32),
    /// Text that no report writes.
    #[error("found a report with control characters; whoever wrote it is at fault: compare again")]
    Unprintable,
}

impl Report {
    /// The document, canonical JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DocumentError> {
        Ok(canonical::to_bytes(self)?)
    }

    /// Reads a document that somebody else wrote.
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let report: Self = canonical::from_bytes(bytes, "a report", limits.json_bytes)?;
        if report.format != FORMAT {
            return Err(DocumentError::Format(report.format));
        }
        // The escapes of JSON can hide what the bytes do not show, so the texts are read anew.
        let value = canonical::value_from_bytes(bytes, "a report", limits.json_bytes)?;
        if is_printable(&value) { Ok(report) } else { Err(DocumentError::Unprintable) }
    }

    /// Whether both files are the same.
    pub fn is_equal(&self) -> bool {
        self.published.sha256 == self.produced.sha256
    }
}

/// The document is canonical, so its depth is bounded.
fn is_printable(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::String(text) => text.chars().all(is_safe),
        Value::Array(values) => values.iter().all(is_printable),
        Value::Object(members) => {
            members.iter().all(|(name, value)| name.chars().all(is_safe) && is_printable(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

impl Difference {
    /// The whole way, as people read it: `data.tar.xz / ./usr/bin/hostname / .comment`.
    pub fn place(&self) -> String {
        let parts = self.path.iter().chain(&self.part);
        let parts: Vec<&str> = parts.map(String::as_str).collect();
        if parts.is_empty() { "the file itself".to_owned() } else { parts.join(" / ") }
    }
}

impl Cause {
    /// One or two words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toolchain => "toolchain",
            Self::BuildPath => "build path",
            Self::Time => "time",
            Self::HostName => "host name",
            Self::User => "user",
            Self::Locale => "locale",
            Self::Parallelism => "parallelism",
            Self::Order => "order",
            Self::Randomness => "randomness",
            Self::Content => "content",
            Self::Consequence => "consequence",
        }
    }

    /// What to do about it; `None` where there is nothing general to say.
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Toolchain => {
                "rebuild with the versions that the publisher used; a .buildinfo file or a lock names them"
            }
            Self::BuildPath => {
                "build in the publisher's directory, or have the compiler map it away (-ffile-prefix-map)"
            }
            Self::Time => "take times from SOURCE_DATE_EPOCH instead of the clock",
            Self::HostName => "leave the host name out of the build",
            Self::User => "write archives with fixed owners and modes, whatever the umask",
            Self::Locale => "build with LC_ALL=C.UTF-8",
            Self::Parallelism => "make the output independent of the number and kind of processors",
            Self::Order => {
                "sort what a directory, a hash table or a parallel build gives in any order"
            }
            Self::Randomness => "derive identifiers from the content instead of chance",
            Self::Content | Self::Consequence => return None,
        })
    }
}
