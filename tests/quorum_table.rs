//! The verdict as a picture: one aligned line a world (who said what -> verdict), then its invariants on random worlds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use proptest::prelude::*;
use reattest_attestation::verdict::{Conclusion, Question, Verdict};
use reattest_attestation::{Completeness, Evidence, HashedFile, bundle::Bundle, conclude};

use crate::worlds::{NOW, P, Q, at, file, network, policy, world};

/// What is asked: a file's letter, what it is judged as, and its name.
fn question(short: &str) -> Question {
    let (letter, rest) = short.split_at(1);
    let purl = match rest.trim() {
        "as P" => Some(P.parse().unwrap()),
        "as Q" => Some(Q.parse().unwrap()),
        _ => None,
    };
    let name = rest.trim().strip_prefix("named ").unwrap_or("netbase_6.5_all.deb").to_owned();
    let file = HashedFile::elsewhere(&name, file(letter.parse().unwrap()));
    Question::about(file, purl)
}

fn judge(policy_short: &str, bundle: &Bundle, asked: &str) -> Verdict {
    let evidence = Evidence::verify(bundle, &network(), Completeness::Complete);
    conclude(&policy(policy_short), &evidence, &question(asked), at(NOW))
}

/// policy | world, in log order | question | have | verdict | first reason | the claim
#[rustfmt::skip]
const TABLE: &[(&str, &str, &str, usize, char, &str, &str)] = &[
    ("2/3", "a1+F b1+F c1+F",              "F as P", 3, 'A', "quorum",        "all three agree"),
    ("2/3", "a1+F b1+F",                   "F as P", 2, 'A', "quorum",        "the quorum is enough"),
    ("2/3", "a1+F",                        "F as P", 1, 'I', "quorum",        "one is not"),
    ("2/3", "",                            "F as P", 0, 'I', "quorum",        "silence decides nothing"),
    ("2/3", "a1+F b1+F c1-F",              "F as P", 2, 'A', "quorum",        "a liar does not stop the others"),
    ("2/3", "a1+F b1+F c1~F",              "F as P", 2, 'A', "quorum",        "nor an unstable build"),
    ("2/3d0", "a1+F b1+F c1-F",            "F as P", 2, 'R', "dissent",       "unless the policy allows no dissent"),
    ("2/3", "a1+F b1-F c1-F",              "F as P", 1, 'R', "dissent",       "two dissent: over the limit"),
    ("2/3", "a1+F b1-F",                   "F as P", 1, 'I', "quorum",        "one each, the third may still decide"),
    ("3/3", "a1+F b1-F",                   "F as P", 1, 'R', "dissent",       "where all must agree one suffices"),
    ("2/3", "a1+F b1+F c1+F",              "X as P", 0, 'R', "other-file",    "a changed byte: the quorum is behind F"),
    ("2/3", "a1+F b1+F c1+G",              "G as P", 1, 'R', "other-file",    "one liar's own file is not accepted"),
    ("2/3", "a1+F b1+F c1+G",              "F as P", 2, 'A', "quorum",        "and does not stop the real one"),
    ("2/3", "a1+F b1+G c1+H",              "F as P", 1, 'R', "out-of-reach",  "three files: nobody can reach two"),
    ("2/3", "a1-F b1-F c1-F",              "X as P", 0, 'R', "out-of-reach",  "what all produced and nobody published"),
    ("1/3", "a1+F b1+G",                   "F as P", 1, 'R', "other-file",    "one purl, two files, each with a quorum"),
    ("2/3", "a1+F b1+F c1+F",              "F as Q", 0, 'I', "quorum",        "the real file under another name"),
    ("2/3", "a1+F b1+F a1+Gq b1+Gq",       "F as Q", 0, 'R', "other-file",    "the same, where Q's own file is known"),
    ("2/3", "a1+F b1+Fq",                  "F as P", 1, 'I', "quorum",        "another purl does not add up"),
    ("2/3", "a1+F a2+F",                   "F as P", 1, 'I', "quorum",        "two keys of one operator are one vote"),
    ("2/3", "a1+F a2-F b1+F",              "F as P", 1, 'I', "quorum",        "own keys contradict each other: dissent"),
    ("2/3d0", "a1+F a2+G b1+F c1+F",       "F as P", 2, 'R', "dissent",       "also about which file is published"),
    ("2/3", "a1+F a2!F b1+F",              "F as P", 2, 'A', "quorum",        "a failed build contradicts nothing"),
    ("2/3", "a1+F z1+F z2+F",              "F as P", 1, 'I', "quorum",        "strangers add nothing"),
    ("2/3", "a1+F b1+F z1-F z2-F z3-F",    "F as P", 2, 'A', "quorum",        "and take nothing away"),
    ("2/3", "a1-F a1+F b1+F",              "F as P", 2, 'A', "quorum",        "the newest word counts"),
    ("2/3", "a1+F a1-F b1+F",              "F as P", 1, 'I', "quorum",        "also where it takes support back"),
    ("2/3", "a1+F a1!F b1+F",              "F as P", 2, 'A', "quorum",        "a failed build takes nothing back"),
    ("2/3", "a1!F b1!F c1!F",              "F as P", 0, 'I', "quorum",        "and refuses nothing"),
    ("2/3", "a1+F b1+F b1^expired",        "F as P", 1, 'I', "quorum",        "an expired certificate does not count"),
    ("2/3", "a1+F b1+F b1^none",           "F as P", 1, 'I', "quorum",        "nor a key without one"),
    ("2/3", "a1+F b1+F b1^forked",         "F as P", 1, 'I', "quorum",        "nor a key with two histories"),
    ("2/3", "a1+F b1+F b1^unlogged",       "F as P", 1, 'I', "quorum",        "nor a statement outside its log"),
    ("2/3", "a1+F b1+Fw",                  "F as P", 1, 'I', "quorum",        "nor one of another network"),
    ("2/3", "a1+F b1+Fu",                  "F as P", 1, 'I', "quorum",        "nor one with an unknown authority"),
    ("2/3", "a1+F a1-Fu b1+F",             "F as P", 2, 'A', "quorum",        "what does not count is not the newest"),
    ("2/3", "a1+F b1+F'",                  "F as P", 1, 'I', "quorum",        "differing sources do not add up"),
    ("2/3", "a1+F b1+F' c1+F",             "F as P", 2, 'A', "quorum",        "two from the same sources do"),
    ("2/3", "a1=F b1=F c1+F",              "F as P", 1, 'R', "out-of-reach",  "equivalent is not bit for bit"),
    ("2/3old", "a1+F b1+F c1+F",           "F as P", 3, 'I', "policy-expiry", "an expired policy accepts nothing"),
    ("2/3old", "a1+F b1+F c1+F",           "G as P", 0, 'R', "other-file",    "and still rejects"),
    ("0/0", "a1+F b1+F c1+F",              "F as P", 0, 'I', "operators",     "a policy that trusts nobody yet"),
    ("2/3", "a1+F b1+F",                   "F",      2, 'A', "quorum",        "without a purl: accepted as P"),
    ("2/3", "a1+F b1+F", "F named hostname_3.25_amd64.deb", 2, 'I', "file-name", "but not under another's file name"),
    ("2/3", "a1+F b1+F",                   "X",      0, 'I', "identity",      "an unknown file is nobody's"),
    ("2/3", "a1+F b1+F a1+Fq b1+Fq",       "F",      0, 'I', "identity",      "one file under two names: say which"),
    ("2/3", "a1+F b1+F c1+Fq",             "F",      2, 'A', "quorum",        "one liar cannot make it ambiguous"),
    ("2/3", "a1+F b1+F z1+Fq z2+Fq",       "F",      2, 'A', "quorum",        "nor strangers"),
    ("3/5", "a1+F b1+F c1+F d1-F e1-F",    "F as P", 3, 'A', "quorum",        "five operators, dissent at the limit"),
    ("3/5d1", "a1+F b1+F c1+F d1-F e1-F",  "F as P", 3, 'R', "dissent",       "and one over it"),
];

#[test]
fn every_world_has_its_verdict() {
    for (policy, line, asked, have, verdict, rule, claim) in TABLE {
        let found = judge(policy, &world(line), asked);
        let expected = match verdict {
            'A' => Conclusion::Accepted,
            'R' => Conclusion::Rejected,
            _ => Conclusion::Inconclusive,
        };
        let seen = (found.verdict, found.quorum.have, found.reasons[0].rule.as_str());
        assert_eq!(
            seen,
            (expected, *have, *rule),
            "{claim}: {policy} | {line} | {asked}\n{found:#?}"
        );
        assert!(found.reasons.iter().all(|reason| !reason.fix.is_empty()), "{claim}");
    }
}

#[test]
fn a_rejection_names_the_file_behind_which_the_quorum_stands() {
    let verdict = judge("2/3", &world("a1+F b1+F c1+F"), "X as P");
    let found = &verdict.reasons[0].found;
    assert!(
        found.starts_with("3 of 3 operators reproduced another file of pkg:deb/debian/netbase")
    );
    assert!(found.contains(&format!("sha256:{}", file('F'))), "{found}");
    assert_eq!(verdict.votes.len(), 3);
}

#[test]
fn statements_that_do_not_count_are_explained() {
    for (line, rule) in [
        ("a1+F b1+F b1^expired", "certificate"),
        ("a1+F b1+F b1^forked", "fork"),
        ("a1+F b1+Fu", "authority"),
        ("a1+F b1+F'", "sources"),
    ] {
        let verdict = judge("2/3", &world(line), "F as P");
        assert!(verdict.reasons.iter().any(|reason| reason.rule == rule), "{line}: {verdict:#?}");
    }
    let unlogged = world("a1+F b1+F b1^unlogged b2+F b2^none");
    let evidence = Evidence::verify(&unlogged, &network(), Completeness::Complete);
    // The statement without a proof, the one without a certificate, and the head without one.
    assert_eq!(evidence.refused().len(), 3, "{:#?}", evidence.refused());
}

#[test]
fn all_failing_rules_are_told_at_once() {
    let verdict = judge("3/3d0old", &world("a1+G b1-F c1+Fu"), "F as P");
    let rules: Vec<_> = verdict.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    assert_eq!(rules, ["dissent", "out-of-reach", "quorum", "policy-expiry", "authority"]);
}

#[test]
fn a_bundle_says_that_dissent_is_unchecked() {
    let bundle = world("a1+F b1+F");
    let evidence = Evidence::verify(&bundle, &network(), Completeness::Excerpt);
    let verdict = conclude(&policy("2/3"), &evidence, &question("F as P"), at(NOW));
    assert_eq!(serde_json::to_value(&verdict).unwrap()["dissent"], "unchecked");
}

#[test]
fn evidence_of_another_network_counts_for_nothing() {
    let elsewhere = "elsewhere".parse().unwrap();
    let bundle = world("a1+F b1+F c1+F");
    let evidence = Evidence::verify(&bundle, &elsewhere, Completeness::Complete);
    assert!(evidence.rebuilds().is_empty());
    let verdict = conclude(&policy("2/3"), &evidence, &question("F as P"), at(NOW));
    assert_eq!(verdict.verdict, Conclusion::Inconclusive);
}

/// Statements of three operators with these keys, about these files as P and Q.
fn statements(keys: &'static str, files: &'static str) -> impl Strategy<Value = Vec<String>> {
    let one = ("[abc]", keys, "[+~!-]", files, "q?")
        .prop_map(|(operator, key, what, file, mark)| format!("{operator}{key}{what}{file}{mark}"));
    prop::collection::vec(one, 0..7)
}

fn json(policy: &str, bundle: &Bundle, asked: &str) -> String {
    serde_json::to_string(&judge(policy, bundle, asked)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn order_and_duplicates_change_no_byte(line in statements("[12]", "[FG]"), seed in any::<u64>()) {
        let bundle = world(&line.join(" "));
        let mut other = bundle.clone();
        other.envelopes.extend(bundle.envelopes.clone());
        other.proofs.extend(bundle.proofs.clone());
        other.certificates.extend(bundle.certificates.clone());
        other.checkpoints.extend(bundle.checkpoints.clone());
        let turn = |len: usize| usize::try_from(seed % 97).unwrap() % len.max(1);
        other.envelopes.rotate_left(turn(bundle.envelopes.len()));
        other.proofs.reverse();
        other.certificates.reverse();
        other.checkpoints.rotate_left(turn(bundle.checkpoints.len()));
        for asked in ["F as P", "F"] {
            prop_assert_eq!(json("2/3", &bundle, asked), json("2/3", &other, asked));
        }
    }

    #[test]
    fn strangers_change_no_byte(line in statements("[12]", "[FG]"), strangers in statements("[12]", "[FG]")) {
        let own = line.join(" ");
        let strange: Vec<_> = strangers.iter().map(|one| one.replacen(['a', 'b', 'c'], "z", 1)).collect();
        let both = world(&format!("{own} {}", strange.join(" ")));
        for asked in ["F as P", "F"] {
            prop_assert_eq!(json("2/3", &world(&own), asked), json("2/3", &both, asked));
        }
    }

    // One key each, or one file: an operator whose keys name two files dissents, and of a dissent
    // half can be hidden.
    #[test]
    fn taking_away_support_or_a_failure_never_accepts(
        line in prop_oneof![statements("1", "[FG]"), statements("[12]", "F")],
        gone in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!line.is_empty());
        let gone = gone.index(line.len());
        prop_assume!(line[gone].contains("+F") || line[gone].contains('!'));
        let bundle = world(&line.join(" "));
        for quorum in ["1/3", "2/3", "2/3d0", "3/3"] {
            for asked in ["F as P", "F as Q"] {
                let before = judge(quorum, &bundle, asked);
                let mut less = bundle.clone();
                // Withheld, not unlogged: the log and its other proofs stay as they are.
                let withheld = bundle.envelopes[place(&line, gone)].digest();
                less.envelopes.retain(|envelope| envelope.digest() != withheld);
                let after = judge(quorum, &less, asked);
                prop_assert!(
                    before.verdict == Conclusion::Accepted || after.verdict != Conclusion::Accepted,
                    "{} of {:?} under {}", line[gone], line, quorum
                );
            }
        }
    }
}

/// Where the statement at `gone` stands in the bundle: by key, then in log order.
fn place(line: &[String], gone: usize) -> usize {
    let key = |at: usize| (line[at].chars().take(2).collect::<String>(), at);
    (0..line.len()).filter(|at| key(*at) < key(gone)).count()
}
