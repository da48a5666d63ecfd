//! One rebuild from reference to outcomes (steps 1 to 4): the order of everything, nothing else.

use std::path::{Path, PathBuf};

use reattest_attestation::{ArtifactOutcome, BuildFacts, Digest, Purl, Timestamp};

use crate::build::{Build, Made};
use crate::cas::Cas;
use crate::clock;
use crate::environment;
use crate::error::RebuildError;
use crate::facts;
use crate::fetch::{Fetch, Want};
use crate::plan;
use crate::progress::{Cancel, Progress};
use crate::recipe::{Document, Lock};
use crate::reference::Reference;
use crate::release::{self, Release, SourceFile};
use crate::sandbox::{self, Limits};
use crate::scratch::Scratch;

/// Where one machine rebuilds.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// `…/reattest` below the user's cache directory: blobs, environments, locks.
    pub cache: PathBuf,
    /// Where builds get their fresh directories; removed when they end.
    pub scratch: PathBuf,
    /// The archive's public keys, a keyring as apt uses it.
    pub keyring: PathBuf,
    /// Bubblewrap, where it is not to be looked for in `PATH`.
    pub bwrap: Option<PathBuf>,
    /// `parallel=` of the build; part of the recipe.
    pub parallel: usize,
    /// What one build may use.
    pub limits: Limits,
}

impl Workshop {
    /// The Debian keyring where Debian installs it.
    pub const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

    /// A workshop with this cache directory and defaults for everything else.
    pub fn new(cache: &Path) -> Self {
        Self {
            cache: cache.to_owned(),
            scratch: cache.join("scratch"),
            keyring: PathBuf::from(Self::KEYRING),
            bwrap: None,
            parallel: std::thread::available_parallelism().map_or(1, usize::from),
            limits: Limits::build(),
        }
    }
}

/// One output of a run.
#[derive(Debug, Clone)]
pub struct Output {
    /// The purl that the archive published it under.
    pub purl: Purl,
    /// The file; it lives as long as the [`Rebuilt`] that holds its scratch directory.
    pub path: PathBuf,
    /// What it hashed to when it was collected.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// One build.
#[derive(Debug, Clone)]
pub struct Run {
    /// The announced outputs that it made, in the order of [`Release::published`].
    pub outputs: Vec<Output>,
    /// Its log, standard output and error together.
    pub log: PathBuf,
    /// When it started by this machine's clock.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
}

/// A rebuild that came to an outcome for each published artifact.
#[derive(Debug)]
pub struct Rebuilt {
    /// What the archive signed.
    pub release: Release,
    /// The pinned build definition.
    pub recipe: Document,
    /// Its environment's packages.
    pub lock: Document,
    /// The first run; without outputs the build failed.
    pub first: Run,
    /// The repetition in a fresh scratch directory, when something differed.
    pub second: Option<Run>,
    /// What else belongs into a statement.
    pub facts: BuildFacts,
    outcomes: Vec<ArtifactOutcome>,
    // Dropped last; the paths above point into it.
    _scratch: Vec<Scratch>,
}

impl Rebuilt {
    /// One outcome for each published artifact, the asked one first.
    pub fn outcomes(&self) -> &[ArtifactOutcome] {
        &self.outcomes
    }
}

/// Rebuilds one package: authority, inputs, environment, build, comparison.
///
/// An `Err` is an own fault and never an outcome; a build that fails is an `Ok` without outputs.
pub fn rebuild(
    reference: &Reference,
    workshop: &Workshop,
    fetch: &mut dyn Fetch,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<Rebuilt, RebuildError> {
    let sandbox = sandbox::probe(workshop.bwrap.as_deref())?;
    let cas = Cas::below(&workshop.cache)?;
    let now = clock::now();
    let release = release::find(reference, workshop, &cas, fetch, progress, now.as_unix())?;
    let published = release.published().iter().map(|p| p.file_name.clone()).collect();
    progress(Progress::Found { source: release.source().to_string(), published });
    fetch_sources(&release, fetch)?;
    let (packages, lock) =
        environment::lock(&release, workshop, &cas, &sandbox, fetch, progress, cancel)?;
    let recipe = plan::recipe(&release, lock.digest(), workshop.parallel);
    let document = recipe.document().map_err(|e| RebuildError::Environment {
        step: "write the recipe".to_owned(),
        why: e.to_string(),
    })?;
    cas.put(document.bytes())?;
    progress(pinned(&release, &packages, &document, &lock));
    let environment = environment::environment(
        (&packages, &lock),
        workshop,
        &cas,
        &sandbox,
        fetch,
        progress,
        cancel,
    )?;
    let build = Build {
        release: &release,
        recipe: &recipe,
        environment: &environment,
        cas: &cas,
        sandbox: &sandbox,
        workshop,
    };
    let made = build.until_certain(progress, cancel)?;
    let facts = facts::of(&recipe, &made.first, made.source_time, &cas, &document)?;
    let Made { first, second, outcomes, scratch, .. } = made;
    Ok(Rebuilt {
        release,
        recipe: document,
        lock,
        first,
        second,
        facts,
        outcomes,
        _scratch: scratch,
    })
}

/// First of all inputs: a mirror that lacks the source is noticed before an environment is made.
fn fetch_sources(release: &Release, fetch: &mut dyn Fetch) -> Result<(), RebuildError> {
    let want = |file: &SourceFile| Want::pinned(&file.location, file.sha256, file.size);
    let wants: Vec<Want> = release.sources().iter().map(want).collect();
    for answer in fetch.fetch(&wants) {
        answer?;
    }
    Ok(())
}

fn pinned(release: &Release, packages: &Lock, recipe: &Document, lock: &Document) -> Progress {
    let sizes =
        packages.packages.iter().map(|p| p.size).chain(release.sources().iter().map(|s| s.size));
    Progress::Pinned {
        inputs: packages.packages.len() + release.sources().len(),
        bytes: sizes.sum(),
        recipe: recipe.digest(),
        lock: lock.digest(),
    }
}
