//! The forms of lockfiles, and by which names they go.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::PinsError;
use super::found::Found;

/// A form of lockfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `Cargo.lock`.
    Cargo,
    /// `package-lock.json` and `npm-shrinkwrap.json`, versions 2 and 3.
    Npm,
    /// pip's requirements with `--hash`.
    Requirements,
    /// `uv.lock`.
    Uv,
    /// `poetry.lock`.
    Poetry,
    /// `pylock.toml` (PEP 751).
    Pylock,
    /// CycloneDX 1 in JSON.
    Cyclonedx,
    /// SPDX 2.2 and 2.3 in JSON.
    Spdx,
    /// A directory of `.deb` files.
    #[value(skip)]
    Debs,
    /// What dpkg has installed.
    #[value(skip)]
    Installed,
}

/// The members that tell what a document in JSON is.
#[derive(Deserialize)]
struct Marks {
    #[serde(rename = "bomFormat")]
    bom_format: Option<IgnoredAny>,
    #[serde(rename = "spdxVersion")]
    spdx_version: Option<IgnoredAny>,
    #[serde(rename = "lockfileVersion")]
    lockfile_version: Option<IgnoredAny>,
}

impl Format {
    /// The form of a file of this name.
    pub fn of(name: &str) -> Option<Self> {
        let is = |ending: &str| name.ends_with(ending);
        Some(match name {
            "Cargo.lock" => Self::Cargo,
            "package-lock.json" | "npm-shrinkwrap.json" => Self::Npm,
            "uv.lock" => Self::Uv,
            "poetry.lock" => Self::Poetry,
            "pylock.toml" => Self::Pylock,
            _ if name.starts_with("pylock.") && is(".toml") => Self::Pylock,
            _ if name.contains("requirements") && is(".txt") => Self::Requirements,
            _ if is(".cdx.json") => Self::Cyclonedx,
            _ if is(".spdx.json") => Self::Spdx,
            _ => return None,
        })
    }

    /// The form that a document in JSON says it has, under whatever name it lies.
    pub(super) fn told_by(text: &str) -> Option<Self> {
        let marks: Marks = serde_json::from_str(text).ok()?;
        match (marks.bom_format, marks.spdx_version, marks.lockfile_version) {
            (Some(_), None, None) => Some(Self::Cyclonedx),
            (None, Some(_), None) => Some(Self::Spdx),
            (None, None, Some(_)) => Some(Self::Npm),
            _ => None,
        }
    }

    /// The names by which files are known, for people.
    pub fn names() -> &'static str {
        "Cargo.lock, package-lock.json, requirements.txt, uv.lock, poetry.lock, pylock.toml, CycloneDX and SPDX in JSON"
    }

    pub(super) fn read(self, text: &str) -> Result<Found, PinsError> {
        match self {
            Self::Cargo => super::cargo::read(text),
            Self::Npm => super::npm::read(text),
            Self::Requirements => Ok(super::requirements::read(text)),
            Self::Uv => super::uv::read(text),
            Self::Poetry => super::poetry::read(text),
            Self::Pylock => super::pylock::read(text),
            Self::Cyclonedx => super::cyclonedx::read(text),
            Self::Spdx => super::spdx::read(text),
            // Not read from a text.
            Self::Debs | Self::Installed => Err(PinsError::Unknown),
        }
    }
}
