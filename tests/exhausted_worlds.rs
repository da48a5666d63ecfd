//! Small worlds, exhausted: whatever up to five operators can say, under every policy of theirs, against a naive reading of the design.
//!
//! One aligned line a world, as a failure shows it: what the first and the second key of each
//! operator said, and what was asked. `..` is silence; the other words are those of `worlds`; `-` is
//! the default limit.
//!
//! ```text
//! need 2 of 3, max_dissent 1 | a +F .. | b -F +F | c .. .. | F as P
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::verdict::{Conclusion, Question, Verdict};
use reattest_attestation::{
    Bundle, Certificate, Completeness, Envelope, Evidence, HashedFile, Policy, Sign as _, conclude,
};

use crate::worlds::{ARCHIVE, NOW, P, at, file, network, operator, rebuilder, world};

/// What one key can say: nothing; F reproduced; F differs, twice the same; G reproduced under the
/// same purl; F could not be built.
const WORDS: [&str; 5] = ["..", "+F", "-F", "+G", "!F"];

/// Every file that anyone names, each as P, and F without a purl. X is what `-F` produced.
const ASKED: [&str; 4] = ["F as P", "G as P", "X as P", "F"];

/// The words of an operator's two keys.
pub(crate) type Said = [&'static str; 2];

/// What each operator said, from a on.
pub(crate) type World = Vec<Said>;

/// A policy and the numbers in it.
struct Rule {
    need: usize,
    of: usize,
    limit: Option<usize>,
    policy: Policy,
}

/// How much was looked at, so that no loop can be emptied unnoticed.
#[derive(PartialEq, Debug, Default)]
struct Counted {
    worlds: usize,
    verdicts: usize,
    /// Refusals that became acceptances when a statement was taken away, each allowed.
    flips: usize,
}

/// What the design says of one world.
#[derive(PartialEq, Debug)]
struct Expected {
    verdict: Conclusion,
    rules: Vec<&'static str>,
    have: usize,
}

fn name(at: usize) -> char {
    ['a', 'b', 'c', 'd', 'e'][at]
}

/// The world as one line.
fn line(rule: &Rule, world: &[Said], asked: &str) -> String {
    let limit = rule.limit.map_or("-".to_owned(), |limit| limit.to_string());
    let mut line = format!("need {} of {}, max_dissent {limit} | ", rule.need, rule.of);
    for (at, [first, second]) in world.iter().enumerate() {
        line += &format!("{} {first} {second} | ", name(at));
    }
    line + asked
}

fn policy_text(need: usize, of: usize, limit: Option<usize>) -> String {
    let mut text = "version = 1\nnetwork = \"test\"\nexpires = 2027-01-01T00:00:00Z\n".to_owned();
    for letter in (0..of).map(name) {
        let key = operator(letter).public_key();
        text += &format!("[[operator]]\nname = \"{letter}\"\nkey = \"{key}\"\n");
    }
    text += &format!("[[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = [\"{ARCHIVE}\"]\n");
    let names: Vec<String> = (0..of).map(|at| format!("\"{}\"", name(at))).collect();
    text += &format!("[quorum]\nneed = {need}\nof = [{}]\n", names.join(", "));
    text + &limit.map_or(String::new(), |limit| format!("max_dissent = {limit}\n"))
}

/// Every policy of n operators. A limit beyond n - k could never matter, and is refused.
fn rules(of: usize) -> Vec<Rule> {
    let mut rules = Vec::new();
    for need in 1..=of {
        for limit in std::iter::once(None).chain((0..=of).map(Some)) {
            let policy = Policy::parse(&policy_text(need, of, limit));
            if limit.is_some_and(|limit| limit > of - need) {
                assert!(policy.is_err(), "need {need} of {of} with max_dissent {limit:?}");
            } else {
                rules.push(Rule { need, of, limit, policy: policy.unwrap() });
            }
        }
    }
    rules
}

/// Every world in which each operator says one of its choices.
pub(crate) fn worlds(choices: &[Vec<Said>]) -> Vec<World> {
    choices.iter().fold(vec![World::new()], |worlds, choices| {
        let longer = |world: &World| {
            let world = world.clone();
            let with = move |said: &Said| [world.as_slice(), &[*said]].concat();
            choices.iter().map(with).collect::<Vec<_>>()
        };
        worlds.iter().flat_map(longer).collect()
    })
}

fn one_key() -> Vec<Said> {
    WORDS.map(|word| [word, ".."]).to_vec()
}

fn two_keys() -> Vec<Said> {
    WORDS.iter().flat_map(|first| WORDS.map(|second| [*first, second])).collect()
}

/// What each key would say, signed and logged once; a world only puts these together.
pub(crate) struct Signed(BTreeMap<(char, char, &'static str), Bundle>);

impl Signed {
    pub(crate) fn new(of: usize) -> Self {
        let mut signed = BTreeMap::new();
        for (letter, number) in (0..of).flat_map(|at| [(name(at), '1'), (name(at), '2')]) {
            for word in WORDS {
                let mut said = match word {
                    ".." => world(&format!("{letter}{number}+F")),
                    word => world(&format!("{letter}{number}{word}")),
                };
                if word == ".." {
                    // A silent first key is certified; a silent second one was never heard of.
                    said = Bundle { certificates: said.certificates, ..Bundle::default() };
                    said.certificates.truncate(usize::from(number == '1'));
                }
                signed.insert((letter, number, word), said);
            }
        }
        Self(signed)
    }

    pub(crate) fn bundle(&self, world: &[Said]) -> Bundle {
        let mut bundle = Bundle::default();
        for (at, [first, second]) in world.iter().enumerate() {
            add(&mut bundle, &self.0[&(name(at), '1', *first)]);
            add(&mut bundle, &self.0[&(name(at), '2', *second)]);
        }
        bundle
    }
}

fn add(bundle: &mut Bundle, more: &Bundle) {
    bundle.certificates.extend_from_slice(&more.certificates);
    bundle.checkpoints.extend_from_slice(&more.checkpoints);
    bundle.envelopes.extend_from_slice(&more.envelopes);
    bundle.proofs.extend_from_slice(&more.proofs);
}

/// A stranger's log, a fork of its other log, and its certificate for the key of another.
fn stranger() -> Bundle {
    let mut bundle = world("z1+F z1+G z2-F z2^forked");
    let boss = operator('z');
    let stolen = Certificate {
        operator: boss.public_key(),
        rebuilder: rebuilder('a', '1').public_key(),
        not_before: at(NOW - 1),
        not_after: at(NOW + 1),
    };
    bundle.certificates.push(Envelope::sign(stolen.to_payload().unwrap(), &boss).unwrap());
    bundle
}

pub(crate) fn evidence(bundle: &Bundle) -> Evidence {
    let evidence = Evidence::verify(bundle, &network(), Completeness::Complete);
    assert!(evidence.refused().is_empty(), "{:#?}", evidence.refused());
    evidence
}

fn judge(rule: &Rule, evidence: &Evidence, asked: &str) -> Verdict {
    let (letter, purl) = asked.split_at(1);
    let file = HashedFile::elsewhere("netbase_6.5_all.deb", file(letter.parse().unwrap()));
    let question = Question::about(file, (!purl.is_empty()).then(|| P.parse().unwrap()));
    conclude(&rule.policy, evidence, &question, at(NOW))
}

/// An operator's voice: its word, `..` where it has none about the file, `><` where its keys
/// contradict each other.
fn voice(said: Said) -> &'static str {
    let words: BTreeSet<_> = said.into_iter().filter(|word| !["..", "!F"].contains(word)).collect();
    match words.into_iter().collect::<Vec<_>>().as_slice() {
        [] => "..",
        [word] => word,
        _ => "><",
    }
}

/// The file that a voice supports: published = produced.
fn supported(voice: &str) -> Option<&str> {
    voice.strip_prefix('+')
}

fn dissents(voice: &str, file: &str) -> bool {
    voice == "><" || voice.strip_prefix('-') == Some(file)
}

/// "The verdict, exactly", read word by word and with no other arithmetic than counting.
fn oracle(rule: &Rule, world: &[Said], asked: &str) -> Expected {
    let file = &asked[..1];
    if asked == file && !world.iter().flatten().any(|word| word.ends_with(file)) {
        return Expected { verdict: Conclusion::Inconclusive, rules: vec!["identity"], have: 0 };
    }
    let voices: Vec<&str> = world.iter().map(|said| voice(*said)).collect();
    let behind = |file: &str, voices: &[&str]| {
        voices.iter().filter(|voice| supported(voice) == Some(file)).count()
    };
    let dissenters = voices.iter().filter(|voice| dissents(voice, file)).count();
    // Even if every silent operator supported F.
    let support = format!("+{file}");
    let hoped: Vec<&str> =
        voices.iter().map(|voice| if *voice == ".." { &support } else { *voice }).collect();
    let mut rules = Vec::new();
    if ["F", "G", "X"].iter().any(|other| *other != file && behind(other, &voices) >= rule.need) {
        rules.push("other-file");
    }
    if dissenters > rule.limit.unwrap_or(rule.of - rule.need) {
        rules.push("dissent");
    }
    if behind(file, &hoped) < rule.need {
        rules.push("out-of-reach");
    }
    let (have, rejected) = (behind(file, &voices), !rules.is_empty());
    let verdict = match (rejected, have >= rule.need) {
        (true, _) => Conclusion::Rejected,
        (false, true) => Conclusion::Accepted,
        (false, false) => Conclusion::Inconclusive,
    };
    // An accepted verdict gives the quorum as its reason, another the lack of it.
    if have < rule.need || !rejected {
        rules.push("quorum");
    }
    Expected { verdict, rules, have }
}

/// Against the oracle, and invariant 2: the policy's denominator, one voice for each operator.
fn agrees(rule: &Rule, world: &[Said], asked: &str, found: &Verdict) {
    let expected = oracle(rule, world, asked);
    let seen = Expected {
        verdict: found.verdict,
        rules: found.reasons.iter().map(|reason| reason.rule.as_str()).map(known).collect(),
        have: found.quorum.have,
    };
    assert!(seen == expected, "{}\n{seen:?}, needed {expected:?}", line(rule, world, asked));
    assert_eq!(found.quorum.of, rule.of, "{}", line(rule, world, asked));
    assert_eq!(found.quorum.need, rule.need, "{}", line(rule, world, asked));
    let votes = found.votes.iter().map(|vote| vote.operator.as_str()).collect::<String>();
    let mut spoke = String::new();
    for (at, said) in world.iter().enumerate() {
        spoke.extend(said.iter().filter(|word| **word != "..").map(|_| name(at)));
    }
    let votes_due = if expected.rules == ["identity"] { String::new() } else { spoke };
    assert_eq!(votes, votes_due, "{}", line(rule, world, asked));
}

fn known(rule: &str) -> &'static str {
    let rules = ["other-file", "dissent", "out-of-reach", "quorum", "identity"];
    rules.into_iter().find(|known| *known == rule).unwrap_or("a rule that has no place here")
}

fn cases(rules: &[Rule]) -> impl Iterator<Item = (&Rule, &'static str)> {
    rules.iter().flat_map(|rule| ASKED.map(|asked| (rule, asked)))
}

/// Concludes in every world, and checks it there and against the worlds with one statement less.
fn exhaust(choices: &[Vec<Said>]) -> Counted {
    let (rules, signed, stranger) = (rules(choices.len()), Signed::new(choices.len()), stranger());
    let (mut counted, mut seen) = (Counted::default(), BTreeMap::new());
    for world in worlds(choices) {
        let mut bundle = signed.bundle(&world);
        let own = evidence(&bundle);
        add(&mut bundle, &stranger);
        // Signatures are most of the time: among five the stranger comes to every fourth world.
        let visited = choices.len() < 5 || counted.worlds.is_multiple_of(4);
        let strange = visited.then(|| evidence(&bundle));
        let mut conclusions = Vec::new();
        for (rule, asked) in cases(&rules) {
            let found = judge(rule, &own, asked);
            agrees(rule, &world, asked, &found);
            conclusions.push(found.verdict);
            // Invariant 4.
            if let Some(strange) = &strange {
                let also = judge(rule, strange, asked);
                assert!(json(&also) == json(&found), "{} + z", line(rule, &world, asked));
            }
        }
        counted.worlds += 1;
        counted.verdicts += conclusions.len();
        seen.insert(world, conclusions);
    }
    counted.flips = seen.keys().map(|world| taken_away(&rules, &seen, world)).sum();
    counted
}

fn json(verdict: &Verdict) -> String {
    serde_json::to_string(verdict).unwrap()
}

/// Invariant 3: hiding one statement gains nothing, unless it was a dissent (a contradiction's
/// half is one), or one of a quorum behind another file, which rejects this one as dissent does.
fn taken_away(rules: &[Rule], seen: &BTreeMap<World, Vec<Conclusion>>, world: &World) -> usize {
    let mut flips = 0;
    let places = (0..world.len()).flat_map(|at| [(at, 0), (at, 1)]);
    for (at, key) in places.filter(|(at, key)| world[*at][*key] != "..") {
        let mut less = world.clone();
        less[at][key] = "..";
        let conclusions = seen[world].iter().zip(&seen[&less]);
        for ((rule, asked), (before, after)) in cases(rules).zip(conclusions) {
            if *before == Conclusion::Accepted || *after != Conclusion::Accepted {
                continue;
            }
            let voice = voice(world[at]);
            let against = supported(voice).is_some_and(|file| file != &asked[..1])
                && oracle(rule, world, asked).rules.contains(&"other-file");
            assert!(
                dissents(voice, &asked[..1]) || against,
                "{}: accepted without {}'s {}",
                line(rule, world, asked),
                name(at),
                world[at][key]
            );
            flips += 1;
        }
    }
    flips
}

#[test]
fn every_world_of_one_to_four_operators_is_as_the_design_says() {
    let counted: Vec<_> = (1..=4).map(|of| exhaust(&vec![one_key(); of])).collect();
    let expected = [(5, 40, 0), (25, 500, 22), (125, 4_500, 288), (625, 35_000, 2_604)];
    assert_eq!(counted, expected.map(counts));
}

#[test]
fn every_world_of_five_operators_is_as_the_design_says() {
    assert_eq!(exhaust(&vec![one_key(); 5]), counts((3_125, 250_000, 20_150)));
}

#[test]
fn an_operator_with_two_keys_has_one_voice() {
    let counted: Vec<_> =
        (0..=2).map(|more| exhaust(&[vec![two_keys()], vec![one_key(); more]].concat())).collect();
    assert_eq!(counted, [(25, 200, 24), (125, 2_500, 239), (625, 22_500, 2_128)].map(counts));
    assert_eq!(exhaust(&[two_keys(), two_keys()]), counts((625, 12_500, 1_696)));
}

fn counts((worlds, verdicts, flips): (usize, usize, usize)) -> Counted {
    Counted { worlds, verdicts, flips }
}

/// Withheld, not unlogged: certificate, head and proof stay, so this is what a liar can hide.
#[test]
fn a_withheld_statement_leaves_no_trace_in_a_verdict() {
    let (rules, signed, mut withheld) = (rules(3), Signed::new(3), 0);
    for world in worlds(&vec![one_key(); 3]) {
        for at in (0..3).filter(|at| world[*at][0] != "..") {
            let mut less = world.clone();
            less[at][0] = "..";
            let mut bundle = signed.bundle(&world);
            let hidden = &signed.0[&(name(at), '1', world[at][0])].envelopes[0];
            bundle.envelopes.retain(|envelope| envelope != hidden);
            let (hiding, silent) = (evidence(&bundle), evidence(&signed.bundle(&less)));
            for (rule, asked) in cases(&rules) {
                let (hiding, silent) = (judge(rule, &hiding, asked), judge(rule, &silent, asked));
                assert!(json(&hiding) == json(&silent), "{}", line(rule, &less, asked));
            }
            withheld += 1;
        }
    }
    assert_eq!(withheld, 300);
}
