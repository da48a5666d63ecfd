//! The randomness of a run, and the odds that its seed draws before anything happens.

use std::fmt;
use std::ops::RangeInclusive;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Virtual milliseconds since the world began.
pub type Millis = u64;

/// Every decision of a world comes from here, in the order in which it is asked.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of a seed.
    pub fn of(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `bound`; 0 where the bound is 0. The bias of the remainder is below 2^-40.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// A number of the range, both ends included.
    pub fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        let width = range.end().saturating_sub(*range.start()).saturating_add(1);
        range.start().saturating_add(self.below(width))
    }

    /// A chance of the range, or none at all in every third world: faults hide each other's bugs.
    fn perhaps(&mut self, range: RangeInclusive<u64>) -> u64 {
        if self.below(3) == 0 { 0 } else { self.between(range) }
    }

    /// A number from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(1 << 32)).unwrap_or(0)) / 4_294_967_296.0
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// Dice of their own for troubles that are no faults of the network.
#[derive(Debug)]
pub(crate) struct Apart {
    pub(crate) hangs: Dice,
    pub(crate) disks: Dice,
    pub(crate) clocks: Dice,
    pub(crate) keys: Dice,
    pub(crate) sybils: Dice,
}

impl Apart {
    pub(crate) fn of(seed: u64) -> Self {
        let dice = |turn| Dice::of(seed.rotate_left(turn));
        Self { hangs: dice(32), disks: dice(16), clocks: dice(8), keys: dice(24), sybils: dice(40) }
    }
}

/// How hard this world is. Times are in milliseconds, chances in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odds {
    /// Honest nodes, each of another operator; one liar comes on top.
    pub honest: u8,
    /// Chance of a link between two nodes that are not neighbours on the ring.
    pub link: u64,
    /// The longest usual way of a message.
    pub delay: Millis,
    /// Chance that a message is slow.
    pub slow: u64,
    /// The longest way of a slow message.
    pub slow_delay: Millis,
    /// Chance that a message is lost.
    pub lose: u64,
    /// Chance that a message comes twice.
    pub repeat: u64,
    /// The longest wait for the next partition.
    pub split_after: Millis,
    /// The longest partition.
    pub split_for: Millis,
    /// The longest wait for the next crash anywhere.
    pub crash_after: Millis,
    /// The longest time that a crashed node stays down.
    pub down_for: Millis,
    /// The longest wait of a node until it announces again.
    pub announce_after: Millis,
    /// The longest build.
    pub build_for: Millis,
    /// Chance that a build ends in a fault of the machine.
    pub build_fault: u64,
    /// Chance that a builder hangs over a job.
    pub build_hang: u64,
    /// Chance that a liar's answer is a lie.
    pub lie: u64,
    /// When all faults stop.
    pub calm_at: Millis,
}

impl Odds {
    /// Draws the odds of a world.
    pub fn draw(dice: &mut Dice) -> Self {
        Self {
            honest: u8::try_from(dice.between(3..=5)).unwrap_or(5),
            link: dice.between(200..=1000),
            delay: dice.between(20..=800),
            slow: dice.perhaps(1..=50),
            slow_delay: dice.between(1000..=12_000),
            lose: dice.perhaps(1..=150),
            repeat: dice.perhaps(1..=150),
            split_after: dice.between(10_000..=60_000),
            split_for: dice.between(2_000..=30_000),
            crash_after: dice.between(4_000..=40_000),
            down_for: dice.between(500..=20_000),
            announce_after: dice.between(8_000..=40_000),
            build_for: dice.between(500..=8_000),
            build_fault: dice.perhaps(1..=150),
            build_hang: 60,
            // A third of the liars show their fork once, and behave otherwise.
            lie: if dice.chance(333) { 0 } else { dice.between(100..=600) },
            calm_at: dice.between(90_000..=150_000),
        }
    }
}

impl fmt::Display for Odds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "nodes      {} honest and 1 liar, links {}/1000", self.honest, self.link)?;
        writeln!(
            f,
            "messages   up to {} ms; {}/1000 slow, up to {} ms; {}/1000 lost; {}/1000 twice",
            self.delay, self.slow, self.slow_delay, self.lose, self.repeat
        )?;
        writeln!(f, "partitions within {} ms, for up to {} ms", self.split_after, self.split_for)?;
        writeln!(f, "crashes    within {} ms, for up to {} ms", self.crash_after, self.down_for)?;
        writeln!(
            f,
            "work       announced within {} ms, built within {} ms, {}/1000 faults, {}/1000 hang",
            self.announce_after, self.build_for, self.build_fault, self.build_hang
        )?;
        writeln!(f, "lies       {}/1000 of the liar's answers", self.lie)?;
        write!(f, "faults     stop at {} ms", self.calm_at)
    }
}
