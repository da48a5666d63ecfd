//! The queue's file: torn at any byte, damaged at any byte, written anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use reattest_attestation::Purl;

use super::queue::{QueueError, QueueFile};
use crate::protocol::Change;

fn left(number: usize) -> Change {
    let purl: Purl = format!("pkg:deb/debian/p{number}@1?arch=all&distro=trixie").parse().unwrap();
    Change::Left(purl)
}

#[test]
fn what_was_appended_is_there_again() {
    let home = tempfile::tempdir().unwrap();
    let (mut file, changes) = QueueFile::open(home.path()).unwrap();
    assert!(changes.is_empty());
    let many: Vec<Change> = (0..1000).map(left).collect();
    file.append(&many[..1]).unwrap();
    file.append(&many[1..]).unwrap();
    assert_eq!(QueueFile::open(home.path()).unwrap().1, many);
    file.rewrite(&many[990..]).unwrap();
    file.append(&many[..1]).unwrap();
    let again = QueueFile::open(home.path()).unwrap().1;
    assert_eq!(again, [&many[990..], &many[..1]].concat());
}

#[test]
fn a_file_torn_at_any_byte_keeps_every_whole_line_and_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("queue");
    let (mut file, _) = QueueFile::open(home.path()).unwrap();
    let mut ends = vec![fs::metadata(&path).unwrap().len()];
    for number in 0..3 {
        file.append(&[left(number)]).unwrap();
        ends.push(fs::metadata(&path).unwrap().len());
    }
    let bytes = fs::read(&path).unwrap();
    for length in ends[0]..=ends[3] {
        fs::write(&path, &bytes[..usize::try_from(length).unwrap()]).unwrap();
        let (mut file, changes) = QueueFile::open(home.path()).unwrap();
        let whole = ends.iter().filter(|end| **end <= length).count() - 1;
        assert_eq!(changes.len(), whole, "{length} bytes");
        file.append(&[left(9)]).unwrap();
        assert_eq!(QueueFile::open(home.path()).unwrap().1.len(), whole + 1, "{length} bytes");
    }
}

#[test]
fn a_byte_damaged_before_the_last_line_is_named_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("queue");
    let (mut file, _) = QueueFile::open(home.path()).unwrap();
    file.append(&[left(0)]).unwrap();
    let second = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    file.append(&[left(1)]).unwrap();
    let bytes = fs::read(&path).unwrap();
    for place in 0..second - 1 {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let error = QueueFile::open(home.path()).unwrap_err();
        assert!(matches!(error, QueueError::Damaged { line: 1 | 2, .. }), "byte {place}: {error}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "nothing was cut off");
    }
}
