//! Properties of the verdict on random worlds: monotone, blind to order, to doubles and to strangers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use proptest::prelude::*;
use reattest_attestation::verdict::Conclusion;
use reattest_attestation::{Bundle, conclude};

use crate::worlds::{NOW, at, judge, policy, question, verified, world};

/// Policies with every rule, and those with few.
const POLICIES: [&str; 9] = [
    "1/3",
    "2/3",
    "2/3d0",
    "3/3",
    "2/(1/ab,c)",
    "2/3 w1",
    "2/3 w1 h24h d0",
    "2/3 m30d by:country:2",
    "2/3 equivalent checked",
];

/// Statements of three operators with these keys, about these files, and what befell the keys.
fn statements(keys: &'static str, files: &'static str) -> impl Strategy<Value = Vec<String>> {
    let one = (
        "[abc]",
        keys,
        "[+~!=r-]",
        files,
        prop_oneof![Just(""), Just("q"), Just("'"), Just("@-31d"), Just("y")],
    )
        .prop_map(|(operator, key, what, file, mark)| format!("{operator}{key}{what}{file}{mark}"));
    prop::collection::vec(one, 0..7)
}

fn fates(keys: &'static str) -> impl Strategy<Value = Vec<String>> {
    let fate = prop_oneof![
        4 => Just("w1@-1h"), 1 => Just("w1@-2d"), 1 => Just("w2@-1h#1"), 1 => Just("revoked@1"),
        1 => Just("forked"), 1 => Just("split"), 1 => Just("expired"), 1 => Just("unsigned"),
    ];
    let one =
        ("[abc]", keys, fate).prop_map(|(operator, key, fate)| format!("{operator}{key}^{fate}"));
    prop::collection::vec(one, 0..4)
}

/// A world that holds together: `#1` needs a log of an entry.
fn line(said: &[String], fates: &[String]) -> String {
    let spoke =
        |fate: &&String| said.iter().any(|one| one[..2] == fate[..2] && !one.ends_with('y'));
    let fates: Vec<&str> = fates.iter().filter(spoke).map(String::as_str).collect();
    format!("{} {}", said.join(" "), fates.join(" "))
}

fn json(rules: &str, bundle: &Bundle, asked: &str) -> String {
    serde_json::to_string(&judge(rules, bundle, asked)).unwrap()
}

/// Of a dissent by a key that is certified now, whenever a witness saw it.
#[test]
fn an_early_cosignature_takes_no_dissent_away() {
    let line = "a1+F b1+F c1-F c1^from@-1d a1^w1@-1h b1^w1@-1h";
    for seen in ["", "c1^w1@-1h", "c1^w1@-2d"] {
        let found = judge("2/3 w1 d0", &world(&format!("{line} {seen}")), "F as P");
        assert_eq!(found.verdict, Conclusion::Rejected, "{seen}");
    }
}

/// A head that is cosigned again after its certificate's end loses nothing that it proved.
#[test]
fn cosignatures_on_one_copy_say_what_they_say_on_two() {
    let mut bundle = world("a1+F b1+F b1^until@-1d,w1@-2d,w1@-1h a1^w1@-1h");
    let of_b = bundle.checkpoints.pop().unwrap();
    let earlier = bundle.checkpoints.pop().unwrap();
    let both = Bundle {
        checkpoints: [&bundle.checkpoints[..], &[of_b.clone(), earlier.clone()]].concat(),
        ..bundle.clone()
    };
    bundle.checkpoints.push(of_b.with_signatures_of(&earlier).unwrap());
    assert_eq!(json("2/3 w1", &both, "F as P"), json("2/3 w1", &bundle, "F as P"));
}

/// Every verdict of the policies on both bundles, byte for byte.
fn alike(one: &Bundle, other: &Bundle) -> Result<(), TestCaseError> {
    let (first, second) = (verified(one), verified(other));
    for rules in POLICIES {
        for asked in ["F as P", "F", "G as P, =N"] {
            let (policy, question) = (policy(rules), question(asked));
            let verdict =
                |of| serde_json::to_string(&conclude(&policy, of, &question, at(NOW))).unwrap();
            prop_assert_eq!(verdict(&first), verdict(&second), "{}, {}", rules, asked);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn order_and_duplicates_of_every_line_change_no_byte(
        said in statements("[12]", "[FG]"), fates in fates("[12]"), turn in any::<prop::sample::Index>(),
        more in any::<[bool; 4]>(),
    ) {
        let bundle = world(&line(&said, &fates));
        let mut other = bundle.clone();
        if more[0] { other.envelopes.extend(bundle.envelopes.clone()); }
        if more[1] { other.proofs.extend(bundle.proofs.clone()); }
        if more[2] { other.certificates.extend(bundle.certificates.clone()); }
        if more[3] { other.checkpoints.extend(bundle.checkpoints.clone()); }
        turned(&mut other.envelopes, turn);
        turned(&mut other.proofs, turn);
        turned(&mut other.certificates, turn);
        turned(&mut other.checkpoints, turn);
        other.proofs.reverse();
        other.checkpoints.reverse();
        alike(&bundle, &other)?;
    }

    #[test]
    fn a_bundle_written_and_read_again_says_the_same(
        said in statements("[12]", "[FG]"), fates in fates("[12]"),
    ) {
        let bundle = world(&line(&said, &fates));
        let bytes = bundle.to_bytes().unwrap();
        let again = Bundle::parse(&bytes).unwrap();
        prop_assert_eq!(again.to_bytes().unwrap(), bytes);
        alike(&bundle, &again)?;
    }

    #[test]
    fn strangers_change_no_byte(
        said in statements("[12]", "[FG]"), fates in fates("[12]"),
        strangers in statements("[12]", "[FG]"), theirs in fates("[12]"),
    ) {
        let strange = |of: &[String]| -> Vec<String> {
            of.iter().map(|one| one.replacen(['a', 'b', 'c'], "z", 1)).collect()
        };
        let own = line(&said, &fates);
        let both = format!("{own} {}", line(&strange(&strangers), &strange(&theirs)));
        alike(&world(&own), &world(&both))?;
    }

    // One key each, one file: an operator whose keys name two files dissents, of which half can be
    // hidden; a retraction, a newer word and support of another file are taken-away exceptions.
    #[test]
    fn taking_away_support_or_a_failure_never_accepts(
        said in prop_oneof![plain("1", "[FG]"), plain("[12]", "F")],
        gone in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!said.is_empty());
        let gone = gone.index(said.len());
        prop_assume!(said[gone].contains("+F") || said[gone].contains('!'));
        let bundle = world(&seen(&said));
        let mut less = bundle.clone();
        // Withheld, not unlogged: the log and its other proofs stay as they are.
        let withheld = bundle.envelopes[place(&said, gone)].digest();
        less.envelopes.retain(|envelope| envelope.digest() != withheld);
        for rules in POLICIES {
            for asked in ["F as P", "F as Q", "F as P, bundle"] {
                let (before, after) = (judge(rules, &bundle, asked), judge(rules, &less, asked));
                prop_assert!(
                    before.verdict == Conclusion::Accepted || after.verdict != Conclusion::Accepted,
                    "{} of {:?} under {}", said[gone], said, rules
                );
            }
        }
    }

    // A new operator's support from the same sources, or one dissent less.
    #[test]
    fn more_support_or_less_dissent_never_refuses(said in plain("[12]", "[FG]"), gone in any::<prop::sample::Index>()) {
        let before = seen(&said);
        let quiet = ["a", "b", "c"].into_iter().filter(|name| !said.iter().any(|one| one.starts_with(name)));
        let mut after: Vec<String> = quiet.map(|name| seen(&[&said[..], &[format!("{name}1+F")]].concat())).collect();
        let dissents = |one: &String| one.contains("-F") || one.contains("~F");
        if !said.is_empty() && dissents(&said[gone.index(said.len())]) {
            let mut less = said.clone();
            let dissent = less.remove(gone.index(said.len()));
            // What the same operator said before counts again, and of another file it may refuse this one.
            let uncovers = |one: &String| one[..1] == dissent[..1] && one.contains('G');
            if !less.iter().any(uncovers) {
                after.push(seen(&less));
            }
        }
        for rules in POLICIES {
            for asked in ["F as P", "F as Q"] {
                let accepted = judge(rules, &world(&before), asked).verdict == Conclusion::Accepted;
                for with in after.iter().filter(|_| accepted) {
                    let found = judge(rules, &world(with), asked);
                    prop_assert!(found.verdict == Conclusion::Accepted, "{rules}: {before}, then {with}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn a_verdict_has_one_spelling(said in statements("[12]", "[FG]"), fates in fates("[12]")) {
        let bundle = world(&line(&said, &fates));
        for rules in POLICIES {
            let text = json(rules, &bundle, "F as P");
            let read: reattest_attestation::Verdict = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
            let accepted = read.verdict == Conclusion::Accepted;
            prop_assert_eq!(accepted, read.reasons.len() == 1 && read.reasons[0].fix == "nothing to do");
        }
    }
}

fn turned<T>(lines: &mut [T], turn: prop::sample::Index) {
    let by = if lines.is_empty() { 0 } else { turn.index(lines.len()) };
    lines.rotate_left(by);
}

/// Statements without retractions, other sources and fates.
fn plain(keys: &'static str, files: &'static str) -> impl Strategy<Value = Vec<String>> {
    let one = ("[abc]", keys, "[+~!-]", files, "q?")
        .prop_map(|(operator, key, what, file, mark)| format!("{operator}{key}{what}{file}{mark}"));
    prop::collection::vec(one, 0..7)
}

/// The world with every log seen by a witness an hour ago.
fn seen(said: &[String]) -> String {
    let keys: std::collections::BTreeSet<&str> = said.iter().map(|one| &one[..2]).collect();
    let seen: Vec<String> = keys.iter().map(|key| format!("{key}^w1@-1h")).collect();
    format!("{} {}", said.join(" "), seen.join(" "))
}

/// Where the statement at `gone` stands in the bundle: by key, then in log order.
fn place(said: &[String], gone: usize) -> usize {
    let key = |at: usize| (said[at].chars().take(2).collect::<String>(), at);
    (0..said.len()).filter(|at| key(*at) < key(gone)).count()
}
