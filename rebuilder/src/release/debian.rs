//! The Debian feed (step 1): from a reference to a release, through signature, digests and stanzas.

use reattest_attestation::Digest;

use super::binaries::Binaries;
use super::index::{Index, malformed};
use super::stanza::{Stanza, field};
use super::{IndexEntry, Published, Release, SourceFile, Suite};
use crate::cas::Cas;
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
    /// The suite that it stands in.
    pub(crate) suite: Suite,
    /// The source package's name.
    pub(crate) source_name: String,
    /// The source package's full version.
    pub(crate) version: String,
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
        let suite = Suite::find(&reference.suite, means)?;
        let binaries = Binaries::find(means.cas, suite.packages(), reference)?;
        let stanza = source_stanza(means.cas, suite.sources(), &binaries)?;
        release(suite, binaries, &stanza)
    }
}

fn source_stanza(
    cas: &Cas,
    entry: &IndexEntry,
    binaries: &Binaries,
) -> Result<Stanza, RebuildError> {
    let mut found = None;
    Index::open(cas, entry)?.each(|raw| {
        let is_it = field(raw, "Package") == Some(&binaries.source)
            && field(raw, "Version") == Some(&binaries.version);
        if is_it {
            found = Some(Stanza::parse(raw)?);
        }
        Ok(())
    })?;
    let Binaries { source, version, .. } = binaries;
    let why = || malformed(&entry.location, format!("it has no source {source} {version}"));
    Ok(found.ok_or_else(why)?)
}

fn release(
    suite: Suite,
    binaries: Binaries,
    stanza: &Stanza,
) -> Result<DebianRelease, RebuildError> {
    let (name, version) = (binaries.source, binaries.version);
    let bad = |why: String| {
        RebuildError::Index(malformed(&format!("the stanza of {name} {version}"), why))
    };
    let source = DebianReference::purl(&name, &version, "source", suite.codename())
        .ok_or_else(|| bad("no purl".to_owned()))?;
    check_version(&binaries.published, &version)?;
    let published: Result<Vec<_>, _> =
        binaries.published.iter().map(|b| published(b, suite.codename())).collect();
    let rules = stanza.get("Rules-Requires-Root");
    let asked = binaries.published.first();
    Ok(DebianRelease {
        release: Release {
            source,
            published: published.map_err(bad)?,
            sources: source_files(stanza).map_err(bad)?,
            authority: suite.authority().clone(),
            lock_authorities: Vec::new(),
            index: format!("the signed index of {} ({})", suite.codename(), suite.date()),
        },
        requires_root: rules.is_some_and(|r| r != "no"),
        is_indep: asked.is_some_and(|p| p.get("Architecture") == Some("all")),
        suite,
        source_name: name.clone(),
        version: version.clone(),
    })
}

/// A binary rebuilt by the archive without a new source has a changelog entry that the source lacks.
fn check_version(published: &[Stanza], version: &str) -> Result<(), RebuildError> {
    let is_binnmu = |p: &&Stanza| {
        let theirs = p.get("Version").unwrap_or_default();
        let rest = theirs.strip_prefix(version).and_then(|rest| rest.strip_prefix("+b"));
        rest.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    match published.iter().find(is_binnmu) {
        Some(p) => Err(RebuildError::Unsupported(format!(
            "{} {}, which the archive rebuilt from source {version} with a changelog entry of its own,",
            p.get("Package").unwrap_or_default(),
            p.get("Version").unwrap_or_default()
        ))),
        None => Ok(()),
    }
}

fn published(stanza: &Stanza, suite: &str) -> Result<Published, String> {
    let (name, version) = (stanza.need("Package")?, stanza.need("Version")?);
    let architecture = stanza.need("Architecture")?;
    if !is_name(name) || !is_version(version) || !is_name(architecture) {
        return Err(format!("a package named {name:?} {version:?} {architecture:?}"));
    }
    let purl = DebianReference::purl(name, version, architecture, suite)
        .ok_or("a package without purl")?;
    let without_epoch = version.split_once(':').map_or(version, |(_, rest)| rest);
    Ok(Published {
        purl,
        file_name: format!("{name}_{without_epoch}_{architecture}.deb"),
        sha256: digest(stanza.need("SHA256")?)?,
        size: number(stanza.need("Size")?)?,
        location: safe_location(stanza.need("Filename")?)?,
    })
}

/// `Checksums-Sha256`: lines of `DIGEST SIZE NAME`, the `.dsc` put first.
fn source_files(stanza: &Stanza) -> Result<Vec<SourceFile>, String> {
    let directory = stanza.need("Directory")?;
    let lines = stanza.need("Checksums-Sha256")?.lines().map(str::trim).filter(|l| !l.is_empty());
    let parse = |line: &str| -> Result<SourceFile, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [sha256, size, name] = words.as_slice() else {
            return Err(format!("the line {line:?}"));
        };
        if name.contains('/') || name.starts_with('.') {
            return Err(format!("a source file named {name:?}"));
        }
        Ok(SourceFile {
            name: (*name).to_owned(),
            sha256: digest(sha256)?,
            size: number(size)?,
            location: safe_location(&format!("{directory}/{name}"))?,
        })
    };
    let mut files = lines.map(parse).collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(|file| (!is_dsc(&file.name), file.name.clone()));
    match files.first() {
        Some(first) if is_dsc(&first.name) => Ok(files),
        _ => Err("a source without .dsc".to_owned()),
    }
}

fn is_dsc(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "dsc")
}

fn digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|_| format!("no SHA-256 in {text:?}"))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("no size in {text:?}"))
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
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_source_stanza_gives_its_files_with_the_dsc_first() {
        let digest = Digest::of(b"");
        let text = format!(
            "Package: a\nDirectory: pool/main/a/a\nChecksums-Sha256:\n {digest} 2 a_1.tar.xz\n {digest} 1 a_1.dsc\n"
        );
        let files = source_files(&Stanza::parse(&text).unwrap()).unwrap();
        let locations: Vec<_> = files.iter().map(|f| f.location.as_str()).collect();
        assert_eq!(locations, ["debian:pool/main/a/a/a_1.dsc", "debian:pool/main/a/a/a_1.tar.xz"]);
    }

    #[test]
    fn a_path_that_leaves_the_archive_is_refused() {
        for path in ["../x", "/x", "a//b", "a/../../b", "a b", "a?b", ""] {
            assert!(safe_location(path).is_err(), "{path}");
        }
        assert!(safe_location("pool/main/g/gzip/gzip_1.13-1+deb13u1_amd64.deb").is_ok());
    }
}
