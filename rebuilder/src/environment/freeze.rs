//! Directories that are made once, named by what they are made of, and then never changed (step 3).
//!
//! A directory appears under its name only when it is complete; processes that want the same one
//! wait for the first; a killed one leaves a temporary directory that the next removes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use reattest_attestation::Digest;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::RebuildError;
use crate::progress::Cancel;
use crate::retention;
use crate::scratch;

const WAIT: Duration = Duration::from_millis(50);

/// The frozen directory of this digest below `store`; `make` fills an empty one when there is none.
/// The flag says whether it was there.
pub(super) fn frozen(
    store: &Path,
    digest: &Digest,
    cancel: &Cancel,
    make: impl FnOnce(&Path) -> Result<(), RebuildError>,
) -> Result<(PathBuf, bool), RebuildError> {
    let path = store.join(digest.to_string());
    // Said first: a collection that is about to remove it then lets it be.
    if path.is_dir() && retention::used(&path) {
        return Ok((path, true));
    }
    let io = |e| RebuildError::io("cannot make the directory", store, e);
    fs::create_dir_all(store).map_err(io)?;
    let lock = File::create(store.join(format!("{digest}.lock"))).map_err(io)?;
    wait_for(&lock, FlockOperation::NonBlockingLockExclusive, cancel).map_err(io)?;
    if cancel.is_cancelled() {
        return Err(RebuildError::Cancelled);
    }
    if path.is_dir() {
        return Ok((path, true));
    }
    let unfinished = store.join(format!("{digest}.tmp"));
    scratch::remove_if_there(&unfinished);
    fs::create_dir(&unfinished).map_err(io)?;
    let result = make(&unfinished).and_then(|()| fs::rename(&unfinished, &path).map_err(io));
    if result.is_err() {
        scratch::remove(&unfinished);
    }
    result.map(|()| (path, false))
}

/// Asks again and again, since a blocking lock could not be cancelled.
pub(super) fn wait_for(lock: &File, how: FlockOperation, cancel: &Cancel) -> io::Result<()> {
    loop {
        match flock(lock, how) {
            Err(Errno::WOULDBLOCK) if !cancel.is_cancelled() => thread::sleep(WAIT),
            Err(Errno::WOULDBLOCK) => return Ok(()),
            locked => return Ok(locked?),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn make_file(path: &Path) -> Result<(), RebuildError> {
        fs::write(path.join("file"), "x").map_err(|e| RebuildError::io("write", path, e))
    }

    #[test]
    fn a_directory_is_made_once_by_whoever_comes_first() {
        let store = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"x");
        let made: Vec<bool> = thread::scope(|scope| {
            let make = || frozen(store.path(), &digest, &Cancel::new(), make_file).unwrap().1;
            let running: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            running.into_iter().map(|r| r.join().unwrap()).collect()
        });
        assert_eq!(made.iter().filter(|cached| !**cached).count(), 1);
    }

    #[test]
    fn what_failed_or_was_killed_half_way_is_not_there() {
        let store = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"x");
        let unfinished = store.path().join(format!("{digest}.tmp"));
        fs::create_dir(&unfinished).unwrap();
        fs::write(unfinished.join("left"), "by a killed process").unwrap();
        let fail = |path: &Path| make_file(path).and(Err(RebuildError::Cancelled));
        assert!(frozen(store.path(), &digest, &Cancel::new(), fail).is_err());
        assert!(!unfinished.exists());
        let (path, cached) = frozen(store.path(), &digest, &Cancel::new(), make_file).unwrap();
        assert!(!cached && path.join("file").is_file() && !path.join("left").exists());
    }
}
