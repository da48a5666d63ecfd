//! One rebuild from reference to outcomes (steps 1 to 4): the order of everything, nothing else.

use std::path::{Path, PathBuf};

use reattest_attestation::{ArtifactOutcome, BuildFacts, Digest, Purl, Timestamp};
use serde::Serialize;

use crate::build::{Build, Made};
use crate::cas::Cas;
use crate::clock;
use crate::debian;
use crate::environment;
use crate::error::RebuildError;
use crate::explain::Explained;
use crate::facts;
use crate::fetch::Fetch;
use crate::means::Means;
use crate::pin::{Pinned, Wanted, bring};
use crate::progress::{Cancel, Progress};
use crate::recipe::{Document, Lock};
use crate::recipe_file::{RecipeFile, Written};
use crate::reference::Reference;
use crate::release::Release;
use crate::report::{Deeper, Report};
use crate::sandbox::{self, Limits, Sandbox};
use crate::scratch::Scratch;
use crate::vary::Varied;

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
    /// The binary `reattest`, which compares files of strangers in a sandbox; without it, what
    /// differs is not explained.
    pub program: Option<PathBuf>,
    /// Has diffoscope look at what differs, too, where it is installed.
    pub deepen: bool,
    /// Shows what a build says while it runs, on standard error.
    pub live: bool,
    /// Builds a second time also where the first run made what was published.
    pub twice: bool,
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
            program: None,
            deepen: false,
            live: false,
            twice: false,
        }
    }
}

impl Workshop {
    fn sandbox(&self) -> Result<Sandbox, RebuildError> {
        let sandbox = sandbox::probe(self.bwrap.as_deref())?;
        Ok(if self.live { sandbox.live() } else { sandbox })
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

impl Output {
    /// The file's own name.
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
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

/// One build under other conditions.
#[derive(Debug, Clone)]
pub struct VariedRun {
    /// What was changed.
    pub changed: Vec<Varied>,
    /// What came out.
    pub run: Run,
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
    /// A run under other conditions, where something differs; it decided nothing.
    pub varied: Option<VariedRun>,
    /// What else belongs into a statement.
    pub facts: BuildFacts,
    outcomes: Vec<ArtifactOutcome>,
    reports: Vec<Report>,
    deeper: Option<Deeper>,
    unpublished: Vec<Unpublished>,
    // Dropped last; the paths above point into it.
    _scratch: Vec<Scratch>,
}

impl Rebuilt {
    /// One outcome for each published artifact, the asked one first.
    pub fn outcomes(&self) -> &[ArtifactOutcome] {
        &self.outcomes
    }

    /// Why artifacts are not the published ones: one report for each that is not, asked one first.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// What diffoscope says of the first of them, where [`Workshop::deepen`] asked for it.
    pub fn deeper(&self) -> Option<&Deeper> {
        self.deeper.as_ref()
    }

    /// What was made and never published, so that there is nothing to compare it with.
    pub fn unpublished(&self) -> &[Unpublished] {
        &self.unpublished
    }
}

/// One output that was never published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unpublished {
    /// The purl that it would be published under.
    pub purl: Purl,
    /// What the first run made.
    pub produced: Option<Digest>,
    /// What the second run made.
    pub again: Option<Digest>,
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
    let sandbox = workshop.sandbox()?;
    let cas = Cas::below(&workshop.cache)?;
    let now = clock::now().as_unix();
    let mut means = Means { workshop, cas: &cas, fetch, progress, cancel, now };
    let pinned = Pinned::of(reference, &sandbox, &mut means)?;
    build(pinned, &sandbox, &mut means)
}

/// The same with the record of the publisher's build, a Debian `.buildinfo`: in its exact versions,
/// in its place, with its variables. Whoever signed it is not asked: what it names is checked instead.
pub fn rebuild_as(
    reference: &Reference,
    buildinfo: &[u8],
    workshop: &Workshop,
    fetch: &mut dyn Fetch,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<Rebuilt, RebuildError> {
    let Reference::Debian(reference) = reference else {
        return Err(RebuildError::Unsupported(format!("a .buildinfo for {reference}")));
    };
    let sandbox = workshop.sandbox()?;
    let cas = Cas::below(&workshop.cache)?;
    let now = clock::now().as_unix();
    let mut means = Means { workshop, cas: &cas, fetch, progress, cancel, now };
    let pinned = debian::pin(reference, Some(buildinfo), &sandbox, &mut means)?;
    build(pinned, &sandbox, &mut means)
}

/// Rebuilds what a recipe file says.
pub fn rebuild_recipe(
    written: &Written<'_>,
    workshop: &Workshop,
    fetch: &mut dyn Fetch,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<Rebuilt, RebuildError> {
    let sandbox = workshop.sandbox()?;
    let cas = Cas::below(&workshop.cache)?;
    let now = clock::now().as_unix();
    let mut means = Means { workshop, cas: &cas, fetch, progress, cancel, now };
    let pinned = Pinned::written(written, &mut means)?;
    build(pinned, &sandbox, &mut means)
}

/// Pins the packages of a recipe file.
pub fn lock_recipe(
    file: &RecipeFile,
    workshop: &Workshop,
    fetch: &mut dyn Fetch,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<(Lock, Document), RebuildError> {
    let sandbox = workshop.sandbox()?;
    let cas = Cas::below(&workshop.cache)?;
    let now = clock::now().as_unix();
    let mut means = Means { workshop, cas: &cas, fetch, progress, cancel, now };
    file.lock(&sandbox, &mut means)
}

/// What follows is the same for every kind of package.
fn build(
    pinned: Pinned,
    sandbox: &Sandbox,
    means: &mut Means<'_>,
) -> Result<Rebuilt, RebuildError> {
    bring(&pinned.recipe.files, means)?;
    bring(&pinned.recipe.wheels, means)?;
    let lock = (&pinned.lock, &pinned.lock_document);
    let environment = environment::environment(lock, sandbox, means)?;
    let build = Build { pinned: &pinned, environment: &environment, sandbox };
    let mut made = build.until_certain(means)?;
    let explained = build.explain(&mut made, means)?;
    let Explained { outcomes, normalizers, varied, reports, deeper } = explained;
    let diff = keep_report(&reports, means.cas)?;
    let facts = facts::of(&pinned, &made, sandbox.confinement(), means.cas)?;
    let facts = BuildFacts { normalizers, diff, ..facts };
    let unpublished = unpublished(&pinned, &made);
    let Made { first, second, scratch, .. } = made;
    Ok(Rebuilt {
        release: pinned.release,
        recipe: pinned.document,
        lock: pinned.lock_document,
        first,
        second,
        varied,
        facts,
        outcomes,
        reports,
        deeper,
        unpublished,
        _scratch: scratch,
    })
}

/// The first report goes into the store; a statement names one.
fn keep_report(reports: &[Report], cas: &Cas) -> Result<Option<Digest>, RebuildError> {
    let Some(report) = reports.first() else { return Ok(None) };
    let bytes = report.to_bytes().map_err(|e| RebuildError::Environment {
        step: "write the report".to_owned(),
        why: e.to_string(),
    })?;
    Ok(Some(cas.put(&bytes)?))
}

fn unpublished(pinned: &Pinned, made: &Made) -> Vec<Unpublished> {
    let digest = |run: &Run, purl: &Purl| run.output(purl).map(|output| output.sha256);
    let outputs = pinned.outputs.iter().filter(|wanted| wanted.published.is_none());
    let unpublished = |wanted: &Wanted| Unpublished {
        purl: wanted.purl.clone(),
        produced: digest(&made.first, &wanted.purl),
        again: made.second.as_ref().and_then(|run| digest(run, &wanted.purl)),
    };
    outputs.map(unpublished).collect()
}
