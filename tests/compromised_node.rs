//! A process plays a compromised node, and tries to obtain a vote for bytes that nobody built (K1).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use reattest::limits::SIGNER_DEFERRED;
use reattest::signer::messages::{FromSigner, ToSigner};
use reattest_attestation::log::Checkpoint;
use reattest_attestation::{Digest, SecretKey};
use reattest_tests::directory;
use reattest_tests::network::Member;
use rustix::fs::SealFlags;
use rustix::net::{SendFlags, send};
use serde_bytes::ByteBuf;

use crate::played::{Played, all_seals, memory_file, purl, result, start};

const EVIL: &[u8] = b"bytes that nobody built";

/// A signer of its own for one attack, which must leave no vote.
fn attack(what: &str, attack: impl FnOnce(&mut Played, &Path)) {
    let home = directory();
    let member = Member::init(home.path(), "ash");
    let mut played = start(&member, &[]).unwrap();
    attack(&mut played, &member.home.join("data"));
    assert_eq!(played.votes(), 0, "{what}");
}

/// The socket below a link, for bytes that are no message.
fn socket(link: &reattest::link::Link) -> OwnedFd {
    link.try_clone().unwrap().into_socket()
}

#[test]
fn an_honest_builder_obtains_a_vote_so_the_rest_of_this_file_shows_something() {
    let home = directory();
    let member = Member::init(home.path(), "ash");
    let mut played = start(&member, &[]).unwrap();
    let file = memory_file(b"built", all_seals());
    played.builder.send_with(&result(b"built", Some(0), None), &[file.as_fd()]).unwrap();
    played.store(&member.home.join("data"));
    assert_eq!(played.receipt(), Ok(0));
    assert_eq!(played.votes(), 1);
}

#[test]
fn a_node_that_speaks_as_a_builder_ends_the_signer() {
    attack("a result over the node's link", |played, _| {
        let file = memory_file(EVIL, all_seals());
        played.node.send_with(&result(EVIL, Some(0), None), &[file.as_fd()]).unwrap();
        let why = played.last_words();
        assert!(why.contains("the node process sent something else than its messages"), "{why}");
    });
}

#[test]
fn announcements_of_whatever_name_stay_announcements() {
    attack("odd purls, and files beside them", |played, _| {
        let odd = [
            "pkg:generic/x@1",
            "pkg:deb/debian/..%2F..%2Fetc@1?arch=all",
            "pkg:deb/debian/a@1?arch=amd64&distro=trixie&file_name=..%2Fpasswd",
            "pkg:pypi/%00@1",
            "pkg:deb/debian/%1b%5B2J@1",
        ];
        for text in odd {
            // What is no purl cannot even be put into a message.
            let Ok(purl) = text.parse() else { continue };
            let file = memory_file(EVIL, all_seals());
            played.node.send_with(&ToSigner::Announce(purl), &[file.as_fd()]).unwrap();
            assert!(matches!(played.answer(), FromSigner::Announced(_)));
        }
        // A replay is one more announcement.
        for _ in 0..2 {
            played.node.send(&ToSigner::Announce(purl("netbase"))).unwrap();
            assert!(matches!(played.answer(), FromSigner::Announced(Ok(_))));
        }
        assert!(played.entries.len() > 2);
    });
}

#[test]
fn acknowledgements_that_nobody_asked_for_sign_nothing() {
    attack("sizes of nothing", |played, data| {
        for size in [0, 1, 2, u64::MAX] {
            played.node.send(&ToSigner::Stored { size }).unwrap();
        }
        played.node.send(&ToSigner::Announce(purl("netbase"))).unwrap();
        let FromSigner::Entry { index: 0, .. } = played.node.receive().unwrap() else {
            panic!("no entry")
        };
        // Replayed from before, and of other sizes: no head is signed for these.
        for size in [0, 2, 7, u64::MAX] {
            played.node.send(&ToSigner::Stored { size }).unwrap();
        }
        played.node.send(&ToSigner::Seen { checkpoint: ByteBuf::from("nothing") }).unwrap();
        played.node.close();
        played.signer.wait().unwrap();
        // A head is kept as the signer's state before anybody sees it.
        let state = data.join("signer").join(played.origin.to_string()).join("state");
        assert!(state.parent().unwrap().join("pending").exists());
        assert!(!state.exists(), "a head was signed over an entry that is not stored");
    });
}

#[test]
fn bytes_that_are_no_message_end_the_signer_with_a_word() {
    let messages: [(&str, Vec<u8>); 6] = [
        ("one byte", vec![0xff]),
        ("a kind that does not exist", vec![9, 0, 0]),
        ("a long spelling", vec![1, 251, 1, 0]),
        ("a byte too many", vec![1, 1, 0]),
        ("a length without bytes", vec![2, 253, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("more than a message may have", vec![0; 160 * 1024]),
    ];
    for (what, bytes) in &messages {
        attack(what, |played, _| {
            send(socket(&played.node), bytes, SendFlags::NOSIGNAL).unwrap();
            let why = played.last_words();
            assert!(why.contains("the node process sent something else"), "{what}: {why}");
        });
        attack(what, |played, _| {
            send(socket(&played.builder), bytes, SendFlags::NOSIGNAL).unwrap();
            let why = played.last_words();
            assert!(why.contains("the builder process sent something else"), "{what}: {why}");
        });
    }
    attack("a message of no bytes", |played, _| {
        send(socket(&played.node), &[], SendFlags::NOSIGNAL).unwrap();
        // It is what the end of a link looks like.
        played.signer.wait().unwrap();
    });
}

#[test]
fn a_builder_that_hands_over_what_was_not_built_is_refused_and_the_signer_goes_on() {
    attack("results that are none", |played, _| {
        let file = || memory_file(EVIL, all_seals());
        let open = || memory_file(EVIL, SealFlags::SHRINK);
        let none = || {
            let mut none = result(EVIL, Some(0), None);
            none.artifacts.clear();
            none
        };
        let many = || {
            let mut many = result(EVIL, Some(0), None);
            many.artifacts = (0..65).flat_map(|_| result(EVIL, Some(0), None).artifacts).collect();
            for (number, artifact) in many.artifacts.iter_mut().enumerate() {
                artifact.purl = purl(&format!("netbase{number}"));
            }
            many
        };
        let cases = [
            ("can still change", result(EVIL, Some(0), None), vec![open()]),
            ("named file 0, and sent 0", result(EVIL, Some(0), None), vec![]),
            ("named file 7, and sent 1", result(EVIL, Some(7), None), vec![file()]),
            ("named file 65535", result(EVIL, Some(0), Some(u16::MAX)), vec![file()]),
            ("no outcome", result(b"published", Some(0), None), vec![file()]),
            ("no outcome", result(EVIL, None, Some(0)), vec![file()]),
            ("artifacts", none(), vec![file()]),
            ("artifacts", many(), vec![file()]),
        ];
        for (word, result, files) in cases {
            let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
            played.builder.send_with(&result, &files).unwrap();
            let why = played.receipt().unwrap_err();
            assert!(why.contains(word), "needed {word:?}: {why}");
        }
        // A file that is no memory file cannot be sealed at all.
        let disk = tempfile::tempfile().unwrap();
        played.builder.send_with(&result(EVIL, Some(0), None), &[disk.as_fd()]).unwrap();
        assert!(played.receipt().unwrap_err().contains("cannot be sealed"));
        played.node.send(&ToSigner::Announce(purl("netbase"))).unwrap();
        assert!(matches!(played.answer(), FromSigner::Announced(Ok(0))), "it still serves");
    });
}

#[test]
fn a_flood_while_an_entry_waits_is_bounded() {
    attack("a flood", |played, _| {
        let announce = ToSigner::Announce(purl(&"x".repeat(200)));
        let mut sent = 0;
        while sent < SIGNER_DEFERRED * 4 && played.node.send(&announce).is_ok() {
            sent += 1;
        }
        assert!((SIGNER_DEFERRED..SIGNER_DEFERRED * 4).contains(&sent), "it took {sent}");
        let why = played.last_words();
        assert!(why.contains("while one entry waits to be stored"), "{why}");
        assert_eq!(played.entries.len(), 1, "one entry was begun");
    });
}

#[test]
fn heads_of_others_and_old_heads_stop_nothing() {
    attack("heads that the key did not sign", |played, data| {
        let thief = SecretKey::from_seed(&[7; 32]);
        let origin = played.origin.clone();
        // The key of another log, under this log's name, with the name changed after signing.
        let other = reattest_attestation::log::Origin::new(
            origin.network(),
            &reattest_attestation::Sign::public_key(&thief),
            origin.year(),
        );
        let theirs = Checkpoint { origin: other.clone(), size: 9, root: Digest::of(b"root") };
        let theirs = theirs.sign(&thief).unwrap();
        let renamed = theirs.as_str().replace(&other.to_string(), &origin.to_string());
        let first = played.announce(data);
        played.announce(data);
        for note in [theirs.as_bytes(), renamed.as_bytes(), first.as_bytes(), b"", b"\n\n", EVIL] {
            let checkpoint = ByteBuf::from(note);
            played.node.send(&ToSigner::Seen { checkpoint }).unwrap();
        }
        played.node.send(&ToSigner::Announce(purl("netbase"))).unwrap();
        assert!(matches!(played.answer(), FromSigner::Announced(Ok(2))));
    });
}
