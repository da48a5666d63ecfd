//! Removes one unit, never half of it (step 2): out of its name first, then for good.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

use super::presence;
use super::unit::{Unit, modified};
use crate::scratch;

/// Takes a unit away; false when somebody uses it after all, or the file system refuses.
///
/// Between the look and the removal a process may have begun to use it, and said so by its time: then
/// it gets its name back. A kill in between leaves a name that the next collection clears.
pub(super) fn remove(unit: &Unit) -> bool {
    let Ok(_locks) = locks(&unit.path) else { return false };
    let away = away(&unit.path);
    if renameat_with(CWD, &unit.path, CWD, &away, RenameFlags::NOREPLACE).is_err() {
        return false;
    }
    if last_use(unit, &away) > unit.last_use {
        // Where the name was taken meanwhile, the same bytes came anew.
        if renameat_with(CWD, &away, CWD, &unit.path, RenameFlags::NOREPLACE).is_ok() {
            return false;
        }
    }
    if away.is_dir() {
        scratch::remove(&away);
        let _ = fs::remove_file(presence::record_of(&unit.path));
    } else if let Err(error) = fs::remove_file(&away) {
        tracing::warn!(path = %away.display(), %error, "a file of the cache stays");
    }
    !away.exists()
}

fn away(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.with_added_extension("gone");
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!(".{name}.gone"))
}

fn last_use(unit: &Unit, away: &Path) -> std::time::Duration {
    let times = [away.to_owned(), presence::record_of(&unit.path)];
    let times = times.iter().filter_map(|path| fs::symlink_metadata(path).ok());
    times.map(|metadata| modified(&metadata)).max().unwrap_or_default()
}

/// The locks that makers of this unit hold: a file's own, `.in-use` inside, `NAME.lock` beside.
fn locks(path: &Path) -> io::Result<Vec<File>> {
    let own = (!path.is_dir()).then(|| path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = path.with_file_name(format!("{}.lock", name.trim_end_matches(".tmp")));
    let paths = own.into_iter().chain([path.join(".in-use"), beside]);
    let mut locks = Vec::new();
    for file in paths.filter_map(|path| File::open(path).ok()) {
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        locks.push(file);
    }
    Ok(locks)
}
