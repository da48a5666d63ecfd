//! Why a rebuilt artifact differs from the published one (step 4): down to the first differing bytes, with the likely cause in words.
//!
//! [`compare`] is pure and holds both files in memory. It walks through the containers pair by
//! pair; nothing is ever unpacked to disk, so no name and no link of an archive leads anywhere.
//! Everything that it reads was made by strangers: whoever compares files of strangers calls
//! [`sandboxed`], which does the same in a process without network, key or host file.
//!
//! The [`Report`] is one small canonical document; [`text`] and [`html`] only show it.

mod bounds;
mod document;
mod shown;
mod budget;
mod packed;
mod archive;
mod zip;
mod classify;
mod bytes;
mod lines;
mod elf;
mod pyc;
mod compare;
mod members;
mod summary;
mod variation;
pub mod text;
pub mod html;
mod sandboxed;

use std::path::Path;

use crate::limits;

pub use bounds::Limits;
pub use compare::{Side, compare};
pub use document::{
    Artifact, ByteRun, Cause, Difference, DocumentError, Evidence, Finding, Hunk, Kind, Line,
    Members, Note, Origin, Report, Values,
};
pub use sandboxed::{Deeper, ReportError, deepened, document, sandboxed};
pub use variation::{Dependence, Dependent, Variation, Varied};

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes: limits::REPORT_UNPACKED_BYTES,
            ratio: limits::REPORT_RATIO,
            depth: limits::REPORT_DEPTH,
            members: limits::REPORT_MEMBERS,
            differences: limits::REPORT_DIFFERENCES,
            excerpts: limits::REPORT_EXCERPTS,
            lines: limits::REPORT_LINES,
            json_bytes: limits::REPORT_JSON_BYTES,
        }
    }
}

/// The forms in which a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// For a terminal, with colours.
    Text,
    /// The document itself.
    Json,
    /// One page.
    Html,
}

impl Rendering {
    /// By the end of a file's name: `.txt`, `.json`, `.html`.
    pub fn of(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()? {
            "txt" | "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            "html" | "htm" => Some(Self::Html),
            _ => None,
        }
    }
}

impl Report {
    /// The report in one form. Text has colours: what is no terminal wants them stripped.
    pub fn render(&self, rendering: Rendering) -> Result<String, DocumentError> {
        Ok(match rendering {
            Rendering::Text => text::render(self),
            Rendering::Html => html::render(self),
            // Canonical JSON is UTF-8, so nothing is lost.
            Rendering::Json => String::from_utf8_lossy(&self.to_bytes()?).into_owned(),
        })
    }
}
