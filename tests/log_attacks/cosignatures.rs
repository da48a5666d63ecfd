//! Lines of witnesses moved, renamed, dated anew and disguised, each refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reattest_attestation::log::{CheckpointError, SignedCheckpoint, WitnessKey};
use reattest_attestation::{SecretKey, Sign, Timestamp};

use super::tiled_log::TiledLog;
use crate::worlds::{NOW, at, rebuilder};

fn witness(name: &str) -> (WitnessKey, SecretKey) {
    let key = rebuilder('b', '1');
    (WitnessKey::new(name, key.public_key()).unwrap(), key)
}

/// When this witness cosigned, by a reader that knows the log's key.
fn time(
    log: &TiledLog,
    head: &SignedCheckpoint,
    by: &WitnessKey,
) -> Result<Option<Timestamp>, CheckpointError> {
    head.verify(&log.public()).unwrap().cosigned_by(by).map(|times| times.last().copied())
}

/// The last line of a note: its name and its bytes.
fn last_line(head: &SignedCheckpoint) -> (String, Vec<u8>) {
    let line = head.as_str().lines().last().unwrap();
    let mut parts = line.split(' ').skip(1).map(str::to_owned);
    let (name, blob) = (parts.next().unwrap(), parts.next().unwrap());
    (name, STANDARD.decode(blob).unwrap())
}

/// A copy of a note with one more line.
fn with_line(head: &SignedCheckpoint, name: &str, blob: &[u8]) -> SignedCheckpoint {
    let line = format!("\u{2014} {name} {}\n", STANDARD.encode(blob));
    SignedCheckpoint::parse(format!("{}{line}", head.as_str()).as_bytes()).unwrap()
}

fn refused(answer: &Result<Option<Timestamp>, CheckpointError>) -> bool {
    matches!(answer, Err(CheckpointError::Cosignature { .. }))
}

#[test]
fn an_old_head_stays_as_old_as_its_witness_says() {
    let log = TiledLog::of(9, "one");
    let (witness, key) = witness("witness.example");
    let old = log.signed(5).cosign(witness.name(), &key, at(NOW - 1_000)).unwrap();
    let new = log.signed(9).cosign(witness.name(), &key, at(NOW)).unwrap();
    assert_eq!(time(&log, &old, &witness).unwrap(), Some(at(NOW - 1_000)));
    assert!(matches!(old.with_signatures_of(&new), Err(CheckpointError::OtherHead { .. })));
}

#[test]
fn a_cosignature_moved_to_another_head_is_refused() {
    let (log, fork) = (TiledLog::of(9, "one"), TiledLog::forked_at(4, 9));
    let (witness, key) = witness("witness.example");
    let (name, blob) = last_line(&log.signed(5).cosign(witness.name(), &key, at(NOW)).unwrap());
    // To a later head, and to another history of that size.
    for head in [log.signed(9), fork.signed(5)] {
        assert!(refused(&time(&log, &with_line(&head, &name, &blob), &witness)));
    }
    // To the same tree in the log of another key.
    let theirs = TiledLog::new(rebuilder('c', '1'), log.entries.clone());
    assert!(refused(&time(&theirs, &with_line(&theirs.signed(5), &name, &blob), &witness)));
}

#[test]
fn a_cosignature_with_another_time_is_refused() {
    let log = TiledLog::of(5, "one");
    let (witness, key) = witness("witness.example");
    let signed = log.signed(5).cosign(witness.name(), &key, at(NOW)).unwrap();
    let (name, blob) = last_line(&signed);
    assert_eq!(time(&log, &with_line(&log.signed(5), &name, &blob), &witness), Ok(Some(at(NOW))));
    for byte in 0..blob.len() {
        let mut changed = blob.clone();
        changed[byte] ^= 1;
        let answer = time(&log, &with_line(&log.signed(5), &name, &changed), &witness);
        // With another key id it is a line of nobody known; with another time or signature a lie.
        assert!(if byte < 4 { answer == Ok(None) } else { refused(&answer) }, "byte {byte}");
        // A lie beside the truth is a lie all the same.
        let answer = time(&log, &with_line(&signed, &name, &changed), &witness);
        assert!(byte < 4 || refused(&answer), "byte {byte}");
    }
    for cut in [5, 12, 75, 77] {
        let mut changed = blob.clone();
        changed.resize(cut, 0);
        assert!(refused(&time(&log, &with_line(&log.signed(5), &name, &changed), &witness)));
    }
}

#[test]
fn of_two_true_lines_the_newest_counts_in_either_order() {
    let log = TiledLog::of(5, "one");
    let (witness, key) = witness("witness.example");
    let cosigned = |seconds| log.signed(5).cosign(witness.name(), &key, at(seconds)).unwrap();
    for (first, second) in [(NOW - 9, NOW), (NOW, NOW - 9)] {
        let (name, blob) = last_line(&cosigned(second));
        let both = with_line(&cosigned(first), &name, &blob);
        assert_eq!(time(&log, &both, &witness), Ok(Some(at(NOW))));
    }
}

#[test]
fn a_line_under_another_name_is_nobodys() {
    let log = TiledLog::of(5, "one");
    let (witness, key) = witness("witness.example");
    let (_, blob) = last_line(&log.signed(5).cosign(witness.name(), &key, at(NOW)).unwrap());
    let renamed = with_line(&log.signed(5), "other.example", &blob);
    assert_eq!(time(&log, &renamed, &witness), Ok(None));
    let other = WitnessKey::new("other.example", rebuilder('d', '1').public_key()).unwrap();
    assert_eq!(time(&log, &renamed, &other), Ok(None));
    // Nor does the key id of the other name make it the other's: a known name and id must hold.
    let line = log.signed(5).cosign("other.example", &rebuilder('d', '1'), at(NOW)).unwrap();
    let stolen = [&last_line(&line).1[..4], &blob[4..]].concat();
    assert!(refused(&time(&log, &with_line(&log.signed(5), "other.example", &stolen), &other)));
}

#[test]
fn a_logs_own_signature_is_no_cosignature_and_the_other_way_round() {
    let log = TiledLog::of(5, "one");
    let (signed, origin) = (log.signed(5), log.origin().to_string());
    let (_, own) = last_line(&signed);
    // The log as its own witness, under its own name: another signature type, another key id.
    let itself = WitnessKey::new(&origin, log.public()).unwrap();
    assert_eq!(time(&log, &signed, &itself), Ok(None));
    let cosigned = signed.cosign(&origin, &log.key, at(NOW)).unwrap();
    assert_eq!(time(&log, &cosigned, &itself), Ok(Some(at(NOW))));
    let (_, blob) = last_line(&cosigned);
    let disguised = [&blob[..12], &own[4..]].concat();
    assert!(refused(&time(&log, &with_line(&signed, &origin, &disguised), &itself)));
    let text = signed.as_str().split_once("\u{2014}").unwrap().0.to_owned();
    let disguised = STANDARD.encode([&own[..4], &blob[12..]].concat());
    let note = format!("{text}\u{2014} {origin} {disguised}\n");
    let head = SignedCheckpoint::parse(note.as_bytes()).unwrap();
    assert!(head.verify(&log.public()).is_err());
}
