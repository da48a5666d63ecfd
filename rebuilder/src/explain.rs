//! What the runs mean (step 4): outcomes, and where something differs, what it depends on.
//!
//! Only now do published bytes come to this machine: the builds are over, so no build can have seen
//! the answer.

use reattest_attestation::{ArtifactOutcome, Outcome};

use crate::build::{Build, Made};
use crate::compare;
use crate::environment;
use crate::error::RebuildError;
use crate::means::Means;
use crate::progress::Progress;
use crate::rebuild::VariedRun;
use crate::scratch::Scratch;
use crate::vary::Varying;

/// What is known at the end.
pub(crate) struct Explained {
    pub(crate) outcomes: Vec<ArtifactOutcome>,
    pub(crate) varied: Option<VariedRun>,
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
        let outcomes = compare::outcomes(wanted, &first, again.as_ref(), &Vec::new())?;
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
        Ok(Explained { outcomes, varied })
    }

    /// One varied run. Whatever goes wrong in it costs an explanation, and not the outcome.
    fn varied(
        &self,
        made: &mut Made,
        means: &mut Means<'_>,
    ) -> Result<Option<VariedRun>, RebuildError> {
        let ended = self.run_varied(means);
        match ended {
            Ok((run, kept)) => {
                made.scratch.extend(kept);
                Ok(Some(run))
            }
            Err(RebuildError::Cancelled) => Err(RebuildError::Cancelled),
            Err(error) => {
                tracing::warn!(%error, "the varied run gave nothing");
                Ok(None)
            }
        }
    }

    fn run_varied(&self, means: &mut Means<'_>) -> Result<(VariedRun, Vec<Scratch>), RebuildError> {
        let scratch = &means.workshop.scratch;
        let place = Scratch::fresh(scratch)
            .map_err(|e| RebuildError::io("cannot make a directory below", scratch, e))?;
        let clock = environment::clock(&self.pinned.suite, place.path(), means)?;
        let varying = Varying { clock, processor: one_processor() };
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
