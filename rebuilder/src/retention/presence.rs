//! Who uses the cache now (step 2): a locked file for each process, and the times of last use.
//!
//! The lock goes away with its process however it ends; the file's time says since when it runs, so a
//! collection keeps whatever was used since the oldest of them began.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW, flock, utimensat};
use rustix::io::Errno;

const PREFIX: &str = "user-";

/// This process's place among the users of a cache, given up on drop.
#[derive(Debug)]
pub(crate) struct Presence {
    path: PathBuf,
    _lock: File,
}

fn directory(cache: &Path) -> PathBuf {
    cache.join("users")
}

impl Presence {
    /// Takes a place.
    pub(crate) fn below(cache: &Path) -> io::Result<Self> {
        let directory = directory(cache);
        fs::create_dir_all(&directory)?;
        // Locked before it has the name that a sweeper looks for, so no sweeper can be first.
        let unnamed = tempfile::Builder::new().prefix(".new-").tempfile_in(&directory)?;
        flock(unnamed.as_file(), FlockOperation::NonBlockingLockExclusive)?;
        let name = unnamed.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = directory.join(name.replacen(".new-", PREFIX, 1));
        let lock = unnamed.persist_noclobber(&path).map_err(|e| e.error)?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // A file that stays has no lock, and is swept.
        let _ = fs::remove_file(&self.path);
    }
}

/// Since when the oldest user of the cache runs, after 1970; `None` when nobody does.
pub(super) fn oldest(cache: &Path) -> io::Result<Option<Duration>> {
    let mut oldest = None;
    for path in super::names(&directory(cache))? {
        let Ok(file) = File::open(&path) else { continue };
        if is_named(&path) && is_held(&file) {
            let since = super::unit::modified(&file.metadata()?);
            oldest = Some(oldest.map_or(since, |known: Duration| known.min(since)));
        }
    }
    Ok(oldest)
}

/// Removes what killed processes left.
pub(super) fn sweep(cache: &Path) {
    for path in super::names(&directory(cache)).unwrap_or_default() {
        if is_named(&path) && File::open(&path).is_ok_and(|file| !is_held(&file)) {
            // The next sweep tries again.
            let _ = fs::remove_file(&path);
        }
    }
}

fn is_named(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

/// Whether another open file holds the lock.
pub(super) fn is_held(file: &File) -> bool {
    // Shared, so that two who ask at once do not take each other for users.
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            let _ = flock(file, FlockOperation::Unlock);
            false
        }
        Err(_) => true,
    }
}

/// Records that something in the cache is used now; false when it is not there any more.
///
/// Whoever relies on a unit calls this first: a collection that was about to remove it then sees the
/// new time and puts it back. Directories of environments keep their own times; for them the record
/// is a file `NAME.used` beside them.
pub fn used(path: &Path) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    if metadata.is_dir() {
        let record = record_of(path);
        if let Err(error) = File::create(&record).and_then(|file| file.set_len(0)) {
            tracing::debug!(%error, path = %record.display(), "a use was not recorded");
        }
        let _ = utimensat(CWD, &record, &times, AtFlags::SYMLINK_NOFOLLOW);
        return path.is_dir();
    }
    // A cache that cannot be written still serves.
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW) != Err(Errno::NOENT)
}

/// Where the last use of a directory is recorded.
pub(super) fn record_of(directory: &Path) -> PathBuf {
    let mut name = directory.as_os_str().to_owned();
    name.push(".used");
    PathBuf::from(name)
}
