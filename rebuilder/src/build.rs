//! Builds in fresh scratch directories until the outcome is certain (step 3): once, or twice.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use reattest_attestation::Purl;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use crate::cas::{Cas, digest_of};
use crate::clock::{self, Stopwatch};
use crate::compare::{self, Digests};
use crate::debian;
use crate::environment::Environment;
use crate::error::RebuildError;
use crate::limits;
use crate::means::Means;
use crate::pin::{Pinned, Wanted};
use crate::plan;
use crate::progress::{Cancel, Progress};
use crate::rebuild::{Output, Run};
use crate::recipe::{Recipe, SourceInput, Step};
use crate::sandbox::{Ended, Limits, Sandbox};
use crate::scratch::Scratch;
use crate::vary::Varying;

/// The number of the varied run in progress and logs.
pub(crate) const VARIED_RUN: u8 = 3;

/// A build of which everything is at hand.
pub(crate) struct Build<'a> {
    pub(crate) pinned: &'a Pinned,
    pub(crate) environment: &'a Environment,
    pub(crate) sandbox: &'a Sandbox,
}

/// What the runs gave.
pub(crate) struct Made {
    pub(crate) first: Run,
    pub(crate) second: Option<Run>,
    pub(crate) source_time: Option<u64>,
    pub(crate) scratch: Vec<Scratch>,
}

impl Build<'_> {
    /// One run, and a second one when the first made something else than was published.
    pub(crate) fn until_certain(&self, means: &mut Means<'_>) -> Result<Made, RebuildError> {
        let outputs = &self.pinned.outputs;
        let (first, source_time, scratch) = self.run(1, None, means)?;
        let mut kept = vec![scratch];
        let mut second = None;
        if !compare::is_certain(outputs, &first.digests(outputs)) || means.workshop.twice {
            let (run, _, scratch) = self.run(2, None, means)?;
            second = Some(run);
            kept.push(scratch);
        }
        Ok(Made { first, second, source_time, scratch: kept })
    }

    /// The same under other conditions; a run of this kind decides nothing.
    pub(crate) fn vary(
        &self,
        varying: &Varying,
        means: &mut Means<'_>,
    ) -> Result<(Run, Scratch), RebuildError> {
        let (run, _, scratch) = self.run(VARIED_RUN, Some(varying), means)?;
        Ok((run, scratch))
    }

    fn run(
        &self,
        number: u8,
        varying: Option<&Varying>,
        means: &mut Means<'_>,
    ) -> Result<(Run, Option<u64>, Scratch), RebuildError> {
        means.tell(Progress::Building { run: number });
        let parent = &means.workshop.scratch;
        let io = |e| RebuildError::io("cannot make a directory below", parent, e);
        let scratch = Scratch::fresh(parent).map_err(io)?;
        let inputs = scratch.part("inputs").map_err(io)?;
        let place = scratch.part("build").map_err(io)?;
        let Recipe { files, wheels, .. } = &self.pinned.recipe;
        lay_out(files, &inputs, means.cas)?;
        if !wheels.is_empty() {
            lay_out(wheels, &scratch.part("inputs/wheels").map_err(io)?, means.cas)?;
        }
        let (root, log) = (scratch.path().join("root"), scratch.path().join("build.log"));
        let (limits, cancel) = (means.workshop.limits, means.cancel);
        let bench = Bench { build: self, place, inputs, root, log, limits, varying, cancel };
        let (watch, started) = (Stopwatch::start(), clock::now());
        let ended = bench.steps()?;
        let finished = clock::now();
        let mut outputs = Vec::new();
        if ended.succeeded {
            outputs = collect(&self.pinned.outputs, &bench.place, scratch.path())?;
        }
        let succeeded = !outputs.is_empty();
        means.tell(Progress::Built { run: number, seconds: watch.seconds(), succeeded });
        Ok((Run { outputs, log: bench.log, started, finished }, ended.source_time, scratch))
    }
}

/// Copies of pinned files, since a sandbox must not see the store.
pub(crate) fn lay_out(files: &[SourceInput], place: &Path, cas: &Cas) -> Result<(), RebuildError> {
    for file in files {
        cas.copy_to(&file.sha256, &place.join(&file.name))?;
    }
    Ok(())
}

/// One run's places.
struct Bench<'a> {
    build: &'a Build<'a>,
    place: PathBuf,
    inputs: PathBuf,
    /// Where the layers of the environment become this run's root.
    root: PathBuf,
    log: PathBuf,
    limits: Limits,
    varying: Option<&'a Varying>,
    cancel: &'a Cancel,
}

struct Steps {
    succeeded: bool,
    source_time: Option<u64>,
}

impl Bench<'_> {
    fn steps(&self) -> Result<Steps, RebuildError> {
        let recipe = &self.build.pinned.recipe;
        let mut source_time =
            recipe.environment.get("SOURCE_DATE_EPOCH").and_then(|time| time.parse().ok());
        for step in &recipe.steps {
            if self.run(step)? != Ended::Success {
                return Ok(Steps { succeeded: false, source_time });
            }
        }
        if source_time.is_none() && recipe.source.kind() == "deb" {
            source_time = self.recorded_time();
        }
        Ok(Steps { succeeded: true, source_time })
    }

    fn run(&self, step: &Step) -> Result<Ended, RebuildError> {
        let Build { pinned, environment, sandbox } = self.build;
        let root = environment.root(self.root.clone());
        let spec = plan::spec(&pinned.recipe, step, root, &self.place, &self.inputs, self.limits);
        let spec = match self.varying {
            Some(varying) => varying.vary(spec),
            None => spec,
        };
        Ok(sandbox.run(&spec, &self.log, self.cancel)?)
    }

    /// A fact for the record: a Debian build takes it from its changelog, and writes it down.
    fn recorded_time(&self) -> Option<u64> {
        let entries = fs::read_dir(&self.place).ok()?.flatten();
        let mut names = entries.map(|entry| PathBuf::from(entry.file_name()));
        let name = names.find(|name| name.extension().is_some_and(|e| e == "buildinfo"))?;
        let record = open_plain(&self.place, &name).ok()??;
        let mut bytes = Vec::new();
        record.take(limits::DSC_BYTES).read_to_end(&mut bytes).ok()?;
        debian::source_time(&bytes)
    }
}

/// Moves the wanted outputs out of the build's directory: regular files only, never through a
/// link, so that a build cannot have a host file taken for its output.
fn collect(wanted: &[Wanted], place: &Path, scratch: &Path) -> Result<Vec<Output>, RebuildError> {
    let directory = scratch.join("outputs");
    let io = |e| RebuildError::io("cannot collect the outputs in", scratch, e);
    fs::create_dir(&directory).map_err(io)?;
    let mut outputs = Vec::new();
    for wanted in wanted {
        let Some(mut from) = open_plain(place, &wanted.path).map_err(io)? else {
            continue;
        };
        let path = directory.join(wanted.path.file_name().unwrap_or_default());
        let mut to = File::create_new(&path).map_err(io)?;
        let size = io::copy(&mut from, &mut to).map_err(io)?;
        let sha256 = digest_of(&mut File::open(&path).map_err(io)?).map_err(io)?;
        outputs.push(Output { purl: wanted.purl.clone(), path, sha256, size });
    }
    Ok(outputs)
}

/// `None` for whatever is not a plain file of bounded size: the build did not make that output.
pub(crate) fn open_plain(place: &Path, path: &Path) -> io::Result<Option<File>> {
    // A fifo would block an opener that waits for its writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let directory = openat(CWD, place, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let opened = openat2(&directory, path, flags, Mode::empty(), beneath);
    let Ok(file) = opened.map(File::from) else {
        return Ok(None);
    };
    let metadata = file.metadata()?;
    Ok((metadata.is_file() && metadata.len() <= limits::INPUT_BYTES).then_some(file))
}

impl Run {
    /// What it made of each wanted file, in their order.
    pub(crate) fn digests(&self, wanted: &[Wanted]) -> Digests {
        wanted.iter().map(|wanted| self.output(&wanted.purl).map(|o| o.sha256)).collect()
    }

    /// The output of this purl.
    pub fn output(&self, purl: &Purl) -> Option<&Output> {
        self.outputs.iter().find(|output| output.purl == *purl)
    }
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
        fs::write(path("directory/inner"), "x").unwrap();
        symlink("directory", path("way")).unwrap();
        let open = |name: &str| open_plain(place.path(), Path::new(name)).unwrap();
        assert!(open("plain").is_some() && open("directory/inner").is_some());
        for name in ["link", "directory", "fifo", "missing", "way/inner", "../plain", "/etc/passwd"]
        {
            assert!(open(name).is_none(), "{name}");
        }
    }
}
