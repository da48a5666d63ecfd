//! A signer whose state is old, lost or damaged signs nothing, and goes on only where its log is (K3).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use reattest::signer::messages::{FromSigner, ToSigner};
use reattest_attestation::log::SignedCheckpoint;
use reattest_tests::network::Member;
use reattest_tests::{directory, document, files_below, printed, said};
use serde_bytes::ByteBuf;

use crate::played::{purl, start};

/// `--at` for a head.
fn at(head: &SignedCheckpoint) -> String {
    format!("{}:{}", head.unverified().size, head.unverified().root)
}

/// `reattest log resume --at AT`: what it printed, or its error.
fn resume(member: &Member, at: &str) -> Result<String, String> {
    let output = member.command(&["log", "resume", "--at", at]).output().unwrap();
    if output.status.success() { Ok(printed(&output)) } else { Err(said(&output)) }
}

/// Shows the signer a head.
fn show(played: &crate::played::Played, head: &SignedCheckpoint) {
    let checkpoint = ByteBuf::from(head.as_bytes());
    played.node.send(&ToSigner::Seen { checkpoint }).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

/// A member with a log of three entries; a backup of its signer's state at one, and the three heads.
fn three(home: &Path) -> (Member, PathBuf, Vec<SignedCheckpoint>) {
    let member = Member::init(home, "ash");
    let (data, backup) = (member.home.join("data"), home.join("backup"));
    let mut played = start(&member, &[]).unwrap();
    let mut heads = vec![played.announce(&data)];
    copy(&data.join("signer"), &backup);
    heads.extend((0..2).map(|_| played.announce(&data)));
    played.end();
    (member, backup, heads)
}

#[test]
fn a_state_from_an_old_backup_signs_nothing_once_a_newer_head_is_shown() {
    let home = directory();
    let (member, backup, heads) = three(home.path());
    let data = member.home.join("data");
    fs::remove_dir_all(data.join("signer")).unwrap();
    copy(&backup, &data.join("signer"));
    let mut played = start(&member, &[]).unwrap();
    assert_eq!(played.size, 1);
    show(&played, &heads[2]);
    let why = played.last_words();
    assert!(why.contains(&format!("reattest log resume --at {}", at(&heads[2]))), "{why}");
    assert!(played.entries.is_empty());

    // It survives a start, and a head that it knows.
    let why = start(&member, &[]).err().unwrap();
    assert!(why.contains("Nothing more is signed"), "{why}");

    // It shows, with the way out, until that was gone.
    let shown = || printed(&member.command(&["key", "show"]).output().unwrap());
    assert!(shown().contains(&format!("held         at {}", at(&heads[2]))), "{}", shown());
    assert!(
        shown().contains(&format!("reattest log resume --at {}", at(&heads[2]))),
        "{}",
        shown()
    );
    let output = member.command(&["key", "show", "--json"]).output().unwrap();
    assert_eq!(document(&output)["held"]["size"], 3);
    let why = resume(&member, &at(&heads[1])).unwrap_err();
    assert!(why.contains("has 3 entries, and --at names 2"), "{why}");
    resume(&member, &at(&heads[2])).unwrap();
    assert!(!shown().contains("held         at"), "{}", shown());
    let mut played = start(&member, &[]).unwrap();
    assert_eq!(played.size, 3);
    for head in &heads {
        show(&played, head);
    }
    assert_eq!(played.announce(&data).unverified().size, 4);
    played.end();
}

#[test]
fn a_head_that_is_shown_while_an_entry_is_on_its_way_stops_the_head_over_it() {
    let home = directory();
    let (member, backup, heads) = three(home.path());
    let data = member.home.join("data");
    fs::remove_dir_all(data.join("signer")).unwrap();
    copy(&backup, &data.join("signer"));
    let mut played = start(&member, &[]).unwrap();
    played.node.send(&ToSigner::Announce(purl("netbase"))).unwrap();
    show(&played, &heads[1]);
    played.node.send(&ToSigner::Stored { size: 2 }).unwrap();
    let why = played.last_words();
    assert!(why.contains("Nothing more is signed"), "{why}");
}

#[test]
fn another_root_of_the_same_size_is_two_histories_and_no_resume_hides_that() {
    let home = directory();
    let (member, backup, heads) = three(home.path());
    let data = member.home.join("data");
    // A second machine with the same key and an old state signs another second entry.
    let second = home.path().join("second");
    fs::remove_dir_all(data.join("signer")).unwrap();
    copy(&backup, &data.join("signer"));
    let mut played = start(&member, &[]).unwrap();
    played.node.send(&ToSigner::Announce(purl("adduser"))).unwrap();
    // Its own disk, with its own first entry.
    let store = reattest::store::Store::open(&data).unwrap();
    let first = store.log(&played.origin).unwrap().entry(0).unwrap().unwrap();
    let mut elsewhere = reattest::store::Store::open(&second).unwrap();
    elsewhere.log_mut(&played.origin).unwrap().append(0, &[first]).unwrap();
    let forked = played.store(&second);
    assert_eq!(forked.unverified().size, 2);
    assert!(matches!(played.answer(), FromSigner::Announced(Ok(1))));
    show(&played, &heads[1]);
    let why = played.last_words();
    assert!(why.contains("the key signs elsewhere"), "{why}");
    let why = resume(&member, &at(&heads[2])).unwrap_err();
    assert!(why.contains("two histories") && why.contains("key rotate"), "{why}");
}

#[test]
fn a_lost_or_damaged_state_is_resumed_only_where_the_log_on_disk_leads() {
    let home = directory();
    let (member, _, heads) = three(home.path());
    let data = member.home.join("data");
    for damage in [true, false] {
        for file in files_below(&data.join("signer")).into_iter().filter(|f| f.ends_with("state")) {
            if damage { fs::write(file, "torn").unwrap() } else { fs::remove_file(file).unwrap() }
        }
        if damage {
            let why = start(&member, &[]).err().unwrap();
            assert!(why.contains("damaged") && why.contains("log resume --at"), "{why}");
        }
        let other = at(&heads[2]).replace("3:", "4:");
        let wrong = format!("3:{}", heads[1].unverified().root);
        for (at, word) in [
            (other.as_str(), "has 3 entries on this disk, needed 4"),
            (wrong.as_str(), "have root"),
            (&at(&heads[1]), "the signed head on disk has 3 entries"),
            ("3", "needed SIZE:ROOT"),
        ] {
            let why = resume(&member, at).unwrap_err();
            assert!(why.contains(word), "needed {word:?}: {why}");
        }
        resume(&member, &at(&heads[2])).unwrap();
        let played = start(&member, &[]).unwrap();
        assert_eq!(played.size, 3);
        played.end();
    }
    let mut played = start(&member, &[]).unwrap();
    assert_eq!(played.announce(&data).unverified().size, 4);
    played.end();
}

#[test]
fn an_entry_that_was_stored_without_a_head_is_finished_after_a_resume() {
    let home = directory();
    let (member, _, heads) = three(home.path());
    let data = member.home.join("data");
    let mut played = start(&member, &[]).unwrap();
    played.node.send(&ToSigner::Announce(purl("netbase"))).unwrap();
    let FromSigner::Entry { envelope, .. } = played.node.receive().unwrap() else {
        panic!("no entry")
    };
    let mut store = reattest::store::Store::open(&data).unwrap();
    store.log_mut(&played.origin).unwrap().append(3, &[&envelope]).unwrap();
    played.signer.kill().unwrap();
    played.signer.wait().unwrap();
    fs::remove_dir_all(data.join("signer")).unwrap();

    let text = resume(&member, &at(&heads[2])).unwrap();
    assert!(text.contains("one entry beyond it has no head yet"), "{text}");
    let mut played = start(&member, &[]).unwrap();
    assert_eq!(played.size, 3);
    assert_eq!(played.store(&data).unverified().size, 4);
    assert_eq!(played.entries, [envelope.into_vec()]);
    played.end();
}
