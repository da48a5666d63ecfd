//! What each door is told, in every mode, and that the record of it comes out the same again (C5, C7).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use reattest::decisions::{
    Answered, Artifact, Breakglass, Decision, Desk, Event, Identity, PolicyRead, Request,
};
use reattest_attestation::policy::Door;
use reattest_attestation::{Completeness, HashedFile, SecretKey, Timestamp};
use reattest_tests::{document, printed, run, said};

use crate::worlds::{NOW, P, at, file, policy_text, world};

fn now() -> Timestamp {
    at(NOW)
}

fn policy(mode: &str, when_unavailable: &str) -> String {
    format!(
        "{}\n[[environment]]\nname = \"here\"\nmode = \"{mode}\"\nwhen_unavailable = \"{when_unavailable}\"\n\
         expires = 2026-12-01T00:00:00Z\ndoors = [\"apt\"]\n",
        policy_text("2/3")
    )
}

fn request() -> Request {
    let asked = HashedFile::elsewhere("netbase_6.5_all.deb", file('F'));
    Request::new(Door::Apt, P.parse().unwrap(), &asked)
}

fn evidence(line: &str) -> Answered {
    let bundle = world(line).to_bytes().unwrap();
    Answered::Had { bundle, dissent: Completeness::Complete, scans: Vec::new() }
}

/// What asking for evidence comes to, by the word that the tables have for it.
fn answered(word: &str) -> Answered {
    match word {
        "accepted" => evidence("a1+F b1+F"),
        "rejected" => evidence("a1+G b1+G"),
        "inconclusive" => evidence("a1+F"),
        "unavailable" => Answered::Unavailable("nobody answers".to_owned()),
        _ => Answered::Unusable("it is no bundle".to_owned()),
    }
}

struct Place {
    home: tempfile::TempDir,
    desk: Desk,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let desk = Desk::at(&home.path().join("decisions")).with_clock(now);
        Self { home, desk }
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("decisions")
    }

    fn decide(&self, policy: &str, word: &str) -> Decision {
        let policy = PolicyRead::text(policy.as_bytes().to_vec());
        self.desk.decide(&policy, request(), |_| answered(word))
    }

    fn break_glass(&self, artifact: Artifact, expires: i64) -> u64 {
        let by = Identity {
            uid: 1000,
            user: Some("ada".to_owned()),
            login_uid: None,
            sudo_user: None,
            host: "desk".to_owned(),
            terminal: None,
        };
        let reason = "the shop is down".to_owned();
        let event = Event::Breakglass(Breakglass { artifact, reason, expires: at(expires), by });
        let key = SecretKey::from_seed(&[1; 32]);
        let mut log = self.desk.chain().take().unwrap();
        log.append_signed(vec![event], Some(&key)).unwrap()[0].record.number
    }

    fn audit(&self, arguments: &[&str]) -> std::process::Output {
        let log = self.log();
        run(&[&["audit"], arguments, &["--log", log.to_str().unwrap()]].concat())
    }

    fn all_come_out_the_same(&self) {
        let output = self.audit(&["replay", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}{}", printed(&output), said(&output));
        let output = self.audit(&["verify", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}{}", printed(&output), said(&output));
    }
}

/// Mode, `when_unavailable`, what was found: what the door is told, without and with a breakglass.
const MATRIX: &str = "
enforce refuse accepted      allowed Accepted     | allowed Accepted
enforce refuse rejected      refused Rejected     | allowed Breakglass
enforce refuse inconclusive  refused Inconclusive | allowed Breakglass
enforce refuse unavailable   refused Unavailable  | allowed Breakglass
enforce refuse unusable      refused Unusable     | allowed Breakglass
enforce allow  accepted      allowed Accepted     | allowed Accepted
enforce allow  rejected      refused Rejected     | allowed Breakglass
enforce allow  inconclusive  refused Inconclusive | allowed Breakglass
enforce allow  unavailable   allowed Unavailable  | allowed Unavailable
enforce allow  unusable      refused Unusable     | allowed Breakglass
dry-run refuse accepted      allowed Accepted     | allowed Accepted
dry-run refuse rejected      allowed DryRun       | allowed DryRun
dry-run refuse inconclusive  allowed DryRun       | allowed DryRun
dry-run refuse unavailable   allowed DryRun       | allowed DryRun
dry-run refuse unusable      allowed DryRun       | allowed DryRun
dry-run allow  rejected      allowed DryRun       | allowed DryRun
dry-run allow  unavailable   allowed DryRun       | allowed DryRun
off     refuse accepted      allowed Off          | allowed Off
off     refuse rejected      allowed Off          | allowed Off
off     refuse unavailable   allowed Off          | allowed Off
off     allow  unusable      allowed Off          | allowed Off
";

fn outcome(decision: &Decision) -> String {
    let effect = if decision.is_allowed() { "allowed" } else { "refused" };
    format!("{effect} {:?}", decision.why)
}

#[test]
fn every_mode_tells_a_door_what_the_table_says_and_records_the_verdict_that_would_have_counted() {
    let (plain, broken) = (Place::new(), Place::new());
    let glass = broken.break_glass(Artifact::Purl(P.parse().unwrap()), NOW + 3_600);
    for row in MATRIX.trim().lines() {
        let (left, with) = row.split_once('|').unwrap();
        let words: Vec<&str> = left.split_whitespace().collect();
        let policy = policy(words[0], words[1]);
        let decision = plain.decide(&policy, words[2]);
        assert_eq!(outcome(&decision), words[3..].join(" "), "{row}");
        let by_glass = broken.decide(&policy, words[2]);
        assert_eq!(outcome(&by_glass), with.trim(), "{row}");
        let conclusion = decision.verdict.map(|verdict| verdict.verdict.to_string());
        let told =
            ["accepted", "rejected", "inconclusive"].contains(&words[2]) && words[0] != "off";
        assert_eq!(conclusion.as_deref(), told.then_some(words[2]), "{row}");

        let output = broken.audit(&["show", &by_glass.record.unwrap().to_string(), "--json"]);
        let record = document(&output);
        assert_eq!(record["event"]["breakglass"][0], glass, "named where it was not needed: {row}");
        assert_eq!(record["event"]["environment"]["mode"], words[0]);
    }
    plain.all_come_out_the_same();
    broken.all_come_out_the_same();
    let owed = document(&plain.audit(&["list", "--owed", "--json"]));
    assert_eq!(
        owed.as_array().unwrap().len(),
        7,
        "one by unavailability, six by dry runs: {owed:#}"
    );
}

#[test]
fn a_breakglass_opens_for_its_artifact_and_its_time_alone() {
    let place = Place::new();
    let policy = policy("enforce", "refuse");
    let other: reattest_attestation::Purl = P.replace("6.5", "6.6").parse().unwrap();
    place.break_glass(Artifact::Purl(other), NOW + 3_600);
    place.break_glass(Artifact::Sha256(file('G')), NOW + 3_600);
    place.break_glass(Artifact::Purl(P.parse().unwrap()), NOW - 1);
    assert_eq!(outcome(&place.decide(&policy, "inconclusive")), "refused Inconclusive");
    place.break_glass(Artifact::Sha256(file('F')), NOW);
    assert_eq!(outcome(&place.decide(&policy, "inconclusive")), "allowed Breakglass");

    // A later record, and then a clock that goes back: what has expired stays so.
    let late = Desk::at(&place.log()).with_clock(|| at(NOW + 60));
    let read = PolicyRead::text(policy.clone().into_bytes());
    let decision = late.decide(&read, request(), |_| answered("inconclusive"));
    assert_eq!(outcome(&decision), "refused Inconclusive");
    assert_eq!(outcome(&place.decide(&policy, "inconclusive")), "refused Inconclusive");
}

#[test]
fn a_policy_that_cannot_be_applied_lets_nothing_in_and_that_is_recorded() {
    let place = Place::new();
    let none = policy("enforce", "allow").replace("\"apt\"", "\"npm\"");
    let old = policy("enforce", "allow").replace("2026-12-01", "2026-05-01");
    let broken = "version = 1\nnetwork = ".to_owned();
    let open = policy("off", "allow");
    let both = format!(
        "{open}\n{}",
        &open[open.find("[[environment]]").unwrap()..]
            .replace("here", "there")
            .replace("doors = [\"apt\"]", "purls = [\"pkg:*\"]")
    );
    for (policy, word) in
        [(none, "covers"), (old, "expired"), (broken, "line"), (both, "exactly one")]
    {
        let decision = place.decide(&policy, "accepted");
        assert_eq!(outcome(&decision), "refused Misconfigured", "{policy}");
        assert!(decision.words.contains(word), "{}", decision.words);
        assert!(decision.verdict.is_none() && decision.record.is_some());
    }
    let missing = PolicyRead::file(Path::new("/nonexistent/policy.toml"));
    let decision = place.desk.decide(&missing, request(), |_| answered("accepted"));
    assert_eq!(outcome(&decision), "refused Misconfigured");
    place.all_come_out_the_same();
}

#[test]
fn where_the_log_cannot_be_written_an_enforcing_door_refuses_and_others_warn() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("decisions");
    fs::write(&path, "a file in the way").unwrap();
    let desk = Desk::at(&path).with_clock(now);
    for (mode, expected) in
        [("enforce", "refused Unrecorded"), ("dry-run", "allowed Accepted"), ("off", "allowed Off")]
    {
        let policy = PolicyRead::text(policy(mode, "allow").into_bytes());
        let decision = desk.decide(&policy, request(), |_| answered("accepted"));
        assert_eq!(outcome(&decision), expected, "{}", decision.words);
        assert_eq!(decision.record, None);
        let word = if mode == "enforce" { "nothing is let in" } else { "WARNING: NOT RECORDED" };
        assert!(decision.words.contains(word), "{}", decision.words);
    }
}

#[test]
fn what_judged_is_what_is_recorded_whoever_edits_the_policy_meanwhile() {
    let place = Place::new();
    let path = place.home.path().join("policy.toml");
    fs::write(&path, policy("enforce", "refuse")).unwrap();
    let read = PolicyRead::file(&path);
    let decision = place.desk.decide(&read, request(), |_| {
        fs::write(&path, "edited in between").unwrap();
        answered("accepted")
    });
    assert_eq!(outcome(&decision), "allowed Accepted");
    fs::remove_file(&path).unwrap();
    place.all_come_out_the_same();
}

#[test]
fn a_changed_verdict_or_changed_evidence_does_not_come_out_the_same() {
    let place = Place::new();
    place.decide(&policy("enforce", "refuse"), "rejected");
    let first = place.log().join("000000000001.jsonl");
    // Whoever rewrites the whole log, hashes and all, still cannot make the verdict follow.
    let text = fs::read_to_string(&first).unwrap();
    let forged = text
        .replace("\"effect\":\"refused\"", "\"effect\":\"allowed\"")
        .replace("\"why\":\"rejected\"", "\"why\":\"accepted\"");
    assert_ne!(text, forged);
    fs::write(&first, &forged).unwrap();
    let output = place.audit(&["verify"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(said(&output).contains("damaged"), "{}", said(&output));
    let hash =
        |text: &str| reattest_attestation::Digest::of(text.trim_end().as_bytes()).to_string();
    let head = place.log().join("head");
    let rewritten = fs::read_to_string(&head).unwrap().replace(&hash(&text), &hash(&forged));
    fs::write(&head, rewritten).unwrap();
    let output = place.audit(&["replay"]);
    assert_eq!(output.status.code(), Some(11), "{}{}", printed(&output), said(&output));
    assert!(printed(&output).contains("would be told"), "{}", printed(&output));
}

#[test]
fn many_files_are_decided_in_their_order_with_their_own_answers() {
    let place = Place::new();
    let policy = PolicyRead::text(policy("enforce", "refuse").into_bytes());
    let mut requests: Vec<Request> = (0..200).map(|_| request()).collect();
    for (number, request) in requests.iter_mut().enumerate() {
        request.name = format!("{number}");
    }
    let decisions = place.desk.decide_all(&policy, requests, &mut |request| {
        let even = request.name.parse::<usize>().unwrap() % 2 == 0;
        answered(if even { "accepted" } else { "rejected" })
    });
    for (number, decision) in decisions.iter().enumerate() {
        assert_eq!(decision.is_allowed(), number % 2 == 0);
        assert_eq!(decision.record, Some(number as u64 + 1));
    }
    place.all_come_out_the_same();
    let listed = printed(&place.audit(&["list", "--refused", "--last", "5"]));
    assert_eq!(listed.matches("refused").count(), 5, "{listed}");
}
