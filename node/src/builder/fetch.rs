//! Step 2 in the builder, which has no network: it asks its node for every file.

use std::sync::mpsc;

use reattest_attestation::Digest;
use reattest_rebuilder::{Fetch, FetchProblem, Want};

use super::messages::FromBuilder;
use crate::limits::WANTS_PER_REQUEST;
use crate::link::Link;

/// The only way to the network that a job has.
pub(super) struct ThroughNode<'a> {
    pub(super) job: u64,
    pub(super) node: &'a Link,
    /// The answers, in the order of the questions; it ends when the node does.
    pub(super) answers: mpsc::Receiver<Vec<Result<Digest, FetchProblem>>>,
}

impl ThroughNode<'_> {
    fn ask(&self, wants: &[Want]) -> Result<Vec<Result<Digest, FetchProblem>>, String> {
        let question = FromBuilder::Fetch { job: self.job, wants: wants.to_vec() };
        self.node.send(&question).map_err(|error| error.to_string())?;
        self.answers.recv().map_err(|_| "the node process ended".to_owned())
    }
}

impl Fetch for ThroughNode<'_> {
    fn fetch(&mut self, wants: &[Want]) -> Vec<Result<Digest, FetchProblem>> {
        let mut results = Vec::new();
        for some in wants.chunks(WANTS_PER_REQUEST) {
            let fetched = self.ask(some);
            let why = fetched.as_ref().err().cloned();
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
