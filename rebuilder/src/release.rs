//! What an authority binds together (step 1): a release's sources and its published artifacts.
//!
//! For Debian the whole chain is checked: keyring -> `InRelease` signature -> index digests ->
//! stanzas -> digests of sources and artifacts. A [`Release`] has no public constructor, so holding
//! one means that this process checked its authority by itself.

mod stanza;
mod signature;
mod inrelease;
mod index;
mod order;
mod suite;
mod binaries;
pub(crate) mod sources;
mod debian;
mod listing;
pub(crate) mod dsc;
pub(crate) mod coverage;

use reattest_attestation::{Authority, Digest, Material, Purl};

use crate::cas::Cas;
use crate::error::RebuildError;
use crate::fetch::Fetch;
use crate::means::Means;
use crate::progress::{Cancel, Progress};
use crate::python::PythonRelease;
use crate::rebuild::Workshop;
use crate::reference::Reference;

pub(crate) use debian::DebianRelease;
pub use debian::architecture;
pub(crate) use debian::safe_location;
pub use index::Kept;
use index::Key;
pub(crate) use index::{Index, input};
pub use inrelease::{IndexEntry, IndexError, SignedIndex};
pub use listing::{ListedBuild, Listing, Part};
pub(crate) use stanza::{Stanza, field, relations};
pub(crate) use suite::Suite;

/// One published artifact, as the authority names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its full purl.
    pub purl: Purl,
    /// The file name that a build gives it.
    pub file_name: String,
    /// The digest that was published.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is fetched: its registry's scheme and a path there.
    pub location: String,
}

/// One source file, as the authority names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its file name.
    pub name: String,
    /// Its digest.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is fetched: its registry's scheme and a path there.
    pub location: String,
}

/// A release whose sources and artifacts one authority bound together.
#[derive(Debug, Clone)]
pub struct Release {
    pub(crate) source: Purl,
    pub(crate) published: Vec<Published>,
    pub(crate) sources: Vec<SourceFile>,
    pub(crate) authority: Authority,
    /// Where another index than the authority's covers the environment's packages.
    pub(crate) lock_authorities: Vec<Authority>,
    pub(crate) index: String,
}

impl Release {
    /// The source package's purl.
    pub fn source(&self) -> &Purl {
        &self.source
    }

    /// The published artifacts that one build makes and that are compared; the asked one first.
    pub fn published(&self) -> &[Published] {
        &self.published
    }

    /// The source's files, the one that names the others first.
    pub fn sources(&self) -> &[SourceFile] {
        &self.sources
    }

    /// Who said so: an index and its signers. The URI leaves out the mirror, which adds nothing.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Who covers the environment's packages, where that is not the authority alone.
    pub fn lock_authorities(&self) -> &[Authority] {
        &self.lock_authorities
    }

    /// The authority's index in words, for people: its name and date, or what it lacks.
    pub fn index(&self) -> &str {
        &self.index
    }

    /// The source files as materials of a statement.
    pub fn materials(&self) -> Vec<Material> {
        let material = |file: &SourceFile| Material {
            name: file.name.clone(),
            uri: file.location.clone(),
            digest: file.sha256,
        };
        self.sources.iter().map(material).collect()
    }
}

/// Checks what the registry says of a reference today, without building anything.
pub fn find(
    reference: &Reference,
    workshop: &Workshop,
    cas: &Cas,
    fetch: &mut dyn Fetch,
    progress: &mut dyn FnMut(Progress),
    now: i64,
) -> Result<Release, RebuildError> {
    let cancel = &Cancel::new();
    let mut means = Means { workshop, cas, fetch, progress, cancel, now };
    match reference {
        Reference::Debian(reference) => {
            DebianRelease::find(reference, &mut means).map(|found| found.release)
        }
        Reference::Python(reference) => {
            PythonRelease::find(reference, &mut means).map(|found| found.release)
        }
    }
}

/// Checks what a suite has today, without building anything.
pub fn list(
    suite: &str,
    part: &Part,
    workshop: &Workshop,
    fetch: &mut dyn Fetch,
    cancel: &Cancel,
    now: i64,
) -> Result<Listing, RebuildError> {
    let cas = &Cas::below(&workshop.cache)?;
    let mut means = Means { workshop, cas, fetch, progress: &mut |_| {}, cancel, now };
    Listing::of(suite, part, &mut means)
}

#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod authority_tests;
