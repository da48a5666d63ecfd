//! The Debian feed (step 1): from a reference to a release, through signature, digests and stanzas.

use std::thread;

use super::binaries::Binaries;
use super::index::{Index, check_file_name, deb_name, malformed};
use super::stanza::{Stanza, relations};
use super::{IndexEntry, Kept, Published, Release, Suite, sources};
use crate::error::RebuildError;
use crate::fetch::Location;
use crate::means::Means;
use crate::reference::{DebianReference, is_name, is_version};

/// Debian's name for this machine's architecture.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "riscv64" => "riscv64",
        other => other,
    }
}

/// A release of a Debian archive, with what its build needs to know of it.
#[derive(Debug, Clone)]
pub(crate) struct DebianRelease {
    /// What the archive bound together.
    pub(crate) release: Release,
    /// The suite whose packages it is built with: the one that it stands in, or that one's base.
    pub(crate) suite: Suite,
    /// The source package's name.
    pub(crate) source_name: String,
    /// The source package's full version.
    pub(crate) version: String,
    /// `N` of a `+bN` version: the archive built the same source once more, with another changelog.
    pub(crate) binary_only: Option<u32>,
    /// Names of all packages that the source's build may ask for, alternatives and profiles included.
    pub(crate) build_depends: Vec<String>,
    /// Whether the build needs `fakeroot` (`Rules-Requires-Root` is neither absent nor `no`).
    pub(crate) requires_root: bool,
    /// Whether the asked artifact is `Architecture: all`; the build makes that class only.
    pub(crate) is_indep: bool,
}

impl DebianRelease {
    /// Checks the archive's signed index and finds what it says about a reference.
    pub(crate) fn find(
        reference: &DebianReference,
        means: &mut Means<'_>,
    ) -> Result<Self, RebuildError> {
        let own = Suite::find(&reference.suite, means)?;
        // One stanza is wanted of it, so it is not kept as long as the suite is.
        let entry = IndexEntry { kept: Kept::default(), ..own.sources().clone() };
        // Each has 57 MB to be hashed.
        let (binaries, index) = thread::scope(|scope| {
            let index = scope.spawn(|| Index::open(means.cas, &entry));
            let packages = Index::open(means.cas, own.packages());
            let binaries = packages.and_then(|packages| Binaries::find(&packages, reference));
            (binaries, index.join())
        });
        let gone = |_| RebuildError::Index(malformed("an index", "its reader failed"));
        let (binaries, index) = (binaries?, index.map_err(gone)??);
        let stanza = sources::stanza(&index, &binaries.source, &binaries.version)?;
        let base = own.base().map(|base| Suite::find(base, means)).transpose()?;
        release(&own, base, binaries, &stanza)
    }
}

fn release(
    own: &Suite,
    base: Option<Suite>,
    binaries: Binaries,
    stanza: &Stanza,
) -> Result<DebianRelease, RebuildError> {
    let Binaries { source: name, version, binary_only, published } = binaries;
    let bad = |why: String| {
        RebuildError::Index(malformed(&format!("the stanza of {name} {version}"), why))
    };
    let source = DebianReference::purl(&name, &version, "source", own.codename())
        .ok_or_else(|| bad("no purl".to_owned()))?;
    let rules = stanza.get("Rules-Requires-Root");
    let is_indep = published.first().is_some_and(|p| p.get("Architecture") == Some("all"));
    let published: Result<Vec<_>, _> =
        published.iter().map(|b| self::published(b, own.codename())).collect();
    Ok(DebianRelease {
        release: Release {
            source,
            published: published.map_err(bad)?,
            sources: sources::files(stanza).map_err(bad)?,
            authority: own.authority().clone(),
            lock_authorities: base.iter().map(|base| base.authority().clone()).collect(),
            index: format!("the signed index of {} ({})", own.codename(), own.date()),
        },
        requires_root: rules.is_some_and(|r| r != "no"),
        is_indep,
        build_depends: names(stanza),
        binary_only,
        suite: base.unwrap_or_else(|| own.clone()),
        source_name: name.clone(),
        version: version.clone(),
    })
}

/// Package names of every relation of the build, without versions, architectures and profiles.
fn names(stanza: &Stanza) -> Vec<String> {
    let fields = ["Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"];
    fields.iter().filter_map(|name| stanza.get(name)).flat_map(relations).flatten().collect()
}

fn published(stanza: &Stanza, suite: &str) -> Result<Published, String> {
    let (name, version) = (stanza.need("Package")?, stanza.need("Version")?);
    let architecture = stanza.need("Architecture")?;
    // Another machine's package in this machine's index would be rebuilt and always differ.
    let is_ours = architecture == "all" || architecture == self::architecture();
    if !is_name(name) || !is_version(version) || !is_ours {
        return Err(format!("a package named {name:?} {version:?} {architecture:?}"));
    }
    let purl = DebianReference::purl(name, version, architecture, suite)
        .ok_or("a package without purl")?;
    let file_name = deb_name(name, version, architecture);
    let path = stanza.need("Filename")?;
    check_file_name(path, &file_name)?;
    let (sha256, size) = (stanza.need("SHA256")?, stanza.need("Size")?);
    Ok(Published {
        purl,
        file_name,
        sha256: sha256.parse().map_err(|_| format!("no SHA-256 in {sha256:?}"))?,
        size: size.parse().map_err(|_| format!("no size in {size:?}"))?,
        location: safe_location(path)?,
    })
}

/// The location of a path below an archive's root, without the name of a mirror, so that every
/// rebuilder says the same.
pub(crate) fn safe_location(path: &str) -> Result<String, String> {
    let location = format!("debian:{path}");
    location.parse::<Location>().map_err(|_| format!("the path {path:?}"))?;
    Ok(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_archive_is_refused() {
        for path in ["../x", "/x", "a//b", "a/../../b", "a b", "a?b", ""] {
            assert!(safe_location(path).is_err(), "{path}");
        }
        assert!(safe_location("pool/main/g/gzip/gzip_1.13-1+deb13u1_amd64.deb").is_ok());
    }
}
