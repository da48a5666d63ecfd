//! The main job, end to end: real processes, a real package, real agreement and a real lie.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use reattest_tests::processes::naming;
use reattest_tests::{at_hand, directory, document, printed, run, said};
use serde_json::Value;

/// Runs the demo and keeps what it made.
fn demo(keep: &Path, arguments: &[&str]) -> Value {
    let all = [&["demo", "--json", "--keep", keep.to_str().unwrap()], arguments].concat();
    let output = run(&all);
    assert!(output.status.success(), "{}\n{}", said(&output), printed(&output));
    assert!(naming(keep).is_empty(), "the demo left processes behind");
    document(&output)
}

fn outcomes(verdict: &Value) -> Vec<&str> {
    let votes = verdict["votes"].as_array().unwrap();
    votes.iter().map(|vote| vote["outcome"].as_str().unwrap()).collect()
}

#[test]
fn three_operators_reproduce_netbase_and_only_the_real_file_is_accepted() {
    if !at_hand("the demo") {
        return;
    }
    let home = directory();
    let keep = home.path().join("k");
    let result = demo(&keep, &[]);
    let verdicts = result["verdicts"].as_array().unwrap();
    let [real, flipped, renamed] = &verdicts[..] else { panic!("{verdicts:?}") };

    assert_eq!(real["verdict"]["verdict"], "accepted");
    assert_eq!(real["verdict"]["quorum"], serde_json::json!({"need": 2, "have": 3, "of": 3}));
    assert_eq!(real["verdict"]["dissent"], "checked");
    assert_eq!(outcomes(&real["verdict"]), ["reproduced"; 3]);

    assert_eq!(flipped["verdict"]["verdict"], "rejected");
    let reasons = flipped["verdict"]["reasons"].to_string();
    let real_digest = real["verdict"]["artifact"]["sha256"].as_str().unwrap();
    assert!(
        reasons.contains(real_digest),
        "it says which file the quorum stands behind: {reasons}"
    );

    assert_ne!(renamed["verdict"]["verdict"], "accepted");

    every_door_gives_the_same_answer(&keep, &result);
}

/// The kept bundle and the kept logs, without any node running.
fn every_door_gives_the_same_answer(keep: &Path, result: &Value) {
    let purl = result["purl"].as_str().unwrap();
    let name = result["verdicts"][0]["verdict"]["artifact"]["name"].as_str().unwrap();
    let file = keep.join("artifacts").join(name);
    let (file, policy) = (file.to_str().unwrap(), keep.join("policy.toml"));
    let config = keep.join("birch/config.toml");
    let from_disk = run(&[
        "--config",
        config.to_str().unwrap(),
        "verify",
        file,
        "--as",
        purl,
        "--offline",
        "--json",
    ]);
    assert_eq!(from_disk.status.code(), Some(0), "{}", said(&from_disk));
    assert_eq!(document(&from_disk), result["verdicts"][0]["verdict"]);

    let bundle = std::fs::read_dir(keep.join("bundles")).unwrap().next().unwrap().unwrap().path();
    let carried = [
        "verify",
        file,
        "--as",
        purl,
        "--policy",
        policy.to_str().unwrap(),
        "--bundle",
        bundle.to_str().unwrap(),
        "--json",
    ];
    let carried = run(&carried);
    assert_eq!(carried.status.code(), Some(0), "{}", said(&carried));
    assert_eq!(document(&carried)["dissent"], "unchecked", "a bundle cannot show it");
    let lines = std::fs::read_to_string(&bundle).unwrap();
    for kind in ["recipe", "lock", "proof", "checkpoint", "certificate"] {
        assert!(lines.contains(&format!("\"reattest\":\"{kind}\"")), "the bundle has a {kind}");
    }

    // The same evidence from the logs on disk, carried by another command, is the same bytes.
    let again = keep.join("again.jsonl");
    let (config_text, again_text) = (config.to_str().unwrap(), again.to_str().unwrap());
    let bundled = ["--config", config_text, "bundle", file, "--as", purl, "-o", again_text];
    let bundled = run(&bundled);
    assert_eq!(bundled.status.code(), Some(0), "{}", said(&bundled));
    assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&bundle).unwrap());

    let asked = run(&["--config", config.to_str().unwrap(), "query", purl]);
    assert_eq!(asked.status.code(), Some(0), "{}", said(&asked));
    assert!(printed(&asked).contains("3 of 3"), "{}", printed(&asked));
}

#[test]
fn one_liar_is_outvoted_and_its_dissent_is_shown() {
    if !at_hand("the demo with a liar") {
        return;
    }
    let home = directory();
    let result = demo(&home.path().join("k"), &["--liars", "1"]);
    let verdicts = result["verdicts"].as_array().unwrap();
    assert_eq!(verdicts[0]["verdict"]["verdict"], "accepted");
    assert_eq!(verdicts[0]["verdict"]["quorum"]["have"], 2);
    assert_eq!(outcomes(&verdicts[0]["verdict"]), ["reproduced", "reproduced", "differs"]);
    assert_eq!(verdicts[1]["verdict"]["verdict"], "rejected", "the forged file");
    let forged = verdicts[1]["verdict"]["artifact"]["sha256"].as_str().unwrap();
    let claimed = verdicts[1]["verdict"]["votes"][2]["sha256"].as_str().unwrap();
    assert_eq!(forged, claimed, "the forged file is what the liar says it built");
}

#[test]
fn two_liars_of_three_are_a_quorum_that_the_consumer_is_told_about() {
    if !at_hand("the demo with two liars") {
        return;
    }
    // The demo says so and fails: its promise is that the real file is accepted.
    let output = run(&["demo", "--liars", "2", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let result = document(&output);
    assert_eq!(result["held"], false);
    assert_eq!(
        result["verdicts"][0]["verdict"]["verdict"], "rejected",
        "two dissent, one is tolerated"
    );
}
