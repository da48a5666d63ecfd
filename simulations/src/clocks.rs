//! Clocks that are wrong: ahead or behind, too fast or too slow, and set anew in the middle of work.

use reattest_attestation::Timestamp;

use crate::agenda::Happening;
use crate::cut::Trouble;
use crate::network::Name;
use crate::odds::{Dice, Millis};
use crate::world::World;

/// The second at which every world begins: 2026-06-01T00:00:00Z.
const BEGIN: i64 = 1_780_272_000;

/// Milliseconds that a clock is wrong at the beginning, at most.
const WRONG: u64 = 90_000;

/// Of a thousand, by how many a clock is too fast or too slow, at most.
const RATE: u64 = 20;

/// Milliseconds by which a clock is set forth or back, at most.
const JUMP: u64 = 300_000;

/// The longest wait until the next clock is set.
const NEXT: Millis = 45_000;

/// Milliseconds that a clock is wrong once faults stop, at most: what time servers achieve.
const RIGHT: u64 = 2_000;

/// What one node takes for the time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// Milliseconds before the true time; below 0 behind it.
    ahead: i64,
    /// How many of a thousand milliseconds it gains, or loses where that is below 0.
    rate: i64,
}

impl Clock {
    /// The time that it shows, in whole seconds.
    pub fn at(self, now: Millis) -> Timestamp {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let gained = now.saturating_mul(self.rate) / 1_000;
        let shown = now.saturating_add(self.ahead).saturating_add(gained);
        Timestamp::from_unix(BEGIN.saturating_add(shown.div_euclid(1_000)))
    }
}

/// A number between `-most` and `most`.
fn either_way(dice: &mut Dice, most: u64) -> i64 {
    let drawn = i64::try_from(dice.below(most.saturating_mul(2).saturating_add(1))).unwrap_or(0);
    drawn.saturating_sub(i64::try_from(most).unwrap_or(0))
}

impl World {
    pub(crate) fn begin_clocks(&mut self) {
        if self.options.cut.leaves_out(Trouble::Clocks) {
            return;
        }
        for member in self.members.values_mut() {
            // Some clocks are right: faults hide each other's bugs.
            if self.apart.clocks.below(3) > 0 {
                let ahead = either_way(&mut self.apart.clocks, WRONG);
                member.clock = Clock { ahead, rate: either_way(&mut self.apart.clocks, RATE) };
            }
        }
        let wait = self.apart.clocks.between(1..=NEXT);
        self.after(wait, Happening::SetClock);
    }

    /// Somebody sets the clock of some node, forth or back.
    pub(crate) fn set_clock(&mut self) {
        let (jump, wait) =
            (either_way(&mut self.apart.clocks, JUMP), self.apart.clocks.between(1..=NEXT));
        let which = self.apart.clocks.below(u64::try_from(self.members.len()).unwrap_or(0));
        if self.is_calm() {
            return;
        }
        self.after(wait, Happening::SetClock);
        let name = Name(u8::try_from(which).unwrap_or(0));
        if let Some(member) = self.members.get_mut(&name) {
            member.clock.ahead = member.clock.ahead.saturating_add(jump);
            self.summary.clocks = self.summary.clocks.saturating_add(1);
            self.trace.line(self.now, &format!("{name}'s clock is set by {jump} ms"));
        }
    }

    /// Time servers are reached again: every clock is nearly right.
    pub(crate) fn right_clocks(&mut self) {
        if self.options.cut.leaves_out(Trouble::Clocks) {
            return;
        }
        for member in self.members.values_mut() {
            member.clock = Clock { ahead: either_way(&mut self.apart.clocks, RIGHT), rate: 0 };
        }
    }
}
