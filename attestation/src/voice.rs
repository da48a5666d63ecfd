//! From relevant statements to one voice for each operator of the policy: operators vote, keys do not (step 9).

use std::collections::BTreeSet;

use crate::count::{Counted, Court, count};
use crate::digest::Digest;
use crate::objections;
use crate::outcome::Outcome;
use crate::policy::Operator;
use crate::relevant::{TakenBack, taken_back};
use crate::standing::{Standing, keys_of};
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
    let (mut words, mut newest) = (Vec::new(), Vec::new());
    let (mut passed_over, mut rests_on) = (BTreeSet::new(), BTreeSet::new());
    let (mut live, mut stale) = (0, 0);
    for key in keys_of(court.relevant.evidence(), operator) {
        let standing =
            Standing::of(court.policy, court.relevant.evidence(), operator, key, court.now);
        if standing.is_live(court.now) {
            live += 1;
            stale += usize::from(!court.is_fresh(&standing));
        }
        let said = words_of(court, operator, &standing);
        passed_over.extend(said.passed_over);
        newest.extend(said.newest);
        if let Some(word) = said.word {
            if word.open {
                passed_over.insert(objections::normalizers(operator, word.about.logged.claim()));
            }
            words.push(word);
        }
        if !said.used.is_empty() {
            rests_on.extend(said.used);
            rests_on.extend(standing.words());
        }
    }
    let votes = words.iter().map(|counted| counted.vote(operator)).collect();
    let heard = court.policy.demands().max_head_age.is_none() || (live > 0 && stale == 0);
    let passed_over = passed_over.into_iter().collect();
    let contradicts = disagree(&newest) || disagree(&words);
    let stance = if contradicts { Stance::Contradicts } else { stance(&words) };
    Voice { stance, votes, passed_over, heard, rests_on }
}

/// What one key says.
#[derive(Default)]
struct Words<'a> {
    /// Its word: the newest statement that dissents, fails, or may support.
    word: Option<Counted<'a>>,
    /// The newest statement that counts, whether or not it may support: keys of one operator that
    /// say different things contradict each other, however old or unwitnessed one of them is.
    newest: Option<Counted<'a>>,
    /// Why others do not count, or may not support.
    passed_over: BTreeSet<Reason>,
    /// Envelopes that decided all this.
    used: BTreeSet<Digest>,
}

fn words_of<'a>(court: &Court<'a>, operator: &Operator, standing: &Standing<'_>) -> Words<'a> {
    let retractions = retractions(court, standing);
    let (mut words, mut unfit) = (Vec::new(), Vec::new());
    let (mut reasons, mut used) = (BTreeSet::new(), BTreeSet::new());
    for about in court.relevant.claims(&standing.key).filter(|about| standing.knows(about.logged)) {
        let counted = match count(court, operator, standing, about) {
            Ok(counted) => counted,
            Err(reason) => {
                reasons.insert(reason);
                continue;
            }
        };
        let mut taking = retractions.iter().filter(|back| back.takes(&about));
        if let Some(back) = taking.next().filter(|_| counted.is_support()) {
            used.insert(back.envelope);
            reasons.insert(taken(operator, standing));
        } else if let Some(reason) = counted.unfit.clone().filter(|_| counted.is_support()) {
            reasons.insert(reason);
            unfit.push(counted);
        } else {
            words.push(counted);
        }
    }
    let word = newest_of(words.clone());
    let newest = newest_of([words, unfit].concat());
    // An older word for another file than the key stands behind by now is not its word any more.
    let outdated = |word: &Counted<'_>| {
        let differs = |newest: &Counted<'_>| newest.subject() != word.subject();
        word.is_support() && newest.as_ref().is_some_and(differs)
    };
    let word = word.filter(|word| !outdated(word));
    used.extend(word.iter().chain(&newest).map(|counted| counted.about.logged.digest()));
    Words { word, newest, passed_over: reasons, used }
}

/// Retractions that count: a thief's, after the last good head, do not.
fn retractions(court: &Court<'_>, standing: &Standing<'_>) -> Vec<TakenBack> {
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

/// Whether keys of one operator differ in outcome, file or sources. Failing to build contradicts
/// nothing.
fn disagree(said: &[Counted<'_>]) -> bool {
    let mut says = said.iter().filter(|counted| counted.outcome() != Outcome::BuildFailed);
    let Some(first) = says.next() else { return false };
    let subject = first.subject();
    says.any(|other| other.outcome() != first.outcome() || other.subject() != subject)
}

/// Takes the words of an operator's keys, which agree, together.
fn stance(words: &[Counted<'_>]) -> Stance {
    let mut says = words.iter().filter(|counted| counted.outcome() != Outcome::BuildFailed);
    let Some(first) = says.next() else {
        return if words.is_empty() { Stance::Silent } else { Stance::Failed };
    };
    let subject = first.subject();
    match first.outcome() {
        _ if words.iter().any(Counted::is_support) => Stance::Supports(subject),
        // What the verifier did not compute may still turn out to support, so it rejects nothing.
        _ if words.iter().any(|counted| counted.open) => Stance::Failed,
        Outcome::Reproduced | Outcome::Equivalent => Stance::Near(subject),
        Outcome::Differs | Outcome::Unstable => Stance::Against(subject),
        Outcome::BuildFailed => Stance::Failed,
    }
}
