//! The property of the queue's file: a start or a clear refusal; and what was read is read again.

use std::fs;

use super::super::beside::protocol::queue::Room;
use super::super::beside::protocol::{Change, Queue};
use super::super::beside::{QueueError, QueueFile};
use super::is_one_line;

const ROOM: Room = Room { jobs: 1, memory: 1 << 30 };

/// Bytes as the file, or as the lines below its header, each with its checksum made right: a fuzzer
/// does not find SHA-256 by itself.
pub fn queue(bytes: &[u8]) -> bool {
    let as_file = opened(bytes);
    let as_lines = opened(&checked(bytes));
    as_file || as_lines
}

fn checked(bytes: &[u8]) -> Vec<u8> {
    let mut file = b"reattest queue v1\n".to_vec();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let json = line.strip_suffix(b"\n").unwrap_or(line);
        let sum = reattest_attestation::Digest::of(json).to_string();
        file.extend([sum.as_bytes().get(..16).unwrap_or_default(), b" ", line].concat());
    }
    file
}

fn opened(bytes: &[u8]) -> bool {
    // In memory where there is such a place: every opening and writing waits for the disk.
    let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = home.path().join("queue");
    fs::write(&path, bytes).unwrap();
    let (mut file, changes) = match QueueFile::open(home.path()) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(matches!(error, QueueError::Damaged { .. }), "{error}");
            is_one_line(&error.to_string());
            assert_eq!(fs::read(&path).unwrap(), bytes, "what is refused stays as it is");
            return false;
        }
    };
    assert!(bytes.starts_with(&fs::read(&path).unwrap()), "only a torn end is cut off");
    let again = || QueueFile::open(home.path()).unwrap().1;
    assert_eq!(again(), changes);

    // The queue that they leave, written anew, is the same queue; and so is one that went on.
    let queue = Queue::replayed(ROOM, changes.clone());
    let snapshot = queue.snapshot();
    let whole = |changes: Vec<Change>| format!("{:?}", Queue::replayed(ROOM, changes));
    assert_eq!(whole(snapshot.clone()), format!("{queue:?}"));
    file.append(&snapshot).unwrap();
    assert_eq!(again(), [changes.as_slice(), &snapshot].concat());
    assert_eq!(whole(again()), format!("{queue:?}"));
    file.rewrite(&snapshot).unwrap();
    assert_eq!(again(), snapshot);
    !changes.is_empty()
}
