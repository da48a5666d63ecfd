//! Two pieces of work measured in turn, so that a busy or throttled machine slows both alike.

use std::time::Instant;

/// Median times of both, in seconds.
#[derive(Copy, Clone)]
pub(crate) struct Pair {
    /// The work that a row is about.
    pub(crate) ours: f64,
    /// What it is compared with.
    pub(crate) theirs: f64,
}

/// Runs both once unmeasured, then `rounds` times in turn; the order changes from round to round.
pub(crate) fn side_by_side(
    rounds: usize,
    mut ours: impl FnMut(),
    mut theirs: impl FnMut(),
) -> Pair {
    ours();
    theirs();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round % 2 == 0 {
            first.push(seconds(&mut ours));
            second.push(seconds(&mut theirs));
        } else {
            second.push(seconds(&mut theirs));
            first.push(seconds(&mut ours));
        }
    }
    Pair { ours: median(first), theirs: median(second) }
}

fn seconds(work: &mut impl FnMut()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
