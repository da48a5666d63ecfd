//! The verdict: policy, evidence and time to an answer, as design fixes it, and nothing else (step 9).
//!
//! A pure function: the same arguments give the same verdict, in whatever order the evidence was
//! carried. Whoever is not in the policy's quorum cannot change a byte of it. The third step of
//! verification: all rules.

use std::collections::BTreeSet;

use crate::artifact::Purl;
use crate::count::{Court, count};
use crate::digest::Digest;
use crate::evidence::Evidence;
use crate::key::PublicKey;
use crate::limits::REASONS_MAX;
use crate::policy::Policy;
use crate::relevant::{About, Relevant};
use crate::rules::{expired, met, needed, nobody, rejections, unmet};
use crate::standing::{Standing, keys_of};
use crate::tally::Tally;
use crate::time::Timestamp;
use crate::verdict::{
    ArtifactAsked, Conclusion, PolicyApplied, Question, QuorumCount, Reason, Verdict, Vote,
};
use crate::voice::voices;

/// Concludes whether the file of `question` may be used at `now`.
///
/// Without a purl the file is judged under each purl that counting statements publish it as, and
/// accepted only as exactly one of them, and only under a file name that this one allows.
pub fn conclude(
    policy: &Policy,
    evidence: &Evidence,
    question: &Question,
    now: Timestamp,
) -> Verdict {
    conclude_showing(policy, evidence, question, now).0
}

/// What a verdict rests on, for those who sum it up.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub struct Grounds {
    /// Digests of all envelopes that were used: the newest counting statements of voting
    /// operators, and those operators' words on the keys.
    pub envelopes: BTreeSet<Digest>,
    /// Operators that support the file.
    pub supporters: usize,
    /// Operators that vote.
    pub operators: usize,
}

/// The same, with what it rests on.
pub fn conclude_showing(
    policy: &Policy,
    evidence: &Evidence,
    question: &Question,
    now: Timestamp,
) -> (Verdict, Grounds) {
    let finding = match &question.purl {
        Some(purl) => Finding::of(policy, Relevant::of(evidence, question, purl), now),
        None => without_purl(policy, evidence, question, now),
    };
    finding.into_verdict(policy, evidence, question)
}

/// A verdict in the making.
struct Finding {
    purl: Option<Purl>,
    conclusion: Conclusion,
    have: usize,
    votes: Vec<Vote>,
    reasons: Vec<Reason>,
    grounds: Grounds,
}

impl Finding {
    fn of(policy: &Policy, relevant: Relevant<'_>, now: Timestamp) -> Self {
        let mut voices = voices(&Court::new(policy, relevant, now));
        let tally = Tally::of(policy, &voices, relevant.file());
        let mut reasons = rejections(policy, &tally, relevant);
        let rejected = !reasons.is_empty();
        reasons.extend(unmet(policy, &tally, relevant, rejected));
        reasons.extend(expired(policy, now));
        let conclusion = match (reasons.is_empty(), rejected) {
            (true, _) => Conclusion::Accepted,
            (false, true) => Conclusion::Rejected,
            (false, false) => Conclusion::Inconclusive,
        };
        if conclusion == Conclusion::Accepted {
            reasons.push(met(policy, &tally, relevant.purl()));
        } else {
            reasons.extend(voices.iter_mut().flat_map(|voice| voice.passed_over.drain(..)));
        }
        let have = policy.formula().have(&tally.supporters());
        let grounds = Grounds {
            envelopes: voices.iter().flat_map(|voice| voice.rests_on.iter().copied()).collect(),
            supporters: tally.supporters().len(),
            operators: policy.of(),
        };
        let votes = voices.into_iter().flat_map(|voice| voice.votes).collect();
        Self { purl: Some(relevant.purl().clone()), conclusion, have, votes, reasons, grounds }
    }

    fn inconclusive(reasons: Vec<Reason>) -> Self {
        let (votes, grounds) = (Vec::new(), Grounds::default());
        Self { purl: None, conclusion: Conclusion::Inconclusive, have: 0, votes, reasons, grounds }
    }

    fn into_verdict(
        self,
        policy: &Policy,
        evidence: &Evidence,
        question: &Question,
    ) -> (Verdict, Grounds) {
        let mut reasons = Vec::new();
        for reason in self.reasons {
            if !reasons.contains(&reason) && reasons.len() < REASONS_MAX {
                reasons.push(reason);
            }
        }
        let formula = policy.formula();
        let verdict = Verdict {
            artifact: ArtifactAsked {
                name: question.file.name().to_owned(),
                sha256: question.file.sha256(),
                purl: self.purl,
            },
            verdict: self.conclusion,
            votes: self.votes,
            quorum: QuorumCount { need: formula.need(), have: self.have, of: formula.of().len() },
            dissent: evidence.completeness(),
            reasons,
            policy: PolicyApplied { sha256: policy.digest(), mode: policy.mode() },
        };
        (verdict, self.grounds)
    }
}

fn without_purl(
    policy: &Policy,
    evidence: &Evidence,
    question: &Question,
    now: Timestamp,
) -> Finding {
    let (candidates, passed_over) = candidates(policy, evidence, question, now);
    let judge = |purl| Finding::of(policy, Relevant::of(evidence, question, purl), now);
    let findings: Vec<_> = candidates.iter().map(judge).collect();
    let accepting = findings.iter().filter(|f| f.conclusion == Conclusion::Accepted).count();
    let several = findings.len() > 1;
    let mut chosen = findings
        .into_iter()
        .filter(|finding| accepting == 0 || finding.conclusion == Conclusion::Accepted);
    match (chosen.next(), chosen.next()) {
        (None, _) => nothing_said(policy, question, passed_over, now),
        (Some(_), Some(_)) if several => ambiguous(&candidates),
        (Some(finding), _) => named_so(finding, question),
    }
}

/// The purls under which counting statements of voting operators publish the file, and why
/// others of theirs do not count. Strangers are not asked: they could make any file ambiguous.
fn candidates(
    policy: &Policy,
    evidence: &Evidence,
    question: &Question,
    now: Timestamp,
) -> (BTreeSet<Purl>, BTreeSet<Reason>) {
    let file = question.file.sha256();
    let (mut purls, mut passed_over) = (BTreeSet::new(), BTreeSet::new());
    for operator in policy.voters() {
        for key in keys_of(evidence, operator) {
            let standing = Standing::of(policy, evidence, operator, key, now);
            for purl in published_as(evidence, &key, file) {
                let court = Court::new(policy, Relevant::of(evidence, question, purl), now);
                let about_file = |about: &About<'_>| {
                    about.artifact.published == file && standing.knows(about.logged)
                };
                for about in court.relevant.claims(&key).filter(about_file) {
                    match count(&court, operator, &standing, about) {
                        Ok(_) => drop(purls.insert(purl.clone())),
                        Err(reason) => drop(passed_over.insert(reason)),
                    }
                }
            }
        }
    }
    (purls, passed_over)
}

fn published_as<'a>(evidence: &'a Evidence, key: &PublicKey, file: Digest) -> BTreeSet<&'a Purl> {
    let artifacts = evidence.rebuilds_of(key).iter().flat_map(|logged| &logged.claim().artifacts);
    artifacts.filter(|artifact| artifact.published == file).map(|artifact| &artifact.purl).collect()
}

fn nothing_said(
    policy: &Policy,
    question: &Question,
    passed_over: BTreeSet<Reason>,
    now: Timestamp,
) -> Finding {
    let nothing = Reason::new(
        "identity",
        format!("no counting statement about a published file sha256:{}", question.file.sha256()),
        format!("{} behind this file", needed(policy)),
        "say what the file is meant to be with --as PURL; check that it was downloaded whole",
    );
    let mut reasons = vec![if policy.of() == 0 { nobody() } else { nothing }];
    reasons.extend(expired(policy, now));
    reasons.extend(passed_over);
    Finding::inconclusive(reasons)
}
fn ambiguous(candidates: &BTreeSet<Purl>) -> Finding {
    let names: Vec<_> = candidates.iter().take(8).map(Purl::as_str).collect();
    Finding::inconclusive(vec![Reason::new(
        "identity",
        format!("this file is published under {} names: {}", candidates.len(), names.join(", ")),
        "one name to judge it by",
        "say which one is meant with --as PURL",
    )])
}

/// A file that goes by another package's name is not accepted without `--as`.
fn named_so(mut finding: Finding, question: &Question) -> Finding {
    let Some(purl) = finding.purl.clone() else {
        return finding;
    };
    if purl.allows_file_name(question.file.name()) {
        return finding;
    }
    if finding.conclusion == Conclusion::Accepted {
        finding.reasons.clear();
    }
    finding.conclusion = Conclusion::Inconclusive;
    finding.reasons.insert(
        0,
        Reason::new(
            "file-name",
            format!("a file named {:?} whose bytes are {purl}", question.file.name()),
            format!("the name {}", purl.file_name().unwrap_or_default()),
            "say what the file is meant to be with --as PURL, or give it its own name back",
        ),
    );
    finding
}
