//! What a sandboxed command takes of the disk (step 3): measured a little at each tick.
//!
//! Files are what a hostile command put there: no link is followed, and what cannot be read counts
//! by what the file system lost meanwhile.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstatvfs, openat, openat2, statat,
};

use super::SandboxError;
use crate::limits;

/// Entries looked at in one tick: about 2 ms.
const STEP_ENTRIES: u64 = 1000;
/// A tree that grows without the file system noticing (links, empty files) is measured this often.
const PERIOD: Duration = Duration::from_secs(30);
/// Growth that is not worth a walk.
const NOTICED_BYTES: u64 = 1 << 20;

/// Measures the writable places of one command.
#[derive(Debug)]
pub(super) struct Meter {
    places: Vec<Place>,
    limit: u64,
    walk: Option<Walk>,
    /// The last walk's sum, and what the file systems had lost when it began.
    known: u64,
    lost_then: u64,
    next: Duration,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    root: File,
    at_start: Free,
}

/// What a file system has left.
#[derive(Debug, Clone, Copy)]
struct Free {
    bytes: u64,
    /// 0 where it makes them as it needs them; then only a walk counts them.
    files: u64,
}

impl Meter {
    pub(super) fn new(places: &[PathBuf], limit: u64) -> Result<Self, SandboxError> {
        let open = |path: &PathBuf| -> io::Result<Place> {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let root = File::from(openat(CWD, path, flags, Mode::empty())?);
            let at_start = free(&root)?;
            Ok(Place { path: path.clone(), root, at_start })
        };
        let places = places.iter().map(open).collect::<io::Result<Vec<_>>>();
        let places =
            places.map_err(|source| SandboxError::Io { what: "open a writable place", source })?;
        Ok(Self { places, limit, walk: None, known: 0, lost_then: 0, next: PERIOD })
    }

    /// Looks a little further; an error once the bound, or the disk's end, is reached.
    pub(super) fn step(&mut self, now: Duration) -> Result<(), SandboxError> {
        let lost = self.lost()?;
        if self.walk.is_none() && (self.is_worth_a_walk(lost) || now > self.next) {
            self.begin(lost)?;
        }
        self.advance(STEP_ENTRIES, lost)?;
        if self.walk.is_none() && now > self.next {
            self.next = now.saturating_add(PERIOD);
        }
        Ok(())
    }

    /// Once more when the command has ended, where it may have written much since the last walk.
    pub(super) fn finish(&mut self) -> Result<(), SandboxError> {
        let lost = self.lost()?;
        if self.is_worth_a_walk(lost) {
            self.begin(lost)?;
        }
        self.advance(u64::MAX, lost)
    }

    fn is_worth_a_walk(&self, lost: u64) -> bool {
        let grown = lost.saturating_sub(self.lost_then);
        grown > (self.limit.saturating_sub(self.known) / 2).max(NOTICED_BYTES)
    }

    /// Bytes that the file systems lost since the start, to whomever.
    fn lost(&self) -> Result<u64, SandboxError> {
        let mut lost = 0;
        for place in &self.places {
            let free = free(&place.root)
                .map_err(|source| SandboxError::Io { what: "ask for free space", source })?;
            let Free { bytes, files } = place.at_start;
            if free.bytes < limits::DISK_RESERVE_BYTES && free.bytes < bytes {
                return Err(SandboxError::NoSpace(place.path.clone()));
            }
            let files = files.saturating_sub(free.files).saturating_mul(limits::FILE_COST_BYTES);
            lost = bytes.saturating_sub(free.bytes).saturating_add(files).max(lost);
        }
        // A file that is open and has no name any more is on the disk and in no directory. Others
        // write to the disk as well, so only a great loss is taken for that.
        if lost > self.limit.saturating_mul(2).saturating_add(limits::UNSEEN_BYTES) {
            return Err(self.passed());
        }
        Ok(lost)
    }

    fn begin(&mut self, lost: u64) -> Result<(), SandboxError> {
        let mut left = Vec::new();
        for (index, place) in self.places.iter().enumerate() {
            // A single file that is bound writable is bounded by its own limit.
            let metadata = place
                .root
                .metadata()
                .map_err(|source| SandboxError::Io { what: "look at a writable place", source })?;
            if metadata.is_dir() {
                left.push((index, PathBuf::from(".")));
            }
        }
        self.walk = Some(Walk { left, bytes: 0, hidden: false });
        self.lost_then = lost;
        Ok(())
    }

    fn advance(&mut self, entries: u64, lost: u64) -> Result<(), SandboxError> {
        let Some(mut walk) = self.walk.take() else {
            return Ok(());
        };
        let mut seen = 0_u64;
        while seen < entries {
            let Some((index, path)) = walk.left.pop() else { break };
            let Some(place) = self.places.get(index) else { continue };
            seen = seen.saturating_add(walk.directory(&place.root, index, &path)).saturating_add(1);
        }
        let bytes = if walk.hidden { walk.bytes.max(lost) } else { walk.bytes };
        if bytes > self.limit {
            return Err(self.passed());
        }
        if walk.left.is_empty() {
            self.known = bytes;
        } else {
            self.walk = Some(walk);
        }
        Ok(())
    }

    fn passed(&self) -> SandboxError {
        SandboxError::Limit { limit: "disk space", bound: format!("{} bytes", self.limit) }
    }
}

fn free(place: &File) -> io::Result<Free> {
    let stat = fstatvfs(place)?;
    Ok(Free { bytes: stat.f_bavail.saturating_mul(stat.f_frsize), files: stat.f_favail })
}

/// A tree on the way of being measured.
#[derive(Debug)]
struct Walk {
    left: Vec<(usize, PathBuf)>,
    bytes: u64,
    /// Whether something could not be read: closed by its owner, or too deep for a path.
    hidden: bool,
}

impl Walk {
    /// Adds one directory's entries; how many there were.
    fn directory(&mut self, root: &File, index: usize, path: &Path) -> u64 {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // The command may put a link in place of any directory at any moment.
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let directory = match openat2(root, path, flags, Mode::empty(), resolve) {
            Ok(directory) => directory,
            // Gone, or another thing by now.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                return 0;
            }
            Err(_) => {
                self.hidden = true;
                return 0;
            }
        };
        let Ok(entries) = Dir::read_from(&directory) else {
            self.hidden = true;
            return 0;
        };
        let mut count = 0_u64;
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            count = count.saturating_add(1);
            let Ok(stat) = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            // A file under several names is counted a part at each.
            let blocks = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
            let names = u64::from(u32::try_from(stat.st_nlink).unwrap_or(u32::MAX)).max(1);
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let own = if is_directory { blocks } else { blocks / names };
            self.bytes = self.bytes.saturating_add(own).saturating_add(limits::FILE_COST_BYTES);
            if is_directory {
                self.left.push((index, path.join(OsStr::from_bytes(name.to_bytes()))));
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn measured(place: &Path, limit: u64) -> Result<u64, SandboxError> {
        let mut meter = Meter::new(&[place.to_owned()], limit).unwrap();
        meter.begin(0)?;
        meter.advance(u64::MAX, 0)?;
        Ok(meter.known)
    }

    #[test]
    fn a_tree_counts_once_however_it_is_linked() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::create_dir(path("inner")).unwrap();
        fs::write(path("inner/file"), vec![1; 1 << 20]).unwrap();
        let plain = measured(place.path(), u64::MAX).unwrap();
        assert!(plain >= 1 << 20);
        for number in 0..9 {
            fs::hard_link(path("inner/file"), path(&format!("hard-{number}"))).unwrap();
            symlink("/", path(&format!("soft-{number}"))).unwrap();
        }
        let linked = measured(place.path(), u64::MAX).unwrap();
        assert!(linked < plain + (128 << 10), "{plain} {linked}");
    }

    #[test]
    fn a_bound_that_is_passed_ends_the_walk() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), vec![1; 1 << 20]).unwrap();
        let error = measured(place.path(), 1 << 19).unwrap_err();
        assert!(matches!(error, SandboxError::Limit { limit: "disk space", .. }), "{error}");
    }

    #[test]
    fn names_without_content_count_too() {
        let place = tempfile::tempdir().unwrap();
        for number in 0..100 {
            fs::write(place.path().join(number.to_string()), "").unwrap();
        }
        assert!(measured(place.path(), 50 * limits::FILE_COST_BYTES).is_err());
    }

    #[test]
    fn what_is_too_deep_to_be_seen_is_counted_by_what_the_disk_lost() {
        let place = tempfile::tempdir().unwrap();
        let mut meter = Meter::new(&[place.path().to_owned()], 1000).unwrap();
        let walk = |hidden| Some(Walk { left: Vec::new(), bytes: 10, hidden });
        meter.walk = walk(false);
        meter.advance(1, 2000).unwrap();
        meter.walk = walk(true);
        assert!(meter.advance(1, 2000).is_err());
    }
}
