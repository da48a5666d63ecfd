//! What bills of materials share: a thing by its purl, and the digests of its files.

use reattest_attestation::Purl;

use super::PinsError;
use super::found::{Obstacle, Pin, PinnedFile, Role, unnameable};
use super::hashes::Digests;
use super::place::shown;
use super::python;

/// A file of a thing: its name where it is told, and what it is known by.
pub(super) type Named<'a> = (Option<&'a str>, Result<Digests, Obstacle>);

/// One thing of a bill.
pub(super) struct Material<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) purl: Option<&'a str>,
    pub(super) line: Option<usize>,
}

impl Material<'_> {
    /// The pin of these files.
    pub(super) fn pin(&self, files: Vec<Named<'_>>) -> Pin {
        let Self { name, version, purl, line } = *self;
        match purl.map(published) {
            None => Pin::barred(name, version, line, no_purl()),
            Some(Err(obstacle)) => Pin::barred(name, version, line, obstacle),
            Some(Ok(purl)) if purl.kind() == "pypi" && purl.qualifier("file_name").is_none() => {
                python::pin(&purl.name(), &purl.version().unwrap_or_default(), line, files)
            }
            Some(Ok(purl)) => {
                let pinned = |digests| PinnedFile {
                    name: None,
                    purl: purl.clone(),
                    digests,
                    role: Role::Usual,
                };
                let files: Result<Vec<PinnedFile>, Obstacle> =
                    files.into_iter().map(|(_, digests)| Ok(pinned(digests?))).collect();
                match files {
                    Ok(files) => Pin::of(name, version, line, files),
                    Err(obstacle) => Pin::barred(name, version, line, obstacle),
                }
            }
        }
    }
}

/// A purl of a published release: what says that it lies elsewhere bars.
fn published(text: &str) -> Result<Purl, Obstacle> {
    let purl: Purl = text.parse().map_err(|error| unnameable(&error))?;
    if let Some(url) = purl.qualifier("vcs_url") {
        return Err(Obstacle::git(&url));
    }
    if let Some(url) = purl.qualifier("download_url").or_else(|| purl.qualifier("repository_url")) {
        return Err(Obstacle::url(&url));
    }
    if purl.version().is_none() {
        return Err(Obstacle::new(
            format!("{} without a version", shown(text)),
            "the version that is meant",
            "have the bill written again by its own tool, of what is locked",
        ));
    }
    Ok(purl)
}

fn no_purl() -> Obstacle {
    Obstacle::new(
        "no purl",
        "a package URL, which says what it is meant to be",
        "have the bill written by a tool that names packages by purl",
    )
}

pub(super) fn several_purls(purls: &[&str]) -> Obstacle {
    let shown: Vec<String> = purls.iter().take(4).map(|purl| shown(purl)).collect();
    Obstacle::new(
        format!("{} purls for one thing: {}", purls.len(), shown.join(", ")),
        "one",
        "have the bill written again with one purl for each package",
    )
}

/// A part that is none of the form's.
pub(super) fn odd(found: String) -> Obstacle {
    Obstacle::new(found, "a part of the form", "have the bill written again by its own tool")
}

/// The name of a distribution's file, where an address ends with one.
pub(super) fn file_of(url: &str) -> Option<&str> {
    const ENDINGS: [&str; 4] = [".whl", ".tar.gz", ".zip", ".tar.bz2"];
    let name = python::last_part(url);
    ENDINGS.iter().any(|ending| name.ends_with(ending)).then_some(name)
}

pub(super) fn form(found: String) -> PinsError {
    PinsError::Form {
        found,
        needed: "a bill of materials in JSON, CycloneDX 1 or SPDX 2",
        fix: "have it written again by its own tool",
    }
}
