//! What the runs mean (step 4): outcomes, and where something differs, what it depends on.
//!
//! Only now do published bytes come to this machine: the builds are over, so no build can have seen
//! the answer.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use reattest_attestation::statement::Normalizer;
use reattest_attestation::verdict::Normalized;
use reattest_attestation::{ArtifactOutcome, Outcome, Purl};

use crate::build::{Build, Made};
use crate::compare;
use crate::environment;
use crate::error::RebuildError;
use crate::fetch::Want;
use crate::means::Means;
use crate::normalize::{self, NormalizeError};
use crate::progress::Progress;
use crate::rebuild::{Output, Run, VariedRun};
use crate::release::Published;
use crate::report::{self, Deeper, Report, ReportError, Variation};
use crate::retention::kept;
use crate::sandbox::SandboxError;
use crate::scratch::Scratch;
use crate::vary::{self, Varied, Varying};

/// What is known at the end.
pub(crate) struct Explained {
    pub(crate) outcomes: Vec<ArtifactOutcome>,
    pub(crate) normalizers: Vec<Normalizer>,
    pub(crate) varied: Option<VariedRun>,
    pub(crate) reports: Vec<Report>,
    pub(crate) deeper: Option<Deeper>,
}

/// Two files to be compared, and the names that they are shown under.
struct Sides {
    paths: (PathBuf, PathBuf),
    names: (String, String),
}

impl Sides {
    fn published(differing: &Differing<'_>, means: &Means<'_>) -> Self {
        let Differing { published, produced } = differing;
        let name = produced.file_name();
        let paths = (means.cas.path(&published.sha256), produced.path.clone());
        Self { paths, names: (name.clone(), name) }
    }

    fn runs(differing: &Differing<'_>, other: &Output) -> Self {
        let name = differing.produced.file_name();
        let paths = (differing.produced.path.clone(), other.path.clone());
        Self { paths, names: (name.clone(), name) }
    }
}

/// A published file and what the first run made instead of it.
pub(crate) struct Differing<'a> {
    pub(crate) published: &'a Published,
    pub(crate) produced: &'a Output,
}

impl Build<'_> {
    /// Compares what came out with what was published, and asks once more where it differs.
    pub(crate) fn explain(
        &self,
        made: &mut Made,
        means: &mut Means<'_>,
    ) -> Result<Explained, RebuildError> {
        let wanted = &self.pinned.outputs;
        let first = made.first.digests(wanted);
        let again = made.second.as_ref().map(|run| run.digests(wanted));
        let normalized = self.normalized(&made.first, means)?;
        let digests = wanted.iter().map(|w| normalized.get(&w.purl).map(|n| n.digest)).collect();
        let outcomes = compare::outcomes(wanted, &first, again.as_ref(), &digests)?;
        let mut normalizers: Vec<Normalizer> = Vec::new();
        for outcome in outcomes.iter().filter(|o| o.outcome == Outcome::Equivalent) {
            let named = normalized.get(&outcome.purl).map(|n| n.normalizers.clone());
            normalizers.extend(named.unwrap_or_default());
        }
        normalizers.dedup();
        for outcome in &outcomes {
            means.tell(Progress::Compared {
                purl: outcome.purl.to_string(),
                published: outcome.published,
                produced: outcome.produced,
                outcome: outcome.outcome,
            });
        }
        let varied = if outcomes.iter().any(|o| o.outcome == Outcome::Differs) {
            self.varied(made, means)?
        } else {
            None
        };
        let reports = self.reports(&outcomes, made, varied.as_ref(), means)?;
        let deeper = self.deeper(made, means)?;
        self.keep_outputs(&outcomes, made, means)?;
        Ok(Explained { outcomes, normalizers, varied, reports, deeper })
    }

    /// What differs from a published file that can be had.
    pub(crate) fn differing<'a>(&'a self, first: &'a Run) -> Vec<Differing<'a>> {
        let differing = |published: &'a Published| {
            let produced = first.output(&published.purl)?;
            let is_other = produced.sha256 != published.sha256 && published.size > 0;
            is_other.then_some(Differing { published, produced })
        };
        self.pinned.release.published().iter().filter_map(differing).collect()
    }

    /// Brings what was published instead, and lets the normalizers of its form look at both.
    fn normalized(
        &self,
        first: &Run,
        means: &mut Means<'_>,
    ) -> Result<BTreeMap<Purl, Normalized>, RebuildError> {
        let differing = self.differing(first);
        let want = |d: &Differing<'_>| {
            Want::pinned(&d.published.location, d.published.sha256, d.published.size)
        };
        let wants: Vec<Want> = differing.iter().map(want).collect();
        means.bring(&wants)?;
        let mut equal = BTreeMap::new();
        for Differing { published, produced } in differing {
            let io = |e| RebuildError::io("cannot read", &produced.path, e);
            let ours = File::open(&produced.path).map_err(io)?;
            let theirs = means.cas.open(&published.sha256)?;
            let normalized = normalize::equivalent(&published.file_name, &theirs, &ours);
            match normalized {
                Ok(normalized) => {
                    equal.extend(normalized.map(|n| (published.purl.clone(), n)));
                }
                // A file without a normalized form is judged bit for bit.
                Err(NormalizeError::Refused(_)) => {}
                Err(NormalizeError::Io(error)) => return Err(io(error)),
            }
        }
        Ok(equal)
    }

    /// Why each artifact that is not the published one is not, as far as two files tell.
    fn reports(
        &self,
        outcomes: &[ArtifactOutcome],
        made: &Made,
        varied: Option<&VariedRun>,
        means: &mut Means<'_>,
    ) -> Result<Vec<Report>, RebuildError> {
        let mut reports = Vec::new();
        for differing in self.differing(&made.first) {
            let purl = &differing.published.purl;
            let outcome = outcomes.iter().find(|o| o.purl == *purl).map(|o| o.outcome);
            let again = made.second.as_ref().and_then(|run| run.output(purl));
            let sides = match (outcome, again) {
                (Some(Outcome::Unstable), Some(again)) => Sides::runs(&differing, again),
                _ => Sides::published(&differing, means),
            };
            let other = varied.and_then(|varied| varied.run.output(purl));
            let other = other.map(|other| Sides::runs(&differing, other));
            let changed = varied.map(|varied| varied.changed.clone()).unwrap_or_default();
            match self.report(&sides, other.as_ref().map(|other| (other, changed)), means) {
                Ok(report) => reports.extend(report),
                Err(ReportError::Sandbox(SandboxError::Cancelled)) => {
                    return Err(RebuildError::Cancelled);
                }
                // The outcome rests on digests; a report that cannot be had costs an explanation.
                Err(error) => tracing::warn!(%error, "what differs cannot be told"),
            }
        }
        Ok(reports)
    }

    /// `None` where nobody said which program compares the files of strangers.
    fn report(
        &self,
        sides: &Sides,
        varied: Option<(&Sides, Vec<Varied>)>,
        means: &Means<'_>,
    ) -> Result<Option<Report>, ReportError> {
        let Some(program) = &means.workshop.program else { return Ok(None) };
        let compare = |Sides { paths: (one, other), names: (first, second) }: &Sides| {
            let names = (first.as_str(), second.as_str());
            report::sandboxed(self.sandbox, program, one, other, names, means.cancel)
        };
        let report = compare(sides)?;
        let Some((sides, changed)) = varied else { return Ok(Some(report)) };
        Ok(Some(report.with_variation(&Variation { changed }, &compare(sides)?)))
    }

    /// What diffoscope says of the first artifact that differs, where it was asked for and is there.
    fn deeper(&self, made: &Made, means: &Means<'_>) -> Result<Option<Deeper>, RebuildError> {
        let differing = self.differing(&made.first);
        let Some(first) = differing.first().filter(|_| means.workshop.deepen) else {
            return Ok(None);
        };
        let Sides { paths: (published, produced), .. } = Sides::published(first, means);
        match report::deepened(self.sandbox, &published, &produced, means.cancel) {
            Err(ReportError::Sandbox(SandboxError::Cancelled)) => Err(RebuildError::Cancelled),
            Err(error) => {
                tracing::warn!(%error, "diffoscope gave nothing");
                Ok(None)
            }
            deeper => Ok(deeper.unwrap_or_default()),
        }
    }

    /// What differs stays in the cache, for whoever wants to look.
    fn keep_outputs(
        &self,
        outcomes: &[ArtifactOutcome],
        made: &Made,
        means: &Means<'_>,
    ) -> Result<(), RebuildError> {
        let odd = |o: &&ArtifactOutcome| matches!(o.outcome, Outcome::Differs | Outcome::Unstable);
        let mut files = Vec::new();
        for outcome in outcomes.iter().filter(odd) {
            for (run, when) in [(Some(&made.first), "first"), (made.second.as_ref(), "second")] {
                let output = run.and_then(|run| run.output(&outcome.purl));
                files.extend(output.map(|o| (format!("{when}/{}", o.file_name()), o.path.clone())));
            }
        }
        if !files.is_empty() {
            let recipe = self.pinned.document.digest();
            kept::keep_outputs(means.cas, &means.workshop.cache, recipe, &files)?;
        }
        Ok(())
    }

    /// One varied run. Whatever goes wrong in it costs an explanation, and not the outcome.
    fn varied(
        &self,
        made: &mut Made,
        means: &mut Means<'_>,
    ) -> Result<Option<VariedRun>, RebuildError> {
        let ended = self.run_varied(&made.first, means);
        match ended {
            Ok((run, kept)) => {
                made.scratch.extend(kept);
                Ok(Some(run))
            }
            Err(RebuildError::Cancelled) => Err(RebuildError::Cancelled),
            Err(RebuildError::Sandbox(SandboxError::Limit { limit, bound })) => {
                tracing::warn!(
                    "the varied run passed its limit on {limit} ({bound}) and tells nothing: \
                     some builds never end under another clock"
                );
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(%error, "the varied run gave nothing");
                Ok(None)
            }
        }
    }

    fn run_varied(
        &self,
        first: &Run,
        means: &mut Means<'_>,
    ) -> Result<(VariedRun, Vec<Scratch>), RebuildError> {
        let scratch = &means.workshop.scratch;
        let place = Scratch::fresh(scratch)
            .map_err(|e| RebuildError::io("cannot make a directory below", scratch, e))?;
        let clock = environment::clock(&self.pinned.suite, place.path(), means)?;
        let took = first.finished.as_unix().saturating_sub(first.started.as_unix());
        let wall = vary::wall(Duration::from_secs(u64::try_from(took).unwrap_or_default()));
        let varying = Varying { clock, processor: one_processor(), wall };
        let (run, built) = self.vary(&varying, means)?;
        Ok((VariedRun { changed: varying.changed(), run }, vec![place, built]))
    }
}

/// The first processor that this process may use, where there are several.
fn one_processor() -> Option<usize> {
    let allowed = rustix::thread::sched_getaffinity(None).ok()?;
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu))?;
    (allowed.count() > 1).then_some(first)
}
