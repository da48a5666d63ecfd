//! From relevant statements to one voice for each operator of the policy: operators vote, keys do not (step 9).

use std::collections::BTreeSet;

use crate::count::{Counted, Court, count};
use crate::digest::Digest;
use crate::evidence::{Evidence, Position};
use crate::grounds as reasons;
use crate::key::PublicKey;
use crate::outcome::Outcome;
use crate::policy::Operator;
use crate::relevant::taken_back;
use crate::standing::Standing;
use crate::statement::Certified;
use crate::verdict::{Reason, Vote};

/// What votes are grouped by: agreement on anything less would let two different releases add up.
/// The purl is fixed while counting.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub(crate) struct Subject {
    pub(crate) published: Digest,
    pub(crate) sources: BTreeSet<Digest>,
}

/// What an operator says about the purl, its keys taken together.
#[derive(Clone, Eq, PartialEq, Debug)]
pub(crate) enum Stance {
    /// Nothing that counts.
    Silent,
    /// It could not build, or the verifier did not run its normalizers; this may change, and takes
    /// nothing back.
    Failed,
    /// It reproduced the file of this subject, as nearly as the policy asks.
    Supports(Subject),
    /// It made something near the file of this subject, and not near enough for the policy.
    Near(Subject),
    /// It says that the file of this subject does not come from the source, or not reliably.
    Against(Subject),
    /// Its own keys say different things.
    Contradicts,
}

/// One operator's part in the verdict.
pub(crate) struct Voice {
    pub(crate) stance: Stance,
    pub(crate) votes: Vec<Vote>,
    /// Why statements of its keys do not count.
    pub(crate) passed_over: Vec<Reason>,
    /// Whether witnesses have seen all its logs lately, where the policy asks for that.
    pub(crate) heard: bool,
    /// Envelopes that the voice rests on: statements, and the operator's word on their keys.
    pub(crate) rests_on: BTreeSet<Digest>,
}

/// Asks every operator that votes, in the policy's order.
pub(crate) fn voices(court: &Court<'_>) -> Vec<Voice> {
    court.policy.voters().map(|operator| voice(court, operator)).collect()
}

fn voice(court: &Court<'_>, operator: &Operator) -> Voice {
    let (mut newest, mut passed_over) = (Vec::new(), BTreeSet::new());
    let mut rests_on = BTreeSet::new();
    let (mut live, mut stale) = (0, 0);
    for key in keys_of(court.relevant.evidence(), operator) {
        let standing =
            Standing::of(court.policy, court.relevant.evidence(), operator, key, court.now);
        if standing.is_live(court.now) {
            live += 1;
            stale += usize::from(!court.is_fresh(&standing));
        }
        let (counted, reasons) = words_of(court, operator, &standing);
        passed_over.extend(reasons);
        if let Some(word) = newest_of(counted) {
            if word.open {
                passed_over.insert(reasons::normalizers(operator, word.about.logged.claim()));
            }
            rests_on.insert(word.about.logged.digest());
            rests_on.extend(standing.words());
            newest.push(word);
        }
    }
    let votes = newest.iter().map(|counted| counted.vote(operator)).collect();
    let heard = court.policy.demands().max_head_age.is_none() || (live > 0 && stale == 0);
    let passed_over = passed_over.into_iter().collect();
    Voice { stance: stance(&newest), votes, passed_over, heard, rests_on }
}

/// Every key that the operator ever certified, as far as the evidence shows.
pub(crate) fn keys_of(evidence: &Evidence, operator: &Operator) -> BTreeSet<PublicKey> {
    let certificates = evidence.certificates().iter().map(Certified::certificate);
    certificates.filter(|c| c.operator == operator.key).map(|c| c.rebuilder).collect()
}

/// What one key says that may be its word, and why the rest may not.
fn words_of<'a>(
    court: &Court<'a>,
    operator: &Operator,
    standing: &Standing<'_>,
) -> (Vec<Counted<'a>>, BTreeSet<Reason>) {
    let retractions = retractions(court, standing);
    let (mut words, mut reasons) = (Vec::new(), BTreeSet::new());
    for about in court.relevant.claims(&standing.key).filter(|about| standing.knows(about.logged)) {
        let counted = match count(court, operator, standing, about) {
            Ok(counted) => counted,
            Err(reason) => {
                reasons.insert(reason);
                continue;
            }
        };
        let place = (about.artifact.published, about.logged.position());
        let after = |taken: &&(Digest, Position)| taken.0 == place.0 && taken.1 > place.1;
        if counted.is_support() && retractions.iter().any(|taken| after(&taken)) {
            reasons.insert(taken(operator, standing));
        } else if let Some(reason) = counted.unfit.clone().filter(|_| counted.is_support()) {
            reasons.insert(reason);
        } else {
            words.push(counted);
        }
    }
    (words, reasons)
}

/// Retractions that count: a thief's, after the last good head, do not.
fn retractions(court: &Court<'_>, standing: &Standing<'_>) -> BTreeSet<(Digest, Position)> {
    let in_place = |logged: &&_| standing.place(*logged, court.policy, court.now).is_ok();
    taken_back(court.relevant, &standing.key, in_place)
}

fn taken(operator: &Operator, standing: &Standing<'_>) -> Reason {
    Reason::new(
        "retraction",
        format!("{}'s key {} took its support back", operator.name, standing.key.fingerprint()),
        "support that still stands",
        format!("ask {} why; its retraction carries a reason", operator.name),
    )
}

/// A key's newest statement by log position.
///
/// A build failure is passed over where there is anything else: it says nothing about the file,
/// and if it took an earlier reproduction back, hiding it would turn a refusal into an acceptance.
fn newest_of(mut of_key: Vec<Counted<'_>>) -> Option<Counted<'_>> {
    of_key.sort_by_key(|counted| {
        let says_something = counted.outcome() != Outcome::BuildFailed;
        (says_something, counted.about.logged.position(), counted.about.logged.digest())
    });
    of_key.pop()
}

/// Takes an operator's keys together. They must agree on outcome, file and sources; failing to
/// build contradicts nothing.
fn stance(newest: &[Counted<'_>]) -> Stance {
    let mut says = newest.iter().filter(|counted| counted.outcome() != Outcome::BuildFailed);
    let Some(first) = says.next() else {
        return if newest.is_empty() { Stance::Silent } else { Stance::Failed };
    };
    let subject = first.subject();
    if says.any(|other| other.outcome() != first.outcome() || other.subject() != subject) {
        return Stance::Contradicts;
    }
    match first.outcome() {
        _ if newest.iter().any(Counted::is_support) => Stance::Supports(subject),
        // What the verifier did not compute may still turn out to support, so it rejects nothing.
        _ if newest.iter().any(|counted| counted.open) => Stance::Failed,
        Outcome::Reproduced | Outcome::Equivalent => Stance::Near(subject),
        Outcome::Differs | Outcome::Unstable => Stance::Against(subject),
        Outcome::BuildFailed => Stance::Failed,
    }
}
