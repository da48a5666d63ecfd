//! The rules of a verdict, each with what it found, what it needs and what to do (step 9).

use crate::artifact::Purl;
use crate::policy::Policy;
use crate::tally::Tally;
use crate::time::Timestamp;
use crate::verdict::{Question, Reason};

/// The rules that reject. Each is about the file; none fires because evidence is missing.
pub(crate) fn rejections(
    policy: &Policy,
    tally: &Tally,
    question: &Question,
    purl: &Purl,
) -> Vec<Reason> {
    if policy.of() == 0 {
        return Vec::new();
    }
    let (need, of, file) = (policy.need(), policy.of(), question.sha256);
    let have = tally.have(file);
    let mut reasons = Vec::new();
    if let Some((other, count)) = tally.other(file, need) {
        reasons.push(Reason::new(
            "other-file",
            format!("{count} of {of} operators reproduced another file of {purl}: sha256:{other}; this file is sha256:{file}"),
            format!("{need} of {of} operators behind this file"),
            "do not use this file; download it again and compare",
        ));
    }
    if tally.dissent.len() > policy.max_dissent() {
        reasons.push(Reason::new(
            "dissent",
            format!("{} of {of} operators dissent: {}", tally.dissent.len(), tally.dissent.join(", ")),
            format!("at most {} dissenting", policy.max_dissent()),
            "do not use this file before the difference is explained; ask the operators for their logs",
        ));
    }
    if have + tally.silent < need {
        reasons.push(Reason::new(
            "out-of-reach",
            format!("{have} of {of} operators support this file and {} are silent", tally.silent),
            format!("{need} of {of}, which they cannot reach any more"),
            "do not use this file as this package; check which file the archive publishes under the name",
        ));
    }
    reasons
}

/// The quorum rule where it is not met. Where the file is `rejected` already, waiting is no advice.
pub(crate) fn unmet(
    policy: &Policy,
    tally: &Tally,
    question: &Question,
    purl: &Purl,
    rejected: bool,
) -> Vec<Reason> {
    let (need, of, have) = (policy.need(), policy.of(), tally.have(question.sha256));
    if of == 0 {
        return vec![nobody()];
    }
    let mut reasons = Vec::new();
    if have < need {
        reasons.push(Reason::new(
            "quorum",
            format!("{have} of {of} operators reproduced this file as {purl}"),
            format!("{need} of {of}"),
            if rejected {
                "more rebuilds would not help; see the other reasons"
            } else {
                "wait for more rebuilds, follow the operators' nodes, or announce the release"
            },
        ));
    }
    if have < need && tally.sources_differ(question.sha256) {
        reasons.push(Reason::new(
            "sources",
            "operators that reproduced this file from different sources",
            "one set of source digests behind the quorum",
            "ask the authority which sources belong to the release",
        ));
    }
    reasons
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

pub(crate) fn met(policy: &Policy, have: usize, purl: &Purl) -> Reason {
    Reason::new(
        "quorum",
        format!("{have} of {} operators reproduced this file as {purl}", policy.of()),
        format!("{} of {}", policy.need(), policy.of()),
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
