//! Doors at the command line: modes, breakglass and records for `verify`, `check` and `scan`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::process::Output;

use reattest_attestation::{Digest, SecretKey, Sign as _};
use reattest_tests::{document, printed, said};
use serde_json::Value;

use crate::deployment_rules::scanned;
use crate::pins::{World, crate_pin};
use crate::worlds::{ARCHIVE, P};

/// The environment of the doors `check` and `cli`.
fn environment(world: &World, mode: &str, when_unavailable: &str) {
    let authority =
        |kind| format!("[[authority]]\npurl = \"pkg:{kind}/*\"\nopenpgp = [\"{ARCHIVE}\"]\n");
    world.consumer.policy(&format!(
        "{}[[environment]]\nname = \"ci\"\ndoors = [\"check\", \"cli\"]\nmode = \"{mode}\"\n\
         expires = 2100-01-01T00:00:00Z\nwhen_unavailable = \"{when_unavailable}\"\n",
        authority("cargo")
    ));
}

/// The same, with a rule about scans.
fn environment_with_scans(world: &World, scanner: &SecretKey) {
    world.consumer.policy(&format!(
        "[[scanner]]\nname = \"sieve\"\nkey = \"{}\"\n[[environment]]\nname = \"ci\"\n\
         doors = [\"cli\"]\nmode = \"enforce\"\nwhen_unavailable = \"allow\"\n\
         expires = 2100-01-01T00:00:00Z\n[environment.rules]\n\
         scan = {{ by = [\"sieve\"], within = \"7d\", refuse_from = \"high\" }}\n",
        scanner.public_key()
    ));
}

/// Two crates: one that the quorum rebuilt, one that nobody did.
fn lockfile(world: &World) -> String {
    let good = Digest::of(b"good");
    world.consumer.reproduced("pkg:cargo/good@1.0.0", good);
    let path = world.parent.path().join("Cargo.lock");
    let unknown = crate_pin("unknown", &Digest::of(b"unknown").to_string());
    std::fs::write(
        &path,
        format!("version = 4\n{}{unknown}", crate_pin("good", &good.to_string())),
    )
    .unwrap();
    path.to_str().unwrap().to_owned()
}

fn decided(world: &World, file: &str, more: &[&str]) -> (i32, Value) {
    let told = world.run(&[&[file, "--decide", "--offline", "--json"], more].concat());
    let code = told.status.code().unwrap();
    if code == 1 && told.stdout.is_empty() {
        return (code, Value::String(said(&told)));
    }
    (code, document(&told))
}

fn pin<'a>(told: &'a Value, name: &str) -> &'a Value {
    let pins = told["files"][0]["pins"].as_array().unwrap();
    pins.iter().find(|pin| pin["name"] == name).unwrap()
}

fn run(world: &World, arguments: &[&str]) -> Output {
    world.consumer.member.command(arguments).output().unwrap()
}

#[test]
fn a_check_that_decides_does_what_the_environment_says_and_records_it() {
    let world = World::new();
    let file = lockfile(&world);
    environment(&world, "enforce", "refuse");
    let (exit, told) = decided(&world, &file, &[]);
    assert_eq!((exit, &told["passes"]), (4, &false.into()), "{told}");
    assert_eq!(pin(&told, "good")["decisions"][0]["effect"], "allowed");
    let unknown = &pin(&told, "unknown")["decisions"][0];
    assert_eq!((&unknown["effect"], &unknown["why"]), (&"refused".into(), &"inconclusive".into()));
    assert_eq!(unknown["environment"], "ci");

    environment(&world, "dry-run", "refuse");
    let (exit, told) = decided(&world, &file, &[]);
    assert_eq!(
        (exit, &told["passes"], &told["verdict"]),
        (0, &true.into(), &"inconclusive".into())
    );
    assert_eq!(pin(&told, "unknown")["decisions"][0]["why"], "dry-run");
    let table = printed(&world.run(&[&file, "--decide", "--offline"]));
    assert!(table.contains("allowed") && table.contains("dry run"), "{table}");
    assert!(table.contains("1 allowed all the same"), "{table}");

    environment(&world, "off", "refuse");
    assert_eq!(decided(&world, &file, &[]).0, 0);

    environment(&world, "enforce", "refuse");
    let broken =
        ["--artifact", "pkg:cargo/unknown@1.0.0", "--reason", "ticket 1", "--expires", "1h"];
    let told = run(&world, &[&["breakglass"], &broken[..]].concat());
    assert!(told.status.success(), "{}", said(&told));
    let (exit, told) = decided(&world, &file, &[]);
    assert_eq!((exit, &pin(&told, "unknown")["decisions"][0]["why"]), (0, &"breakglass".into()));

    // All of it is in the log, and follows from it again.
    let verified = run(&world, &["audit", "verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
    let replayed = run(&world, &["audit", "replay", "--json"]);
    assert!(replayed.status.success(), "{}{}", printed(&replayed), said(&replayed));
    assert!(pin(&told, "unknown")["decisions"][0]["record"].as_u64().unwrap() > 9, "{told}");
}

#[test]
fn a_door_that_cannot_judge_stays_shut_and_calls_it_a_fault() {
    let world = World::new();
    let file = lockfile(&world);
    // No environment of the policy covers the door.
    let (exit, told) = decided(&world, &file, &[]);
    assert_eq!((exit, &told["passes"]), (1, &false.into()), "{told}");
    let good = pin(&told, "good");
    assert_eq!(good["decisions"][0]["why"], "misconfigured", "{good}");
    assert_eq!(good["verdict"], "inconclusive");
    // The node does not run: as the environment says.
    environment(&world, "enforce", "refuse");
    let told = world.run(&[&file, "--decide"]);
    assert_eq!(told.status.code(), Some(1), "{}", printed(&told));
    assert!(printed(&told).contains("reattest node"), "{}", printed(&told));
    environment(&world, "enforce", "allow");
    let told = world.run(&[&file, "--decide", "--json"]);
    assert_eq!(told.status.code(), Some(0), "{}", printed(&told));
    assert_eq!(pin(&document(&told), "good")["decisions"][0]["why"], "unavailable");
    // A pin that cannot be asked about is decided on by nobody, and fails.
    environment(&world, "dry-run", "refuse");
    let path = world.parent.path().join("requirements.txt");
    std::fs::write(&path, "a==1\n").unwrap();
    assert_eq!(decided(&world, path.to_str().unwrap(), &[]).0, 4);
}

#[test]
fn verify_decides_about_a_file_and_says_where_it_is_recorded() {
    let world = World::new();
    let file = world.parent.path().join("netbase.deb");
    std::fs::write(&file, b"netbase").unwrap();
    let file = file.to_str().unwrap();
    let decide = |more: &[&str]| {
        let told =
            run(&world, &[&["verify", file, "--as", P, "--decide", "--offline"], more].concat());
        (told.status.code().unwrap(), printed(&told))
    };
    environment(&world, "enforce", "refuse");
    assert_eq!(decide(&[]).0, 4);
    world.consumer.reproduced(P, Digest::of(b"netbase"));
    let (exit, told) = decide(&[]);
    assert_eq!(exit, 0, "{told}");
    assert!(told.contains("allowed") && told.contains("environment ci, record 2"), "{told}");
    std::fs::write(file, b"another").unwrap();
    assert_eq!(decide(&[]).0, 3);
    environment(&world, "dry-run", "refuse");
    let (exit, told) = decide(&["--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (exit, &told["why"], &told["verdict"]["verdict"]),
        (0, &"dry-run".into(), &"rejected".into())
    );
}

#[test]
fn scans_beside_the_evidence_are_read_recorded_and_watched() {
    let world = World::new();
    let path = world.parent.path().join("netbase.deb");
    std::fs::write(&path, b"netbase").unwrap();
    let (file, sha256) = (path.to_str().unwrap(), Digest::of(b"netbase"));
    world.consumer.reproduced(P, sha256);
    let scanner = SecretKey::from_seed(&[77; 32]);
    environment_with_scans(&world, &scanner);
    let config = world.consumer.member.config();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("scans = \"scans\"\n{text}")).unwrap();
    let decide = || {
        let asked = ["verify", file, "--as", P, "--decide", "--offline", "--json"];
        let told = run(&world, &asked);
        (told.status.code().unwrap(), printed(&told))
    };
    // What the configuration names and is not there is lack of a scan, and `allow` does not cover it.
    let (exit, told) = decide();
    assert!(exit == 1 && told.contains("the scans at"), "{told}");
    let scans = world.consumer.member.home.join("scans");
    std::fs::create_dir(&scans).unwrap();
    let (exit, told) = decide();
    assert!(exit == 4 && told.contains("scan"), "nobody looked at it: {told}");

    let scan = |result: &Value| {
        let now = reattest::clock::now().to_string();
        let line = scanned(&scanner, sha256, &now, result) + "\n";
        std::fs::write(scans.join(format!("{sha256}.jsonl")), line).unwrap();
    };
    scan(&serde_json::json!([]));
    let (exit, told) = decide();
    assert_eq!(exit, 0, "{told}");
    let watched = run(&world, &["watch", "--once", "--offline", "--json"]);
    assert!(watched.status.success(), "{}", said(&watched));

    scan(
        &serde_json::json!([{"id": "CVE-2026-1", "severity": [{"method": "nvd", "score": "9.8"}]}]),
    );
    let (exit, told) = decide();
    assert!(exit == 3 && told.contains("CVE-2026-1"), "{told}");
    let watched = run(&world, &["watch", "--once", "--offline", "--json"]);
    assert!(printed(&watched).contains("CVE-2026-1"), "{}{}", printed(&watched), said(&watched));
    let replayed = run(&world, &["audit", "replay"]);
    assert!(printed(&replayed).contains("4 of 4 decisions"), "{}", printed(&replayed));
}
