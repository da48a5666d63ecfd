//! Wrong answers that other systems gave or can give, each as the world in which ours must differ.
//!
//! The systems and sources were read for this project; what they do is told in our own words.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use reattest_attestation::verdict::Conclusion;
use reattest_attestation::{Bundle, Envelope, Policy, Sign as _};

use crate::worlds::{
    O, P, Q, carried, file, judge, outcome, policy, policy_text, rebuild, rebuilder, rules_of,
    world,
};

const A: Conclusion = Conclusion::Accepted;
const R: Conclusion = Conclusion::Rejected;
const I: Conclusion = Conclusion::Inconclusive;

fn verdict(policy: &str, line: &str, asked: &str) -> (Conclusion, usize, String) {
    let found = judge(policy, &world(line), asked);
    (found.verdict, found.quorum.have, rules_of(&found))
}

/// Trustix divides by the logs that answered, so one answer of ten gave confidence 100.
#[test]
fn the_denominator_is_the_policys_and_not_the_responders() {
    let found = judge("3/5", &world("a1+F"), "F as P");
    assert_eq!((found.verdict, found.quorum.need, found.quorum.of), (I, 3, 5));
    assert_eq!(verdict("any/5", "e1+F", "F as P").0, A);
}

/// Trustix adds 100/n as integers: three of three were 99, two of three 66, and never enough.
#[test]
fn unanimity_is_enough_whatever_it_is_divided_by() {
    for of in 1..=5 {
        let line: Vec<String> = ('a'..='e').take(of).map(|name| format!("{name}1+F")).collect();
        let found = verdict(&format!("{of}/{of}"), &line.join(" "), "F as P");
        assert_eq!(found, (A, of, "quorum".to_owned()));
    }
    assert_eq!(verdict("2/3", "a1+F b1+F", "F as P").0, A);
}

/// Trustix at 50 % took whichever of two files its hash map listed first.
#[test]
fn a_tie_is_rejected_from_both_sides_and_in_every_order() {
    for line in ["a1+F b1+G", "b1+G a1+F"] {
        for (file, other) in [("F", 'G'), ("G", 'F')] {
            let found = judge("1/2", &world(line), &format!("{file} as P"));
            assert_eq!((found.verdict, found.reasons[0].rule.as_str()), (R, "other-file"));
            assert!(found.reasons[0].found.contains(&crate::worlds::file(other).to_string()));
        }
    }
}

/// Trustix never filled its list of misses: a log without the entry looked like no log at all.
#[test]
fn an_operator_that_says_nothing_is_missed_and_counted() {
    let found = judge("2/3d0 w1 h24h", &world("a1+F b1+F a1^w1@-1h b1^w1@-1h"), "F as P");
    assert_eq!((found.verdict, rules_of(&found).as_str()), (I, "freshness"));
    assert!(found.reasons[0].found.ends_with(": c"), "{:?}", found.reasons);
}

/// Trustix kept a fork as an error in one node's log file; nobody else heard of it.
#[test]
fn a_fork_is_evidence_that_anyone_can_carry() {
    assert_eq!(verdict("2/3", "a1+F b1+F b1^forked", "F as P").2, "quorum fork");
    assert_eq!(verdict("2/3", "a1+F b1+F b1^split", "F as P").2, "quorum fork");
}

/// Bitcoin's verify.py compares its threshold with good signatures, those of untrusted keys too.
#[test]
fn good_signatures_of_strangers_are_not_counted() {
    assert_eq!(verdict("3/3", "a1+F z1+F z2+F z3+F", "F as P").1, 1);
}

/// Signers of guix.sigs 29.4 seemed to disagree: one manifest was a subset of the others.
#[test]
fn agreement_is_for_each_artifact_and_not_for_the_list_of_them() {
    let of = |letter: char, purls: &[&str]| {
        let secret = rebuilder(letter, '1');
        let mut said = rebuild(outcome(P, file('F'), '+'));
        said.artifacts = purls.iter().map(|purl| outcome(purl, file('F'), '+')).collect();
        let payload = said.to_payload(&secret.public_key()).unwrap();
        ((letter, '1'), Envelope::sign(payload, &secret).unwrap())
    };
    let bundle: Bundle = carried([of('a', &[P, Q, O]), of('b', &[P])]);
    assert_eq!(judge("2/2d0", &bundle, "F as P").verdict, A);
    assert_eq!(judge("2/2d0", &bundle, "F as Q").verdict, I);
}

/// repro-threshold begins with a threshold of 0, pacman-bintrans with 0 confirmations: all passes.
#[test]
fn a_threshold_of_nothing_accepts_nothing() {
    let error = Policy::parse(&policy_text("1/3").replace("need = 1", "need = 0")).unwrap_err();
    assert!(error.to_string().contains("1 to 3"), "{error}");
    assert_eq!(verdict("0/0", "a1+F b1+F c1+F", "F as P"), (I, 0, "operators".to_owned()));
    assert_eq!(verdict("0/0", "", "F").0, I);
}

/// repro-threshold gives each domain one vote; the public list has 17 entries of 10 operators.
#[test]
fn one_vote_for_an_operator_however_many_instances_it_runs() {
    assert_eq!(verdict("2/3", "a1+F a2+F a3+F a4+F", "F as P").1, 1);
    assert_eq!(verdict("2/3", "a1+F b1+F", "F as P").1, 2);
}

/// repro-threshold and rebuilderd read the first key of a keyring only.
#[test]
fn an_operators_second_key_speaks_for_it() {
    assert_eq!(verdict("2/3", "a1+Gq a2+F b7+F", "F as P"), (A, 2, "quorum".to_owned()));
}

/// Mismatching attestations were deleted from guix.sigs by their authors.
#[test]
fn a_dissent_outlives_its_authors_second_thoughts() {
    assert_eq!(verdict("2/3d0", "a1+F b1+F c1-F c1rF", "F as P"), (R, 2, "dissent".to_owned()));
}

/// laut counts a signer once for each side: two contradictory entries still satisfy a threshold.
#[test]
fn who_contradicts_itself_supports_neither_side() {
    for asked in ["F as P", "G as P"] {
        assert_eq!(verdict("1/2", "a1+F a2+G", asked), (I, 0, "quorum".to_owned()));
        assert_eq!(verdict("1/2d0", "a1+F a2+G", asked), (R, 0, "dissent quorum".to_owned()));
    }
}

/// laut's thresholds unite signers who disagree about an intermediate step.
#[test]
fn signers_who_built_from_different_sources_do_not_add_up() {
    assert_eq!(verdict("2/3", "a1+F b1+F'", "F as P").2, "quorum sources");
}

/// OSS Rebuild does not sign which stabilizers made two files equal; theirs erase modes and links.
#[test]
fn equal_under_other_normalizers_is_not_equal() {
    assert_eq!(verdict("1/1 equivalent", "a1=F", "F as P, =N").0, A);
    assert_ne!(verdict("1/1 equivalent", "a1=Fv", "F as P, =N").0, A);
    assert_ne!(verdict("1/1 equivalent", "a1=F", "F as P, =N1.15").0, A);
    assert_ne!(verdict("1/1 equivalent", "a1=F", "F as P, =M").0, A);
}

/// OSS Rebuild publishes no failure and overwrites what it said before.
#[test]
fn a_failure_to_reproduce_is_said_and_shown() {
    let found = judge("2/3", &world("a1+F b1+F c1-F"), "F as P");
    let outcomes: Vec<String> = found.votes.iter().map(|v| v.outcome.to_string()).collect();
    assert_eq!(outcomes, ["reproduced", "reproduced", "differs"]);
}

/// apt-transport-in-toto can be told to let missing links pass; its shipped layout had expired.
#[test]
fn neither_silence_nor_an_expired_policy_lets_anything_pass() {
    assert_eq!(verdict("2/3", "", "F as P").0, I);
    assert_eq!(verdict("2/3old", "a1+F b1+F c1+F", "F as P").2, "policy-expiry");
}

/// repro-threshold trusts packages blindly by name, whatever their version.
#[test]
fn support_of_one_version_is_none_of_another() {
    assert_eq!(verdict("2/3", "a1+Fo b1+Fo c1+Fo", "F as P").1, 0);
    assert_eq!(verdict("2/3", "a1+Fo b1+Fo c1+Fo", "F as O").1, 3);
}

/// guix challenge takes the first server that answers as its reference.
#[test]
fn no_operator_is_the_reference() {
    for line in ["a1+G b1+F c1+F", "c1+F b1+F a1+G", "b1+F a1+G c1+F"] {
        assert_eq!(verdict("2/3", line, "F as P").0, A);
        assert_eq!(verdict("2/3", line, "G as P").0, R);
    }
}

/// rebuilderd's worker holds its key beside the build: one bad build could sign for good.
#[test]
fn a_stolen_key_is_closed_by_one_that_no_builder_holds() {
    assert_eq!(verdict("2/3", "a1+X b1+X a1^revoked@0 b1^revoked@0", "X as P").1, 0);
}

/// crev's own plan for a stolen id, a word of self-distrust, is signed by the id that was stolen.
#[test]
fn a_thief_cannot_close_the_key_that_it_stole() {
    let mut bundle = world("a1+F b1+F");
    let stolen = rebuilder('a', '1');
    let forged = crate::worlds::revocation(&crate::worlds::operator('a'), &stolen, Vec::new());
    let envelope = Envelope::sign(forged.to_payload().unwrap(), &stolen).unwrap();
    bundle.certificates.push(envelope);
    assert_eq!(judge("2/3", &bundle, "F as P").verdict, A);
}

/// CHAINIAC and Pyrsia admit members for everybody: here each reader's list is its own.
#[test]
fn one_world_has_as_many_verdicts_as_it_has_policies() {
    let line = "a1+F b1+F c1-F d1+G";
    let verdicts = ["2/ab", "1/c", "1/d", "2/cd", "1/e"].map(|of| verdict(of, line, "F as P").0);
    assert_eq!(verdicts, [A, R, R, R, I]);
    assert_eq!(policy("2/ab").of(), 2);
}
