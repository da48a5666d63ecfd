//! Claims about whole runs: fixed seeds hold every invariant, runs repeat, and every planted bug is caught.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use clap::ValueEnum as _;
use reattest_simulations::{Canary, Failure, Options, Summary, World, minimize};
use serde::Deserialize;

/// `seeds.toml`.
#[derive(Deserialize)]
struct Seeds {
    seed: Vec<Seed>,
    canary: Vec<Caught>,
}

/// A seed that stays, for what its world has or had.
#[derive(Deserialize)]
struct Seed {
    seed: u64,
    story: String,
}

/// Within how many seeds a planted bug is caught, and by what.
#[derive(Deserialize)]
struct Caught {
    name: String,
    within: u64,
    by: Vec<String>,
}

fn seeds() -> Seeds {
    toml::from_str(include_str!("../seeds.toml")).unwrap()
}

fn run(seed: u64, options: Options) -> Result<Summary, Failure> {
    World::of(seed, options).and_then(World::run)
}

#[test]
fn honest_nodes_hold_all_logs_in_full_after_faults_and_lies() {
    for Seed { seed, story } in seeds().seed {
        let ended = run(seed, Options::default());
        assert!(ended.is_ok(), "{story}: {}", ended.unwrap_err());
    }
}

#[test]
fn a_world_has_crashes_partitions_and_lies_that_were_seen() {
    let ended = run(9, Options::default()).unwrap();
    assert!(ended.crashes > 0 && ended.splits > 0 && ended.lies > 0, "{ended}");
    assert!(ended.refused.keys().any(|(whose, _)| *whose == "the liar"), "{ended}");
    // Consumers had something to decide, and a liar to be wary of.
    let of = |word: &str| ended.verdicts.get(word).copied().unwrap_or(0);
    assert!(of("accepted") > 4 && of("rejected") > 4 && of("inconclusive") > 4, "{ended}");
}

#[test]
fn one_seed_is_one_run_to_the_byte() {
    assert_eq!(run(7, Options::default()).unwrap(), run(7, Options::default()).unwrap());
}

#[test]
fn two_seeds_are_two_runs() {
    let digest = |seed| run(seed, Options::default()).unwrap().digest.unwrap();
    assert_ne!(digest(7), digest(8));
}

#[test]
fn every_planted_bug_is_caught_within_its_seeds_and_by_its_checker() {
    let known = seeds().canary;
    for canary in Canary::value_variants() {
        let name = canary.to_possible_value().unwrap().get_name().to_owned();
        let Caught { within, by: checkers, .. } =
            known.iter().find(|one| one.name == name).unwrap();
        let options = Options { canary: Some(*canary), ..Options::default() };
        let failure = (1..=*within).find_map(|seed| run(seed, options.clone()).err());
        let Some(failure) = failure else { panic!("{name} sang through {within} seeds") };
        let by = format!("{:?}", failure.broken.invariant);
        assert!(checkers.contains(&by), "{name}: {failure}");
        assert!(failure.at > 0 && failure.to_string().contains(&format!("{:#x}", failure.seed)));
    }
    assert_eq!(known.len(), Canary::value_variants().len());
}

#[test]
fn a_failure_is_found_again_in_a_smaller_world() {
    let options = Options { canary: Some(Canary::LosesEntries), ..Options::default() };
    let first = run(1, options.clone()).unwrap_err();
    let (mut fewer, mut all) = (0, 0);
    let (cut, smaller) = minimize(1, &options, first.clone(), |_, fails| {
        all += 1;
        fewer += u32::from(fails);
    });
    assert_eq!(smaller.broken.invariant, first.broken.invariant);
    assert!(smaller.odds.honest < first.odds.honest && fewer > 0 && all > fewer, "{cut}");
    // What is printed runs into the same failure, at the same time.
    let again = run(1, Options { cut: cut.clone(), ..options }).unwrap_err();
    assert_eq!((again.at, again.broken), (smaller.at, smaller.broken), "{cut}");
    assert!(again.knew.iter().any(|line| line.contains("holds the log of")), "{:?}", again.knew);
}
