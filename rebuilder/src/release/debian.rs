//! The Debian feed (step 1): from a reference to a release, through signature, digests and stanzas.

use reattest_attestation::{Authority, Digest};

use super::binaries::Binaries;
use super::index::{Index, malformed};
use super::stanza::{Stanza, field};
use super::{IndexEntry, IndexError, Published, Release, SignedIndex, SourceFile};
use crate::cas::Cas;
use crate::error::RebuildError;
use crate::fetch::{Fetch, Location, Want};
use crate::limits;
use crate::progress::Progress;
use crate::rebuild::Workshop;
use crate::reference::{Reference, is_name, is_version};

/// Only this component is followed: the others are not free software, or depend on it.
const COMPONENT: &str = "main";

/// Debian's name for this machine's architecture.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "riscv64" => "riscv64",
        other => other,
    }
}

/// Checks the archive's signed index and finds what it says about a reference.
pub fn find(
    reference: &Reference,
    workshop: &Workshop,
    cas: &Cas,
    fetch: &mut dyn Fetch,
    progress: &mut dyn FnMut(Progress),
    now: i64,
) -> Result<Release, RebuildError> {
    let suite = format!("debian:dists/{}", reference.suite);
    let signed = signed_index(&suite, reference, workshop, cas, fetch, now)?;
    progress(Progress::IndexVerified {
        suite: signed.codename().to_owned(),
        date: signed.date().to_owned(),
        signers: signed.signers().to_vec(),
    });
    let packages = index_entry(
        &signed,
        &suite,
        &format!("{COMPONENT}/binary-{}/Packages.xz", architecture()),
    )?;
    let sources = index_entry(&signed, &suite, &format!("{COMPONENT}/source/Sources.xz"))?;
    let wants = [index_want(&packages), index_want(&sources)];
    for answer in fetch.fetch(&wants) {
        answer?;
    }
    let binaries = Binaries::find(cas, &packages, reference)?;
    let stanza = source_stanza(cas, &sources, &binaries)?;
    release(reference, &signed, packages, binaries, &stanza)
}

fn signed_index(
    suite: &str,
    reference: &Reference,
    workshop: &Workshop,
    cas: &Cas,
    fetch: &mut dyn Fetch,
    now: i64,
) -> Result<SignedIndex, RebuildError> {
    let location = format!("{suite}/InRelease");
    let limit = limits::SIGNED_INDEX_BYTES;
    let want = Want { location: location.clone(), expected: None, limit };
    let digest = one(fetch.fetch(&[want]), &location)?;
    let signed = cas.read(&digest, limit)?;
    Ok(SignedIndex::verify(&location, &signed, &workshop.keyring, &reference.suite, now)?)
}

/// A fetcher that forgets to answer must not pass for one that had nothing to do.
fn one(
    answers: Vec<Result<Digest, crate::fetch::FetchProblem>>,
    location: &str,
) -> Result<Digest, RebuildError> {
    let why = "the fetcher gave no answer".to_owned();
    let silent = crate::fetch::FetchProblem::Unreachable { location: location.to_owned(), why };
    Ok(answers.into_iter().next().unwrap_or(Err(silent))?)
}

fn index_entry(signed: &SignedIndex, suite: &str, name: &str) -> Result<IndexEntry, IndexError> {
    signed.entry(suite, name).ok_or_else(|| malformed(suite, format!("it names no {name}")))
}

fn index_want(entry: &IndexEntry) -> Want {
    let limit = entry.size.min(limits::INDEX_BYTES);
    Want { location: entry.location.clone(), expected: Some((entry.sha256, entry.size)), limit }
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
    reference: &Reference,
    signed: &SignedIndex,
    packages: IndexEntry,
    binaries: Binaries,
    stanza: &Stanza,
) -> Result<Release, RebuildError> {
    let (name, version) = (binaries.source, binaries.version);
    let bad = |why: String| {
        RebuildError::Index(malformed(&format!("the stanza of {name} {version}"), why))
    };
    let suite = signed.codename();
    let source = Reference::purl(&name, &version, "source", suite)
        .ok_or_else(|| bad("no purl".to_owned()))?;
    let published: Result<Vec<_>, _> =
        binaries.published.iter().map(|b| published(b, suite)).collect();
    let published = published.map_err(bad)?;
    check_version(&published, &version)?;
    let rules = stanza.get("Rules-Requires-Root");
    Ok(Release {
        source,
        format: stanza.get("Format").unwrap_or("1.0").to_owned(),
        rules_requires_root: rules.is_some_and(|r| r != "no"),
        published,
        sources: source_files(stanza).map_err(bad)?,
        authority: Authority {
            uri: format!("debian:dists/{}/InRelease", reference.suite),
            digest: signed.digest(),
            signers: signed.signers().to_vec(),
        },
        suite: suite.to_owned(),
        date: signed.date().to_owned(),
        packages,
        source_name: name.clone(),
        version: version.clone(),
    })
}

/// A binary rebuilt by the archive without a new source has a changelog entry that the source lacks.
fn check_version(published: &[Published], version: &str) -> Result<(), RebuildError> {
    let is_binnmu = |p: &&Published| {
        let rest = p.version.strip_prefix(version).and_then(|rest| rest.strip_prefix("+b"));
        rest.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    match published.iter().find(is_binnmu) {
        Some(p) => Err(RebuildError::Unsupported(format!(
            "{} {}, which the archive rebuilt from source {version} with a changelog entry of its own,",
            p.name, p.version
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
    let purl =
        Reference::purl(name, version, architecture, suite).ok_or("a package without purl")?;
    let without_epoch = version.split_once(':').map_or(version, |(_, rest)| rest);
    Ok(Published {
        purl,
        file_name: format!("{name}_{without_epoch}_{architecture}.deb"),
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
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
