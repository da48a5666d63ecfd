//! `reattest-simulations quorum`: what a policy is worth, as a table over every k.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use reattest_attestation::Policy;
use reattest_simulations::DEFAULT_SEED;
use reattest_simulations::whatif::{Ask, Frequency, Likelihood, Shape, advise};

use super::{Said, json, seed, text};

/// The chance of a false acceptance and of no verdict, for every k.
///
/// Compromised operators collude on a false file, in whichever way serves them: one consumer is
/// handed it while the others saw the true one, or it is published for all and honest operators
/// dissent; against the true file they stand behind the false one, or dissent. Offline operators
/// are silent. Every verdict is the production code's.
#[derive(Debug, Args)]
pub(crate) struct Quorum {
    /// Operators, all alike.
    #[arg(long, value_name = "N", required_unless_present = "policy", conflicts_with = "policy")]
    operators: Option<usize>,
    /// A policy, with its groups; its operators' keys are replaced by stand-ins.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// k; its row is marked.
    #[arg(long, value_name = "K", conflicts_with = "policy")]
    need: Option<usize>,
    /// At most so many may dissent [default: as many as k leaves].
    #[arg(long, value_name = "D")]
    dissent: Option<usize>,
    /// So many are compromised, nobody knows which.
    #[arg(long, value_name = "C", conflicts_with = "compromise_chance")]
    compromised: Option<usize>,
    /// Each is compromised with this chance.
    #[arg(long, value_name = "P")]
    compromise_chance: Option<f64>,
    /// So many are offline, nobody knows which.
    #[arg(long, value_name = "O", conflicts_with = "offline_chance")]
    offline: Option<usize>,
    /// Each is offline with this chance.
    #[arg(long, value_name = "P")]
    offline_chance: Option<f64>,
    /// Chances of one operator of the policy: compromised, and offline if not.
    #[arg(long = "operator", value_name = "NAME=P,P", requires = "policy", value_parser = own)]
    own: Vec<(String, [f64; 2])>,
    /// The chance of a false acceptance that is bearable.
    #[arg(long, value_name = "P", default_value_t = 0.001)]
    bound: f64,
    /// Samples, where the states are too many to count.
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    samples: usize,
    /// What samples are drawn from.
    #[arg(long, value_name = "SEED", default_value_t = DEFAULT_SEED, value_parser = seed)]
    seed: u64,
    /// Prints one JSON document.
    #[arg(long)]
    json: bool,
}

fn own(text: &str) -> Result<(String, [f64; 2]), String> {
    let wrong = || format!("found {text:?}, needed NAME=P,P with chances from 0 to 1");
    let (name, chances) = text.rsplit_once('=').ok_or_else(wrong)?;
    let (stolen, away) = chances.split_once(',').ok_or_else(wrong)?;
    let chance = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
    Ok((name.to_owned(), [chance(stolen)?, chance(away)?]))
}

fn frequency(count: Option<usize>, chance: Option<f64>) -> Frequency {
    match (count, chance) {
        (Some(count), _) => Frequency::Count(count),
        (None, chance) => Frequency::Chance(chance.unwrap_or(0.0)),
    }
}

impl Quorum {
    pub(crate) fn run(&self) -> Said {
        let shape = match &self.policy {
            Some(file) => Shape::of_policy(&policy(file)?),
            None => Shape::flat(self.operators.unwrap_or(0)),
        };
        let mut own = BTreeMap::new();
        for (name, chances) in &self.own {
            let needed =
                || format!("--operator {name}: the policy's quorum names no such operator");
            own.insert(shape.seat(name).ok_or_else(needed)?, *chances);
        }
        let likelihood = Likelihood {
            compromised: frequency(self.compromised, self.compromise_chance),
            offline: frequency(self.offline, self.offline_chance),
            own,
        };
        let (bound, samples, seed) = (self.bound, self.samples, self.seed);
        let ask = Ask { shape, likelihood, max_dissent: self.dissent, bound, samples, seed };
        let mut advice = advise(&ask).map_err(|error| error.to_string())?;
        advice.asked = self.need.or(advice.asked);
        if self.json { json(&advice) } else { text(&advice) }
    }
}

fn policy(file: &PathBuf) -> Result<Policy, String> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("{name} cannot be read: {error}; name a policy that exists"))?;
    Policy::parse(&text).map_err(|error| format!("{name}: {error}"))
}
