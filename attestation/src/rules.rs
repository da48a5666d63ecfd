//! The rules of a verdict, each with what it found, what it needs and what to do (step 9).

use std::collections::BTreeSet;

use crate::artifact::Purl;
use crate::evidence::Completeness;
use crate::policy::{Policy, Voter};
use crate::relevant::Relevant;
use crate::tally::Tally;
use crate::time::Timestamp;
use crate::verdict::Reason;

/// The rules that reject. Each is about the file; none fires because evidence is missing.
pub(crate) fn rejections(
    policy: &Policy,
    tally: &Tally<'_>,
    relevant: Relevant<'_>,
) -> Vec<Reason> {
    if policy.of() == 0 {
        return Vec::new();
    }
    let (purl, file) = (relevant.purl(), relevant.file());
    let mut reasons = Vec::new();
    if let Some((other, supporters)) = tally.other() {
        reasons.push(Reason::new(
            "other-file",
            format!(
                "{} reproduced another file of {purl}: sha256:{other}; this file is sha256:{file}",
                standing(policy, &supporters)
            ),
            format!("{} behind this file", needed(policy)),
            "do not use this file; download it again and compare",
        ));
    }
    if tally.dissent.len() > policy.demands().max_dissent {
        reasons.push(Reason::new(
            "dissent",
            format!("{} of {} operators dissent: {}", tally.dissent.len(), policy.of(), tally.dissent.join(", ")),
            format!("at most {} dissenting", policy.demands().max_dissent),
            "do not use this file before the difference is explained; ask the operators for their logs",
        ));
    }
    if !tally.in_reach() {
        reasons.push(Reason::new(
            "out-of-reach",
            format!("{} support this file and {} are silent", standing(policy, &tally.supporters()), tally.silent.len()),
            format!("{}, which they cannot reach any more", needed(policy)),
            "do not use this file as this package; check which file the archive publishes under the name",
        ));
    }
    reasons
}

/// The rules that are not met yet. Where the file is `rejected` already, waiting is no advice.
pub(crate) fn unmet(
    policy: &Policy,
    tally: &Tally<'_>,
    relevant: Relevant<'_>,
    rejected: bool,
) -> Vec<Reason> {
    if policy.of() == 0 {
        return vec![nobody()];
    }
    let supporters = tally.supporters();
    let mut reasons = Vec::new();
    if !policy.formula().holds(&supporters) {
        reasons.push(Reason::new(
            "quorum",
            format!(
                "{} reproduced this file as {}",
                standing(policy, &supporters),
                relevant.purl()
            ),
            needed(policy),
            if rejected {
                "more rebuilds would not help; see the other reasons"
            } else {
                "wait for more rebuilds, follow the operators' nodes, or announce the release"
            },
        ));
        if tally.sources_differ() {
            reasons.push(Reason::new(
                "sources",
                "operators that reproduced this file from different sources",
                "one set of source digests behind the quorum",
                "ask the authority which sources belong to the release",
            ));
        }
    }
    reasons.extend(diversity(tally, &supporters));
    reasons.extend(freshness(policy, tally));
    reasons.extend(unchecked(policy, relevant));
    reasons
}

fn diversity(tally: &Tally<'_>, supporters: &BTreeSet<Voter>) -> Vec<Reason> {
    let reason = |(tag, values, distinct): (&str, BTreeSet<&str>, usize)| {
        let values: Vec<_> = values.into_iter().take(8).collect();
        Reason::new(
            "diversity",
            format!(
                "supporters with {} values of {tag}: {}",
                values.len(),
                if values.is_empty() { "none".to_owned() } else { values.join(", ") }
            ),
            format!("{distinct} distinct values of {tag}"),
            "wait for operators that differ, or lower \"distinct\" in [[quorum.diversity]]",
        )
    };
    tally.alike(supporters).into_iter().map(reason).collect()
}

/// Whose log nobody saw lately may have dissented; so many must not decide it.
fn freshness(policy: &Policy, tally: &Tally<'_>) -> Option<Reason> {
    let may_dissent = tally.dissent.len() + tally.unheard.len();
    (!tally.unheard.is_empty() && may_dissent > policy.demands().max_dissent).then(|| {
        Reason::new(
            "freshness",
            format!(
                "{} operators without a log that witnesses saw lately: {}",
                tally.unheard.len(),
                tally.unheard.join(", ")
            ),
            format!("at most {} that dissent or may dissent unseen", policy.demands().max_dissent),
            "follow these operators' logs, or allow more dissent in [quorum]",
        )
    })
}

fn unchecked(policy: &Policy, relevant: Relevant<'_>) -> Option<Reason> {
    let excerpt = relevant.evidence().completeness() == Completeness::Excerpt;
    (policy.demands().checked_dissent && excerpt).then(|| {
        Reason::new(
            "unchecked-dissent",
            "evidence without whole logs (a bundle, or a log on its way), which cannot show that nobody dissents",
            "whole logs, as the policy's unchecked_dissent = \"refuse\" asks",
            "ask a node that follows the operators' logs and has caught up with them",
        )
    })
}

pub(crate) fn expired(policy: &Policy, now: Timestamp) -> Option<Reason> {
    (now > policy.expires()).then(|| {
        Reason::new(
            "policy-expiry",
            format!("a policy that expired at {}; it is {now}", policy.expires()),
            "a policy that is in force",
            "review the policy and set a later \"expires\", or check this machine's clock",
        )
    })
}

pub(crate) fn met(policy: &Policy, tally: &Tally<'_>, purl: &Purl) -> Reason {
    Reason::new(
        "quorum",
        format!("{} reproduced this file as {purl}", standing(policy, &tally.supporters())),
        needed(policy),
        "nothing to do",
    )
}

/// A policy that trusts nobody yet.
pub(crate) fn nobody() -> Reason {
    Reason::new(
        "operators",
        "a policy that names no operator in its quorum",
        "operators to believe, and how many must agree",
        "add an [[operator]] table with its key, and name it in \"of\" of [quorum]; the policy that `reattest init` writes shows how",
    )
}

pub(crate) fn needed(policy: &Policy) -> String {
    format!("{} of {}", policy.formula().need(), policy.formula().of().len())
}

pub(crate) fn standing(policy: &Policy, supporters: &BTreeSet<Voter>) -> String {
    let names: Vec<&str> = policy.voters().map(|operator| operator.name.as_str()).collect();
    policy.formula().standing(supporters, &names).to_string()
}
