//! Steps 1 to 4 in a process of its own: the builder role, which has no key and asks the node for
//! every byte from the network.
//!
//! It checks the authority, derives the recipe, checks every blob's digest, runs the worker, and
//! hands what came out to the signer in sealed memory files. What the node told it is a hint.

pub mod messages;
mod seal;

use reattest_attestation::{ArtifactOutcome, Digest, Purl};
use reattest_rebuilder::{
    Cancel, Fetch, FetchProblem, Output, RebuildError, Rebuilt, Reference, Run, Want, Workshop,
    rebuild,
};

use reattest_rebuilder::retention::{self, Keep};

use crate::config::{Config, Directories};
use crate::confine;
use crate::fault::Fault;
use crate::limits::WANTS_PER_REQUEST;
use crate::link::{Link, LinkError};
use crate::signals::cancel_on_stop;
use crate::signer::messages::{Attest, Compared, Receipt};
use messages::{FromBuilder, ToBuilder};
use seal::Sealed;

/// Runs the role: the node's link is at standard input, the signer's at standard output.
pub fn run(config: &Config) -> Result<(), Fault> {
    let link = |error| Fault::new("the builder was not started by a node", error);
    let node = Link::at_stdin("node").map_err(link)?;
    let signer = Link::at_stdout("signer").map_err(link)?;
    let last_word = node.try_clone().map_err(link)?;
    if let Err(fault) = serve(config, node, signer) {
        last_word.send(&FromBuilder::Failed(fault.to_string()))?;
    }
    Ok(())
}

/// Serves one node until it ends.
fn serve(config: &Config, node: Link, signer: Link) -> Result<(), Fault> {
    confine::builder()?;
    let cancel = Cancel::new();
    cancel_on_stop(cancel.clone())?;
    let (workshop, keep) = (workshop(config)?, config.cache.keep());
    let builder = Builder { node, signer, workshop, keep, cancel, lies: config.lies };
    loop {
        match builder.node.receive() {
            Ok(ToBuilder::Rebuild { job, purl }) => {
                let end = builder.rebuild(job, &purl);
                match builder.node.send(&FromBuilder::Ended { job, end }) {
                    Err(LinkError::Ended { .. }) => return Ok(()),
                    sent => sent?,
                }
            }
            // Answers to a question that was given up.
            Ok(ToBuilder::Fetched(_)) => {}
            Err(LinkError::Ended { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Where this node rebuilds: the user's cache, and scratch space of its own.
pub fn workshop(config: &Config) -> Result<Workshop, Fault> {
    let mut workshop = Workshop::new(&Directories::of_user()?.cache);
    workshop.scratch = config.data.join("scratch");
    workshop.program = std::env::current_exe().ok();
    if let Some(keyring) = &config.archive.keyring {
        workshop.keyring.clone_from(keyring);
    }
    Ok(workshop)
}

struct Builder {
    node: Link,
    signer: Link,
    workshop: Workshop,
    keep: Keep,
    cancel: Cancel,
    lies: bool,
}

impl Builder {
    fn rebuild(&self, job: u64, purl: &Purl) -> messages::End {
        use messages::End;
        let Some(reference) = Reference::of_purl(purl) else {
            return End::Hopeless(format!("{purl} is of a kind that this node does not rebuild"));
        };
        let mut progress = |progress| {
            // The node is gone: the next fetch or answer says so.
            let _sent = self.node.send(&FromBuilder::Progress { job, progress });
        };
        let mut fetch = ThroughNode { node: &self.node };
        let rebuilt = rebuild(&reference, &self.workshop, &mut fetch, &mut progress, &self.cancel);
        // A cache that cannot be cleaned is a nuisance, and the rebuild is none the worse for it.
        if let Err(error) = retention::after_build(&self.workshop.cache, &self.keep) {
            tracing::warn!(%error, "the cache stays as it is");
        }
        match rebuilt {
            Ok(rebuilt) => {
                self.hand_over(&rebuilt).unwrap_or_else(|fault| End::Fault(fault.to_string()))
            }
            Err(error) if is_hopeless(&error) => End::Hopeless(error.to_string()),
            Err(error) => End::Fault(error.to_string()),
        }
    }

    /// Seals what came out and lets the signer say what it is.
    fn hand_over(&self, rebuilt: &Rebuilt) -> Result<messages::End, Fault> {
        let documents = [rebuilt.recipe.digest(), rebuilt.lock.digest()];
        for digest in documents.into_iter().chain(rebuilt.facts.diff) {
            self.node.send(&FromBuilder::Document(digest))?;
        }
        let mut sealed = Sealed::new(self.lies);
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
        self.signer.send_with(&result, &sealed.files())?;
        let Receipt(answer) = self.signer.receive()?;
        Ok(match answer {
            Ok(index) => messages::End::Attested { index },
            Err(why) => messages::End::Fault(format!("the signer refused: {why}")),
        })
    }

    /// The files of one artifact: both runs, where the outcome rests on both.
    fn seal(
        &self,
        rebuilt: &Rebuilt,
        outcome: &ArtifactOutcome,
        sealed: &mut Sealed,
    ) -> Result<Compared, Fault> {
        let first = output_of(&rebuilt.first, &outcome.purl);
        let second = rebuilt.second.as_ref().and_then(|run| output_of(run, &outcome.purl));
        // A liar needs a second run that confirms the first, as everybody does.
        let second = if self.lies { second.or(first) } else { second.filter(|_| first.is_some()) };
        Ok(Compared {
            purl: outcome.purl.clone(),
            published: outcome.published,
            produced: sealed.add(first)?,
            again: sealed.add(second)?,
            // A liar's file is another one, of which nothing is known.
            normalized: outcome.normalized.filter(|_| !self.lies),
        })
    }
}

fn output_of<'a>(run: &'a Run, purl: &Purl) -> Option<&'a Output> {
    run.outputs.iter().find(|output| output.purl == *purl)
}

/// Whether trying again mends nothing: the archive has no such thing today.
fn is_hopeless(error: &RebuildError) -> bool {
    matches!(
        error,
        RebuildError::Fetch(FetchProblem::NotOnMirror { .. })
            | RebuildError::UnknownPackage { .. }
            | RebuildError::OtherVersion { .. }
            | RebuildError::Unsupported(_)
    )
}

/// The only way to the network that a builder has: asking its node.
struct ThroughNode<'a> {
    node: &'a Link,
}

impl ThroughNode<'_> {
    fn ask(&self, wants: &[Want]) -> Result<Vec<Result<Digest, FetchProblem>>, LinkError> {
        self.node.send(&FromBuilder::Fetch(wants.to_vec()))?;
        match self.node.receive()? {
            ToBuilder::Fetched(fetched) => Ok(fetched),
            // A node gives one job at a time.
            ToBuilder::Rebuild { .. } => Ok(Vec::new()),
        }
    }
}

impl Fetch for ThroughNode<'_> {
    fn fetch(&mut self, wants: &[Want]) -> Vec<Result<Digest, FetchProblem>> {
        let mut results = Vec::new();
        for some in wants.chunks(WANTS_PER_REQUEST) {
            let fetched = self.ask(some);
            let why = fetched.as_ref().err().map(ToString::to_string);
            let mut answers = fetched.unwrap_or_default().into_iter();
            for want in some {
                results.push(answers.next().unwrap_or_else(|| {
                    Err(FetchProblem::Unreachable {
                        location: want.location.clone(),
                        why: why.clone().unwrap_or_else(|| "the node did not fetch it".to_owned()),
                    })
                }));
            }
        }
        results
    }
}
