//! Scenarios by name: the production state machine and quorum in worlds that are set up by hand, and a page of what they show.
//!
//! | what goes wrong | file |
//! |---|---|
//! | the network: partitions, floods, heads withheld | `network` |
//! | what is said: lies, collusion, two versions, evil recipes | `lies` |
//! | keys: two histories, theft and revocation | `keys` |
//! | time: heads that stand still, an old disk | `time` |
//! | numbers: everything at once, fewer and fewer | `numbers` |

mod network;
mod lies;
mod keys;
mod time;
mod numbers;

use std::fmt::Write as _;

use reattest_attestation::{Conclusion, PublicKey, Purl};
use serde::Serialize;

use crate::checkers::{Broken, Invariant};
use crate::failure::Failure;
use crate::network::Name;
use crate::odds::Millis;
use crate::releases::{forged, release, sound};
use crate::rules::Rules;
use crate::world::World;

/// Nodes of a scenario, each of another operator.
const NODES: u8 = 7;

/// What happens, and how to see it.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is set up.
    pub set: &'static str,
    run: fn() -> Result<Found, Failure>,
}

/// What a scenario showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The heads of its table's columns.
    pub columns: Vec<String>,
    /// The table.
    pub rows: Vec<Vec<String>>,
}

/// All scenarios, in the order of the page.
pub const SCENARIOS: [Scenario; 13] = [
    network::PARTITION,
    network::FLOOD,
    network::WITHHELD_HEADS,
    lies::LYING_MINORITY,
    lies::MAJORITY_COLLUSION,
    lies::TWO_VERSIONS,
    lies::EVIL_RECIPES,
    keys::EQUIVOCATION,
    keys::KEY_COMPROMISE,
    time::FROZEN_HEADS,
    time::OLD_BACKUP,
    numbers::FLASH_CROWD,
    numbers::SLOW_DECLINE,
];

/// What the page says before the scenarios.
const HEAD: &str = "# What the network does when it goes wrong

Made by `reattest-simulations scenario --all`; a test says when it is out of date. Each scenario runs
seven nodes, each of another operator: the production state machine over a network in memory, builds
of up to eight seconds, messages of up to 100 ms, and verdicts by the production quorum on what each
node's disk holds. Nodes 0 and 1 are witnesses; a signer that starts waits for one. `4 of 7` is a
policy in which four of the seven operators must have reproduced the file; as many may dissent as that
leaves, or as many as it says. The sound file is what the sources give; the forged one is not. Times
are virtual, to the second.
";

/// What the page says after them.
const TAIL: &str = "## Not shown here

- **Sizes beyond one machine**: these are seven nodes. `reattest-simulations scale` models larger
  networks; `docs/SCALE.md` has a day of 10,000 nodes.
";

impl Scenario {
    /// The scenario of a name.
    pub fn named(name: &str) -> Option<Self> {
        SCENARIOS.into_iter().find(|scenario| scenario.name == name)
    }

    /// Runs it.
    pub fn run(&self) -> Result<Found, Failure> {
        (self.run)()
    }

    /// Its part of the page.
    pub fn page(&self, found: &Found) -> String {
        let mut page = format!("## {}\n\n{}\n\n", self.name, self.set);
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        page.push_str(&line(&found.columns));
        page.push_str(&line(&vec!["---".to_owned(); found.columns.len()]));
        found.rows.iter().for_each(|row| page.push_str(&line(row)));
        page
    }
}

/// The whole page.
pub fn page() -> Result<String, Failure> {
    let mut page = HEAD.to_owned();
    for scenario in SCENARIOS {
        // Writing to a text cannot fail.
        let _written = write!(page, "\n{}", scenario.page(&scenario.run()?));
    }
    page.push('\n');
    page.push_str(TAIL);
    Ok(page)
}

fn found(columns: &[&str], rows: Vec<Vec<String>>) -> Found {
    Found { columns: columns.iter().map(|&column| column.to_owned()).collect(), rows }
}

fn names(range: std::ops::Range<u8>) -> Vec<Name> {
    range.map(Name).collect()
}

/// The release of a number.
fn purl(world: &World, number: u64) -> Result<Purl, Failure> {
    let none = || Broken::new(Invariant::SignerWorks, "a release without a name".to_owned());
    release(number).ok_or_else(|| world.failure(Name(0), none()))
}

/// k of the operators of these nodes.
fn quorum(world: &World, need: usize, of: std::ops::Range<u8>) -> Rules {
    let voters: Vec<PublicKey> = of.filter_map(|name| world.operator(Name(name))).collect();
    Rules::new(need, voters)
}

/// A policy in words.
fn words(rules: &Rules) -> String {
    let dissent = rules.max_dissent.map_or(String::new(), |limit| format!(", {limit} may dissent"));
    format!("{} of {}{dissent}", rules.need, rules.voters.len())
}

/// The verdicts of a node's consumer on the sound and on the forged file.
fn both(world: &World, name: Name, rules: &Rules, purl: &Purl) -> Result<[Conclusion; 2], Failure> {
    Ok([world.ask(name, rules, purl, sound(purl))?, world.ask(name, rules, purl, forged(purl))?])
}

fn seconds(wait: Millis) -> String {
    format!("{} s", wait / 1000)
}

/// A row for each policy: what a node's consumer concludes on both files.
fn by_policy(
    world: &World,
    name: Name,
    policies: &[(&str, Rules)],
    purl: &Purl,
) -> Result<Found, Failure> {
    let mut rows = Vec::new();
    for (who, rules) in policies {
        let [sound, forged] = both(world, name, rules, purl)?;
        let policy = format!("{}{who}", words(rules));
        rows.push(vec![policy, sound.to_string(), forged.to_string()]);
    }
    Ok(found(&["policy", "sound file", "forged file"], rows))
}
