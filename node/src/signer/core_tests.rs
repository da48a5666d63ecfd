//! The signer's state machine, with its mails and its clock in the test's hand.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use reattest_attestation::log::{SignedCheckpoint, WitnessKey};
use reattest_attestation::{NetworkId, SecretKey, Sign, Timestamp};
use serde_bytes::ByteBuf;

use super::messages::{FromSigner, ToSigner};
use super::tests::{purl, result};
use super::{Awaiting, Mail, OwnLog, Produced, Reply, Signer};
use crate::disk;

/// 2026-12-31T23:59:59Z.
const LAST_SECOND: i64 = 1_798_761_599;

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(LAST_SECOND + second)
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[4; 32])
}

fn witness() -> (SecretKey, WitnessKey) {
    let key = SecretKey::from_seed(&[5; 32]);
    let name = WitnessKey::new("witness", key.public_key()).unwrap();
    (key, name)
}

fn open(home: &Path, awaiting: Awaiting, now: Timestamp) -> (Signer, Vec<Reply>) {
    let network: NetworkId = "test".parse().unwrap();
    let of_key: (super::custody::Key, _) = (Box::new(key()), b"certificate".to_vec());
    let own = OwnLog::open(disk::local(), home, network, of_key, awaiting, now).unwrap();
    let mut signer = Signer::new(None, Some(own));
    let greeting = signer.begin().unwrap();
    (signer, greeting)
}

fn announce() -> Mail {
    Mail::Node(ToSigner::Announce(purl()))
}

fn stored(size: u64) -> Mail {
    Mail::Node(ToSigner::Stored { size })
}

fn seen(note: &[u8]) -> Mail {
    Mail::Node(ToSigner::Seen { checkpoint: ByteBuf::from(note) })
}

/// Replies in short: what kind, and of which log, place or size.
fn short(replies: &[Reply]) -> Vec<String> {
    let head = |bytes: &[u8]| {
        let head = SignedCheckpoint::parse(bytes).unwrap().verify(&key().public_key()).unwrap();
        format!("head {} of {}", head.checkpoint().size, head.checkpoint().origin.year())
    };
    let one = |reply: &Reply| match reply {
        Reply::Builder(receipt) => format!("receipt {}", receipt.0.as_ref().unwrap()),
        Reply::Node(FromSigner::Hello { origin, size, awaits, .. }) => {
            let waits = if *awaits { ", awaits" } else { "" };
            format!("hello {size} of {}{waits}", origin.rsplit('/').next().unwrap())
        }
        Reply::Node(FromSigner::Entry { index, .. }) => format!("entry {index}"),
        Reply::Node(FromSigner::Head { checkpoint }) => head(checkpoint),
        Reply::Node(FromSigner::Announced(Ok(index))) => format!("announced {index}"),
        Reply::Node(FromSigner::Announced(Err(_))) => "refused".to_owned(),
        Reply::Node(FromSigner::Ready) => "ready".to_owned(),
        other @ Reply::Node(_) => panic!("{other:?}"),
    };
    replies.iter().map(one).collect()
}

fn last_head(replies: &[Reply]) -> Vec<u8> {
    let mut heads = replies.iter().filter_map(|reply| match reply {
        Reply::Node(FromSigner::Head { checkpoint }) => Some(checkpoint.to_vec()),
        _ => None,
    });
    heads.next_back().unwrap()
}

#[test]
fn no_head_is_signed_before_its_entry_is_stored_and_requests_wait_their_turn() {
    let home = tempfile::tempdir().unwrap();
    let (mut signer, greeting) = open(home.path(), Awaiting::nobody(), at(0));
    assert_eq!(short(&greeting), ["hello 0 of 2026"]);
    assert_eq!(short(&signer.handle(announce(), at(0)).unwrap()), ["entry 0"]);
    assert!(signer.handle(announce(), at(0)).unwrap().is_empty());
    let built = Produced::of_bytes(b"built");
    let digest = reattest_attestation::Digest::of(b"built");
    let result = Mail::Built(Box::new(result(digest, Some(0), None)), vec![built]);
    assert!(signer.handle(result, at(0)).unwrap().is_empty());
    for other in [0, 2, 3, u64::MAX] {
        assert!(signer.handle(stored(other), at(0)).unwrap().is_empty(), "stored {other}");
    }
    assert!(signer.end().is_err(), "an entry is on its way");
    let next = ["head 1 of 2026", "announced 0", "entry 1"];
    assert_eq!(short(&signer.handle(stored(1), at(0)).unwrap()), next);
    let next = ["head 2 of 2026", "announced 1", "entry 2"];
    assert_eq!(short(&signer.handle(stored(2), at(0)).unwrap()), next);
    let last = ["head 3 of 2026", "receipt 2"];
    assert_eq!(short(&signer.handle(stored(3), at(0)).unwrap()), last);
    signer.end().unwrap();
}

#[test]
fn a_new_year_is_a_new_log_and_an_entry_of_the_old_one_is_finished_in_the_old_one() {
    let home = tempfile::tempdir().unwrap();
    let (mut signer, _) = open(home.path(), Awaiting::nobody(), at(0));
    signer.handle(announce(), at(0)).unwrap();
    signer.handle(stored(1), at(0)).unwrap();
    let begun = signer.handle(announce(), at(0)).unwrap();
    assert_eq!(short(&begun), ["entry 1"]);
    let Reply::Node(FromSigner::Entry { envelope: begun, .. }) = &begun[0] else { panic!() };
    // It crashes, and starts again in the new year.
    let (mut signer, greeting) = open(home.path(), Awaiting::nobody(), at(1));
    assert_eq!(short(&greeting), ["hello 1 of 2026, awaits", "entry 1"]);
    let Reply::Node(FromSigner::Entry { envelope, .. }) = &greeting[1] else { panic!() };
    assert_eq!(envelope, begun, "the same bytes");
    assert!(signer.handle(announce(), at(1)).unwrap().is_empty());
    // Only then is it ready: what was begun is in the log before anything else is built.
    let next = ["head 2 of 2026", "ready", "hello 0 of 2027", "entry 0"];
    assert_eq!(short(&signer.handle(stored(2), at(1)).unwrap()), next);
    assert_eq!(short(&signer.handle(stored(1), at(1)).unwrap()), ["head 1 of 2027", "announced 0"]);
    let (_, greeting) = open(home.path(), Awaiting::nobody(), at(2));
    assert_eq!(short(&greeting), ["hello 1 of 2027"]);
}

#[test]
fn while_witnesses_are_waited_for_hints_are_refused_and_one_result_waits() {
    let home = tempfile::tempdir().unwrap();
    let (mut signer, _) = open(home.path(), Awaiting::nobody(), at(0));
    signer.handle(announce(), at(0)).unwrap();
    let head = last_head(&signer.handle(stored(1), at(0)).unwrap());
    let (secret, name) = witness();
    let awaiting = Awaiting::these(vec![name], 1, at(0));
    let (mut signer, greeting) = open(home.path(), awaiting, at(0));
    assert_eq!(short(&greeting), ["hello 1 of 2026, awaits"]);
    assert_eq!(short(&signer.handle(announce(), at(0)).unwrap()), ["refused"]);
    let digest = reattest_attestation::Digest::of(b"built");
    let built = vec![Produced::of_bytes(b"built")];
    let result = Mail::Built(Box::new(result(digest, Some(0), None)), built);
    assert!(signer.handle(result, at(0)).unwrap().is_empty());
    assert!(signer.handle(seen(&head), at(0)).unwrap().is_empty(), "nobody cosigned it");
    let head = SignedCheckpoint::parse(&head).unwrap().verify(&key().public_key()).unwrap();
    let cosigned = head.only_cosigned_by(&[]).unwrap().cosign("witness", &secret, at(0)).unwrap();
    let told = signer.handle(seen(cosigned.as_bytes()), at(0)).unwrap();
    assert_eq!(short(&told), ["ready", "entry 1"]);
}

#[test]
fn a_head_that_is_shown_before_the_acknowledgement_stops_the_head_over_the_entry() {
    let (home, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut ahead, _) = open(home.path(), Awaiting::nobody(), at(0));
    let (mut behind, _) = open(old.path(), Awaiting::nobody(), at(0));
    ahead.handle(announce(), at(0)).unwrap();
    let head = last_head(&ahead.handle(stored(1), at(0)).unwrap());
    behind.handle(announce(), at(1)).unwrap();
    let why = behind.handle(seen(&head), at(1)).unwrap_err();
    assert!(why.to_string().contains("Nothing more is signed"), "{why}");
    // For good: it says so at every start.
    let network: NetworkId = "test".parse().unwrap();
    let of_key: (super::custody::Key, _) = (Box::new(key()), Vec::new());
    let again = OwnLog::open(disk::local(), old.path(), network, of_key, Awaiting::nobody(), at(2));
    assert!(again.is_err());
}

#[test]
fn the_first_entry_is_finished_before_witnesses_are_heard_who_could_tell_nothing_without_it() {
    let home = tempfile::tempdir().unwrap();
    let (mut signer, _) = open(home.path(), Awaiting::nobody(), at(0));
    assert_eq!(short(&signer.handle(announce(), at(0)).unwrap()), ["entry 0"]);
    drop(signer);
    let (mut again, greeting) =
        open(home.path(), Awaiting::these(vec![witness().1], 1, at(1)), at(0));
    assert_eq!(short(&greeting), ["hello 0 of 2026, awaits", "entry 0"]);
    // Its head is what the witness is to cosign; nothing else is signed before that.
    assert_eq!(short(&again.handle(stored(1), at(0)).unwrap()), ["head 1 of 2026"]);
    assert_eq!(short(&again.handle(announce(), at(0)).unwrap()), ["refused"]);
}

#[test]
fn a_clock_that_was_ahead_at_the_start_and_is_set_back_does_not_make_it_wait_for_the_wrong_time() {
    let home = tempfile::tempdir().unwrap();
    let (mut signer, _) = open(home.path(), Awaiting::nobody(), at(-9_000));
    signer.handle(announce(), at(-9_000)).unwrap();
    let head = last_head(&signer.handle(stored(1), at(-9_000)).unwrap());
    let head = SignedCheckpoint::parse(&head).unwrap().verify(&key().public_key()).unwrap();
    let (secret, name) = witness();
    let at_time = |second| {
        let note = head.only_cosigned_by(&[]).unwrap().cosign("witness", &secret, at(second));
        seen(note.unwrap().as_bytes())
    };
    // It begins an hour ahead.
    let ahead = Awaiting::these(vec![name], 1, at(-3_600));
    let (mut signer, _) = open(home.path(), ahead, at(-3_600));
    assert!(signer.handle(at_time(-7_300), at(-3_599)).unwrap().is_empty(), "that is old");
    assert!(signer.handle(at_time(-7_600), at(-7_200)).unwrap().is_empty(), "that is old now, too");
    assert_eq!(short(&signer.handle(at_time(-7_199), at(-7_199)).unwrap()), ["ready"]);
}
