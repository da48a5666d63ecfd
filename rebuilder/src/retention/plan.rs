//! What goes and what stays (step 2): a pure choice over units, limits and a time.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Keep;
use super::unit::Unit;

/// Why a unit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// An interrupted process left it.
    Leftover,
    /// Its last use is longer ago than the limit.
    TooOld,
    /// The cache is larger than the limit, and this was used least recently.
    TooMuch,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leftover => "left by an interrupted run",
            Self::TooOld => "not used for too long",
            Self::TooMuch => "over the size, least recently used",
        })
    }
}

/// One unit that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// Its path below the cache.
    pub name: String,
    /// What it took on the disk.
    pub bytes: u64,
    /// Seconds since its last use.
    pub idle_seconds: u64,
    /// Why it goes.
    pub why: Why,
}

/// The units that go, in this order. What a process of now uses is counted and stays.
pub(super) fn plan<'a>(
    units: &'a [Unit],
    keep: &Keep,
    now: Duration,
    oldest_user: Option<Duration>,
) -> Vec<(&'a Unit, Why)> {
    let mut total: u64 = units.iter().map(|unit| unit.bytes).sum();
    let mut free: Vec<&Unit> =
        units.iter().filter(|unit| !unit.is_used_since(oldest_user)).collect();
    // Names decide between equal times, so that two machines clean alike.
    free.sort_by_key(|unit| {
        let by_itself = !unit.is_leftover && !is_old(unit, keep, now);
        (by_itself, unit.is_kept, unit.last_use, unit.name.clone())
    });
    let mut removals = Vec::new();
    for unit in free {
        let why = if unit.is_leftover {
            Why::Leftover
        } else if is_old(unit, keep, now) {
            Why::TooOld
        } else if total > keep.max_bytes {
            Why::TooMuch
        } else {
            break;
        };
        total = total.saturating_sub(unit.bytes);
        removals.push((unit, why));
    }
    removals
}

fn is_old(unit: &Unit, keep: &Keep, now: Duration) -> bool {
    now.saturating_sub(unit.last_use) > keep.max_age
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn unit(name: &str, last_use: u64, bytes: u64) -> Unit {
        Unit {
            name: name.to_owned(),
            path: name.into(),
            bytes,
            last_use: Duration::from_secs(last_use),
            is_leftover: false,
            is_held: false,
            is_kept: false,
        }
    }

    fn planned(
        units: &[Unit],
        bytes: u64,
        age: u64,
        oldest_user: Option<u64>,
    ) -> Vec<(String, Why)> {
        let keep = Keep { max_bytes: bytes, max_age: Duration::from_secs(age) };
        let removals = plan(units, &keep, NOW, oldest_user.map(Duration::from_secs));
        removals.into_iter().map(|(unit, why)| (unit.name.clone(), why)).collect()
    }

    fn named(removals: &[(&str, Why)]) -> Vec<(String, Why)> {
        removals.iter().map(|(name, why)| ((*name).to_owned(), *why)).collect()
    }

    #[test]
    fn the_least_recently_used_go_first_until_the_rest_fits() {
        let units = [unit("c", 900, 10), unit("a", 700, 10), unit("b", 800, 10)];
        assert_eq!(planned(&units, 30, 999, None), []);
        assert_eq!(planned(&units, 29, 999, None), named(&[("a", Why::TooMuch)]));
        assert_eq!(
            planned(&units, 10, 999, None),
            named(&[("a", Why::TooMuch), ("b", Why::TooMuch)])
        );
        assert_eq!(planned(&units, 0, 999, None).len(), 3);
    }

    #[test]
    fn what_is_too_old_or_half_made_goes_whatever_the_size() {
        let mut units = [unit("old", 100, 10), unit("new", 900, 10), unit("half", 950, 10)];
        if let Some(half) = units.last_mut() {
            half.is_leftover = true;
        }
        let expected = named(&[("old", Why::TooOld), ("half", Why::Leftover)]);
        assert_eq!(planned(&units, 99, 500, None), expected);
    }

    #[test]
    fn what_a_process_of_now_uses_stays_and_counts() {
        let mut units = [unit("idle", 700, 10), unit("used", 800, 10), unit("held", 1, 10)];
        if let Some(held) = units.last_mut() {
            (held.is_held, held.is_leftover) = (true, true);
        }
        assert_eq!(planned(&units, 0, 1, Some(750)), named(&[("idle", Why::TooOld)]));
        assert_eq!(planned(&units, 20, 999, Some(750)), named(&[("idle", Why::TooMuch)]));
        assert_eq!(planned(&units, 0, 0, Some(0)), []);
    }

    #[test]
    fn outputs_that_differed_go_last() {
        let mut units = [unit("differs", 700, 10), unit("input", 900, 10)];
        if let Some(differs) = units.first_mut() {
            differs.is_kept = true;
        }
        assert_eq!(planned(&units, 10, 999, None), named(&[("input", Why::TooMuch)]));
    }
}
