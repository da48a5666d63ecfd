//! A world made smaller: fewer nodes, releases and faults, until as little as possible still shows the failure.

use std::collections::BTreeSet;
use std::fmt;

use clap::{Args, ValueEnum};

use crate::failure::{Failure, Options};
use crate::odds::{Millis, Odds};
use crate::world::World;

/// Something that goes wrong in a world, and may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Trouble {
    /// Messages are slow.
    Slow,
    /// Messages are lost.
    Lost,
    /// Messages come twice.
    Twice,
    /// The network falls apart.
    Splits,
    /// Nodes lose their power.
    Crashes,
    /// Disks are full for a while, or come back old.
    Disks,
    /// Clocks are wrong, and are set in the middle of work.
    Clocks,
    /// Operators revoke keys, and rotate them.
    Keys,
    /// Heads of ever new keys are shown around.
    Sybils,
    /// Builds end in a fault of the machine, or hang.
    Builds,
    /// The liar lies in its answers.
    Lies,
    /// The liar signs two histories.
    Fork,
}

/// What is left out of a seed's world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Cut {
    /// At most so many honest nodes.
    #[arg(long, value_name = "NODES")]
    pub honest: Option<u8>,
    /// At most so many releases.
    #[arg(long, value_name = "COUNT")]
    pub releases: Option<u64>,
    /// Faults stop after so many milliseconds.
    #[arg(long, value_name = "MS")]
    pub calm_at: Option<Millis>,
    /// Leaves out these troubles.
    #[arg(long, value_name = "TROUBLE", value_delimiter = ',')]
    pub without: Vec<Trouble>,
}

impl Cut {
    /// Whether this trouble is left out.
    pub fn leaves_out(&self, trouble: Trouble) -> bool {
        self.without.contains(&trouble)
    }

    /// Odds with less in them.
    pub(crate) fn of(&self, mut odds: Odds) -> Odds {
        odds.honest = odds.honest.min(self.honest.unwrap_or(odds.honest).max(1));
        odds.calm_at = odds.calm_at.min(self.calm_at.unwrap_or(odds.calm_at).max(3));
        for trouble in &self.without {
            match trouble {
                Trouble::Slow => odds.slow = 0,
                Trouble::Lost => odds.lose = 0,
                Trouble::Twice => odds.repeat = 0,
                Trouble::Builds => (odds.build_fault, odds.build_hang) = (0, 0),
                Trouble::Lies => odds.lie = 0,
                Trouble::Splits
                | Trouble::Crashes
                | Trouble::Disks
                | Trouble::Clocks
                | Trouble::Keys
                | Trouble::Sybils
                | Trouble::Fork => {}
            }
        }
        odds
    }

    /// Every world that is smaller by one step, the boldest first.
    fn smaller(&self, odds: &Odds, releases: u64) -> Vec<Self> {
        let with = |change: &dyn Fn(&mut Self)| {
            let mut cut = self.clone();
            change(&mut cut);
            cut
        };
        let mut cuts = Vec::new();
        cuts.extend((1..odds.honest).map(|honest| with(&|cut| cut.honest = Some(honest))));
        let fewer = [1, 2, 3, 6].into_iter().filter(|fewer| *fewer < releases);
        cuts.extend(fewer.map(|fewer| with(&|cut| cut.releases = Some(fewer))));
        let left = Trouble::value_variants().iter().filter(|one| !self.leaves_out(**one));
        cuts.extend(left.map(|trouble| with(&|cut| cut.without.push(*trouble))));
        for part in [8, 4, 2] {
            let sooner = odds.calm_at / part;
            cuts.extend((sooner > 1_000).then(|| with(&|cut| cut.calm_at = Some(sooner))));
        }
        cuts
    }
}

impl fmt::Display for Cut {
    /// As the command line reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(honest) = self.honest {
            write!(f, " --honest {honest}")?;
        }
        if let Some(releases) = self.releases {
            write!(f, " --releases {releases}")?;
        }
        if let Some(calm_at) = self.calm_at {
            write!(f, " --calm-at {calm_at}")?;
        }
        let without: BTreeSet<&Trouble> = self.without.iter().collect();
        let names = without.iter().filter_map(|trouble| trouble.to_possible_value());
        let names: Vec<String> = names.map(|name| name.get_name().to_owned()).collect();
        if names.is_empty() {
            return Ok(());
        }
        write!(f, " --without {}", names.join(","))
    }
}

/// The smallest world that was found in which the same invariant breaks, and how it does.
///
/// Whatever is left out moves all dice after it, so each step is another world: what counts is that
/// it fails in the same way. `tried` is told of each.
pub fn minimize(
    seed: u64,
    options: &Options,
    first: Failure,
    mut tried: impl FnMut(&Cut, bool),
) -> (Cut, Failure) {
    let (mut cut, mut failure) = (options.cut.clone(), first);
    loop {
        let smaller = cut.smaller(&failure.odds, failure.releases).into_iter().find_map(|cut| {
            let options = Options { cut: cut.clone(), ..options.clone() };
            let ended = World::of(seed, options).and_then(World::run).err();
            let same = ended.filter(|one| one.broken.invariant == failure.broken.invariant);
            tried(&cut, same.is_some());
            Some((cut, same?))
        });
        match smaller {
            Some((smaller, same)) => (cut, failure) = (smaller, same),
            None => return (cut, failure),
        }
    }
}
