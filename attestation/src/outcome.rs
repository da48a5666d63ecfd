//! What one rebuild says about one artifact, derived from digests and never chosen (steps 4 and 5).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::artifact::Purl;
use crate::digest::Digest;

/// The outcome for one artifact. A fault of the rebuilder's own machine is none of these and is
/// never attested.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Bit for bit the published file.
    Reproduced,
    /// Equal to it after named, versioned normalizers.
    Equivalent,
    /// Another file, and the second identical run gave that same other file.
    Differs,
    /// Two identical runs here gave different bytes.
    Unstable,
    /// The build did not make it.
    BuildFailed,
}

impl Outcome {
    /// The text in statements, verdicts and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::Equivalent => "equivalent",
            Self::Differs => "differs",
            Self::Unstable => "unstable",
            Self::BuildFailed => "build-failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Digests that no outcome follows from, or another than the one that is claimed.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum OutcomeError {
    /// The purl has no version, so it names no artifact.
    #[error("found artifact {purl} without a version, needed the full purl of the published file")]
    NoVersion {
        /// The purl.
        purl: Purl,
    },
    /// One run gave other bytes than the published; one run proves nothing about the source.
    #[error(
        "found {purl} produced as sha256:{produced} by one run, needed a second identical run before it may be called differs"
    )]
    SecondRunOwed {
        /// The artifact.
        purl: Purl,
        /// What the run gave.
        produced: Digest,
    },
    /// A second run's digest without a first's, or a normalized form of nothing.
    #[error(
        "found {purl} with a digest of a later step and no produced digest, needed the first run's output"
    )]
    NothingProduced {
        /// The artifact.
        purl: Purl,
    },
    /// A normalized digest where it says nothing.
    #[error(
        "found {purl} with a normalized digest though its bytes make it {derived}, needed none"
    )]
    NeedlessNormalized {
        /// The artifact.
        purl: Purl,
        /// What the digests say.
        derived: Outcome,
    },
    /// The claimed outcome is not what the digests say.
    #[error(
        "found {purl} called {claimed}, needed {derived} as its digests say; the signer's claim is false"
    )]
    Contradiction {
        /// The artifact.
        purl: Purl,
        /// What is claimed.
        claimed: Outcome,
        /// What follows.
        derived: Outcome,
    },
}

/// One artifact of one rebuild. Fields are public for reading and for carrying between processes;
/// whoever receives one calls [`ArtifactOutcome::check`].
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactOutcome {
    /// The full purl of the published file.
    pub purl: Purl,
    /// The published file, as the authority names it.
    pub published: Digest,
    /// What the first run made, if it made it.
    pub produced: Option<Digest>,
    /// What a second identical run in a fresh environment made, where there was one.
    pub again: Option<Digest>,
    /// What normalizers made of published and produced alike, where they were needed and agreed.
    pub normalized: Option<Digest>,
    /// What follows from the digests.
    pub outcome: Outcome,
}

impl ArtifactOutcome {
    /// Derives the outcome of what was produced, and asks for the second run where it is owed.
    pub fn observe(
        purl: Purl,
        published: Digest,
        produced: Option<Digest>,
        again: Option<Digest>,
    ) -> Result<Self, OutcomeError> {
        Self::observe_normalized(purl, published, produced, again, None)
    }

    /// The same, where normalizers made one file of what was published and what was produced.
    pub fn observe_normalized(
        purl: Purl,
        published: Digest,
        produced: Option<Digest>,
        again: Option<Digest>,
        normalized: Option<Digest>,
    ) -> Result<Self, OutcomeError> {
        let outcome = Outcome::BuildFailed;
        let mut seen = Self { purl, published, produced, again, normalized, outcome };
        seen.outcome = seen.derive()?;
        Ok(seen)
    }

    /// Derives the outcome again and refuses another claim.
    pub fn check(&self) -> Result<(), OutcomeError> {
        let (purl, claimed) = (self.purl.clone(), self.outcome);
        match self.derive()? {
            derived if derived == claimed => Ok(()),
            derived => Err(OutcomeError::Contradiction { purl, claimed, derived }),
        }
    }

    /// The digest that stands as a subject of the statement: what was produced.
    ///
    /// Where two runs disagree and one of them made the published bytes, the other run's digest
    /// stands: a verifier that only matches subjects must never take `unstable` for support.
    pub fn subject(&self) -> Option<Digest> {
        match (self.produced, self.again) {
            (Some(produced), Some(again)) if produced == self.published => Some(again),
            (produced, _) => produced,
        }
    }

    fn derive(&self) -> Result<Outcome, OutcomeError> {
        let purl = || self.purl.clone();
        if self.purl.version().is_none() {
            return Err(OutcomeError::NoVersion { purl: purl() });
        }
        let Some(produced) = self.produced else {
            let nothing_else = self.again.is_none() && self.normalized.is_none();
            return if nothing_else {
                Ok(Outcome::BuildFailed)
            } else {
                Err(OutcomeError::NothingProduced { purl: purl() })
            };
        };
        let derived = match self.again {
            Some(again) if again != produced => Outcome::Unstable,
            _ if produced == self.published => Outcome::Reproduced,
            _ if self.normalized.is_some() => return Ok(Outcome::Equivalent),
            Some(_) => Outcome::Differs,
            None => {
                return Err(OutcomeError::SecondRunOwed { purl: purl(), produced });
            }
        };
        match self.normalized {
            Some(_) => Err(OutcomeError::NeedlessNormalized { purl: purl(), derived }),
            None => Ok(derived),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn observe(produced: Option<&str>, again: Option<&str>) -> Option<Outcome> {
        let of = |text: &str| Digest::of(text.as_bytes());
        let purl = "pkg:deb/debian/netbase@6.5?arch=all".parse().unwrap();
        ArtifactOutcome::observe(purl, of("P"), produced.map(of), again.map(of))
            .ok()
            .map(|seen| seen.outcome)
    }

    #[test]
    fn the_outcome_follows_from_the_digests() {
        use Outcome::{BuildFailed, Differs, Reproduced, Unstable};
        for (produced, again, outcome) in [
            (None, None, Some(BuildFailed)),
            (None, Some("P"), None),
            (Some("P"), None, Some(Reproduced)),
            (Some("P"), Some("P"), Some(Reproduced)),
            (Some("P"), Some("X"), Some(Unstable)),
            (Some("X"), None, None),
            (Some("X"), Some("X"), Some(Differs)),
            (Some("X"), Some("Y"), Some(Unstable)),
            (Some("X"), Some("P"), Some(Unstable)),
        ] {
            assert_eq!(observe(produced, again), outcome, "{produced:?} {again:?}");
        }
    }

    #[test]
    fn no_outcome_but_reproduced_has_the_published_file_as_its_subject() {
        let of = |text: &str| Digest::of(text.as_bytes());
        let purl: Purl = "pkg:deb/debian/netbase@6.5?arch=all".parse().unwrap();
        for first in ["P", "X", "Y"] {
            for second in ["P", "X", "Y"] {
                let (first, second) = (Some(of(first)), Some(of(second)));
                let seen = ArtifactOutcome::observe(purl.clone(), of("P"), first, second).unwrap();
                let is_published = seen.subject() == Some(of("P"));
                assert_eq!(is_published, seen.outcome == Outcome::Reproduced, "{seen:?}");
            }
        }
    }

    #[test]
    fn a_false_claim_is_refused() {
        let of = |text: &str| Digest::of(text.as_bytes());
        let purl = "pkg:deb/debian/netbase@6.5?arch=all".parse().unwrap();
        let mut seen = ArtifactOutcome::observe(purl, of("P"), Some(of("P")), None).unwrap();
        seen.check().unwrap();
        seen.published = of("Q");
        assert!(matches!(seen.check(), Err(OutcomeError::SecondRunOwed { .. })));
        seen.again = Some(of("P"));
        assert!(matches!(seen.check(), Err(OutcomeError::Contradiction { .. })));
    }
}
