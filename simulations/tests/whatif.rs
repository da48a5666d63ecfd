//! Chances against closed forms in small cases, and states against production verdicts one by one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use reattest_attestation::{Conclusion, Policy, SecretKey, Sign as _};
use reattest_simulations::whatif::{
    Advice, Ask, Ballots, Frequency, Judged, Likelihood, Method, Part, Shape, Word, advise,
};

const PARTS: [Part; 3] = [Part::Honest, Part::Compromised, Part::Offline];

fn ask(shape: Shape, compromised: Frequency, offline: Frequency) -> Ask {
    let likelihood = Likelihood { compromised, offline, own: BTreeMap::new() };
    Ask { shape, likelihood, max_dissent: None, bound: 0.001, samples: 2_000, seed: 1 }
}

fn flat(operators: usize, compromised: f64, offline: f64) -> Advice {
    let (compromised, offline) = (Frequency::Chance(compromised), Frequency::Chance(offline));
    advise(&ask(Shape::flat(operators), compromised, offline)).unwrap()
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-12
}

/// Every way to give n operators parts.
fn parts(operators: u32) -> impl Iterator<Item = Vec<Part>> {
    let part = |number: usize, at: u32| PARTS[number / 3_usize.pow(at) % 3];
    (0..3_usize.pow(operators))
        .map(move |number| (0..operators).map(|at| part(number, at)).collect())
}

/// A policy as a person writes one, with these groups and this quorum.
fn policy(names: &str, rest: &str) -> Policy {
    let mut text = "version = 1\nnetwork = \"people\"\nexpires = 2027-01-01T00:00:00Z\n".to_owned();
    for name in names.chars() {
        let key = SecretKey::from_seed(&[u8::try_from(name).unwrap(); 32]).public_key();
        text.push_str(&format!("[[operator]]\nname = \"{name}\"\nkey = \"{key}\"\n"));
    }
    let archive = "C".repeat(40);
    text.push_str(&format!("[[authority]]\npurl = \"pkg:deb/*\"\nopenpgp = [\"{archive}\"]\n"));
    Policy::parse(&(text + rest)).unwrap()
}

#[test]
fn two_of_three_is_fooled_as_often_as_the_closed_form_says() {
    let (p, q) = (0.05, 0.1);
    let advice = flat(3, p, q);
    let row = advice.rows[1];
    assert_eq!((row.need, row.max_dissent), (2, 1));
    assert!(close(row.false_accepted.chance, 3.0 * p * p * (1.0 - p) + p * p * p));
    // The true file is accepted where two are honest and awake: the third cannot outvote them.
    let awake = (1.0 - p) * (1.0 - q);
    let accepted = 3.0 * awake * awake * (1.0 - awake) + awake * awake * awake;
    assert!(close(row.no_verdict.chance + row.true_rejected.chance, 1.0 - accepted));
}

#[test]
fn known_numbers_give_certain_answers() {
    let (compromised, offline) = (Frequency::Count(2), Frequency::Count(2));
    let advice = advise(&ask(Shape::flat(7), compromised, offline)).unwrap();
    let fooled: Vec<bool> = advice.rows.iter().map(|row| row.false_accepted.chance > 0.5).collect();
    assert_eq!(fooled, [true, true, false, false, false, false, false]);
    assert_eq!(advice.advised, Some(3));
    // Of the two that are offline, one or both may be of the two that are compromised: then six or
    // seven operators speak, five of them honestly. C(5,2) of C(7,2) draws hit two honest ones.
    let short = &advice.rows[3];
    assert!(close(short.no_verdict.chance, 10.0 / 21.0), "{short:?}");
}

#[test]
fn a_limit_of_dissent_saves_consumers_from_what_everybody_was_served() {
    // One is compromised, and one of three is enough: the two that dissent are one too many for 1.
    let mut asked = ask(Shape::flat(3), Frequency::Count(1), Frequency::Count(0));
    asked.max_dissent = Some(1);
    let row = advise(&asked).unwrap().rows[0];
    assert_eq!((row.need, row.max_dissent), (1, 1));
    assert!(close(row.false_accepted.chance, 0.0), "{row:?}");
    // And it costs nothing: the one that slanders the true file is within the limit. But it may
    // stand behind its own file instead, and one is enough for that: the true one is rejected.
    assert!(close(row.true_rejected.chance, 1.0), "{row:?}");
}

/// Two of three groups, one of which is a pair that must agree; no two members are alike twice.
const NESTED: &str = "[[group]]\nname = \"north\"\nneed = 1\nof = [\"a\", \"b\"]\n\
                      [[group]]\nname = \"south\"\nneed = \"all\"\nof = [\"c\", \"d\"]\n\
                      [quorum]\nneed = 2\nof = [\"north\", \"south\", \"e\"]\nmax_dissent = 2\n";

#[test]
fn sums_are_those_of_every_single_state_put_to_production() {
    let (p, q) = (0.2, 0.3);
    let flat = |operators: usize| (Shape::flat(operators), u32::try_from(operators).unwrap());
    let nested = Shape::of_policy(&policy("abcde", NESTED));
    let mut verdicts = 0;
    for (shape, operators) in [flat(1), flat(2), flat(3), flat(4), (nested, 5)] {
        let advice =
            advise(&ask(shape.clone(), Frequency::Chance(p), Frequency::Chance(q))).unwrap();
        let limits = |row: usize| advice.rows[row].max_dissent;
        let policies: Vec<Policy> = (0..advice.rows.len())
            .map(|row| shape.policy(row + 1, Some(limits(row))).unwrap())
            .collect();
        let ballots = Ballots::new(shape.operators()).unwrap();
        let mut sums = vec![[0.0; 3]; policies.len()];
        for parts in parts(operators) {
            let weight: f64 = parts.iter().map(|part| chance(*part, p, q)).product();
            for (sums, judged) in sums.iter_mut().zip(ballots.judge(&policies, &parts)) {
                add(sums, judged, weight);
                verdicts += 4;
            }
        }
        for (row, sums) in advice.rows.iter().zip(sums) {
            let found = [row.false_accepted, row.no_verdict, row.true_rejected];
            let fits = found.iter().zip(sums).all(|(found, sum)| close(found.chance, sum));
            assert!(fits, "{row:?}, one by one {sums:?}");
        }
    }
    assert_eq!(verdicts, 4 * (3 + 2 * 9 + 3 * 27 + 4 * 81 + 3 * 243));
}

fn chance(part: Part, p: f64, q: f64) -> f64 {
    match part {
        Part::Honest => (1.0 - p) * (1.0 - q),
        Part::Compromised => p,
        Part::Offline => (1.0 - p) * q,
    }
}

fn add(sums: &mut [f64; 3], judged: Judged, weight: f64) {
    sums[0] += if judged.false_accepted { weight } else { 0.0 };
    match judged.true_file {
        Conclusion::Accepted => {}
        Conclusion::Inconclusive => sums[1] += weight,
        Conclusion::Rejected => sums[2] += weight,
    }
}

#[test]
fn production_concludes_from_stand_ins_as_the_design_words_it() {
    let ballots = Ballots::new(5).unwrap();
    let shape = Shape::flat(5);
    let words = [Word::Nothing, Word::Support, Word::Other, Word::Against];
    for number in 0..4_usize.pow(5) {
        let said: Vec<Word> = (0..5).map(|at| words[number / 4_usize.pow(at) % 4]).collect();
        let count = |word| said.iter().filter(|said| **said == word).count();
        let [silent, support, other, against] = words.map(count);
        let evidence = ballots.evidence(&said);
        for need in 1..=5 {
            let rejected = other >= need || against > 5 - need || support + silent < need;
            let expected = match (rejected, support >= need) {
                (true, _) => Conclusion::Rejected,
                (false, true) => Conclusion::Accepted,
                (false, false) => Conclusion::Inconclusive,
            };
            let policy = shape.policy(need, None).unwrap();
            assert_eq!(ballots.conclude(&policy, &evidence), expected, "{need} of {said:?}");
        }
    }
}

#[test]
fn samples_come_within_their_own_error_of_what_can_be_counted() {
    // 9 operators, each with chances of its own: too many states to count one by one.
    let shape = Shape::flat(9);
    let mut asked = ask(shape, Frequency::Chance(0.2), Frequency::Chance(0.1));
    let exact = advise(&asked).unwrap();
    assert!(matches!(exact.method, Method::Exact { .. }));
    let own = |seat: u8| (usize::from(seat), [0.2 + 1e-12 * f64::from(seat), 0.1]);
    asked.likelihood.own = (0..9).map(own).collect();
    asked.samples = 300;
    let sampled = advise(&asked).unwrap();
    assert!(matches!(sampled.method, Method::Sampled { samples: 300, .. }));
    let (mut within, mut all) = (0, 0);
    for (exact, sampled) in exact.rows.iter().zip(&sampled.rows) {
        for (exact, sampled) in [
            (exact.false_accepted, sampled.false_accepted),
            (exact.no_verdict, sampled.no_verdict),
            (exact.true_rejected, sampled.true_rejected),
        ] {
            all += 1;
            within += u32::from((exact.chance - sampled.chance).abs() <= sampled.error);
        }
    }
    assert!(within * 10 >= all * 8, "{within} of {all}\n{exact}\n{sampled}");
}

#[test]
fn one_operator_that_is_often_away_is_told_from_the_others() {
    let mut asked = ask(
        Shape::of_policy(&policy("abc", "[quorum]\nneed = 2\nof = [\"a\", \"b\", \"c\"]\n")),
        Frequency::Chance(0.0),
        Frequency::Chance(0.0),
    );
    asked.likelihood.own = BTreeMap::from([(0, [0.0, 0.5]), (1, [0.0, 0.5])]);
    let row = advise(&asked).unwrap().rows[1];
    assert!(close(row.no_verdict.chance, 0.25), "{row:?}");
}

#[test]
fn numbers_that_do_not_fit_are_refused_with_what_would() {
    let refused = |operators, compromised| {
        let asked = ask(Shape::flat(operators), compromised, Frequency::Chance(0.0));
        advise(&asked).unwrap_err().to_string()
    };
    assert!(refused(3, Frequency::Count(4)).contains("needed 0 to 3 operators"));
    assert!(refused(3, Frequency::Chance(1.5)).contains("a chance from 0 to 1"));
    assert!(refused(0, Frequency::Chance(0.0)).contains("needed 1 to 64"));
}
