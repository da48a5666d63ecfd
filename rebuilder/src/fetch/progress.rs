//! How far a batch of downloads is (step 2), told in numbers; others draw them.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What happened to one file of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tick {
    /// The whole file was in the store already.
    Here(u64),
    /// An earlier connection or run had left these bytes of it.
    Resumed(u64),
    /// Bytes came over the network.
    Came(u64),
    /// Bytes that were counted do not count any more.
    Lost(u64),
}

/// How far a batch of downloads is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transferred {
    /// Files that are in the store now.
    pub done: usize,
    /// Files in the batch.
    pub total: usize,
    /// Bytes of the batch that are in the store or came so far.
    pub bytes: u64,
    /// Bytes of the batch, as far as they are announced.
    pub total_bytes: u64,
    /// Of `bytes`: what interrupted downloads of earlier had left.
    pub resumed: u64,
    /// Of `bytes`: what came over the network in this batch, with what was thrown away again.
    pub received: u64,
    /// Bytes that came in each of the last seconds; 0 before the first came.
    pub bytes_per_second: u64,
}

impl Transferred {
    /// Takes one tick.
    pub(super) fn note(&mut self, tick: Tick) {
        match tick {
            Tick::Here(bytes) => self.bytes = self.bytes.saturating_add(bytes),
            Tick::Resumed(bytes) => {
                self.bytes = self.bytes.saturating_add(bytes);
                self.resumed = self.resumed.saturating_add(bytes);
            }
            Tick::Came(bytes) => {
                self.bytes = self.bytes.saturating_add(bytes);
                self.received = self.received.saturating_add(bytes);
            }
            Tick::Lost(bytes) => self.bytes = self.bytes.saturating_sub(bytes),
        }
    }
}

/// The speed over the last seconds: a mean over all would hide that a mirror became slow.
#[derive(Debug, Default)]
pub(super) struct Speed(VecDeque<(Duration, u64)>);

/// Long enough to be steady, short enough to be true.
const WINDOW: Duration = Duration::from_secs(5);
/// Samples are no closer than this, so the window holds 50.
const SAMPLE: Duration = Duration::from_millis(100);

impl Speed {
    /// Bytes a second, when `received` bytes had come `elapsed` after the start.
    pub(super) fn at(&mut self, elapsed: Duration, received: u64) -> u64 {
        let fresh = |(last, _): &(Duration, u64)| elapsed.saturating_sub(*last) < SAMPLE;
        if !self.0.back().is_some_and(fresh) {
            self.0.push_back((elapsed, received));
        }
        while self.0.len() > 1
            && self.0.get(1).is_some_and(|(then, _)| elapsed.saturating_sub(*then) >= WINDOW)
        {
            self.0.pop_front();
        }
        let (then, before) = self.0.front().copied().unwrap_or_default();
        let millis = elapsed.saturating_sub(then).as_millis().max(1);
        let bytes = u128::from(received.saturating_sub(before));
        u64::try_from(bytes.saturating_mul(1000) / millis).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thrown_away_does_not_count_as_done() {
        let mut batch = Transferred::default();
        for tick in [Tick::Here(5), Tick::Resumed(4), Tick::Came(3), Tick::Lost(7), Tick::Came(9)] {
            batch.note(tick);
        }
        assert_eq!((batch.bytes, batch.resumed, batch.received), (14, 4, 12));
    }

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let mut speed = Speed::default();
        let second = Duration::from_secs;
        assert_eq!(speed.at(second(0), 0), 0);
        assert_eq!(speed.at(second(1), 1000), 1000);
        for later in 2..=20 {
            speed.at(second(later), 1000);
        }
        assert_eq!(speed.at(second(21), 1000), 0);
        assert_eq!(speed.at(second(22), 6000), 1000);
    }
}
