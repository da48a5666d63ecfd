//! The page of scenarios says what they show today.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use reattest_simulations::scenarios::{SCENARIOS, Scenario, page};

#[test]
fn the_page_of_scenarios_says_what_they_show() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SIMULATIONS.md");
    let (written, shown) = (std::fs::read_to_string(path).unwrap(), page().unwrap());
    let differ = written.lines().zip(shown.lines()).find(|(written, shown)| written != shown);
    assert!(
        written == shown,
        "docs/SIMULATIONS.md is out of date at {differ:?}; run `cargo run -p reattest-simulations -- \
         scenario --all > docs/SIMULATIONS.md`, and read what changed"
    );
}

#[test]
fn every_scenario_has_a_name_of_its_own() {
    for scenario in SCENARIOS {
        assert_eq!(Scenario::named(scenario.name).unwrap().set, scenario.set);
    }
}
