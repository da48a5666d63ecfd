//! From a reference to a Python build of which everything is named by digest (steps 1 to 3).

use std::collections::BTreeMap;
use std::fs::File as HostFile;
use std::io::Read;
use std::path::Path;

use super::learned::Learned;
use super::name::Name;
use super::page::{File, Page};
use super::project::BuildSystem;
use super::recipe::{ASKING_STEPS, Parts, REQUIRES_FILE, recipe};
use super::release::{self, PythonRelease};
use super::requirement::{self, Requirement};
use super::resolve::{Index, Target, Wish, resolve};
use super::{PythonError, backend, environment, sdist, wheel};
use crate::build::{lay_out, open_plain};
use crate::environment::{Environment, environment as make_environment};
use crate::error::RebuildError;
use crate::fetch::Want;
use crate::limits;
use crate::means::Means;
use crate::pin::{Pinned, bring, tell_found};
use crate::plan;
use crate::recipe::{Recipe, SourceInput};
use crate::reference::PythonReference;
use crate::sandbox::{Ended, Sandbox};
use crate::scratch::Scratch;

/// Checks the registry's word on a wheel and derives its recipe.
pub(crate) fn pin(
    reference: &PythonReference,
    sandbox: &Sandbox,
    means: &mut Means<'_>,
) -> Result<Pinned, RebuildError> {
    let mut found = PythonRelease::find(reference, means)?;
    tell_found(&found.release, means);
    let files: Vec<SourceInput> = found.release.sources().iter().map(Into::into).collect();
    bring(&files, means)?;
    let source =
        sdist::read(means.cas.open(&found.sdist.sha256)?, &found.sdist.name, found.packing)?;
    let system = BuildSystem::of(source.project.as_deref())?;
    let facts = facts(&found.project, &found.wheel, means)?;
    let learned = Learned::from_wheel(&facts, &system.backend, &system.required());
    let (lock, suite) = environment::lock(&found, sandbox, means)?;
    found.release.lock_authorities.push(suite.authority().clone());
    let made = make_environment((&lock.0, &lock.1), sandbox, means)?;
    let mut wishes = wishes(&system, &learned)?;
    for _ in 0..limits::HOOK_ROUNDS {
        let wheels = wheels(&wishes, &found, means)?;
        bring(&wheels, means)?;
        let (tree, learned, system) = (source.tree.as_str(), &learned, &system);
        let parts = Parts { release: &found, system, tree, learned, wheels: &wheels };
        let draft = recipe(&parts, lock.1.digest());
        let more = ask(&draft, &wishes, &made, sandbox, means)?;
        if more.is_empty() {
            return Pinned::new(found.release, suite, draft, lock, means);
        }
        wishes.extend(more);
    }
    let why = format!("the backend still asks for more after {} rounds", limits::HOOK_ROUNDS);
    Err(PythonError::NoSet { why }.into())
}

/// What the source requires, with the backend at the version that was learned.
fn wishes(system: &BuildSystem, learned: &Learned) -> Result<Vec<Wish>, RebuildError> {
    let by = "the source".to_owned();
    let stated = system.requires.iter();
    let mut wishes: Vec<Wish> =
        stated.map(|r| Wish { requirement: r.clone(), by: by.clone() }).collect();
    if let Some((project, version)) = &learned.backend {
        let by = "the published wheel".to_owned();
        let pin = Requirement::of(project.as_str(), &format!("=={version}"))?;
        wishes.push(Wish { requirement: pin, by: by.clone() });
        if project.as_str() == "wheel" {
            let older = Requirement::of("setuptools", backend::SETUPTOOLS_WITH_WHEEL)?;
            wishes.push(Wish { requirement: older, by });
        }
    }
    Ok(wishes)
}

/// The wheels for these wishes as of the artifact's publication, by project.
fn wheels(
    wishes: &[Wish],
    found: &PythonRelease,
    means: &mut Means<'_>,
) -> Result<Vec<SourceInput>, RebuildError> {
    let machine = std::env::consts::ARCH.to_owned();
    let until = found.wheel.uploaded.saturating_add(limits::PUBLICATION_MARGIN_SECONDS);
    let setuptools: Name = "setuptools".parse()?;
    let at_least = BTreeMap::from([(setuptools, backend::SETUPTOOLS_RUNS_SINCE)]);
    let markers = requirement::environment(&machine)?;
    let target = Target { machine, markers, until, at_least };
    let chosen = resolve(wishes, &target, &mut Registry { means })?;
    let input = |(project, file): (Name, File)| SourceInput {
        location: file.location(&project),
        name: file.name,
        sha256: file.sha256,
        size: file.size,
    };
    Ok(chosen.into_iter().map(input).collect())
}

/// The index behind the one way to the network.
struct Registry<'a, 'b> {
    means: &'a mut Means<'b>,
}

impl Index for Registry<'_, '_> {
    fn page(&mut self, project: &Name) -> Result<Page, RebuildError> {
        release::page(project, self.means).map(|(page, _)| page)
    }

    fn requires(&mut self, project: &Name, file: &File) -> Result<Vec<Requirement>, RebuildError> {
        let facts = facts(project, file, self.means)?;
        let known = facts.requires.iter().map(|text| text.parse());
        Ok(known.collect::<Result<_, PythonError>>()?)
    }
}

/// Fetches a wheel, by digest, and reads what it says about itself.
fn facts(project: &Name, file: &File, means: &mut Means<'_>) -> Result<wheel::Facts, RebuildError> {
    means.bring(&[Want::pinned(&file.location(project), file.sha256, file.size)])?;
    Ok(wheel::read(means.cas.open(&file.sha256)?, &file.name, project)?)
}

/// Runs the recipe up to the hook that asks for more requirements; those that nobody wished yet.
///
/// A step that fails asks for nothing: the build will fail in the same way, and that is an outcome.
fn ask(
    draft: &Recipe,
    wishes: &[Wish],
    environment: &Environment,
    sandbox: &Sandbox,
    means: &Means<'_>,
) -> Result<Vec<Wish>, RebuildError> {
    let parent = &means.workshop.scratch;
    let io = |e| RebuildError::io("cannot make a directory below", parent, e);
    let scratch = Scratch::fresh(parent).map_err(io)?;
    let (inputs, place) = (scratch.part("inputs").map_err(io)?, scratch.part("build").map_err(io)?);
    lay_out(&draft.files, &inputs, means.cas)?;
    lay_out(&draft.wheels, &scratch.part("inputs/wheels").map_err(io)?, means.cas)?;
    let log = scratch.path().join("ask.log");
    for step in draft.steps.iter().take(ASKING_STEPS) {
        let root = environment.root(scratch.path().join("root"));
        let spec = plan::spec(draft, step, root, &place, &inputs, means.workshop.limits);
        if sandbox.run(&spec, &log, means.cancel)? != Ended::Success {
            return Ok(Vec::new());
        }
    }
    let answer = open_plain(&place, Path::new(REQUIRES_FILE)).map_err(io)?;
    let asked = answer.map(answered).transpose()?.unwrap_or_default();
    let is_new = |requirement: &Requirement| {
        !wishes.iter().any(|wish| wish.requirement.text == requirement.text)
    };
    let wish = |requirement| Wish { requirement, by: "the backend".to_owned() };
    Ok(asked.into_iter().filter(is_new).map(wish).collect())
}

/// The answer is the build's, so as hostile as its source.
fn answered(file: HostFile) -> Result<Vec<Requirement>, PythonError> {
    let problem = |why: String| PythonError::BuildSystem { why };
    let mut bytes = Vec::new();
    let read = file.take(limits::PROJECT_FILE_BYTES).read_to_end(&mut bytes);
    read.map_err(|e| problem(e.to_string()))?;
    let texts: Vec<String> = serde_json::from_slice(&bytes)
        .map_err(|e| problem(format!("its backend asks for what is no list of texts: {e}")))?;
    if texts.len() > limits::REQUIREMENTS {
        return Err(problem(format!("its backend asks for {} requirements", texts.len())));
    }
    texts.iter().map(|text| text.parse()).collect()
}
