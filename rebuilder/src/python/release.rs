//! A release of a Python project (step 1): the registry's word on its sdist and wheel, and on nothing else.
//!
//! The registry signs no index. What binds the two files is one page, as this rebuilder saw it; its
//! digest stands in the attestation, so two rebuilders that were shown two pages can tell.

use pep440_rs::Version;
use reattest_attestation::{Authority, Digest, Purl};

use super::PythonError;
use super::name::{Kind, Name, Packing, version};
use super::page::{File, Page};
use crate::error::RebuildError;
use crate::fetch::{FetchProblem, Want};
use crate::limits;
use crate::means::Means;
use crate::reference::PythonReference;
use crate::release::{Published, Release, SourceFile};

/// How statements and policies name the registry.
const SIGNER: &str = "registry:pypi";

/// A release, with what its build needs to know of it.
#[derive(Debug, Clone)]
pub(crate) struct PythonRelease {
    /// What the registry bound together.
    pub(crate) release: Release,
    /// The project.
    pub(super) project: Name,
    /// The published wheel.
    pub(super) wheel: File,
    /// The source.
    pub(super) sdist: File,
    /// How the source is packed.
    pub(super) packing: Packing,
}

impl PythonRelease {
    /// Asks the registry for a project's page and finds what it says about a reference.
    pub(crate) fn find(
        reference: &PythonReference,
        means: &mut Means<'_>,
    ) -> Result<Self, RebuildError> {
        let project: Name = reference.project.parse()?;
        let (page, digest) = page(&project, means)?;
        Ok(Self::on_page(reference, &page, digest)?)
    }

    /// The same from a page at hand.
    fn on_page(
        reference: &PythonReference,
        page: &Page,
        digest: Digest,
    ) -> Result<Self, PythonError> {
        let version = chosen_version(reference, page)?;
        let (sdist, packing) = sdist(page, &version)?;
        let wheel = wheel(page, &version, reference.file_name.as_deref())?;
        let number = version.to_string();
        let purl = |file: &str| {
            let purl =
                Purl::new("pypi", None, page.name.as_str(), Some(&number), &[("file_name", file)]);
            purl.map_err(|e| PythonError::Page {
                project: page.name.to_string(),
                why: e.to_string(),
            })
        };
        let location = |file: &File| file.location(&page.name);
        let release = Release {
            source: purl(&sdist.name)?,
            published: vec![Published {
                purl: purl(&wheel.name)?,
                file_name: wheel.name.clone(),
                sha256: wheel.sha256,
                size: wheel.size,
                location: location(&wheel),
            }],
            sources: vec![SourceFile {
                name: sdist.name.clone(),
                sha256: sdist.sha256,
                size: sdist.size,
                location: location(&sdist),
            }],
            authority: Authority {
                uri: Page::location(&page.name),
                digest,
                signers: vec![SIGNER.to_owned()],
            },
            lock_authorities: Vec::new(),
            index: format!(
                "the registry's page of {} as this rebuilder saw it; the registry signs nothing",
                page.name
            ),
        };
        Ok(Self { release, project: page.name.clone(), wheel, sdist, packing })
    }
}

/// A project's page and the digest of its bytes.
pub(super) fn page(project: &Name, means: &mut Means<'_>) -> Result<(Page, Digest), RebuildError> {
    let limit = limits::PROJECT_PAGE_BYTES;
    let want = Want { location: Page::location(project), expected: None, limit };
    let digest = means.bring_one(want).map_err(|error| match error {
        RebuildError::Fetch(FetchProblem::NotOnMirror { asked, .. }) => {
            PythonError::UnknownProject { project: project.to_string(), asked }.into()
        }
        other => other,
    })?;
    let bytes = means.cas.read(&digest, limit)?;
    Ok((Page::parse(&bytes, project)?, digest))
}

/// The asked version, or the newest that has a source and a wheel and was not withdrawn.
fn chosen_version(reference: &PythonReference, page: &Page) -> Result<Version, PythonError> {
    let unknown = |found: &str| PythonError::UnknownVersion {
        project: page.name.to_string(),
        version: found.to_owned(),
        newest: page.newest().join(", "),
    };
    if let Some(text) = &reference.version {
        let asked = version(text).ok_or_else(|| unknown(text))?;
        if page.of_version(&asked).next().is_none() {
            return Err(unknown(text));
        }
        if page.of_version(&asked).all(|file| file.yanked) {
            return Err(PythonError::Yanked {
                project: page.name.to_string(),
                version: text.clone(),
                newest: page.newest().join(", "),
            });
        }
        return Ok(asked);
    }
    let whole = |version: &&Version| {
        sdist(page, version).is_ok() && wheel(page, version, reference.file_name.as_deref()).is_ok()
    };
    let versions = || page.files.iter().rev().filter(|f| !f.yanked).map(|file| &file.version);
    let newest =
        versions().filter(|v| v.is_stable()).find(whole).or_else(|| versions().find(whole));
    newest.cloned().ok_or_else(|| unknown("with a source and a wheel"))
}

fn sdist(page: &Page, version: &Version) -> Result<(File, Packing), PythonError> {
    let packed =
        page.of_version(version).filter(|file| !file.yanked).filter_map(|file| match file.kind {
            Kind::Sdist(packing) => Some((file.clone(), packing)),
            Kind::Wheel(_) => None,
        });
    let best = packed.min_by_key(|(file, packing)| (*packing != Packing::TarGz, file.name.clone()));
    best.ok_or_else(|| PythonError::NoSdist {
        project: page.name.to_string(),
        version: version.to_string(),
        files: names(page, version),
    })
}

/// The named wheel; without a name, the one that fits every machine, or this one best.
fn wheel(page: &Page, version: &Version, named: Option<&str>) -> Result<File, PythonError> {
    let wheels = page.of_version(version).filter(|file| !file.yanked);
    let ranked = wheels.filter_map(|file| match &file.kind {
        Kind::Wheel(tags) => Some((tags.rank(std::env::consts::ARCH), file)),
        Kind::Sdist(_) => None,
    });
    let found = if let Some(named) = named {
        ranked.map(|(_, file)| file).find(|file| file.name == named)
    } else {
        let running = ranked.filter(|(rank, _)| rank.is_some());
        running.min_by_key(|(rank, file)| (*rank, &file.name)).map(|(_, file)| file)
    };
    found.cloned().ok_or_else(|| PythonError::NoWheel {
        project: page.name.to_string(),
        version: version.to_string(),
        wanted: named.unwrap_or("for this machine's Python 3.13").to_owned(),
        files: names(page, version),
    })
}

/// At most a handful: a release may have a hundred wheels.
fn names(page: &Page, version: &Version) -> String {
    let names: Vec<&str> =
        page.of_version(version).take(6).map(|file| file.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
