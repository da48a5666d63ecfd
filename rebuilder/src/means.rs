//! What one rebuild works with (every step): the store, and the ways to the network and to the user.

use crate::cas::Cas;
use crate::error::RebuildError;
use crate::fetch::{Fetch, FetchProblem, Want};
use crate::progress::{Cancel, Progress};
use crate::rebuild::Workshop;
use reattest_attestation::Digest;

/// Borrowed for the length of one rebuild, and handed down from step to step.
pub(crate) struct Means<'a> {
    /// Where everything is and what may be used.
    pub(crate) workshop: &'a Workshop,
    /// The store of inputs.
    pub(crate) cas: &'a Cas,
    /// The only way to the network.
    pub(crate) fetch: &'a mut dyn Fetch,
    /// The only way to the user.
    pub(crate) progress: &'a mut dyn FnMut(Progress),
    /// Ends the rebuild soon and cleanly.
    pub(crate) cancel: &'a Cancel,
    /// When the rebuild began, in Unix seconds by this machine's clock.
    pub(crate) now: i64,
}

impl Means<'_> {
    /// Tells what happened.
    pub(crate) fn tell(&mut self, progress: Progress) {
        (self.progress)(progress);
    }

    /// Brings files into the store, or says why the first of them did not come.
    pub(crate) fn bring(&mut self, wants: &[Want]) -> Result<(), RebuildError> {
        for answer in self.fetch.fetch(wants) {
            answer?;
        }
        Ok(())
    }

    /// Brings one file whose digest nobody knows beforehand.
    pub(crate) fn bring_one(&mut self, want: Want) -> Result<Digest, RebuildError> {
        let location = want.location.clone();
        // A fetcher that forgets to answer must not pass for one that had nothing to do.
        let why = "the fetcher gave no answer".to_owned();
        let silent = FetchProblem::Unreachable { location, why };
        Ok(self.fetch.fetch(&[want]).into_iter().next().unwrap_or(Err(silent))?)
    }
}
