//! From logged statements to one voice for each operator of the policy: operators vote, keys do not (step 9).

use std::collections::BTreeSet;

use crate::artifact::Purl;
use crate::digest::Digest;
use crate::evidence::{Evidence, Logged};
use crate::key::PublicKey;
use crate::outcome::{ArtifactOutcome, Outcome};
use crate::policy::{Operator, Policy};
use crate::statement::Certified;
use crate::time::Timestamp;
use crate::verdict::{Level, Reason, Vote};

/// What votes are grouped by: agreement on anything less would let two different releases add up.
/// The purl is fixed while counting.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub(crate) struct Subject {
    pub(crate) published: Digest,
    pub(crate) sources: BTreeSet<Digest>,
}

/// A statement about the purl that counts under the policy: its key is certified by an operator
/// that votes and is valid, its log is not forked, and a named authority stands behind it. Made
/// only by [`count`].
#[derive(Clone, Debug)]
pub(crate) struct Counted<'a> {
    logged: &'a Logged,
    artifact: &'a ArtifactOutcome,
}

impl Counted<'_> {
    pub(crate) fn outcome(&self) -> Outcome {
        self.artifact.outcome
    }

    fn subject(&self) -> Subject {
        let sources = self.logged.rebuild().sources.iter().map(|source| source.digest).collect();
        Subject { published: self.artifact.published, sources }
    }

    fn vote(&self, operator: &Operator) -> Vote {
        Vote {
            operator: operator.name.clone(),
            key: self.logged.key().fingerprint(),
            outcome: self.artifact.outcome,
            sha256: self.artifact.produced,
            level: Level::Bitwise,
            log_index: self.logged.position().index,
            attested_at: self.logged.rebuild().facts.finished,
        }
    }
}

/// What an operator says about the purl, its keys taken together.
#[derive(Clone, Eq, PartialEq, Debug)]
pub(crate) enum Stance {
    /// Nothing that counts.
    Silent,
    /// It could not build; this may change, and takes nothing back.
    Failed,
    /// It reproduced the file of this subject bit for bit.
    Reproduced(Subject),
    /// It reproduced something near the file of this subject; no policy can accept that yet.
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
}

/// Asks every operator that votes, in the policy's order.
pub(crate) fn voices(
    policy: &Policy,
    evidence: &Evidence,
    purl: &Purl,
    now: Timestamp,
) -> Vec<Voice> {
    policy.voters().map(|operator| voice(policy, evidence, purl, operator, now)).collect()
}

fn voice(
    policy: &Policy,
    evidence: &Evidence,
    purl: &Purl,
    operator: &Operator,
    now: Timestamp,
) -> Voice {
    let (mut newest, mut passed_over) = (Vec::new(), BTreeSet::new());
    for key in keys_of(evidence, operator) {
        let mut of_key: Vec<Counted<'_>> = Vec::new();
        for logged in evidence.logged().iter().filter(|logged| logged.key() == key) {
            match count(policy, evidence, purl, operator, logged, now) {
                Some(Ok(counted)) => of_key.push(counted),
                Some(Err(reason)) => drop(passed_over.insert(reason)),
                None => {}
            }
        }
        newest.extend(newest_of(of_key));
    }
    let votes = newest.iter().map(|counted| counted.vote(operator)).collect();
    Voice { stance: stance(&newest), votes, passed_over: passed_over.into_iter().collect() }
}

/// Every key that the operator ever certified, as far as the evidence shows.
pub(crate) fn keys_of(evidence: &Evidence, operator: &Operator) -> BTreeSet<PublicKey> {
    let certificates = evidence.certificates().iter().map(Certified::certificate);
    certificates.filter(|c| c.operator == operator.key).map(|c| c.rebuilder).collect()
}

/// `None` where the statement is not about the purl; a reason where it is and does not count.
pub(crate) fn count<'a>(
    policy: &Policy,
    evidence: &Evidence,
    purl: &Purl,
    operator: &Operator,
    logged: &'a Logged,
    now: Timestamp,
) -> Option<Result<Counted<'a>, Reason>> {
    let artifact = logged.rebuild().artifacts.iter().find(|artifact| artifact.purl == *purl)?;
    let checks = [
        in_network(policy, logged),
        certified(evidence, operator, logged, now),
        one_history(evidence, operator, logged),
        bound(policy, purl, operator, logged),
    ];
    Some(match checks.into_iter().flatten().next() {
        Some(reason) => Err(reason),
        None => Ok(Counted { logged, artifact }),
    })
}

fn in_network(policy: &Policy, logged: &Logged) -> Option<Reason> {
    let found = &logged.rebuild().network;
    (found != policy.network()).then(|| {
        Reason::new(
            "network",
            format!("evidence of network {found}"),
            format!("network {}, as the policy says", policy.network()),
            "ask for evidence of that network, or correct \"network\" in the policy",
        )
    })
}

fn certified(
    evidence: &Evidence,
    operator: &Operator,
    logged: &Logged,
    now: Timestamp,
) -> Option<Reason> {
    let key = logged.key();
    let mut own = evidence.certificates().iter().filter(|certified| {
        let certificate = certified.certificate();
        certificate.operator == operator.key && certificate.rebuilder == key
    });
    (!own.any(|certified| certified.holds_at(now))).then(|| {
        Reason::new(
            "certificate",
            format!(
                "{}'s key {} without a certificate valid at {now}",
                operator.name,
                key.fingerprint()
            ),
            "a certificate by the operator's key that is valid now",
            format!("ask {} for a new certificate, or check this machine's clock", operator.name),
        )
    })
}

fn one_history(evidence: &Evidence, operator: &Operator, logged: &Logged) -> Option<Reason> {
    let key = logged.key();
    evidence.forked().contains(&key).then(|| {
        Reason::new(
            "fork",
            format!(
                "{}'s key {} signed two histories of one log",
                operator.name,
                key.fingerprint()
            ),
            "one append-only log for each key",
            format!(
                "tell {}: its key is stolen, or its state was restored from an old copy",
                operator.name
            ),
        )
    })
}

fn bound(policy: &Policy, purl: &Purl, operator: &Operator, logged: &Logged) -> Option<Reason> {
    let named = policy.authorities_of(purl);
    let signers = &logged.rebuild().authority.signers;
    if signers.iter().any(|signer| named.contains(signer.as_str())) {
        return None;
    }
    let expected = if named.is_empty() {
        "an [[authority]] of the policy whose pattern covers the purl".to_owned()
    } else {
        format!("one of {}", named.into_iter().collect::<Vec<_>>().join(", "))
    };
    Some(Reason::new(
        "authority",
        format!("{} relies on {} for {purl}", operator.name, signers.join(", ")),
        expected,
        "check that key, then name it in an [[authority]] of the policy; or have the operator rebuild from the right index",
    ))
}

/// A key's newest statement by log position.
///
/// A build failure is passed over where there is anything else: it says nothing about the file,
/// and if it took an earlier reproduction back, hiding it would turn a refusal into an acceptance.
fn newest_of(mut of_key: Vec<Counted<'_>>) -> Option<Counted<'_>> {
    of_key.sort_by_key(|counted| {
        let says_something = counted.outcome() != Outcome::BuildFailed;
        (says_something, counted.logged.position())
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
        Outcome::Reproduced => Stance::Reproduced(subject),
        Outcome::Equivalent => Stance::Near(subject),
        Outcome::Differs | Outcome::Unstable => Stance::Against(subject),
        Outcome::BuildFailed => Stance::Failed,
    }
}
