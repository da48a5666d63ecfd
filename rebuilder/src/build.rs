//! Builds in fresh scratch directories until the outcome is certain (step 3): once, or twice.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use reattest_attestation::ArtifactOutcome;
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::cas::{Cas, digest_of};
use crate::clock::{self, Stopwatch};
use crate::compare::{self, Digests};
use crate::environment::Environment;
use crate::error::RebuildError;
use crate::limits;
use crate::plan;
use crate::progress::{Cancel, Progress};
use crate::rebuild::{Output, Run, Workshop};
use crate::recipe::{Recipe, Step};
use crate::release::{Published, Release};
use crate::sandbox::{Ended, Sandbox};
use crate::scratch::Scratch;

/// Everything that a build needs and that does not change between two runs.
pub(crate) struct Build<'a> {
    pub(crate) release: &'a Release,
    pub(crate) recipe: &'a Recipe,
    pub(crate) environment: &'a Environment,
    pub(crate) cas: &'a Cas,
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) workshop: &'a Workshop,
}

/// What the runs gave.
pub(crate) struct Made {
    pub(crate) first: Run,
    pub(crate) second: Option<Run>,
    pub(crate) outcomes: Vec<ArtifactOutcome>,
    pub(crate) source_time: Option<u64>,
    pub(crate) scratch: Vec<Scratch>,
}

impl Build<'_> {
    /// One run, and a second one when the first made something else than was published.
    pub(crate) fn until_certain(
        &self,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Made, RebuildError> {
        let published = self.release.published();
        if published.len() > limits::OUTPUTS {
            let what = format!(
                "a source with {} outputs (at most {} fit)",
                published.len(),
                limits::OUTPUTS
            );
            return Err(RebuildError::Unsupported(what));
        }
        let (first, source_time, scratch) = self.run(1, progress, cancel)?;
        let mut kept = vec![scratch];
        let mut second = None;
        if !compare::is_certain(published, &digests(published, &first)) {
            let (run, _, scratch) = self.run(2, progress, cancel)?;
            second = Some(run);
            kept.push(scratch);
        }
        let again = second.as_ref().map(|run| digests(published, run));
        let outcomes = compare::outcomes(published, &digests(published, &first), again.as_ref())?;
        for outcome in &outcomes {
            progress(Progress::Compared {
                purl: outcome.purl.to_string(),
                published: outcome.published,
                produced: outcome.produced,
                outcome: outcome.outcome,
            });
        }
        Ok(Made { first, second, outcomes, source_time, scratch: kept })
    }

    fn run(
        &self,
        number: u8,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<(Run, Option<u64>, Scratch), RebuildError> {
        progress(Progress::Building { run: number });
        let io = |e| RebuildError::io("cannot make a directory below", &self.workshop.scratch, e);
        let scratch = Scratch::fresh(&self.workshop.scratch).map_err(io)?;
        let inputs = scratch.part("inputs").map_err(io)?;
        let place = scratch.part("build").map_err(io)?;
        for file in self.release.sources() {
            self.cas.copy_to(&file.sha256, &inputs.join(&file.name))?;
        }
        let (root, log) = (scratch.path().join("root"), scratch.path().join("build.log"));
        let bench = Bench { build: self, place, inputs, root, log, cancel };
        let (watch, started) = (Stopwatch::start(), clock::now());
        let ended = bench.steps(scratch.path())?;
        let finished = clock::now();
        let mut outputs = Vec::new();
        if ended.succeeded {
            outputs = collect(self.release.published(), &bench.place, scratch.path())?;
        }
        let succeeded = !outputs.is_empty();
        progress(Progress::Built { run: number, seconds: watch.seconds(), succeeded });
        Ok((Run { outputs, log: bench.log, started, finished }, ended.source_time, scratch))
    }
}

/// One run's places.
struct Bench<'a> {
    build: &'a Build<'a>,
    place: PathBuf,
    inputs: PathBuf,
    /// Where the layers of the environment become this run's root.
    root: PathBuf,
    log: PathBuf,
    cancel: &'a Cancel,
}

struct Steps {
    succeeded: bool,
    source_time: Option<u64>,
}

impl Bench<'_> {
    fn steps(&self, scratch: &Path) -> Result<Steps, RebuildError> {
        let mut source_time = None;
        for (index, step) in self.build.recipe.steps.iter().enumerate() {
            if self.run(step, &self.log)? != Ended::Success {
                return Ok(Steps { succeeded: false, source_time });
            }
            if index == 0 {
                source_time = self.source_time(&scratch.join("time.log"))?;
            }
        }
        Ok(Steps { succeeded: true, source_time })
    }

    fn run(&self, step: &Step, log: &Path) -> Result<Ended, RebuildError> {
        let Build { recipe, environment, workshop, sandbox, .. } = self.build;
        let root = environment.root(self.root.clone());
        let spec = plan::spec(recipe, step, root, &self.place, &self.inputs, workshop.limits);
        Ok(sandbox.run(&spec, log, self.cancel)?)
    }

    /// A fact for the record; the build takes it from the changelog by itself.
    fn source_time(&self, log: &Path) -> Result<Option<u64>, RebuildError> {
        let ended = self.run(&plan::source_time_step(self.build.recipe), log)?;
        let said = fs::read_to_string(log).unwrap_or_default();
        Ok(said.trim().parse().ok().filter(|_| ended == Ended::Success))
    }
}

/// Moves the announced outputs out of the build's directory: regular files only, never through a
/// link, so that a build cannot have a host file taken for its output.
fn collect(
    published: &[Published],
    place: &Path,
    scratch: &Path,
) -> Result<Vec<Output>, RebuildError> {
    let directory = scratch.join("outputs");
    let io = |e| RebuildError::io("cannot collect the outputs in", scratch, e);
    fs::create_dir(&directory).map_err(io)?;
    let mut outputs = Vec::new();
    for artifact in published {
        let made = place.join(&artifact.file_name);
        let Some(mut from) = open_plain(&made).map_err(io)? else {
            continue;
        };
        let path = directory.join(&artifact.file_name);
        let mut to = File::create_new(&path).map_err(io)?;
        let size = io::copy(&mut from, &mut to).map_err(io)?;
        let sha256 = digest_of(&mut File::open(&path).map_err(io)?).map_err(io)?;
        outputs.push(Output { purl: artifact.purl.clone(), path, sha256, size });
    }
    Ok(outputs)
}

/// `None` for whatever is not a plain file of bounded size: the build did not make that output.
fn open_plain(path: &Path) -> io::Result<Option<File>> {
    // A fifo would block an opener that waits for its writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = openat(CWD, path, flags, Mode::empty()).map(File::from) else {
        return Ok(None);
    };
    let metadata = file.metadata()?;
    Ok((metadata.is_file() && metadata.len() <= limits::INPUT_BYTES).then_some(file))
}

fn digests(published: &[Published], run: &Run) -> Digests {
    let of = |artifact: &Published| {
        let output = run.outputs.iter().find(|output| output.purl == artifact.purl);
        output.map(|output| output.sha256)
    };
    published.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_plain_file_is_an_output() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::write(path("plain"), "x").unwrap();
        symlink("plain", path("link")).unwrap();
        fs::create_dir(path("directory")).unwrap();
        rustix::fs::mknodat(CWD, path("fifo"), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(open_plain(&path("plain")).unwrap().is_some());
        for name in ["link", "directory", "fifo", "missing"] {
            assert!(open_plain(&path(name)).unwrap().is_none(), "{name}");
        }
    }
}
