//! Fresh directories for untrusted commands (step 3), gone when their owner is, whatever is in them.
//!
//! A build may leave directories without any permission; `tempfile` alone would give up on those.
//! A killed owner leaves its directory behind; the next one sweeps what nobody holds a lock on.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// A directory of its own, removed on drop.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    // Held open: the lock says that the directory is in use.
    _lock: File,
}

const LOCK: &str = ".in-use";

impl Scratch {
    /// A fresh, empty directory below `parent`.
    pub fn fresh(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        sweep(parent);
        let directory = tempfile::Builder::new().prefix("run-").tempdir_in(parent)?;
        // Locked before it stands where a sweeper looks, so no sweeper can be first.
        let unnamed = tempfile::NamedTempFile::new_in(parent)?;
        flock(unnamed.as_file(), FlockOperation::NonBlockingLockExclusive)?;
        let lock = unnamed.persist(directory.path().join(LOCK)).map_err(|e| e.error)?;
        Ok(Self { directory, _lock: lock })
    }

    /// A new directory inside, for one purpose.
    pub fn part(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.directory.path().join(name);
        fs::create_dir(&path)?;
        Ok(path)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        open_up(self.directory.path());
    }
}

/// Removes what earlier runs left when they were killed.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Ok(lock) = File::open(path.join(LOCK)) else {
            continue;
        };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove(&path);
        }
    }
}

/// Removes a tree, also one whose directories deny it to their owner.
pub fn remove(path: &Path) {
    open_up(path);
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "a directory of an ended build stays");
    }
}

/// The same where it is not known whether there is one.
pub(crate) fn remove_if_there(path: &Path) {
    if path.symlink_metadata().is_ok() {
        remove(path);
    }
}

/// Lets the owner list and empty every directory; symbolic links are not followed.
fn open_up(path: &Path) {
    let mut left = vec![path.to_owned()];
    while let Some(directory) = left.pop() {
        // What cannot be opened up is reported by the removal.
        let _ = fs::set_permissions(&directory, Permissions::from_mode(0o700));
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        let inner = entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        left.extend(inner.map(|entry| entry.path()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_scratch_directory_goes_away_with_odd_modes_inside() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::fresh(parent.path()).unwrap();
        let closed = scratch.part("closed").unwrap();
        fs::create_dir(closed.join("inner")).unwrap();
        fs::write(closed.join("inner/file"), "x").unwrap();
        fs::set_permissions(closed.join("inner"), Permissions::from_mode(0o0)).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o0)).unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_owner_left_is_swept_and_what_is_in_use_stays() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join("run-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        let held = Scratch::fresh(parent.path()).unwrap();
        assert!(!left.exists());
        let other = Scratch::fresh(parent.path()).unwrap();
        assert!(held.path().exists() && other.path().exists());
    }
}
