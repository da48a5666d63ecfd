//! Steps 1 to 4 for one release: a rebuild with signs of life, and its results sealed for the signer.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use reattest_attestation::{ArtifactOutcome, Purl};
use reattest_rebuilder::retention;
use reattest_rebuilder::sandbox::SandboxError;
use reattest_rebuilder::{
    Cancel, FetchProblem, Output, Progress, RebuildError, Rebuilt, Reference, Run, rebuild,
};

use super::Builder;
use super::fetch::ThroughNode;
use super::messages::{End, FromBuilder};
use super::seal::Sealed;
use crate::fault::Fault;
use crate::limits::HEARTBEAT;
use crate::signer::messages::{Attest, Compared, Receipt};

/// One job.
pub(super) struct Job<'a> {
    /// The node's name of it.
    pub(super) name: u64,
    pub(super) builder: &'a Builder,
    pub(super) cancel: Cancel,
}

/// A source that no other job may build meanwhile: both outcomes would be signed.
struct Source<'a> {
    all: &'a Mutex<std::collections::BTreeSet<String>>,
    name: String,
}

impl<'a> Source<'a> {
    /// Takes a source, by the first of the files that it publishes; none where it is taken.
    fn take(builder: &'a Builder, published: &[String]) -> Option<Self> {
        let name = published.iter().min().cloned().unwrap_or_default();
        lock(&builder.sources).insert(name.clone()).then_some(Self { all: &builder.sources, name })
    }
}

impl Drop for Source<'_> {
    fn drop(&mut self) {
        lock(self.all).remove(&self.name);
    }
}

/// What another job left when it panicked is as whole as before: one insert or one message.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job<'_> {
    /// Runs the job and tells its end; as long as it runs, signs of life.
    pub(super) fn run(&self, purl: &Purl, memory: u64, fetch: ThroughNode<'_>) {
        let (running, ended) = mpsc::channel::<()>();
        let end = thread::scope(|scope| {
            scope.spawn(move || {
                while ended.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                    let _gone = self.builder.node.send(&FromBuilder::Alive { job: self.name });
                }
            });
            // Held by this thread, so that the beat ends with it however it ends.
            let _running = running;
            self.rebuild(purl, memory, fetch)
        });
        // A node that is gone asks nothing any more.
        let _gone = self.builder.node.send(&FromBuilder::Ended { job: self.name, end });
    }

    fn rebuild(&self, purl: &Purl, memory: u64, mut fetch: ThroughNode<'_>) -> End {
        let Some(reference) = Reference::of_purl(purl) else {
            return End::Hopeless(format!("{purl} is of a kind that this node does not rebuild"));
        };
        let mut workshop = self.builder.workshop.clone();
        workshop.limits.memory_bytes = memory;
        let (mut source, mut is_busy) = (None, false);
        let mut progress = |progress: Progress| {
            if let Progress::Found { published, .. } = &progress {
                source = Source::take(self.builder, published);
                is_busy = source.is_none();
                if is_busy {
                    self.cancel.cancel();
                }
            }
            // The node is gone: the next fetch or answer says so.
            let message = FromBuilder::Progress { job: self.name, progress };
            let _sent = self.builder.node.send(&message);
        };
        let rebuilt = rebuild(&reference, &workshop, &mut fetch, &mut progress, &self.cancel);
        // A cache that cannot be cleaned is a nuisance, and the rebuild is none the worse for it.
        if let Err(error) = retention::after_build(&workshop.cache, &self.builder.keep) {
            tracing::warn!(%error, "the cache stays as it is");
        }
        let end = match rebuilt {
            _ if is_busy => End::Busy(format!("another job builds the source of {purl}")),
            // A job that was told to stop must not be signed: it may be built again already.
            Ok(_) if self.cancel.is_cancelled() => End::Fault("it was stopped".to_owned()),
            Ok(rebuilt) => {
                self.hand_over(&rebuilt).unwrap_or_else(|fault| End::Fault(fault.to_string()))
            }
            Err(error) => end_of(&error),
        };
        drop(source);
        end
    }

    /// Seals what came out and lets the signer say what it is.
    fn hand_over(&self, rebuilt: &Rebuilt) -> Result<End, Fault> {
        let documents = [rebuilt.recipe.digest(), rebuilt.lock.digest()];
        for digest in documents.into_iter().chain(rebuilt.facts.diff) {
            self.builder.node.send(&FromBuilder::Document(digest))?;
        }
        let mut sealed = Sealed::new(self.builder.lies);
        let artifacts = rebuilt
            .outcomes()
            .iter()
            .map(|outcome| self.seal(rebuilt, outcome, &mut sealed))
            .collect::<Result<Vec<_>, _>>()?;
        let release = &rebuilt.release;
        let result = Attest {
            source: release.source().clone(),
            recipe: rebuilt.recipe.digest(),
            lock: rebuilt.lock.digest(),
            lock_authorities: release.lock_authorities().to_vec(),
            artifacts,
            authority: release.authority().clone(),
            sources: release.materials(),
            facts: rebuilt.facts.clone(),
        };
        let signer = lock(&self.builder.signer);
        signer.send_with(&result, &sealed.files())?;
        let Receipt(answer) = signer.receive()?;
        Ok(match answer {
            Ok(index) => End::Attested { index },
            Err(why) => End::Fault(format!("the signer refused: {why}")),
        })
    }

    /// The files of one artifact: both runs, where the outcome rests on both.
    fn seal(
        &self,
        rebuilt: &Rebuilt,
        outcome: &ArtifactOutcome,
        sealed: &mut Sealed,
    ) -> Result<Compared, Fault> {
        let lies = self.builder.lies;
        let first = output_of(&rebuilt.first, &outcome.purl);
        let second = rebuilt.second.as_ref().and_then(|run| output_of(run, &outcome.purl));
        // A liar needs a second run that confirms the first, as everybody does.
        let second = if lies { second.or(first) } else { second.filter(|_| first.is_some()) };
        Ok(Compared {
            purl: outcome.purl.clone(),
            published: outcome.published,
            produced: sealed.add(first)?,
            again: sealed.add(second)?,
            // A liar's file is another one, of which nothing is known.
            normalized: outcome.normalized.filter(|_| !lies),
        })
    }
}

fn output_of<'a>(run: &'a Run, purl: &Purl) -> Option<&'a Output> {
    run.outputs.iter().find(|output| output.purl == *purl)
}

/// Whose fault it is that a rebuild came to no outcome, and what may mend it.
fn end_of(error: &RebuildError) -> End {
    let why = error.to_string();
    match error {
        RebuildError::Fetch(FetchProblem::NotOnMirror { .. })
        | RebuildError::UnknownPackage { .. }
        | RebuildError::OtherVersion { .. } => End::Absent(why),
        RebuildError::Unsupported(_) => End::Hopeless(why),
        RebuildError::Sandbox(SandboxError::Limit { limit: "memory", .. }) => End::TooLarge(why),
        _ => End::Fault(why),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_may_mend_a_fault_follows_from_the_fault() {
        let limit =
            |limit| RebuildError::Sandbox(SandboxError::Limit { limit, bound: "1".to_owned() });
        let not_there = FetchProblem::NotOnMirror {
            location: "debian:x".to_owned(),
            asked: "one".to_owned(),
            fix: "wait".to_owned(),
        };
        assert!(matches!(end_of(&limit("memory")), End::TooLarge(_)));
        assert!(matches!(end_of(&limit("wall time")), End::Fault(_)));
        assert!(matches!(end_of(&RebuildError::Fetch(not_there)), End::Absent(_)));
        let unsupported = RebuildError::Unsupported("it".to_owned());
        assert!(matches!(end_of(&unsupported), End::Hopeless(_)));
        assert!(matches!(end_of(&RebuildError::Cancelled), End::Fault(_)));
    }
}
