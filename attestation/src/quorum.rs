//! The verdict: policy, evidence and time to an answer, as design fixes it, and nothing else (step 9).
//!
//! A pure function: the same arguments give the same verdict, in whatever order the evidence was
//! carried. Whoever is not in the policy's quorum cannot change a byte of it.

use std::collections::BTreeSet;

use crate::artifact::Purl;
use crate::digest::Digest;
use crate::evidence::Evidence;
use crate::limits::REASONS_MAX;
use crate::policy::Policy;
use crate::rules::{expired, met, nobody, rejections, unmet};
use crate::tally::Tally;
use crate::time::Timestamp;
use crate::verdict::{
    ArtifactAsked, Conclusion, PolicyApplied, Question, QuorumCount, Reason, Verdict, Vote,
};
use crate::voice::{count, keys_of, voices};

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
    let finding = match &question.purl {
        Some(purl) => Finding::of(policy, evidence, question, purl, now),
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
}

impl Finding {
    fn of(
        policy: &Policy,
        evidence: &Evidence,
        question: &Question,
        purl: &Purl,
        now: Timestamp,
    ) -> Self {
        let mut voices = voices(policy, evidence, purl, now);
        let tally = Tally::of(policy, &voices, question.sha256);
        let have = tally.have(question.sha256);
        let mut reasons = rejections(policy, &tally, question, purl);
        let rejected = !reasons.is_empty();
        reasons.extend(unmet(policy, &tally, question, purl, rejected));
        reasons.extend(expired(policy, now));
        let conclusion = match (reasons.is_empty(), rejected) {
            (true, _) => Conclusion::Accepted,
            (false, true) => Conclusion::Rejected,
            (false, false) => Conclusion::Inconclusive,
        };
        if conclusion == Conclusion::Accepted {
            reasons.push(met(policy, have, purl));
        } else {
            reasons.extend(voices.iter_mut().flat_map(|voice| voice.passed_over.drain(..)));
        }
        let votes = voices.into_iter().flat_map(|voice| voice.votes).collect();
        Self { purl: Some(purl.clone()), conclusion, have, votes, reasons }
    }

    fn inconclusive(reasons: Vec<Reason>) -> Self {
        let conclusion = Conclusion::Inconclusive;
        Self { purl: None, conclusion, have: 0, votes: Vec::new(), reasons }
    }

    fn into_verdict(self, policy: &Policy, evidence: &Evidence, question: &Question) -> Verdict {
        let mut reasons = Vec::new();
        for reason in self.reasons {
            if !reasons.contains(&reason) && reasons.len() < REASONS_MAX {
                reasons.push(reason);
            }
        }
        Verdict {
            artifact: ArtifactAsked {
                name: question.name.clone(),
                sha256: question.sha256,
                purl: self.purl,
            },
            verdict: self.conclusion,
            votes: self.votes,
            quorum: QuorumCount { need: policy.need(), have: self.have, of: policy.of() },
            dissent: evidence.completeness(),
            reasons,
            policy: PolicyApplied { sha256: policy.digest(), mode: policy.mode() },
        }
    }
}

fn without_purl(
    policy: &Policy,
    evidence: &Evidence,
    question: &Question,
    now: Timestamp,
) -> Finding {
    let (candidates, passed_over) = candidates(policy, evidence, question.sha256, now);
    let findings: Vec<_> =
        candidates.iter().map(|purl| Finding::of(policy, evidence, question, purl, now)).collect();
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
    file: Digest,
    now: Timestamp,
) -> (BTreeSet<Purl>, BTreeSet<Reason>) {
    let (mut purls, mut passed_over) = (BTreeSet::new(), BTreeSet::new());
    for operator in policy.voters() {
        let keys = keys_of(evidence, operator);
        for logged in evidence.logged().iter().filter(|logged| keys.contains(&logged.key())) {
            for artifact in logged.rebuild().artifacts.iter().filter(|a| a.published == file) {
                match count(policy, evidence, &artifact.purl, operator, logged, now) {
                    Some(Ok(_)) => drop(purls.insert(artifact.purl.clone())),
                    Some(Err(reason)) => drop(passed_over.insert(reason)),
                    None => {}
                }
            }
        }
    }
    (purls, passed_over)
}

fn nothing_said(
    policy: &Policy,
    question: &Question,
    passed_over: BTreeSet<Reason>,
    now: Timestamp,
) -> Finding {
    let nothing = Reason::new(
        "identity",
        format!("no counting statement about a published file sha256:{}", question.sha256),
        format!("{} of {} operators behind this file", policy.need(), policy.of()),
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
    if purl.allows_file_name(&question.name) {
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
            format!("a file named {:?} whose bytes are {purl}", question.name),
            format!("the name {}", purl.file_name().unwrap_or_default()),
            "say what the file is meant to be with --as PURL, or give it its own name back",
        ),
    );
    finding
}
