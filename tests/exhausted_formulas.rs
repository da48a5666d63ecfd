//! Nested formulas over five operators, exhausted: every world of four words under every shape, against the shape written as plain conditions.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use reattest_attestation::verdict::Conclusion;
use reattest_attestation::{Policy, conclude};

use crate::exhausted_worlds::{Said, Signed, World, evidence, worlds};
use crate::worlds::{NOW, at, policy, question, rules_of};

/// Who of a to e supports.
type Support = [bool; 5];

/// A policy's line, its outermost need, and its outermost members as conditions.
type Shape = (&'static str, usize, fn(Support) -> Vec<bool>);

/// How many of some hold.
fn count(some: &[bool]) -> usize {
    some.iter().filter(|one| **one).count()
}

const SHAPES: [Shape; 6] = [
    ("2/(1/ab,c,d,e)", 2, |[a, b, c, d, e]| vec![a || b, c, d, e]),
    ("all/(2/abc,1/de)", 2, |[a, b, c, d, e]| vec![count(&[a, b, c]) >= 2, d || e]),
    ("any/(2/ab,all/cde)", 1, |[a, b, c, d, e]| vec![a && b, c && d && e]),
    ("2/(2/ab,2/cd,e)", 2, |[a, b, c, d, e]| vec![a && b, c && d, e]),
    ("3/(1/ab,any/cd,e)", 3, |[a, b, c, d, e]| vec![a || b, c || d, e]),
    ("all/(any/ab,2/(c,1/de))", 2, |[a, b, c, d, e]| vec![a || b, c && (d || e)]),
];

/// A shape with one limit of dissent.
struct Rule {
    shape: Shape,
    limit: usize,
    policy: Policy,
}

impl Rule {
    fn have(&self, support: Support) -> usize {
        count(&(self.shape.2)(support))
    }

    fn holds(&self, support: Support) -> bool {
        self.have(support) >= self.shape.1
    }
}

/// The default limit is five less the smallest set of operators for which the formula holds.
fn rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    for shape in SHAPES {
        let sets = (0..32_u32).map(|bits| [0, 1, 2, 3, 4].map(|at| bits >> at & 1 == 1));
        let enough = sets.filter(|support| count(&(shape.2)(*support)) >= shape.1);
        let default = 5 - enough.map(|support| count(&support)).min().unwrap();
        let mut add = |line: &str, limit| {
            let policy = policy(line);
            assert_eq!(policy.demands().max_dissent, limit, "{line}");
            rules.push(Rule { shape, limit, policy });
        };
        add(shape.0, default);
        for limit in 0..=default {
            add(&format!("{} d{limit}", shape.0), limit);
        }
    }
    rules
}

fn says(world: &World, said: &str) -> Support {
    [0, 1, 2, 3, 4].map(|at| world[at][0] == said)
}

/// "The verdict, exactly", for one key each.
fn oracle(rule: &Rule, world: &World, file: char) -> (Conclusion, usize, String) {
    let behind = |file| says(world, if file == 'F' { "+F" } else { "+G" });
    let other = if file == 'F' { 'G' } else { 'F' };
    let (silent, support) = (says(world, ".."), behind(file));
    let hoped = [0, 1, 2, 3, 4].map(|at| silent[at] || support[at]);
    let dissent = if file == 'F' { count(&says(world, "-F")) } else { 0 };
    let mut rules = Vec::new();
    for (broken, name) in [
        (rule.holds(behind(other)), "other-file"),
        (dissent > rule.limit, "dissent"),
        (!rule.holds(hoped), "out-of-reach"),
    ] {
        rules.extend(broken.then_some(name));
    }
    let (rejected, met) = (!rules.is_empty(), rule.holds(support));
    if !met || !rejected {
        rules.push("quorum");
    }
    let conclusion = match (rejected, met) {
        (true, _) => Conclusion::Rejected,
        (false, true) => Conclusion::Accepted,
        (false, false) => Conclusion::Inconclusive,
    };
    (conclusion, rule.have(support), rules.join(" "))
}

#[test]
fn every_world_of_every_nested_formula_is_as_its_conditions_say() {
    let words: Vec<Said> = ["..", "+F", "-F", "+G"].map(|word| [word, ".."]).to_vec();
    let (rules, signed) = (rules(), Signed::new(5));
    let mut seen: BTreeMap<World, Vec<Conclusion>> = BTreeMap::new();
    for world in worlds(&vec![words; 5]) {
        let evidence = evidence(&signed.bundle(&world));
        let mut conclusions = Vec::new();
        for (rule, file) in rules.iter().flat_map(|rule| ['F', 'G'].map(|file| (rule, file))) {
            let asked = question(&format!("{file} as P"));
            let found = conclude(&rule.policy, &evidence, &asked, at(NOW));
            let said = (found.verdict, found.quorum.have, rules_of(&found));
            let line = (rule.shape.0, rule.limit, &world, file);
            assert_eq!(said, oracle(rule, &world, file), "{line:?}");
            assert_eq!(found.quorum.need, rule.shape.1, "{line:?}");
            conclusions.push(found.verdict);
        }
        seen.insert(world, conclusions);
    }
    let verdicts: usize = seen.values().map(Vec::len).sum();
    let flips: usize = seen.keys().map(|world| flips(&rules, &seen, world)).sum();
    assert_eq!((seen.len(), verdicts, flips), (1_024, 53_248, 1_626));
}

/// Invariant 3: hiding one word accepts nothing, unless it was a dissent, or support of another file.
fn flips(rules: &[Rule], seen: &BTreeMap<World, Vec<Conclusion>>, world: &World) -> usize {
    let mut flips = 0;
    for at in (0..5).filter(|at| world[*at][0] != "..") {
        let mut less = world.clone();
        less[at][0] = "..";
        let cases = rules.iter().flat_map(|rule| ['F', 'G'].map(|file| (rule, file)));
        for ((rule, file), (before, after)) in cases.zip(seen[world].iter().zip(&seen[&less])) {
            if *before != Conclusion::Accepted && *after == Conclusion::Accepted {
                let hidden = world[at][0];
                let excused = hidden == "-F" && file == 'F'
                    || hidden.starts_with('+') && !hidden.ends_with(file);
                assert!(excused, "{} d{}: {world:?} without {hidden}", rule.shape.0, rule.limit);
                flips += 1;
            }
        }
    }
    flips
}
