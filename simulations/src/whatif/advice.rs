//! The sums: for every k, the chance of a false acceptance and of no verdict; and the smallest k that will do.

use std::collections::BTreeMap;
use std::fmt;

use reattest_attestation::{Conclusion, Policy};
use serde::Serialize;

use super::ballots::{Judge, Judged, Part};
use super::likelihood::{Likelihood, float};
use super::{Shape, WhatIfError};
use crate::odds::Dice;

/// Operators that are computed with: at 64 all alike there are 2,145 states, a minute's work.
const OPERATORS: usize = 64;

/// States that are enumerated; where there are more, the answer is sampled. Each costs four
/// verdicts a policy and a few milliseconds of signatures.
const STATES: usize = 2_500;

/// States less likely than this are left out: 2,500 of them weigh nothing in six digits.
const NEGLIGIBLE: f64 = 1e-16;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The quorum.
    pub shape: Shape,
    /// What may befall its operators.
    pub likelihood: Likelihood,
    /// At most so many may dissent; without it, and at most, n - k.
    pub max_dissent: Option<usize>,
    /// The chance of a false acceptance that is bearable.
    pub bound: f64,
    /// Samples, where the states are too many.
    pub samples: usize,
    /// What the samples are drawn from.
    pub seed: u64,
}

/// How the chances were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "method")]
pub enum Method {
    /// Every state that can be was put to production and weighed.
    Exact {
        /// How many states.
        states: usize,
    },
    /// States were drawn.
    Sampled {
        /// How many times.
        samples: usize,
        /// How many different states came up.
        states: usize,
    },
}

/// A chance, with its error where it was sampled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Chance {
    /// The chance.
    pub chance: f64,
    /// Half the width of the interval that holds the true one 95 times in 100; 0 where it is exact.
    pub error: f64,
}

/// What one k gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// k, of the outermost group.
    pub need: usize,
    /// d.
    pub max_dissent: usize,
    /// The false file is accepted.
    pub false_accepted: Chance,
    /// The true file is `inconclusive`.
    pub no_verdict: Chance,
    /// The true file is `rejected`.
    pub true_rejected: Chance,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
pub struct Advice {
    /// n.
    pub operators: usize,
    /// How it was found.
    #[serde(flatten)]
    pub method: Method,
    /// The policy's own k, where it has one.
    pub asked: Option<usize>,
    /// The bearable chance of a false acceptance.
    pub bound: f64,
    /// Every k.
    pub rows: Vec<Row>,
    /// The smallest k whose false acceptances are within the bound.
    pub advised: Option<usize>,
    /// What of the policy was taken for granted.
    pub assumed: Vec<String>,
}

/// Sums weights of what befell one policy.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    false_accepted: f64,
    no_verdict: f64,
    true_rejected: f64,
}

impl Sums {
    fn add(&mut self, judged: Judged, weight: f64) {
        if judged.false_accepted {
            self.false_accepted += weight;
        }
        match judged.true_file {
            Conclusion::Accepted => {}
            Conclusion::Inconclusive => self.no_verdict += weight,
            Conclusion::Rejected => self.true_rejected += weight,
        }
    }
}

/// Computes the table.
pub fn advise(ask: &Ask) -> Result<Advice, WhatIfError> {
    let operators = ask.shape.operators();
    if !(1..=OPERATORS).contains(&operators) {
        let found = format!("{operators} operators");
        return Err(WhatIfError::numbers(found, format!("1 to {OPERATORS}")));
    }
    ask.likelihood.check(operators)?;
    let policies = policies(ask)?;
    let classes = classes(ask);
    let mut sums = vec![Sums::default(); policies.len()];
    let mut judge = Judge::new(policies.clone(), classes.clone())?;
    let method = match states(&classes) {
        Some(states) => {
            for state in states {
                let weight = ask.likelihood.of(&classes, &state);
                if weight > NEGLIGIBLE {
                    let judged = judge.of(&state);
                    sums.iter_mut().zip(&*judged).for_each(|(sums, one)| sums.add(*one, weight));
                }
            }
            Method::Exact { states: judge.asked() }
        }
        None => sample(ask, &classes, &mut judge, &mut sums),
    };
    let rows: Vec<Row> =
        policies.iter().zip(&sums).map(|(policy, sums)| row(policy, *sums, method)).collect();
    let bearable = |row: &&Row| row.false_accepted.chance + row.false_accepted.error <= ask.bound;
    Ok(Advice {
        operators,
        method,
        asked: ask.shape.own().map(|(need, _)| need),
        bound: ask.bound,
        advised: rows.iter().find(bearable).map(|row| row.need),
        rows,
        assumed: ask.shape.assumed().to_vec(),
    })
}

/// One policy for each k. Where a policy was asked about, its own d stands at its own k.
fn policies(ask: &Ask) -> Result<Vec<Policy>, WhatIfError> {
    let own = |need| ask.shape.own().filter(|(own, _)| *own == need).map(|(_, limit)| limit);
    let policy = |need| ask.shape.policy(need, ask.max_dissent.or_else(|| own(need)));
    (1..=ask.shape.members()).map(policy).collect()
}

/// Seats that are alike in the quorum and in what may befall them.
fn classes(ask: &Ask) -> Vec<Vec<usize>> {
    let mut classes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for seat in 0..ask.shape.operators() {
        let own = ask.likelihood.own.get(&seat).map(|chances| chances.map(f64::to_bits));
        classes.entry((ask.shape.kind(seat), own)).or_default().push(seat);
    }
    classes.into_values().collect()
}

/// Every state that classes can be in, unless there are too many.
fn states(classes: &[Vec<usize>]) -> Option<Vec<Vec<[usize; 2]>>> {
    let mut states = vec![Vec::new()];
    for class in classes {
        let counts = || {
            let all = 0..=class.len();
            all.flat_map(|stolen| {
                (0..=class.len().saturating_sub(stolen)).map(move |away| [stolen, away])
            })
        };
        if states.len().saturating_mul(counts().count()) > STATES {
            return None;
        }
        let longer = states.iter().flat_map(|state: &Vec<[usize; 2]>| {
            counts().map(|counts| state.iter().copied().chain([counts]).collect())
        });
        states = longer.collect();
    }
    Some(states)
}

fn sample(ask: &Ask, classes: &[Vec<usize>], judge: &mut Judge, sums: &mut [Sums]) -> Method {
    let mut dice = Dice::of(ask.seed);
    let samples = ask.samples.max(1);
    for _ in 0..samples {
        let parts = ask.likelihood.draw(ask.shape.operators(), &mut dice);
        let counts = |class: &Vec<usize>| {
            [Part::Compromised, Part::Offline]
                .map(|part| class.iter().filter(|seat| parts.get(**seat) == Some(&part)).count())
        };
        let state: Vec<_> = classes.iter().map(counts).collect();
        let judged = judge.of(&state);
        for (sums, one) in sums.iter_mut().zip(&*judged) {
            sums.add(*one, 1.0 / float(samples));
        }
    }
    Method::Sampled { samples, states: judge.asked() }
}

fn row(policy: &Policy, sums: Sums, method: Method) -> Row {
    let chance = |chance: f64| Chance { chance, error: error(chance, method) };
    Row {
        need: policy.formula().need(),
        max_dissent: policy.demands().max_dissent,
        false_accepted: chance(sums.false_accepted),
        no_verdict: chance(sums.no_verdict),
        true_rejected: chance(sums.true_rejected),
    }
}

/// 1.96 standard errors; where nothing or everything came up, the rule of three.
fn error(chance: f64, method: Method) -> f64 {
    let Method::Sampled { samples, .. } = method else { return 0.0 };
    let samples = float(samples);
    let spread = 1.96 * (chance * (1.0 - chance) / samples).max(0.0).sqrt();
    spread.max(if chance * samples < 0.5 || (1.0 - chance) * samples < 0.5 {
        3.0 / samples
    } else {
        0.0
    })
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = |number: f64| match number {
            number if number <= 0.0 => "0".to_owned(),
            // What sums to one within the digits of a float is one.
            number if number > 1.0 - 1e-9 => "1".to_owned(),
            number if number < 0.001 => format!("{number:.1e}"),
            number => format!("{number:.4}"),
        };
        let text = match self.error {
            error if error > 0.0 => format!("{} ±{}", digits(self.chance), digits(error)),
            _ => digits(self.chance),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.method {
            Method::Exact { states } => writeln!(f, "exact, from {states} states")?,
            Method::Sampled { samples, states } => writeln!(
                f,
                "sampled {samples} times, {states} different states; ± holds 95 times in 100"
            )?,
        }
        for assumed in &self.assumed {
            writeln!(f, "assumed: {assumed}")?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "  {:>4} {:>4}  {:>7}  {:<22}{:<22}true file rejected",
            "need", "of", "dissent", "false file accepted", "no verdict"
        )?;
        for row in &self.rows {
            let mark = if Some(row.need) == self.asked { '>' } else { ' ' };
            let Row { need, max_dissent, false_accepted, no_verdict, true_rejected } = row;
            let of = self.rows.len();
            writeln!(
                f,
                "{mark} {need:>4} {of:>4}  {max_dissent:>7}  {false_accepted:<22}{no_verdict:<22}{true_rejected}"
            )?;
        }
        writeln!(f)?;
        let advised = self.advised.and_then(|need| self.rows.iter().find(|row| row.need == need));
        match advised {
            Some(row) => write!(
                f,
                "advised: need {}, the smallest that keeps false acceptances within {}; the true file \
                 then has no verdict with chance {}, and is rejected with chance {}",
                row.need, self.bound, row.no_verdict, row.true_rejected
            ),
            None => write!(
                f,
                "advised: none; no k keeps false acceptances within {}: name more operators, or others",
                self.bound
            ),
        }
    }
}
