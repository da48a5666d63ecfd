//! The ratchet of `check`, and its reports for build servers.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::path::PathBuf;

use reattest_attestation::Digest;
use reattest_tests::{document, said};
use serde_json::Value;

use crate::pins::{World, crate_pin};

fn exemptions(world: &World) -> PathBuf {
    world.parent.path().join("exemptions.toml")
}

/// Runs `check` on a lockfile, with the world's exemptions.
fn check(world: &World, lock: &str, more: &[&str]) -> (i32, Value, String) {
    let file = world.parent.path().join("Cargo.lock");
    std::fs::write(&file, lock).unwrap();
    let exempt = exemptions(world);
    let fixed = [file.to_str().unwrap(), "--json", "--exemptions", exempt.to_str().unwrap()];
    let told = world.run(&[&fixed, more].concat());
    let json = if told.stdout.is_empty() { Value::Null } else { document(&told) };
    (told.status.code().unwrap(), json, said(&told))
}

fn pin(name: &str) -> String {
    crate_pin(name, &Digest::of(name.as_bytes()).to_string())
}

#[test]
fn what_was_unverified_passes_until_it_changes_and_only_what_is_new_fails() {
    let world = World::new();
    let git = "[[package]]\nname = \"forked\"\nversion = \"1.0.0\"\nsource = \"git+https://x.test/a#1\"\n";
    let lock = pin("known") + &pin("old") + git;
    world.consumer.reproduced("pkg:cargo/known@1.0.0", Digest::of(b"known"));
    let (exit, told, _) = check(&world, &lock, &["--init"]);
    assert_eq!(
        (exit, &told["passes"], &told["verdict"]),
        (0, &true.into(), &"inconclusive".into())
    );
    assert_eq!(told["files"][0]["exempt"], 2, "{told}");
    let text = std::fs::read_to_string(exemptions(&world)).unwrap();
    assert!(!text.contains("known"), "what is verified needs none: {text}");
    assert_eq!(check(&world, &lock, &[]).0, 0);
    // A second --init would let everything new pass.
    let (exit, _, said) = check(&world, &lock, &["--init"]);
    assert!(exit == 1 && said.contains("exists already"), "{said}");
    // New ones fail: another crate, other bytes, another commit.
    assert_eq!(check(&world, &(lock.clone() + &pin("new")), &[]).0, 4);
    let other = lock.replace(&Digest::of(b"old").to_string(), &Digest::of(b"new").to_string());
    assert_eq!(check(&world, &other, &[]).0, 4);
    assert_eq!(check(&world, &lock.replace("a#1", "a#2"), &[]).0, 4);
    // What is rejected is never exempt, even where it was unknown when the ratchet was set.
    world.consumer.reproduced("pkg:cargo/old@1.0.0", Digest::of(b"published"));
    let (exit, told, _) = check(&world, &lock, &[]);
    assert_eq!((exit, &told["verdict"]), (3, &"rejected".into()), "{told}");
}

#[test]
fn exemptions_end_and_are_taken_out_where_nothing_needs_them() {
    let world = World::new();
    let lock = pin("a") + &pin("b");
    assert_eq!(check(&world, &lock, &["--init", "--expires", "2h"]).0, 0);
    world.consumer.reproduced("pkg:cargo/a@1.0.0", Digest::of(b"a"));
    let (exit, told, said) = check(&world, &lock, &["--tighten"]);
    assert!(exit == 0 && said.contains("1 exemptions taken out, 1 are left"), "{told} {said}");
    let text = std::fs::read_to_string(exemptions(&world)).unwrap();
    assert!(!text.contains("name = \"a\"") && text.contains("name = \"b\""), "{text}");
    // Its time is over.
    let line = text.lines().find(|line| line.starts_with("expires")).unwrap();
    let over = text.replace(line, "expires = \"2026-01-01T00:00:00Z\"");
    std::fs::write(exemptions(&world), over).unwrap();
    let (exit, told, _) = check(&world, &lock, &[]);
    let reasons = &told["files"][0]["pins"][1]["reasons"];
    assert_eq!((exit, &reasons[0]["rule"]), (4, &"exemption".into()), "{told}");
    // Exemptions that cannot be read let nothing pass, and are no verdict.
    for (broken, wanted) in [
        ("version = 2\n".to_owned(), "version 2"),
        ("version = 1\nunknown = 1\n".to_owned(), "line 2"),
        (text.replace("reason = \"", "reason = \"\"\n#"), "without a reason"),
        (text.replace("digests = ", "# "), "without digests"),
    ] {
        std::fs::write(exemptions(&world), &broken).unwrap();
        let (exit, told, said) = check(&world, &lock, &[]);
        assert!(exit == 1 && told.is_null() && said.contains(wanted), "{broken}: {said}");
    }
    std::fs::remove_file(exemptions(&world)).unwrap();
    assert_eq!(check(&world, &lock, &[]).0, 1, "a file that was named has to be there");
}

#[test]
fn build_servers_are_told_in_their_own_forms() {
    let world = World::new();
    world.consumer.reproduced("pkg:cargo/good@1.0.0", Digest::of(b"good"));
    world.consumer.reproduced("pkg:cargo/bad@1.0.0", Digest::of(b"published"));
    let own = "[[package]]\nname = \"app<&>\"\nversion = \"0.1.0\"\n".to_owned();
    let odd = own + &pin("waits");
    assert_eq!(check(&world, &odd, &["--init", "--reason", "ticket 7 <x>"]).0, 0);
    let lock = odd + &pin("good") + &pin("bad") + &pin("new");
    let place = |name: &str| world.parent.path().join(name);
    let (sarif, junit) = (place("found.sarif"), place("found.xml"));
    let more = ["--sarif", sarif.to_str().unwrap(), "--junit", junit.to_str().unwrap()];
    assert_eq!(check(&world, &lock, &more).0, 3);
    let sarif: Value = serde_json::from_slice(&std::fs::read(sarif).unwrap()).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let short = |one: &Value| {
        let line = &one["locations"][0]["physicalLocation"]["region"]["startLine"];
        let suppressed = one["suppressions"].as_array().unwrap().len();
        (one["ruleId"].as_str().unwrap().to_owned(), line.as_u64().unwrap(), suppressed)
    };
    let told: Vec<_> = results.iter().map(short).collect();
    let wanted = [("inconclusive", 4, 1), ("rejected", 14, 0), ("inconclusive", 19, 0)];
    assert_eq!(told, wanted.map(|(rule, line, count)| (rule.to_owned(), line, count)));
    let junit = std::fs::read_to_string(junit).unwrap();
    for wanted in [
        "tests=\"5\"",
        "failures=\"2\"",
        "name=\"app&lt;&amp;&gt; 0.1.0\"",
        "type=\"rejected\"",
        "ticket 7 &lt;x&gt;",
    ] {
        assert!(junit.contains(wanted), "{wanted}: {junit}");
    }
    // A report that cannot be written is a fault, and leaves nothing behind.
    let (exit, _, said) = check(&world, &lock, &["--junit", "/proc/nowhere/found.xml"]);
    assert!(exit == 1 && said.contains("/proc/nowhere"), "{said}");
}
