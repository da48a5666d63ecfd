//! A pin: what a file wants installed, by purl and digest, or why that cannot be told.

use reattest_attestation::Purl;

use super::hashes::Digests;
use super::place::shown;

/// One thing that a file wants installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its name, as it may be shown.
    pub name: String,
    /// Its version, as it may be shown; empty where the file has none.
    pub version: String,
    /// The line on which it stands, where that is known.
    pub line: Option<usize>,
    /// The files that may be installed for it, each enough by itself. None where there is an obstacle.
    pub files: Vec<PinnedFile>,
    /// Why it cannot be checked.
    pub obstacle: Option<Obstacle>,
    /// The user's own source beside the file: nobody published it, so nobody could rebuild it.
    pub local: bool,
}

/// One file of a pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedFile {
    /// Its name, where the pinning file tells it.
    pub name: Option<String>,
    /// What it is meant to be.
    pub purl: Purl,
    /// What it is known by.
    pub digests: Digests,
    /// When it is installed.
    pub role: Role,
}

/// When a file of a pin is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whenever it fits the machine, or nothing tells when.
    Usual,
    /// Fits every machine, so an installer needs no other.
    Universal,
    /// Source, which an installer builds only where no built file fits.
    Source,
}

/// Why a pin cannot be checked: what was found, what was needed, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Obstacle {
    /// What stands there.
    pub found: String,
    /// What should.
    pub needed: &'static str,
    /// What to do.
    pub fix: &'static str,
}

impl Obstacle {
    /// An obstacle.
    pub(crate) fn new(found: impl Into<String>, needed: &'static str, fix: &'static str) -> Self {
        Self { found: found.into(), needed, fix }
    }

    /// Source of a version control system.
    pub(crate) fn git(url: &str) -> Self {
        Self::new(
            format!("source from version control, {}", shown(url)),
            "a published file with a SHA-256",
            "depend on a published release",
        )
    }

    /// A file at an address that no registry vouches for.
    pub(crate) fn url(url: &str) -> Self {
        Self::new(
            format!("a file at an address, {}", shown(url)),
            "a release of a registry, by name and version",
            "depend on a published release",
        )
    }

    /// A file or a directory of this machine.
    pub(crate) fn path(path: &str) -> Self {
        Self::new(
            format!("a path, {}, which is not opened", shown(path)),
            "a published file with a SHA-256",
            "depend on a published release, or check that path's own lockfile",
        )
    }

    /// Nothing that it could be known by.
    pub(crate) fn no_digest() -> Self {
        Self::new("no digest", "a SHA-256 of the file", "have the lockfile written with digests")
    }
}

impl Pin {
    /// A pin of these files.
    pub(crate) fn of(
        name: &str,
        version: &str,
        line: Option<usize>,
        files: Vec<PinnedFile>,
    ) -> Self {
        let obstacle = files.is_empty().then(Obstacle::no_digest);
        let (name, version) = (shown(name), shown(version));
        Self { name, version, line, files, obstacle, local: false }
    }

    /// A pin that cannot be checked.
    pub(crate) fn barred(
        name: &str,
        version: &str,
        line: Option<usize>,
        obstacle: Obstacle,
    ) -> Self {
        Self { obstacle: Some(obstacle), ..Self::of(name, version, line, Vec::new()) }
    }

    /// The user's own source.
    pub(crate) fn local(name: &str, version: &str, line: Option<usize>) -> Self {
        Self { obstacle: None, local: true, ..Self::of(name, version, line, Vec::new()) }
    }

    /// A pin of one file of a registry whose releases have one.
    pub(crate) fn single(
        kind: &str,
        (namespace, name): (Option<&str>, &str),
        version: &str,
        line: Option<usize>,
        digests: Digests,
    ) -> Self {
        let full = namespace.map_or_else(|| name.to_owned(), |space| format!("{space}/{name}"));
        match Purl::new(kind, namespace, name, Some(version), &[]) {
            Err(error) => Self::barred(&full, version, line, unnameable(&error)),
            Ok(purl) => {
                let file = PinnedFile { name: None, purl, digests, role: Role::Usual };
                Self::of(&full, version, line, vec![file])
            }
        }
    }
}

/// A name or version that no registry has.
pub(crate) fn unnameable(error: &impl std::fmt::Display) -> Obstacle {
    Obstacle::new(
        shown(&error.to_string()),
        "a name and a version that a package URL can hold",
        "have the lockfile written again by its own tool",
    )
}

/// What a reader returns.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) pins: Vec<Pin>,
    pub(super) notes: Vec<String>,
}

impl From<Vec<Pin>> for Found {
    fn from(pins: Vec<Pin>) -> Self {
        Self { pins, notes: Vec::new() }
    }
}
