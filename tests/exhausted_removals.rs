//! Invariant 3, piece by piece: of every world here each line, and each cosignature, is hidden in turn, and what that can gain is told.
//!
//! A refusal may become an acceptance only by hiding one of these:
//!
//! - a dissent, in its statement, proof, head, certificate, or the cosignature that dates it;
//! - a half of a contradiction of an operator with itself;
//! - support of another file, or a newer word that supports less (`equivalent` where it is not enough);
//! - a retraction, a revocation, half of a fork;
//! - that a key exists, where its log is not fresh: nobody can miss a key that was never shown.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::evidence::Logged;
use reattest_attestation::log::SignedCheckpoint;
use reattest_attestation::verdict::Conclusion;
use reattest_attestation::{
    ArtifactOutcome, Bundle, Certified, Evidence, Outcome, Rebuild, conclude,
};

use crate::worlds::{NOW, at, file, policy, question, verified, world};

const POLICIES: [&str; 8] =
    ["1/3", "2/3", "2/3d0", "3/3", "2/(1/ab,c)", "2/3 w1 d0", "2/3 w1 h24h d0", "2/3 w1 h24h m30d"];

const OF_B: [&str; 4] = ["", "b1+F", "b1+F b1rF", "b1-F"];

/// What c's keys said and what befell them.
const OF_C: [&str; 20] = [
    "",
    "c1+F",
    "c1-F",
    "c1~F",
    "c1+F c1-F",
    "c1-F c1+F",
    "c1+F c2-F",
    "c1+G",
    "c1+F c1rF",
    "c1!F",
    "c1+F c1=F",
    "c1-F c1^forked",
    "c1+F c1^split",
    "c1-F c1^revoked@0",
    "c1+F c1-F c1^revoked@1",
    "c1+F c2+F c1^rotated@1>2 c2^none",
    "c1-F c1^expired",
    "c1+F c1^revoked@0",
    "c1+F c2+G",
    "c1+F c3!F",
];

/// Refusals that became acceptances, by what was hidden and what that took away.
const GAINED: [&str; 21] = [
    "cosignature: a dissent: 1",
    "head: a dissent: 9",
    "head: a fork's half: 38",
    "head: support of another file: 5",
    "operator's word: a contradiction's half: 9",
    "operator's word: a dissent: 92",
    "operator's word: a key: 4",
    "operator's word: a revocation: 39",
    "operator's word: support of another file: 57",
    "proof: a contradiction's half: 7",
    "proof: a dissent: 142",
    "proof: a fork's half: 38",
    "proof: a newer word: 38",
    "proof: a retraction: 216",
    "proof: support of another file: 57",
    "statement: a contradiction's half: 7",
    "statement: a dissent: 142",
    "statement: a fork's half: 38",
    "statement: a newer word: 38",
    "statement: a retraction: 216",
    "statement: support of another file: 57",
];

/// Every bundle with one piece less, each with the piece's kind.
fn with_one_piece_less(whole: &Bundle) -> Vec<(&'static str, Bundle)> {
    let mut less = Vec::new();
    let mut take = |kind, change: &dyn Fn(&mut Bundle)| {
        let mut bundle = whole.clone();
        change(&mut bundle);
        less.push((kind, bundle));
    };
    for at in 0..whole.envelopes.len() {
        take("statement", &|bundle| drop(bundle.envelopes.remove(at)));
    }
    for at in 0..whole.proofs.len() {
        take("proof", &|bundle| drop(bundle.proofs.remove(at)));
    }
    for at in 0..whole.certificates.len() {
        take("operator's word", &|bundle| drop(bundle.certificates.remove(at)));
    }
    for (at, head) in whole.checkpoints.iter().enumerate() {
        take("head", &|bundle| drop(bundle.checkpoints.remove(at)));
        let lines = head.as_str().lines().filter(|line| !line.contains("witness.example"));
        let bare = lines.collect::<Vec<_>>().join("\n") + "\n";
        if bare != head.as_str() {
            let bare = SignedCheckpoint::parse(bare.as_bytes()).unwrap();
            take("cosignature", &|bundle| {
                if let Some(place) = bundle.checkpoints.get_mut(at) {
                    *place = bare.clone();
                }
            });
        }
    }
    less
}

/// What was hidden that may be missed, by what the evidence shows no longer.
fn excuse(kind: &str, before: &Evidence, after: &Evidence) -> Option<&'static str> {
    // A head or a cosignature takes no statement away where another head proves it, and still
    // dates it: without that a key's end may have come before it, or it may be too old to count.
    let undated = ["head", "cosignature"].contains(&kind);
    let missed = |logged: &&Logged<Rebuild>| undated || !after.rebuilds().contains(logged);
    let gone: Vec<_> = before.rebuilds().iter().filter(missed).collect();
    let gone_that = |is: fn(&ArtifactOutcome) -> bool| {
        gone.iter().flat_map(|logged| &logged.claim().artifacts).any(is)
    };
    let hidden = [
        (after.forked().len() < before.forked().len(), "a fork's half"),
        (after.revocations().len() < before.revocations().len(), "a revocation"),
        (gone_that(is_dissent), "a dissent"),
        (retractions(after) < retractions(before), "a retraction"),
        (gone_that(|artifact| artifact.published != file('F')), "support of another file"),
        (gone_that(|artifact| artifact.outcome == Outcome::Equivalent), "a newer word"),
        (gone.iter().any(|logged| contradicts(before, logged)), "a contradiction's half"),
        (after.certificates().len() < before.certificates().len(), "a key"),
    ];
    hidden.into_iter().find(|(is_gone, _)| *is_gone).map(|(_, what)| what)
}

fn retractions(evidence: &Evidence) -> usize {
    let keys: BTreeSet<_> =
        evidence.certificates().iter().map(|c| c.certificate().rebuilder).collect();
    keys.iter().map(|key| evidence.retractions_of(key).len()).sum()
}

fn is_dissent(artifact: &ArtifactOutcome) -> bool {
    matches!(artifact.outcome, Outcome::Differs | Outcome::Unstable)
}

/// Whether it says something of the file, and another key of its operator has a word too.
fn contradicts(evidence: &Evidence, logged: &Logged<Rebuild>) -> bool {
    let key = logged.key();
    if logged.claim().made_nothing() {
        return false;
    }
    let operator = |key| {
        let mut certificates = evidence.certificates().iter().map(Certified::certificate);
        certificates.find(|c| c.rebuilder == key).map(|c| c.operator)
    };
    let mut others = evidence.rebuilds().iter().map(Logged::key);
    others.any(|other| other != key && operator(other) == operator(key))
}

/// The worlds: a supports F and was seen an hour ago; c was seen then, two days ago, or never.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for (b, c) in OF_B.iter().flat_map(|b| OF_C.map(|c| (b, c))) {
        for seen in ["w1@-1h", "w1@-2d", ""] {
            let said = format!("a1+F {b} {c}");
            let spoke =
                |key: &str| said.split(' ').any(|one| one.starts_with(key) && !one.contains('^'));
            let fates = [("a1", "w1@-1h"), ("b1", "w1@-1h"), ("c1", seen), ("c2", "w1@-1h")];
            let fates: Vec<_> = fates
                .into_iter()
                .filter(|(key, seen)| !seen.is_empty() && spoke(key))
                .map(|(key, seen)| format!("{key}^{seen}"))
                .collect();
            lines.push(format!("{said} {}", fates.join(" ")));
        }
    }
    lines
}

#[test]
fn hiding_any_one_piece_gains_no_more_than_is_said() {
    let policies = POLICIES.map(|rules| (rules, policy(rules)));
    let (asked, mut pieces, mut gained) = (question("F as P"), 0, BTreeMap::new());
    for line in lines() {
        let whole = world(&line);
        let before = verified(&whole);
        for (kind, less) in with_one_piece_less(&whole) {
            let after = verified(&less);
            pieces += 1;
            for (rules, policy) in &policies {
                let accepts =
                    |of| conclude(policy, of, &asked, at(NOW)).verdict == Conclusion::Accepted;
                if accepts(&after) && !accepts(&before) {
                    let excuse = excuse(kind, &before, &after);
                    assert!(excuse.is_some(), "{rules} | {line}: accepted without a {kind}");
                    *gained.entry((kind, excuse.unwrap())).or_insert(0) += 1;
                }
            }
        }
    }
    let gained: Vec<String> =
        gained.iter().map(|((kind, what), times)| format!("{kind}: {what}: {times}")).collect();
    assert_eq!(gained, GAINED);
    assert_eq!(pieces, 4_336);
}
