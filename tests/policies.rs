//! `reattest policy` as a person runs it: cases beside a policy, a policy about policies, plain words.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::path::{Path, PathBuf};

use reattest::decisions::{self, Answered, PolicyRead, Request};
use reattest_attestation::policy::Door;
use reattest_attestation::{Completeness, HashedFile};
use reattest_tests::{document, printed, run, said};

use crate::worlds::{NOW, P, at, file, policy_text, world};

const ENVIRONMENTS: &str = "\n[[environment]]\nname = \"prod\"\nmode = \"enforce\"\n\
    when_unavailable = \"refuse\"\nexpires = 2026-12-01T00:00:00Z\npurls = [\"pkg:deb/debian/*\"]\n\
    doors = [\"apt\"]\nlabels = { stage = \"prod\" }\n\
    [environment.rules]\nmax_age = \"2d\"\nminimum_versions = [\"pkg:deb/debian/netbase@6.5\"]\n\n\
    [[environment]]\nname = \"laptops\"\nmode = \"dry-run\"\nwhen_unavailable = \"allow\"\n\
    expires = 2026-12-01T00:00:00Z\nlabels = { stage = \"laptop\" }\n";

/// Cases about the world's package on 2026-06-01.
fn cases() -> String {
    let case = |name: &str, rest: &str| {
        format!(
            "[[case]]\nname = \"{name}\"\npurl = \"{P}\"\ndoor = \"apt\"\nat = 2026-06-01T00:00:00Z\n{rest}\n"
        )
    };
    "version = 1\n".to_owned()
        + &case(
            "proven, in production",
            "file = \"netbase_6.5_all.deb\"\nbundle = \"proven.jsonl\"\ndissent = \"checked\"\nlabels = { stage = \"prod\" }\nexpect = { environment = \"prod\", mode = \"enforce\", verdict = \"accepted\", deploys = true, rules = [\"quorum\"] }",
        )
        + &case(
            "unproven, in production",
            "file = \"netbase_6.5_all.deb\"\nlabels = { stage = \"prod\" }\nexpect = { verdict = \"inconclusive\", deploys = false }",
        )
        + &case(
            "another file, on a laptop",
            "sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\nbundle = \"proven.jsonl\"\nlabels = { stage = \"laptop\" }\nexpect = { environment = \"laptops\", mode = \"dry-run\", verdict = \"rejected\", deploys = true }",
        )
        + &case(
            "nowhere",
            "file = \"netbase_6.5_all.deb\"\nexpect = { error = \"found no environment\" }",
        )
}

struct Desk {
    home: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { home: tempfile::tempdir().unwrap() };
        desk.write("policy.toml", &(policy_text("2/3") + ENVIRONMENTS));
        desk.write("policy.cases.toml", &cases());
        desk.write("netbase_6.5_all.deb", "F");
        let proven = world("a1+F b1+F c1+F").to_bytes().unwrap();
        desk.write("proven.jsonl", &String::from_utf8(proven).unwrap());
        desk
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn policy(&self) -> String {
        self.home.path().join("policy.toml").to_str().unwrap().to_owned()
    }
}

/// What was printed, without the place of the test and the digest of the text.
fn shown(output: &std::process::Output, home: &Path) -> String {
    let text = printed(output).replace(home.to_str().unwrap(), "HOME");
    let lines = text.lines().filter(|line| !line.starts_with("  digest"));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn cases_beside_a_policy_are_run_and_those_that_come_out_otherwise_refuse_it() {
    let desk = Desk::new();
    let output = run(&["policy", "check", &desk.policy()]);
    assert_eq!(output.status.code(), Some(0), "{}{}", said(&output), printed(&output));
    assert_eq!(shown(&output, desk.home.path()), include_str!("rules/check-passed.txt"));

    let strict = (policy_text("3/3") + ENVIRONMENTS).replace("\"dry-run\"", "\"enforce\"");
    desk.write("policy.toml", &strict.replace("netbase@6.5", "netbase@6.6"));
    let output = run(&["policy", "check", &desk.policy()]);
    assert_eq!(output.status.code(), Some(3), "{}{}", said(&output), printed(&output));
    assert_eq!(shown(&output, desk.home.path()), include_str!("rules/check-failed.txt"));
    let json = document(&run(&["policy", "check", "--json", &desk.policy()]));
    let passed: Vec<bool> =
        json["cases"].as_array().unwrap().iter().map(|c| c["passed"].as_bool().unwrap()).collect();
    assert_eq!(passed, [false, false, false, true], "{json:#}");
}

#[test]
fn mistakes_in_cases_are_faults_and_no_result() {
    let desk = Desk::new();
    for (from, to, part) in [
        ("version = 1", "version = 2", "needed version = 1"),
        ("door = \"apt\"", "door = \"atp\"", "unknown variant"),
        ("bundle = \"proven.jsonl\"", "bundle = \"absent.jsonl\"", "absent.jsonl"),
        ("bundle = \"proven.jsonl\"", "bundel = \"proven.jsonl\"", "unknown field"),
        ("file = \"netbase_6.5_all.deb\"\n", "", "either file or sha256"),
        ("{ error = \"found no environment\" }", "{}", "expects nothing"),
        ("{ error = ", "{ deploys = true, error = ", "a result and an error"),
        ("stage = \"prod\"", "stage = \"a b\"", "needed at most 32 labels"),
    ] {
        assert!(cases().contains(from), "{from}");
        desk.write("policy.cases.toml", &cases().replacen(from, to, 1));
        let output = run(&["policy", "check", &desk.policy()]);
        assert_eq!(output.status.code(), Some(1), "{from} -> {to}: {}", printed(&output));
        assert!(said(&output).contains(part), "{from} -> {to}: {}", said(&output));
        assert_eq!(printed(&output), "");
    }
}

#[test]
fn a_policy_about_policies_refuses_with_every_reason() {
    let desk = Desk::new();
    let text = "version = 1\nexpires = 2027-01-01T00:00:00Z\nminimum_need = 3\n\
        [[environment]]\nname = \"laptops\"\nmodes = [\"enforce\"]\nwhen_unavailable = [\"refuse\"]\n\
        required_rules = [\"scan\"]\n";
    let meta = desk.write("meta.toml", text);
    let meta = meta.to_str().unwrap();
    let check = || run(&["policy", "check", &desk.policy(), "--meta", meta]);
    let output = check();
    assert_eq!(output.status.code(), Some(3), "{}{}", said(&output), printed(&output));
    assert_eq!(shown(&output, desk.home.path()), include_str!("rules/check-meta.txt"));
    desk.write("meta.toml", "version = 1\nexpires = 2027-01-01T00:00:00Z\nminimum_need = 2\n");
    assert_eq!(check().status.code(), Some(0));
    for (text, part) in [
        (
            text.replace("2027", "2026"),
            "meta-policy line 2, column 11: found a policy that expired",
        ),
        (text.replace("modes", "mode"), "meta-policy line 6, column 1"),
    ] {
        desk.write("meta.toml", &text);
        let output = check();
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        assert!(said(&output).contains(part), "{}", said(&output));
    }
}

#[test]
fn a_policy_is_explained_in_plain_words() {
    let desk = Desk::new();
    let output = run(&["policy", "explain", &desk.policy()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(printed(&output), include_str!("rules/explained.txt"));
}

/// Decides about the world's package by a policy, as a door would, and records it.
fn decide(desk: &Desk, policy: &str, stage: &str, answered: impl Fn() -> Answered) {
    let log = decisions::Desk::at(&desk.home.path().join("decisions")).with_clock(|| at(NOW));
    let asked = HashedFile::elsewhere("netbase_6.5_all.deb", file('F'));
    let labels = std::iter::once(("stage".to_owned(), stage.to_owned())).collect();
    let request = Request::new(Door::Apt, P.parse().unwrap(), &asked).with_labels(labels);
    log.decide(&PolicyRead::text(policy.as_bytes().to_vec()), request, |_| answered());
}

#[test]
fn what_a_new_policy_would_change_is_shown_on_recorded_decisions() {
    let desk = Desk::new();
    let old = policy_text("2/3") + ENVIRONMENTS;
    let had = |line: &str| {
        let bundle = world(line).to_bytes().unwrap();
        Answered::Had { bundle, dissent: Completeness::Complete, scans: Vec::new() }
    };
    decide(&desk, &old, "prod", || had("a1+F b1+F c1+F"));
    decide(&desk, &old, "prod", || had("a1+F b1+F"));
    decide(&desk, &old, "laptop", || had("a1+F"));
    decide(&desk, &old, "prod", || Answered::Unavailable("nobody answers".to_owned()));
    decide(&desk, &old.replace("\"enforce\"", "\"off\""), "prod", || had("a1+F"));
    let log = desk.home.path().join("decisions");
    let new = desk.home.path().join("new.toml");
    let diff = |more: &[&str]| {
        let policy = desk.policy();
        let arguments =
            ["policy", "diff", &policy, new.to_str().unwrap(), "--log", log.to_str().unwrap()];
        run(&[&arguments, more].concat())
    };
    desk.write("new.toml", &old);
    let output = diff(&[]);
    assert_eq!(output.status.code(), Some(0), "{}{}", said(&output), printed(&output));
    assert_eq!(
        printed(&output),
        "4 of 5 decisions come out the same, 0 change\n\
         1 cannot be told: nothing was asked then, so there is no evidence\n"
    );

    let strict = (policy_text("3/3") + ENVIRONMENTS)
        .replace("\"laptop\" }", "\"laptop\", region = \"eu\" }")
        .replace("\"refuse\"", "\"allow\"");
    desk.write("new.toml", &strict);
    let output = diff(&[]);
    assert_eq!(output.status.code(), Some(11), "{}{}", said(&output), printed(&output));
    assert_eq!(printed(&output), include_str!("rules/diff.txt"));
    let json = document(&diff(&["--json"]));
    assert_eq!((json["same"].as_u64(), json["changed"].as_u64()), (Some(1), Some(3)), "{json:#}");

    // A shelf that lacks the evidence is a fault, and no result.
    std::fs::remove_dir_all(log.join("sha256")).unwrap();
    let output = diff(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert_eq!(printed(&output), "");
}
