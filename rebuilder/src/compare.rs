//! Produced against published (step 4, pure): which outcome two runs mean for each artifact.

use reattest_attestation::{ArtifactOutcome, Digest};

use crate::error::RebuildError;
use crate::pin::Wanted;

/// Digests of one run, in the order of what was wanted; `None` where it made no such file.
pub(crate) type Digests = Vec<Option<Digest>>;

/// Whether a run already says everything: each artifact is the published one, or none was made.
///
/// A build that fails needs no repetition: `build-failed` is neither support nor dissent. What was
/// never published can only be compared with a second run.
pub(crate) fn is_certain(wanted: &[Wanted], first: &Digests) -> bool {
    let same =
        |(wanted, made): (&Wanted, &Option<Digest>)| made.is_none() || *made == wanted.published;
    wanted.iter().zip(first).all(same)
}

/// One outcome for each published artifact.
///
/// A second run that fails to make what the first made leaves the difference unrepeated: that is
/// this machine's fault as far as it can tell, so it is an error and no outcome.
pub(crate) fn outcomes(
    wanted: &[Wanted],
    first: &Digests,
    second: Option<&Digests>,
    normalized: &Digests,
) -> Result<Vec<ArtifactOutcome>, RebuildError> {
    let at = |digests: &Digests, index: usize| digests.get(index).copied().flatten();
    let outcome = |(index, wanted): (usize, &Wanted)| {
        let published = wanted.published?;
        let made = at(first, index);
        // Also where the first run made the published bytes: a second that did not is worth a word.
        let again = second.and_then(|second| at(second, index)).filter(|_| made.is_some());
        let purl = wanted.purl.clone();
        let normalized = at(normalized, index).filter(|_| again.is_none() || again == made);
        let seen = ArtifactOutcome::observe_normalized(purl, published, made, again, normalized);
        Some(seen.map_err(|e| RebuildError::Environment {
            step: format!("repeat the build of {}", wanted.path.display()),
            why: e.to_string(),
        }))
    };
    wanted.iter().enumerate().filter_map(outcome).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::reference::DebianReference;
    use reattest_attestation::Outcome;

    fn wanted(content: &[u8]) -> Wanted {
        Wanted {
            purl: DebianReference::purl("a", "1", "all", "trixie").unwrap(),
            path: "a_1_all.deb".into(),
            published: Some(Digest::of(content)),
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
            let wanted = [wanted(b"p")];
            let second = second.map(|digest| vec![Some(digest)]);
            let outcomes = outcomes(&wanted, &vec![first], second.as_ref(), &vec![]).unwrap();
            assert_eq!(outcomes.first().unwrap().outcome, expected);
            let certain = first.is_none_or(|made| made == p);
            assert_eq!(is_certain(&wanted, &vec![first]), certain);
        }
    }

    #[test]
    fn a_difference_that_was_not_repeated_is_no_outcome() {
        let first = vec![Some(Digest::of(b"x"))];
        assert!(outcomes(&[wanted(b"p")], &first, None, &vec![]).is_err());
        assert!(outcomes(&[wanted(b"p")], &first, Some(&vec![None]), &vec![]).is_err());
    }

    #[test]
    fn what_normalizers_made_equal_is_equivalent_unless_two_runs_differ() {
        let (x, y, n) = (Digest::of(b"x"), Digest::of(b"y"), Some(Digest::of(b"n")));
        for (again, expected) in [(x, Outcome::Equivalent), (y, Outcome::Unstable)] {
            let again = vec![Some(again)];
            let seen = outcomes(&[wanted(b"p")], &vec![Some(x)], Some(&again), &vec![n]).unwrap();
            assert_eq!(seen.first().unwrap().outcome, expected);
        }
    }

    #[test]
    fn what_was_never_published_has_no_outcome_and_asks_for_a_second_run() {
        let wanted = [Wanted { published: None, ..wanted(b"p") }];
        let first = vec![Some(Digest::of(b"x"))];
        assert!(!is_certain(&wanted, &first));
        assert_eq!(outcomes(&wanted, &first, Some(&first), &vec![]).unwrap(), []);
    }
}
