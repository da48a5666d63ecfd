//! From a reference to a build of which everything is named by digest (steps 1 to 3).
//!
//! What each kind of package needs to be rebuilt is decided here and nowhere later: whoever holds a
//! [`Pinned`] needs neither the registry's name nor its rules any more.

use std::path::PathBuf;

use reattest_attestation::{Digest, Purl};

use crate::debian;
use crate::error::RebuildError;
use crate::fetch::Want;
use crate::limits;
use crate::means::Means;
use crate::progress::Progress;
use crate::python;
use crate::recipe::{Document, Lock, Recipe, SourceInput};
use crate::reference::Reference;
use crate::release::{Published, Release, Suite};
use crate::sandbox::Sandbox;

/// A release, and the one way in which it is built.
pub(crate) struct Pinned {
    /// What the authority bound together.
    pub(crate) release: Release,
    /// The build definition.
    pub(crate) recipe: Recipe,
    /// The same as a document.
    pub(crate) document: Document,
    /// The packages of the environment.
    pub(crate) lock: Lock,
    /// The same as a document.
    pub(crate) lock_document: Document,
    /// What the build must make.
    pub(crate) outputs: Vec<Wanted>,
    /// The suite of the environment's packages.
    pub(crate) suite: Suite,
}

/// One file that a build is to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The purl that it is, or would be, published under.
    pub(crate) purl: Purl,
    /// Where the build leaves it, below the recipe's place.
    pub(crate) path: PathBuf,
    /// The published digest; without it there is nothing to compare with.
    pub(crate) published: Option<Digest>,
}

impl From<&Published> for Wanted {
    fn from(published: &Published) -> Self {
        Self {
            purl: published.purl.clone(),
            path: PathBuf::from(&published.file_name),
            published: Some(published.sha256),
        }
    }
}

impl Pinned {
    /// Checks the authority of a reference and derives its recipe, by the rules of its registry.
    pub(crate) fn of(
        reference: &Reference,
        sandbox: &Sandbox,
        means: &mut Means<'_>,
    ) -> Result<Self, RebuildError> {
        match reference {
            Reference::Debian(reference) => debian::pin(reference, None, sandbox, means),
            Reference::Python(reference) => python::pin(reference, sandbox, means),
        }
    }

    /// The last step of every kind: recipe and lock go into the store under their digests.
    pub(crate) fn new(
        release: Release,
        suite: Suite,
        recipe: Recipe,
        (lock, lock_document): (Lock, Document),
        means: &mut Means<'_>,
    ) -> Result<Self, RebuildError> {
        let outputs: Vec<Wanted> = release.published().iter().map(Into::into).collect();
        if outputs.len() > limits::OUTPUTS {
            let what =
                format!("a build of {} outputs (at most {} fit)", outputs.len(), limits::OUTPUTS);
            return Err(RebuildError::Unsupported(what));
        }
        let document = recipe.document().map_err(|e| RebuildError::Environment {
            step: "write the recipe".to_owned(),
            why: e.to_string(),
        })?;
        means.cas.put(document.bytes())?;
        means.cas.put(lock_document.bytes())?;
        let pinned = Self { release, recipe, document, lock, lock_document, outputs, suite };
        means.tell(pinned.progress());
        Ok(pinned)
    }

    fn progress(&self) -> Progress {
        let files = self.recipe.files.iter().chain(&self.recipe.wheels);
        let packages = &self.lock.packages;
        Progress::Pinned {
            inputs: packages.len() + files.clone().count(),
            bytes: packages.iter().map(|p| p.size).chain(files.map(|f| f.size)).sum(),
            recipe: self.document.digest(),
            lock: self.lock_document.digest(),
        }
    }
}

/// Says what will be rebuilt.
pub(crate) fn tell_found(release: &Release, means: &mut Means<'_>) {
    let published = release.published().iter().map(|p| p.file_name.clone()).collect();
    means.tell(Progress::Found { source: release.source().to_string(), published });
}

/// Has these files in the store.
pub(crate) fn bring(files: &[SourceInput], means: &mut Means<'_>) -> Result<(), RebuildError> {
    let want = |file: &SourceInput| Want::pinned(&file.location, file.sha256, file.size);
    let wants: Vec<Want> = files.iter().map(want).collect();
    means.bring(&wants)
}
