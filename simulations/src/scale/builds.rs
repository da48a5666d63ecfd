//! When rebuilders are done: a day of releases through the queues of their builders.

use super::{Model, count};
use crate::odds::Dice;

/// Jobs that a rebuilder works on at once.
const JOBS: usize = 2;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// A release, and when each of its rebuilders is done; microseconds of the day.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) at: u64,
    /// The rebuilder, and when it is done.
    pub(super) done: Vec<(usize, u64)>,
}

/// A day of releases, in their order: every rebuilder takes jobs as they come.
pub(super) fn releases(model: &Model, dice: &mut Dice) -> Vec<Release> {
    let mut times: Vec<u64> = (0..model.artifacts).map(|_| dice.below(DAY * 1_000_000)).collect();
    times.sort_unstable();
    let mut free = vec![[0_u64; JOBS]; model.rebuilders];
    let longest = model.build_seconds.saturating_mul(1_000_000);
    let release = |at: u64| {
        let mut done: Vec<(usize, u64)> = Vec::new();
        while done.len() < model.copies.min(model.rebuilders) {
            let who = usize::try_from(dice.below(count(model.rebuilders))).unwrap_or(0);
            if done.iter().any(|(known, _)| *known == who) {
                continue;
            }
            let slot = free.get_mut(who).and_then(|slots| slots.iter_mut().min());
            let build = dice.between(longest / 10..=longest);
            let end = slot.map_or(at, |slot| {
                *slot = at.max(*slot).saturating_add(build);
                *slot
            });
            done.push((who, end));
        }
        Release { at, done }
    };
    times.into_iter().map(release).collect()
}
