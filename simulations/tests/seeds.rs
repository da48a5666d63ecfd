//! Claims about whole runs: fixed seeds hold every invariant, runs repeat, and the checkers see a planted bug.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use reattest_simulations::{DEFAULT_SEED, Failure, Invariant, Options, Summary, World};

/// Seeds that stay, each for what its world has.
const SEEDS: [(u64, &str); 5] = [
    (DEFAULT_SEED, "what runs when nobody names a seed"),
    (1, "a liar who shows its fork once and behaves otherwise"),
    (2, "29 crashes within two minutes"),
    (90, "slow answers and many lost messages"),
    (9, "forwarded heads overtake their entries"),
];

fn run(seed: u64, options: Options) -> Result<Summary, Failure> {
    World::of(seed, options).and_then(World::run)
}

#[test]
fn honest_nodes_hold_all_logs_in_full_after_faults_and_lies() {
    for (seed, story) in SEEDS {
        let ended = run(seed, Options::default());
        assert!(ended.is_ok(), "{story}: {}", ended.unwrap_err());
    }
}

#[test]
fn a_world_has_crashes_partitions_and_lies_that_were_seen() {
    let ended = run(9, Options::default()).unwrap();
    assert!(ended.crashes > 0 && ended.splits > 0 && ended.lies > 0, "{ended}");
    assert!(ended.refused.keys().any(|(whose, _)| *whose == "the liar"), "{ended}");
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
fn a_disk_that_loses_an_entry_is_caught_with_seed_time_and_invariant() {
    for (seed, _) in SEEDS {
        let failure = run(seed, Options { canary: true }).unwrap_err();
        assert_eq!(failure.broken.invariant, Invariant::StoredRoot, "{failure}");
        assert!(failure.at > 0 && failure.to_string().contains(&format!("{seed:#x}")));
    }
}
