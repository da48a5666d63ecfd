//! The queue outlives its node: what ran when the power went is built once more, and signed once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reattest_attestation::Digest;
use reattest_tests::mirror::{Mirror, Wrong};
use reattest_tests::network::{Member, PATIENCE};
use reattest_tests::processes::wait_until;
use reattest_tests::{at_hand, directory, document, files_below, printed, said};
use serde_json::Value;

fn queue(member: &Member) -> Value {
    let output = member.command(&["queue", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    document(&output)
}

#[test]
fn a_build_that_was_killed_with_its_node_runs_once_more_and_is_signed_once() {
    if !at_hand("a node killed while it builds") {
        return;
    }
    let home = directory();
    let mut ash = Member::init(home.path(), "ash");
    ash.start(&[]);
    let announced = ash.command(&["announce", "deb:netbase"]).output().unwrap();
    assert!(announced.status.success(), "{}", said(&announced));
    wait_until("ash builds", PATIENCE, || ash.log().contains("building, in a sandbox"));
    ash.kill();

    ash.start(&[]);
    let waiting = queue(&ash);
    let release = &waiting["releases"][0];
    assert_eq!((waiting["waiting"].as_u64(), release["attempts"].as_u64()), (Some(1), Some(1)));
    assert_eq!(release["wanted"], "person");
    assert!(release["why"].as_str().unwrap().contains("the node ended"), "{release}");
    let shown = printed(&ash.command(&["queue"]).output().unwrap());
    assert!(shown.starts_with("0 of "), "{shown}");
    let columns = ["STATE", "NEXT TRY", "WHY", "netbase", "the node ended while it was built"];
    assert!(columns.iter().all(|column| shown.contains(column)), "{shown}");

    wait_until("ash attested", PATIENCE, || ash.status()["logs"][0]["size"] == 2);
    std::thread::sleep(Duration::from_secs(8));
    let signed = ash.log().matches("outcome signed and logged").count();
    let begun = ash.log().matches("rebuilding pkg:").count();
    assert_eq!((signed, begun), (1, 2), "{}", ash.log());
    assert_eq!(queue(&ash)["releases"].as_array().unwrap().len(), 0);

    // It was built: nobody's announcement has it built again, but a person's word has.
    let again = ash.command(&["announce", "deb:netbase"]).output().unwrap();
    assert!(again.status.success(), "{}", said(&again));
    ash.kill();
    ash.start(&[]);
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(queue(&ash)["releases"].as_array().unwrap().len(), 0);
    let again = ash.command(&["announce", "deb:netbase", "--again"]).output().unwrap();
    assert!(again.status.success(), "{}", said(&again));
    wait_until("ash attested again", PATIENCE, || {
        ash.log().matches("outcome signed and logged").count() == 2
    });
    assert_eq!(ash.log().matches("rebuilding pkg:").count(), 3, "{}", ash.log());
}

/// What a node remembers of the one registry that it follows.
fn seen(member: &Member) -> Option<PathBuf> {
    let files = files_below(&member.home.join("data/feeds"));
    files.into_iter().find(|file| file.extension().is_some_and(|end| end == "seen"))
}

/// Writes what is remembered anew, with a checksum that holds.
fn remember(file: &Path, lines: &[String]) {
    let text = lines.iter().fold(String::new(), |text, line| text + line + "\n");
    let sum = Digest::of(text.as_bytes());
    fs::write(file, format!("{text}sha256 {sum}\n")).unwrap();
}

fn follow(member: &Member, table: &str) {
    let text = fs::read_to_string(member.config()).unwrap();
    fs::write(member.config(), format!("{text}\n{table}\n")).unwrap();
}

#[test]
fn a_followed_suite_is_rebuilt_without_anyone_asking_and_superseded_releases_leave() {
    if !at_hand("a followed suite") {
        return;
    }
    let home = directory();
    let mut ash = Member::init(home.path(), "ash");
    let table = "[[follow]]\nsuite = \"trixie\"\nonly = [\"netbase\"]\nevery = \"2 seconds\"";
    follow(&ash, table);
    ash.start(&[]);
    wait_until("announced and attested", PATIENCE, || ash.status()["logs"][0]["size"] == 2);
    assert!(ash.log().contains("following trixie (netbase): 1 builds in trixie"), "{}", ash.log());
    assert!(ash.log().contains("1 new, 0 superseded"), "{}", ash.log());
    wait_until("looked again", PATIENCE, || ash.log().contains("0 new, 0 superseded"));
    assert_eq!(queue(&ash)["releases"].as_array().unwrap().len(), 0);
    ash.kill();

    // As if it had followed an older index: one release is gone since, and this one is new again.
    let file = seen(&ash).unwrap();
    let old = "pkg:deb/debian/netbase@6.4?arch=all&distro=trixie 20000";
    remember(&file, &["reattest feed v1".to_owned(), old.to_owned()]);
    let signed = ash.log().matches("outcome signed and logged").count();
    ash.start(&[]);
    wait_until("compared", PATIENCE, || ash.log().contains("1 new, 1 superseded"));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(queue(&ash)["releases"].as_array().unwrap().len(), 0, "the own log has it");
    assert_eq!(ash.log().matches("outcome signed and logged").count(), signed);
    assert_eq!(ash.status()["logs"][0]["size"], 2);
    assert!(fs::read_to_string(seen(&ash).unwrap()).unwrap().contains("netbase@6.5"));
}

#[test]
fn an_evil_or_stale_index_yields_nothing_and_says_why() {
    if !at_hand("an evil index followed") {
        return;
    }
    for (wrong, why) in [
        (Wrong::TamperedIndex, "does not hold"),
        (Wrong::SwappedLists, "nothing was taken from it"),
        (Wrong::Nothing, "is dated"),
    ] {
        let home = directory();
        let mirror = Mirror::start(wrong);
        let mut ash = Member::init(home.path(), "ash");
        let table = format!(
            "[archive]\ndebian = [{:?}]\n[[follow]]\nsuite = \"trixie\"\nonly = [\"netbase\"]",
            mirror.base
        );
        follow(&ash, &table);
        if wrong == Wrong::Nothing {
            // This machine has seen a newer index.
            let memory = home.path().join("cache/reattest/indexes");
            fs::create_dir_all(&memory).unwrap();
            fs::write(memory.join("trixie.newest"), "1790000000000\n").unwrap();
        }
        ash.cache = Some(home.path().join("cache"));
        ash.start(&[]);
        wait_until("it says why", PATIENCE, || ash.log().contains("nothing was taken from it"));
        assert!(ash.log().contains(why), "{wrong:?}: {}", ash.log());
        assert_eq!(queue(&ash)["releases"].as_array().unwrap().len(), 0);
        assert!(seen(&ash).is_none());
    }
}

#[test]
fn a_list_and_a_lockfile_are_followed_and_a_wrong_one_is_named() {
    if !at_hand("a followed list") {
        return;
    }
    let home = directory();
    let mut ash = Member::init(home.path(), "ash");
    fs::write(ash.home.join("list"), "# ours\ndeb:netbase@6.5\ndeb:adduser@0.1\n").unwrap();
    fs::write(ash.home.join("requirements.txt"), "rich>=13\n").unwrap();
    follow(&ash, "[[follow]]\nlist = \"list\"\n[[follow]]\nlockfile = \"requirements.txt\"");
    ash.start(&[]);
    wait_until("attested", PATIENCE, || ash.status()["logs"][0]["size"] == 2);
    assert!(ash.log().contains("list: 1 builds in trixie"), "{}", ash.log());
    assert!(ash.log().contains("found \"rich>=13\", needed NAME==VERSION"), "{}", ash.log());
}
