//! How likely it is that so many operators are compromised and so many others offline.

use std::collections::BTreeMap;
use std::fmt;

use super::WhatIfError;
use super::ballots::Part;
use crate::odds::Dice;

/// How often something befalls operators.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Frequency {
    /// Exactly so many of them, nobody knows which.
    Count(usize),
    /// Each with this chance, on its own: 0 to 1.
    Chance(f64),
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count} operators"),
            Self::Chance(chance) => write!(f, "a chance of {chance}"),
        }
    }
}

/// What may befall operators. One that is both compromised and offline votes as the thief wants:
/// a key signs anywhere.
#[derive(Debug, Clone)]
pub struct Likelihood {
    /// Compromised, of all.
    pub compromised: Frequency,
    /// Offline, of all; it matters of those that are not compromised.
    pub offline: Frequency,
    /// Chances of single seats, in place of those above: compromised, and offline if not.
    pub own: BTreeMap<usize, [f64; 2]>,
}

/// A number as a float: all numbers here are far below 2^32.
pub(super) fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// How many ways there are to choose `of` from `n`: exact up to 2^53, and to 15 digits beyond.
fn choose(n: usize, of: usize) -> f64 {
    if of > n {
        return 0.0;
    }
    let of = of.min(n.saturating_sub(of));
    (0..of).map(|at| float(n.saturating_sub(at)) / float(of.saturating_sub(at))).product()
}

/// The chance of exactly `hits` of `n`, each with `chance`.
fn binomial(n: usize, hits: usize, chance: f64) -> f64 {
    let power = |base: f64, times: usize| base.powi(i32::try_from(times).unwrap_or(i32::MAX));
    choose(n, hits) * power(chance, hits) * power(1.0 - chance, n.saturating_sub(hits))
}

impl Likelihood {
    /// Refuses what is no chance, and counts beyond the operators.
    pub fn check(&self, operators: usize) -> Result<(), WhatIfError> {
        for (what, frequency) in [("compromised", self.compromised), ("offline", self.offline)] {
            let fits = match frequency {
                Frequency::Count(count) => count <= operators && self.own.is_empty(),
                Frequency::Chance(chance) => (0.0..=1.0).contains(&chance),
            };
            if !fits {
                let needed = if self.own.is_empty() {
                    format!("0 to {operators} operators, or a chance from 0 to 1")
                } else {
                    "chances everywhere, where one operator has chances of its own".to_owned()
                };
                return Err(WhatIfError::numbers(format!("{frequency} {what}"), needed));
            }
        }
        match self.own.values().flatten().find(|chance| !(0.0..=1.0).contains(*chance)) {
            Some(chance) => Err(WhatIfError::numbers(format!("{chance}"), "a chance from 0 to 1")),
            None => Ok(()),
        }
    }

    /// The chance of a state: of each class, how many are compromised and how many offline.
    /// Classes are seats that are alike, and have the same chances.
    pub(super) fn of(&self, classes: &[Vec<usize>], state: &[[usize; 2]]) -> f64 {
        let sizes = || classes.iter().map(Vec::len);
        if !self.own.is_empty() {
            let each = classes.iter().zip(state).map(|(class, [compromised, offline])| {
                let [stolen, away] = self.chances(class.first().copied());
                let left = class.len().saturating_sub(*compromised);
                binomial(class.len(), *compromised, stolen) * binomial(left, *offline, away)
            });
            return each.product();
        }
        let all: usize = sizes().sum();
        let [compromised, offline] = [0, 1]
            .map(|which: usize| state.iter().filter_map(|counts| counts.get(which)).sum::<usize>());
        // Whoever it befalls, every choice of operators is equally likely.
        let ways = |size: usize, [compromised, offline]: [usize; 2]| {
            choose(size, compromised) * choose(size.saturating_sub(compromised), offline)
        };
        let here: f64 = sizes().zip(state).map(|(size, counts)| ways(size, *counts)).product();
        self.of_totals(all, compromised, offline) * here / ways(all, [compromised, offline])
    }

    fn of_totals(&self, all: usize, compromised: usize, offline: usize) -> f64 {
        let left = all.saturating_sub(compromised);
        let stolen = match self.compromised {
            Frequency::Count(count) => f64::from(u8::from(count == compromised)),
            Frequency::Chance(chance) => binomial(all, compromised, chance),
        };
        let away = match self.offline {
            // So many of all are away; of those left, `offline` are among them.
            Frequency::Count(count) => {
                let hidden = count.checked_sub(offline);
                let ways = hidden.map_or(0.0, |hidden| choose(compromised, hidden));
                choose(left, offline) * ways / choose(all, count)
            }
            Frequency::Chance(chance) => binomial(left, offline, chance),
        };
        stolen * away
    }

    /// The chances of a seat, where there are any.
    pub(super) fn chances(&self, seat: Option<usize>) -> [f64; 2] {
        let all = [self.compromised, self.offline].map(|frequency| match frequency {
            Frequency::Chance(chance) => chance,
            Frequency::Count(_) => 0.0,
        });
        seat.and_then(|seat| self.own.get(&seat)).copied().unwrap_or(all)
    }

    /// Throws dice for every seat.
    pub(super) fn draw(&self, seats: usize, dice: &mut Dice) -> Vec<Part> {
        let mut parts = vec![Part::Honest; seats];
        for (which, frequency, part) in
            [(1, self.offline, Part::Offline), (0, self.compromised, Part::Compromised)]
        {
            match frequency {
                Frequency::Count(count) => {
                    for seat in some(seats, count, dice) {
                        parts.get_mut(seat).into_iter().for_each(|is| *is = part);
                    }
                }
                Frequency::Chance(_) => {
                    for (seat, is) in parts.iter_mut().enumerate() {
                        let chance = self.chances(Some(seat)).get(which).copied();
                        if dice.unit() < chance.unwrap_or(0.0) {
                            *is = part;
                        }
                    }
                }
            }
        }
        parts
    }
}

/// So many of `of` seats, each choice as likely as any other.
fn some(of: usize, count: usize, dice: &mut Dice) -> Vec<usize> {
    let mut left: Vec<usize> = (0..of).collect();
    let draw = |left: &mut Vec<usize>, dice: &mut Dice| {
        let bound = u64::try_from(left.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(dice.below(bound)).unwrap_or(0);
        left.swap_remove(at)
    };
    (0..count.min(of)).map(|_| draw(&mut left, dice)).collect()
}
