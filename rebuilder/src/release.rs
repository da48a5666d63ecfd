//! What the archive signed about one package (step 1): made only after the whole chain held.
//!
//! keyring -> `InRelease` signature -> index digests -> stanzas -> digests of sources and artifacts.
//! A [`Release`] has no public constructor, so holding one means that this process checked that chain.

mod stanza;
mod signature;
mod inrelease;
mod index;
mod binaries;
mod debian;

use reattest_attestation::{Authority, Digest, Material, Purl};

pub(crate) use debian::safe_location;
pub use debian::{architecture, find};
pub(crate) use index::Index;
pub use inrelease::{IndexEntry, IndexError, SignedIndex};
pub(crate) use stanza::{Stanza, field};

/// One published artifact, as the signed index names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its full purl.
    pub purl: Purl,
    /// Package name.
    pub name: String,
    /// Full Debian version.
    pub version: String,
    /// `all` or a Debian architecture.
    pub architecture: String,
    /// The file name that a build gives it: no epoch.
    pub file_name: String,
    /// The digest that the archive published.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is: `debian:` and its path below an archive's root.
    pub location: String,
}

/// One source file, as the signed index names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its file name.
    pub name: String,
    /// Its digest.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is: `debian:` and its path below an archive's root.
    pub location: String,
}

/// A release whose source and artifacts an archive's signing keys bound together.
#[derive(Debug, Clone)]
pub struct Release {
    source: Purl,
    source_name: String,
    version: String,
    format: String,
    rules_requires_root: bool,
    published: Vec<Published>,
    sources: Vec<SourceFile>,
    authority: Authority,
    suite: String,
    date: String,
    packages: IndexEntry,
}

impl Release {
    /// The source package's purl.
    pub fn source(&self) -> &Purl {
        &self.source
    }

    /// The source package's name.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// The source package's full version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the build needs `fakeroot` (`Rules-Requires-Root` is neither absent nor `no`).
    pub fn requires_root(&self) -> bool {
        self.rules_requires_root
    }

    /// The source's format, e.g. `3.0 (quilt)`.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// The artifacts of that source of the asked architecture class; the asked one first.
    pub fn published(&self) -> &[Published] {
        &self.published
    }

    /// The source's files, `.dsc` first.
    pub fn sources(&self) -> &[SourceFile] {
        &self.sources
    }

    /// Who said so: the signed index and its signers. The URI leaves out the mirror, which adds nothing.
    pub fn authority(&self) -> &Authority {
        &self.authority
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

    /// The codename.
    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// The signed index's own date.
    pub fn date(&self) -> &str {
        &self.date
    }

    /// The binary package index that the environment is resolved against.
    pub fn packages(&self) -> &IndexEntry {
        &self.packages
    }

    /// Whether the asked artifact is `Architecture: all`; the build makes that class only.
    pub fn is_indep(&self) -> bool {
        self.published.first().is_some_and(|p| p.architecture == "all")
    }
}

#[cfg(test)]
mod tests;
