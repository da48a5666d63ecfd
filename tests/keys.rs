//! Offline keys and online keys through the command line: made, certified, shown, rotated, revoked (K2).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Output;

use reattest::signer::custody::Place;
use reattest::words::Words;
use reattest_attestation::log::SignedCheckpoint;
use reattest_attestation::{Certificate, Envelope, Revocation};
use reattest_tests::network::{Member, trust_each_other};
use reattest_tests::{directory, document, printed, run, said, skip};

use crate::custody::{slot, softhsm, token};
use crate::played::{ARCHIVE, Played, all_seals, memory_file, purl, result, start};

/// A member whose operator's key is on a medium of its own, and the file that it votes for.
struct World {
    member: Vec<Member>,
    medium: PathBuf,
    file: PathBuf,
    _home: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let home = directory();
        let member = vec![Member::init(home.path(), "ash")];
        trust_each_other(&member, 1, &[ARCHIVE.to_owned()]);
        let medium = home.path().join("medium");
        fs::create_dir(&medium).unwrap();
        let data = member[0].home.join("data");
        fs::rename(data.join("keys/operator.key"), medium.join("operator.key")).unwrap();
        let file = home.path().join("netbase_6.5_all.deb");
        fs::write(&file, b"built").unwrap();
        Self { member, medium, file, _home: home }
    }

    fn member(&self) -> &Member {
        &self.member[0]
    }

    fn data(&self) -> PathBuf {
        self.member().home.join("data")
    }

    /// `reattest key ACTION` with the operator's key and more.
    fn key(&self, action: &str, more: &[&str]) -> Output {
        let operator = self.medium.join("operator.key");
        let arguments = ["key", action, "--operator-key", operator.to_str().unwrap()];
        self.member().command(&[&arguments[..], more].concat()).output().unwrap()
    }

    /// One vote for the file, through the signer.
    fn vote(&self, played: &mut Played, invocation: &str) -> SignedCheckpoint {
        let mut attest = result(b"built", Some(0), None);
        invocation.clone_into(&mut attest.facts.invocation);
        let file = memory_file(b"built", all_seals());
        played.builder.send_with(&attest, &[file.as_fd()]).unwrap();
        let head = played.store(&self.data());
        played.receipt().unwrap();
        head
    }

    /// What `reattest verify` concludes, from the logs and words on this disk.
    fn verdict(&self) -> String {
        let file = self.file.to_str().unwrap();
        let purl = purl("netbase").to_string();
        let arguments = ["verify", file, "--as", &purl, "--json"];
        let output = self.member().command(&arguments).output().unwrap();
        let verdict = document(&output)["verdict"].as_str().unwrap_or_default().to_owned();
        assert!(!verdict.is_empty(), "{}{}", printed(&output), said(&output));
        verdict
    }
}

fn fine(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    printed(output)
}

fn refused(output: &Output, word: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", printed(output));
    assert!(said(output).contains(word), "needed {word:?}: {}", said(output));
}

#[test]
fn a_revoked_key_stops_counting_on_this_machine() {
    let here = World::new();
    assert_eq!(here.verdict(), "inconclusive");
    let mut played = start(here.member(), &[]).unwrap();
    here.vote(&mut played, "1");
    played.end();
    assert_eq!(here.verdict(), "accepted");
    let text = fine(&here.key("revoke", &["--last-good", "none", "--reason", "stolen"]));
    assert!(text.contains("nothing that it signed counts"), "{text}");
    let word = text.lines().find_map(|line| line.strip_prefix("word ")).unwrap().trim();
    assert!(Path::new(word).starts_with(here.data().join("words")), "{word}");
    assert_eq!(here.verdict(), "inconclusive");
    // Taken away, the word does not count: it is the word that did it.
    let bytes = fs::read(word).unwrap();
    fs::remove_file(word).unwrap();
    assert_eq!(here.verdict(), "accepted");
    fs::write(word, &bytes[1..]).unwrap();
    assert_eq!(here.verdict(), "accepted", "a damaged word is passed over");
}

#[test]
fn what_stands_under_a_last_good_head_still_counts_and_nothing_after_it() {
    let here = World::new();
    let mut played = start(here.member(), &[]).unwrap();
    let empty = played.announce(&here.data());
    let voted = here.vote(&mut played, "1");
    played.announce(&here.data());
    played.end();
    let at =
        |head: &SignedCheckpoint| format!("{}:{}", head.unverified().size, head.unverified().root);
    let revoke = |last_good: &str| {
        let output = here.key("revoke", &["--last-good", last_good, "--reason", "lost"]);
        let text = fine(&output);
        text.lines().find_map(|line| line.strip_prefix("word ")).unwrap().trim().to_owned()
    };
    refused(
        &here.key(
            "revoke",
            &["--last-good", &format!("2:{}", empty.unverified().root), "--reason", "x"],
        ),
        "have root",
    );
    let word = revoke(&at(&empty));
    assert_eq!(here.verdict(), "inconclusive", "the vote is after it");
    fs::remove_file(word).unwrap();
    // The named head is not the newest that the log has: the vote is proven under it all the same.
    let word = revoke(&at(&voted));
    assert_eq!(here.verdict(), "accepted");
    fs::remove_file(word).unwrap();
    revoke("now");
    assert_eq!(here.verdict(), "accepted");
}

#[test]
fn only_the_operator_that_certified_a_key_may_end_it() {
    let here = World::new();
    let stranger = here.medium.join("stranger.key");
    let path = stranger.to_str().unwrap();
    fine(&run(&["operator", "init", "--key", path]));
    for action in ["revoke", "rotate"] {
        let arguments =
            ["key", action, "--operator-key", path, "--last-good", "none", "--reason", "x"];
        let output = here.member().command(&arguments).output().unwrap();
        refused(&output, "is signed by operator");
    }
    assert!(!here.data().join("words").exists());
    let missing = here.member().command(&[
        "key",
        "revoke",
        "--operator-key",
        "/nowhere",
        "--last-good",
        "none",
        "--reason",
        "x",
    ]);
    refused(&{ missing }.output().unwrap(), "/nowhere cannot be read");
}

#[test]
fn a_rotated_key_signs_on_and_the_old_ones_history_counts() {
    let here = World::new();
    let mut played = start(here.member(), &[]).unwrap();
    here.vote(&mut played, "1");
    let old = played.key;
    played.end();
    let text = fine(&here.key("rotate", &["--days", "100"]));
    assert!(text.contains(&old.fingerprint()), "{text}");
    assert_eq!(here.verdict(), "accepted", "the history stands under the last good head");
    let keys = here.data().join("keys");
    let aside: String = old.digest().to_string().chars().take(16).collect();
    let kept = keys.join(format!("rebuilder.key.{aside}"));
    assert!(kept.exists() && keys.join(format!("certificate.json.{aside}")).exists());

    let played = start(here.member(), &[]).unwrap();
    assert_ne!(played.key, old);
    assert_eq!(played.size, 0, "a new key has a new log");
    let shown = here.member().command(&["key", "show", "--json"]).output().unwrap();
    let shown = document(&shown);
    assert_eq!(shown["fingerprint"], played.key.fingerprint());
    let left = shown["days_left"].as_i64().unwrap();
    assert!((99..=100).contains(&left), "{shown}");
    played.end();

    // The stolen old key signs on: nothing of that counts.
    let certificate = keys.join("certificate.json");
    let (key, new) = (keys.join("rebuilder.key"), fs::read(keys.join("rebuilder.key")).unwrap());
    let rotation = fs::read(&certificate).unwrap();
    fs::copy(&kept, &key).unwrap();
    fs::copy(keys.join(format!("certificate.json.{aside}")), &certificate).unwrap();
    fs::remove_file(&here.file).unwrap();
    fs::write(&here.file, b"evil").unwrap();
    let mut thief = start(here.member(), &[]).unwrap();
    let file = memory_file(b"evil", all_seals());
    thief.builder.send_with(&result(b"evil", Some(0), None), &[file.as_fd()]).unwrap();
    thief.store(&here.data());
    thief.end();
    assert_ne!(here.verdict(), "accepted");
    fs::write(&here.file, b"built").unwrap();
    assert_eq!(here.verdict(), "accepted", "and what stood before still does");
    fs::write(&key, new).unwrap();
    fs::write(&certificate, rotation).unwrap();
    start(here.member(), &[]).unwrap().end();
}

#[test]
fn a_rotation_that_was_interrupted_is_finished() {
    let here = World::new();
    let keys = here.data().join("keys");
    let before = (
        fs::read(keys.join("rebuilder.key")).unwrap(),
        fs::read(keys.join("certificate.json")).unwrap(),
    );
    fine(&here.key("rotate", &[]));
    let after = (
        fs::read(keys.join("rebuilder.key")).unwrap(),
        fs::read(keys.join("certificate.json")).unwrap(),
    );
    fs::remove_file(here.medium.join("operator.key")).unwrap();
    // As a crash leaves it: before the first rename, and between the two.
    for between in [false, true] {
        fs::write(keys.join("rebuilder.key"), if between { &after.0 } else { &before.0 }).unwrap();
        fs::write(keys.join("certificate.json"), &before.1).unwrap();
        fs::write(keys.join("certificate.json.next"), &after.1).unwrap();
        if between {
            let why = start(here.member(), &[]).err().unwrap();
            assert!(why.contains("reattest key rotate"), "{why}");
        } else {
            // A copy has the mode of a key's file.
            fs::copy(keys.join("rebuilder.key"), keys.join("rebuilder.key.next")).unwrap();
            fs::write(keys.join("rebuilder.key.next"), &after.0).unwrap();
        }
        // No operator's key is needed any more.
        let text = fine(&here.key("rotate", &[]));
        assert!(text.contains("was interrupted"), "{text}");
        assert_eq!(fs::read(keys.join("rebuilder.key")).unwrap(), after.0);
        start(here.member(), &[]).unwrap().end();
    }
    assert_eq!(Words::open(&here.data()).unwrap().all().count(), 1);
}

#[test]
fn an_operators_key_is_made_once_and_certifies_within_bounds() {
    let home = directory();
    let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let text = fine(&run(&["operator", "init", "--key", &at("operator"), "--name", "ash"]));
    assert!(text.contains("[[operator]]\nname = \"ash\"") && text.contains("SHA256:"), "{text}");
    refused(&run(&["operator", "init", "--key", &at("operator")]), "never overwrites");

    // A node whose operator's key never touches it.
    let (config, name) = (at("config.toml"), ["--name", "ash", "--network", "test"]);
    let init = [&["--config", &config, "init"], &name[..], &["--public-only"]].concat();
    let text = fine(&run(&init));
    assert!(text.contains("reattest operator certify"), "{text}");
    let keys = home.path().join("data/keys");
    assert!(!keys.join("operator.key").exists() && !keys.join("certificate.json").exists());
    let public = keys.join("rebuilder.key.pub");
    let certify = |days: &str, output: &str| {
        let (key, public) = (at("operator"), public.to_str().unwrap().to_owned());
        run(&["operator", "certify", "--key", &key, &public, "--days", days, "-o", output])
    };
    let output = keys.join("certificate.json");
    let output = output.to_str().unwrap();
    refused(&certify("801", output), "needed 1 to 800");
    refused(&certify("0", output), "needed 1 to 800");
    fine(&certify("10", output));
    refused(&certify("10", output), "File exists");
    let shown = run(&["--config", &config, "key", "show"]);
    let left = fine(&shown);
    assert!(["9 days left", "10 days left"].iter().any(|word| left.contains(word)), "{left}");
    let own = at("operator");
    let operator: Place = own.parse().unwrap();
    assert_eq!(operator, Place::File(PathBuf::from(&own)));
}

#[test]
fn an_existing_operators_key_certifies_a_new_node_and_is_not_copied() {
    let home = directory();
    let operator = home.path().join("operator");
    let path = operator.to_str().unwrap();
    fine(&run(&["operator", "init", "--key", path]));
    let config = home.path().join("config.toml");
    let config = config.to_str().unwrap();
    let text = fine(&run(&["--config", config, "init", "--operator-key", path]));
    assert!(text.contains("was not copied"), "{text}");
    assert!(!home.path().join("data/keys/operator.key").exists());
    let bytes = fs::read(home.path().join("data/keys/certificate.json")).unwrap();
    Certificate::verify(&Envelope::parse(&bytes).unwrap()).unwrap();
}

#[test]
fn an_operators_key_in_a_pkcs11_token_certifies_rotates_and_revokes() {
    let Some(library) = softhsm() else {
        return skip("an operator's key in a PKCS#11 token", "there is no SoftHSM2");
    };
    let here = World::new();
    let environment = token(&here.medium, &here.medium.join("operator.key"), "operator");
    fs::remove_file(here.medium.join("operator.key")).unwrap();
    let place = slot(&library, &here.medium, "vault", "operator");
    let command = |arguments: &[&str]| {
        let mut command = here.member().command(arguments);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.output().unwrap()
    };
    let text = fine(&command(&["operator", "init", "--key", &place, "--name", "ash"]));
    assert!(text.contains("PKCS#11 token \"vault\""), "{text}");
    fine(&command(&["key", "rotate", "--operator-key", &place]));
    let played = start(here.member(), &[]).unwrap();
    let key = played.key;
    played.end();
    let more = ["--last-good", "none", "--reason", "lost"];
    fine(&command(&[&["key", "revoke", "--operator-key", &place][..], &more].concat()));
    let words = Words::open(&here.data()).unwrap();
    let about: Vec<_> = words.about(&[key.digest()].into()).collect();
    assert_eq!(about.len(), 2, "the rotation and the revocation");
    let of = |word: &&Envelope| {
        let word = reattest_attestation::OperatorWord::verify(word).unwrap();
        word.revoked().is_some_and(|revoked| {
            matches!(revoked.revocation(), Revocation { rebuilder, .. } if *rebuilder == key)
        })
    };
    assert_eq!(about.iter().filter(|word| of(word)).count(), 1);
}
