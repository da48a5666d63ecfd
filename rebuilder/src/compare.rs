//! Produced against published (step 4, pure): which outcome two runs mean for each artifact.

use reattest_attestation::{ArtifactOutcome, Digest};

use crate::error::RebuildError;
use crate::release::Published;

/// Digests of one run, in the order of the published artifacts; `None` where it made no such file.
pub(crate) type Digests = Vec<Option<Digest>>;

/// Whether a run already says everything: each artifact is the published one, or none was made.
///
/// A build that fails needs no repetition: `build-failed` is neither support nor dissent.
pub(crate) fn is_certain(published: &[Published], first: &Digests) -> bool {
    let same = |(published, made): (&Published, &Option<Digest>)| {
        made.is_none_or(|m| m == published.sha256)
    };
    published.iter().zip(first).all(same)
}

/// One outcome for each published artifact.
///
/// A second run that fails to make what the first made leaves the difference unrepeated: that is
/// this machine's fault as far as it can tell, so it is an error and no outcome.
pub(crate) fn outcomes(
    published: &[Published],
    first: &Digests,
    second: Option<&Digests>,
) -> Result<Vec<ArtifactOutcome>, RebuildError> {
    let outcome = |(index, published): (usize, &Published)| {
        let made = first.get(index).copied().flatten();
        // Also where the first run made the published bytes: a second that did not is worth a word.
        let again = second.and_then(|second| second.get(index).copied().flatten());
        let again = again.filter(|_| made.is_some());
        ArtifactOutcome::observe(published.purl.clone(), published.sha256, made, again).map_err(
            |e| RebuildError::Environment {
                step: format!("repeat the build of {}", published.file_name),
                why: e.to_string(),
            },
        )
    };
    published.iter().enumerate().map(outcome).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::reference::DebianReference;
    use reattest_attestation::Outcome;

    fn published(content: &[u8]) -> Published {
        Published {
            purl: DebianReference::purl("a", "1", "all", "trixie").unwrap(),
            file_name: "a_1_all.deb".to_owned(),
            sha256: Digest::of(content),
            size: 1,
            location: "pool/a".to_owned(),
        }
    }

    #[test]
    fn each_pair_of_runs_has_its_outcome() {
        let (p, x, y) = (Digest::of(b"p"), Digest::of(b"x"), Digest::of(b"y"));
        let table = [
            (Some(p), None, Outcome::Reproduced),
            (None, None, Outcome::BuildFailed),
            (Some(x), Some(x), Outcome::Differs),
            (Some(x), Some(y), Outcome::Unstable),
            (Some(x), Some(p), Outcome::Unstable),
            (Some(p), Some(x), Outcome::Unstable),
            (Some(p), Some(p), Outcome::Reproduced),
            (None, Some(x), Outcome::BuildFailed),
        ];
        for (first, second, expected) in table {
            let published = [published(b"p")];
            let second = second.map(|digest| vec![Some(digest)]);
            let outcomes = outcomes(&published, &vec![first], second.as_ref()).unwrap();
            assert_eq!(outcomes.first().unwrap().outcome, expected);
            let certain = first.is_none_or(|made| made == p);
            assert_eq!(is_certain(&published, &vec![first]), certain);
        }
    }

    #[test]
    fn a_difference_that_was_not_repeated_is_no_outcome() {
        let first = vec![Some(Digest::of(b"x"))];
        assert!(outcomes(&[published(b"p")], &first, None).is_err());
        assert!(outcomes(&[published(b"p")], &first, Some(&vec![None])).is_err());
    }
}
