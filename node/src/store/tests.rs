//! Logs on disk: what is appended is there again, torn tails are cut, damage is named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use reattest_attestation::log::tiles::decode_entries;
use reattest_attestation::log::tree::root_of;
use reattest_attestation::log::{
    Checkpoint, Origin, leaf_hash, verify_consistency, verify_inclusion,
};
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
    let whole = fs::read(home.path().join("tail-0")).unwrap();
    for length in 0..whole.len() {
        fs::write(home.path().join("tail-0"), &whole[..length]).unwrap();
        let mut log = open(home.path());
        let kept = usize::try_from(log.size()).unwrap();
        assert_eq!(kept, length / 9, "each entry takes nine bytes");
        log.append(log.size(), &entries(kept..3)).unwrap();
        assert_eq!(fs::read(home.path().join("tail-0")).unwrap(), whole);
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
        assert_eq!(log.root(size).unwrap(), root);
        for index in [0, size / 2, size - 1] {
            let proof = log.inclusion(index, size).unwrap().unwrap();
            let leaf = leaf_hash(format!("entry {index}").as_bytes());
            verify_inclusion(leaf, &proof, size, root).unwrap();
            let other = leaf_hash(b"another entry");
            assert!(verify_inclusion(other, &proof, size, root).is_err());
        }
        let grown = log.consistency(size, 600).unwrap().unwrap();
        verify_consistency((size, root), (600, log.root(600).unwrap()), &grown).unwrap();
    }
    assert_eq!(log.inclusion(600, 600).unwrap(), None);
    assert!(log.frontier(601).is_err(), "no root over entries that are not there");
}

#[test]
fn a_tile_with_one_changed_bit_is_computed_from_the_entries_and_an_entry_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..600)).unwrap();
    publish(&mut log);
    let root = log.root(300).unwrap();
    flip(&home.path().join("tile/0/000"), 40);
    let log = open(home.path());
    assert_eq!(log.root(300).unwrap(), root, "from the entries");
    flip(&home.path().join("tile/entries/001"), 5);
    let error = log.bundle(256, 600, usize::MAX).unwrap_err();
    assert!(error.to_string().contains("entry 256 is another one"), "{error}");
    assert_eq!(log.entry(255).unwrap().unwrap(), b"entry 255");
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_tile_that_is_missing_below_the_checkpoint_is_named() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..800)).unwrap();
    publish(&mut log);
    fs::remove_file(home.path().join("tile/entries/001")).unwrap();
    for opened in [Log::open(home.path(), origin()), Log::read_only(home.path(), origin())] {
        let error = opened.unwrap_err().to_string();
        assert!(error.contains("tile/entries/001 is damaged: it is missing"), "{error}");
    }
}

#[test]
fn bundles_are_those_of_c2sp_and_end_with_their_tile() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..600)).unwrap();
    let of = |from, until, limit| {
        let bundle = log.bundle(from, until, limit).unwrap();
        let entries = decode_entries(&bundle).unwrap();
        entries.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(of(0, 600, usize::MAX), entries(0..256));
    assert_eq!(of(250, 600, usize::MAX), entries(250..256));
    assert_eq!(of(256, 260, usize::MAX), entries(256..260));
    assert_eq!(of(512, 700, usize::MAX), entries(512..600));
    assert_eq!(of(100, 600, 25), entries(100..102), "of eleven bytes each");
    assert_eq!(of(100, 600, 1), entries(100..101), "one at least");
    assert_eq!(log.bundle(600, 700, 100).unwrap(), b"");
    let tile = fs::read(home.path().join("tile/entries/000")).unwrap();
    assert_eq!(log.bundle(0, 256, usize::MAX).unwrap(), tile);
}

#[test]
fn what_was_not_synced_is_cut_where_it_is_not_whole() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..300)).unwrap();
    publish(&mut log);
    log.extend(300, &entries(300..1300)).unwrap();
    assert_eq!(open(home.path()).size(), 1300, "a kill alone takes nothing");
    // A power cut took the end of one tile; what follows it has no place any more.
    let tile = home.path().join("tile/entries/003");
    let bytes = fs::read(&tile).unwrap();
    fs::write(&tile, &bytes[..bytes.len() / 2]).unwrap();
    let mut log = open(home.path());
    assert_eq!(log.size(), 897);
    assert_eq!(log.read(0, 2000, usize::MAX).unwrap(), entries(0..897));
    assert!(!home.path().join("tile/entries/004").exists());
    log.extend(897, &entries(897..1300)).unwrap();
    publish(&mut log);
    assert_eq!(open(home.path()).read(0, 2000, usize::MAX).unwrap(), entries(0..1300));
}

#[test]
fn a_tail_never_outlives_its_tile() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.extend(0, &entries(0..700)).unwrap();
    fs::remove_file(home.path().join("tile/entries/001")).unwrap();
    let log = open(home.path());
    assert_eq!(log.size(), 256, "the tail was of the third tile");
    assert!(!home.path().join("tail-2").exists());
}

#[test]
fn entries_beyond_the_checkpoint_can_be_forgotten_and_those_below_cannot() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..100)).unwrap();
    publish(&mut log);
    log.extend(100, &entries(100..900)).unwrap();
    for size in [890, 700, 512, 300, 256, 100] {
        let count = usize::try_from(size).unwrap();
        log.truncate(size).unwrap();
        assert_eq!(log.size(), size);
        let hashes: Vec<Digest> = entries(0..count).iter().map(|entry| leaf_hash(entry)).collect();
        assert_eq!(log.root(size).unwrap(), root_of(&hashes));
        assert_eq!(open(home.path()).read(0, 1000, usize::MAX).unwrap(), entries(0..count));
        log.extend(size, &entries(count..900)).unwrap();
        assert_eq!(open(home.path()).read(0, 1000, usize::MAX).unwrap(), entries(0..900));
    }
    let error = log.truncate(99).unwrap_err();
    assert!(matches!(error, LogError::Published { published: 100, size: 99, .. }), "{error}");
}

#[test]
fn a_head_of_another_history_or_behind_the_published_one_is_not_published() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    log.append(0, &entries(0..10)).unwrap();
    publish(&mut log);
    let mut refused = |size, root| {
        let head = Checkpoint { origin: origin(), size, root };
        log.publish(head.sign(&key()).unwrap(), b"certificate").unwrap_err()
    };
    let root = Digest::of(b"another");
    assert!(matches!(refused(10, root), LogError::OtherRoot { size: 10, .. }));
    assert!(matches!(refused(11, root), LogError::Gap { index: 11, .. }));
    assert!(matches!(refused(9, root), LogError::Published { published: 10, .. }));
    assert_eq!(open(home.path()).published(), 10);
}

#[test]
fn partial_tiles_are_kept_for_two_heads_and_made_again_where_they_are_lost() {
    let home = tempfile::tempdir().unwrap();
    let mut log = open(home.path());
    for count in 0..260 {
        log.append(count as u64, &entries(count..count + 1)).unwrap();
        publish(&mut log);
    }
    let partial = |path: &str| {
        let names = fs::read_dir(home.path().join(path)).into_iter().flatten();
        let mut names: Vec<String> =
            names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(partial("tile/entries"), ["000", "001.p"]);
    assert_eq!(partial("tile/entries/001.p"), ["3", "4"]);
    assert_eq!(partial("tile/0/001.p"), ["3", "4"]);
    assert_eq!(partial("tile/1/000.p"), ["1"]);
    fs::remove_file(home.path().join("tile/entries/001.p/4")).unwrap();
    fs::write(home.path().join("tile/0/001.p/4"), [0; 128]).unwrap();
    let reader = Log::read_only(home.path(), origin()).unwrap();
    assert_eq!(reader.entry(259).unwrap().unwrap(), b"entry 259", "from the tail");
    open(home.path());
    assert_eq!(fs::read(home.path().join("tile/entries/001.p/4")).unwrap().len(), 4 * 11);
    assert_eq!(
        fs::read(home.path().join("tile/0/001.p/4")).unwrap()[..32],
        *leaf_hash(b"entry 256").as_bytes()
    );
}
