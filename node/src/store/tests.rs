//! Logs on disk: what is appended is there again, torn tails are cut, damage is named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use reattest_attestation::log::tree::root_of;
use reattest_attestation::log::{Checkpoint, Origin, leaf_hash, verify_inclusion};
use reattest_attestation::{Digest, SecretKey, Sign};

use super::{Log, LogError};

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn origin() -> Origin {
    Origin::new(&"test".parse().unwrap(), &key().public_key(), 2026)
}

fn entries(range: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    range.map(|number| format!("entry {number}").into_bytes()).collect()
}

fn open(home: &Path) -> Log {
    Log::open(home, origin()).unwrap()
}

fn publish(log: &mut Log) {
    let frontier = log.frontier(log.size()).unwrap();
    let head = Checkpoint { origin: origin(), size: log.size(), root: frontier.root() };
    log.publish(head.sign(&key()).unwrap(), b"certificate").unwrap();
}

#[test]
fn entries_across_three_tiles_are_there_again() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..300)).unwrap();
    log.append(300, &entries(300..600)).unwrap();
    publish(&mut log);
    let log = open(home.path());
    assert_eq!(log.size(), 600);
    assert_eq!(log.read(0, 600, usize::MAX).unwrap(), entries(0..600));
    assert_eq!(log.entry(255).unwrap().unwrap(), b"entry 255");
    assert_eq!(log.entry(600).unwrap(), None);
    let hashes: Vec<Digest> = entries(0..600).iter().map(|entry| leaf_hash(entry)).collect();
    assert_eq!(log.frontier(600).unwrap().root(), root_of(&hashes));
}

#[test]
fn what_is_on_disk_is_the_layout_of_c2sp_tiles() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..300)).unwrap();
    publish(&mut log);
    let tile = fs::read(home.path().join("tile/0/000")).unwrap();
    assert_eq!(tile.len(), 256 * 32);
    assert_eq!(tile[..32], *leaf_hash(b"entry 0").as_bytes());
    assert_eq!(fs::read(home.path().join("tile/0/001.p/44")).unwrap().len(), 44 * 32);
    let hashes: Vec<Digest> = entries(0..256).iter().map(|entry| leaf_hash(entry)).collect();
    let above = fs::read(home.path().join("tile/1/000.p/1")).unwrap();
    assert_eq!(above, root_of(&hashes).as_bytes());
    let bundle = fs::read(home.path().join("tile/entries/000")).unwrap();
    assert_eq!(bundle[..9], *b"\0\x07entry 0");
    assert!(home.path().join("tile/entries/001.p/44").exists());
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_to_its_last_whole_entry() {
    let home = tempfile::tempdir().unwrap();
    open(home.path()).append(0, &entries(0..3)).unwrap();
    let whole = fs::read(home.path().join("tail")).unwrap();
    for length in 0..whole.len() {
        fs::write(home.path().join("tail"), &whole[..length]).unwrap();
        let mut log = open(home.path());
        let kept = usize::try_from(log.size()).unwrap();
        assert_eq!(kept, length / 9, "each entry takes nine bytes");
        log.append(log.size(), &entries(kept..3)).unwrap();
        assert_eq!(fs::read(home.path().join("tail")).unwrap(), whole);
    }
}

#[test]
fn appending_again_does_no_harm_and_appending_otherwise_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..5)).unwrap();
    log.append(3, &entries(3..7)).unwrap();
    assert_eq!(log.size(), 7);
    let other = log.append(6, &[b"another"]).unwrap_err();
    assert!(matches!(other, LogError::Conflict { index: 6, .. }), "{other}");
    let gap = log.append(9, &[b"later"]).unwrap_err();
    assert!(matches!(gap, LogError::Gap { size: 7, index: 9, .. }), "{gap}");
    assert_eq!(open(home.path()).size(), 7);
}

#[test]
fn a_lost_hash_tile_is_computed_from_the_entries() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..300)).unwrap();
    let root = log.frontier(300).unwrap().root();
    fs::remove_file(home.path().join("tile/0/000")).unwrap();
    assert_eq!(open(home.path()).frontier(300).unwrap().root(), root);
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..1)).unwrap();
    publish(&mut log);
    fs::write(home.path().join("checkpoint"), "nonsense").unwrap();
    let error = Log::open(home.path(), origin()).unwrap_err();
    assert!(error.to_string().contains("checkpoint is damaged"), "{error}");
}

#[test]
fn proofs_from_tiles_hold_under_the_signed_root_and_survive_lost_tiles() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..600)).unwrap();
    fs::remove_file(home.path().join("tile/0/001")).unwrap();
    fs::write(home.path().join("tile/0/000"), "short").unwrap();
    for size in [1, 256, 300, 512, 600] {
        let root = log.frontier(size).unwrap().root();
        for index in [0, size / 2, size - 1] {
            let proof = log.inclusion(index, size).unwrap().unwrap();
            let leaf = leaf_hash(format!("entry {index}").as_bytes());
            verify_inclusion(leaf, &proof, size, root).unwrap();
            let other = leaf_hash(b"another entry");
            assert!(verify_inclusion(other, &proof, size, root).is_err());
        }
    }
    assert_eq!(log.inclusion(600, 600).unwrap(), None);
    assert!(log.frontier(601).is_err(), "no root over entries that are not there");
}
