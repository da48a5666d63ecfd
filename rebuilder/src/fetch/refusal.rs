//! Why one address did not give a file (step 2), and what all of them together mean.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::{FetchProblem, Want};
use crate::cas::CasError;

/// Why one address did not give a file.
pub(super) enum Refusal {
    /// It answered that it has none.
    NotThere,
    /// It did not answer, or not usefully: worth another attempt.
    Silent {
        /// What happened.
        why: String,
        /// How long it asked to be left alone.
        after: Option<Duration>,
    },
    /// What it says does not fit to the bytes that an earlier connection left.
    Doubtful(String),
    /// No other attempt and no other address can help.
    Final(FetchProblem),
}

impl Refusal {
    /// No useful answer, and no word on when to come back.
    pub(super) fn silent(why: String) -> Self {
        Self::Silent { why, after: None }
    }

    /// Whether bytes of an earlier connection may be the reason.
    pub(super) fn is_doubtful(&self) -> bool {
        use FetchProblem::{TooLarge, WrongDigest};
        matches!(self, Self::Doubtful(_) | Self::Final(WrongDigest { .. } | TooLarge { .. }))
    }

    /// The store did not take it.
    pub(super) fn store(want: &Want, error: &CasError) -> Self {
        let location = want.location.clone();
        Self::Final(match error {
            CasError::NoSpace(path) => FetchProblem::NoSpace { path: path.display().to_string() },
            CasError::Mismatch { expected, found } => {
                FetchProblem::WrongDigest { location, expected: *expected, found: *found }
            }
            other => FetchProblem::Store { location, why: other.to_string() },
        })
    }

    /// A file of the store could not be written.
    pub(super) fn write(want: &Want, path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull {
            return Self::Final(FetchProblem::NoSpace { path: path.display().to_string() });
        }
        let location = want.location.clone();
        Self::Final(FetchProblem::Store { location, why: error.to_string() })
    }
}

/// What the addresses that were asked in vain said.
#[derive(Default)]
pub(super) struct Refused {
    missing: Vec<String>,
    silent: Vec<String>,
}

impl Refused {
    /// Notes one refusal; a final one ends the search.
    pub(super) fn note(&mut self, asked: &str, refusal: Refusal) -> Result<(), FetchProblem> {
        match refusal {
            Refusal::NotThere => self.missing.push(asked.to_owned()),
            Refusal::Silent { why, .. } | Refusal::Doubtful(why) => {
                self.silent.push(format!("{asked}: {why}"));
            }
            Refusal::Final(problem) => return Err(problem),
        }
        Ok(())
    }

    /// One silent registry could have had it, so only unanimous denial is `NotOnMirror`.
    pub(super) fn problem(self, want: &Want, fix: &str) -> FetchProblem {
        let location = want.location.clone();
        if self.silent.is_empty() {
            let asked = self.missing.join(", ");
            return FetchProblem::NotOnMirror { location, asked, fix: fix.to_owned() };
        }
        FetchProblem::Unreachable { location, why: self.silent.join("; ") }
    }
}
