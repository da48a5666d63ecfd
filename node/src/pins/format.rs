//! The forms of lockfiles, and by which names they go.

use super::PinsError;
use super::found::Found;

/// A form of lockfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
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
            _ => return None,
        })
    }

    /// The names by which files are known, for people.
    pub fn names() -> &'static str {
        "Cargo.lock, package-lock.json, requirements.txt, uv.lock, poetry.lock, pylock.toml"
    }

    pub(super) fn read(self, text: &str) -> Result<Found, PinsError> {
        match self {
            Self::Cargo => super::cargo::read(text),
            Self::Npm => super::npm::read(text),
            Self::Requirements => Ok(super::requirements::read(text)),
            Self::Uv => super::uv::read(text),
            Self::Poetry => super::poetry::read(text),
            Self::Pylock => super::pylock::read(text),
        }
    }
}
