//! What the cache keeps and for how long (step 2): by last use, within a size and an age.
//!
//! A unit is removed whole or not at all: a blob, a beginning of one, a remembered answer, or a whole
//! directory of an environment. What a process of now used since it started stays, whatever the limits
//! say; logs and documents of a node are not in the cache and are never touched.

mod amount;
pub(crate) mod presence;
mod unit;
mod plan;
mod removal;
pub mod kept;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

pub use amount::{Age, AmountError, Bytes};
pub use plan::{Removal, Why};
pub use presence::used;

/// How much the cache may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// All units together, as the disk counts them.
    pub max_bytes: u64,
    /// The longest time since the last use.
    pub max_age: Duration,
}

impl Default for Keep {
    /// 20 GiB hold 15 environments with their packages and leave a laptop usable; 90 days outlast
    /// the time between two point releases, so that a late rebuild finds its inputs.
    fn default() -> Self {
        Self { max_bytes: 20 << 30, max_age: Duration::from_hours(90 * 24) }
    }
}

/// What one collection found and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Bytes of all units before.
    pub before: u64,
    /// Bytes that stay, or would stay.
    pub after: u64,
    /// Units before.
    pub units: usize,
    /// Units that processes of now use.
    pub in_use: usize,
    /// What was removed, or would be: the least recently used first.
    pub removed: Vec<Removal>,
}

/// Why the cache was not cleaned. An own fault.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The file system refuses.
    #[error("cannot clean the cache at {}: {source}; needed a directory that this user owns", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RetentionError {
    fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Says what [`collect`] would remove.
pub fn preview(cache: &Path, keep: &Keep) -> Result<Collected, RetentionError> {
    let found = unit::scan(cache).map_err(RetentionError::at(cache))?;
    Ok(collected(&found, plan::plan(&found.units, keep, found.now, found.oldest_user)))
}

/// Removes what is too old or too much; waits for another collection that runs.
pub fn collect(cache: &Path, keep: &Keep) -> Result<Collected, RetentionError> {
    let fail = RetentionError::at(cache);
    let Some(lock) = gate(cache).map_err(&fail)? else { return preview(cache, keep) };
    flock(&lock, FlockOperation::LockExclusive).map_err(io::Error::from).map_err(&fail)?;
    collect_locked(cache, keep)
}

/// The hook for a node after a build: does nothing when another collection runs or nothing is over
/// its limit. It reads the directory only, so it takes milliseconds for each thousand units.
pub fn after_build(cache: &Path, keep: &Keep) -> Result<Option<Collected>, RetentionError> {
    let fail = RetentionError::at(cache);
    let Some(lock) = gate(cache).map_err(&fail)? else { return Ok(None) };
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    let collected = collect_locked(cache, keep)?;
    Ok((!collected.removed.is_empty()).then_some(collected))
}

/// Held by the one that collects; `None` where there is no cache yet.
fn gate(cache: &Path) -> io::Result<Option<File>> {
    if !cache.is_dir() {
        return Ok(None);
    }
    File::create(cache.join("gc.lock")).map(Some)
}

/// Whether a collection runs now.
pub(crate) fn is_collecting(cache: &Path) -> bool {
    File::open(cache.join("gc.lock")).is_ok_and(|lock| presence::is_held(&lock))
}

fn collect_locked(cache: &Path, keep: &Keep) -> Result<Collected, RetentionError> {
    let found = unit::scan(cache).map_err(RetentionError::at(cache))?;
    let planned = plan::plan(&found.units, keep, found.now, found.oldest_user);
    let really = planned.into_iter().filter(|(unit, _)| removal::remove(unit)).collect();
    presence::sweep(cache);
    Ok(collected(&found, really))
}

fn collected(found: &unit::Found, removed: Vec<(&unit::Unit, Why)>) -> Collected {
    let before: u64 = found.units.iter().map(|unit| unit.bytes).sum();
    let gone: u64 = removed.iter().map(|(unit, _)| unit.bytes).sum();
    let in_use = found.units.iter().filter(|unit| unit.is_used_since(found.oldest_user)).count();
    let removed = removed
        .into_iter()
        .map(|(unit, why)| Removal {
            name: unit.name.clone(),
            bytes: unit.bytes,
            idle_seconds: found.now.saturating_sub(unit.last_use).as_secs(),
            why,
        })
        .collect();
    Collected {
        before,
        after: before.saturating_sub(gone),
        units: found.units.len(),
        in_use,
        removed,
    }
}

/// The names directly below a directory that is one, and no link to one; sorted.
fn names(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::symlink_metadata(directory) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let entries: io::Result<Vec<PathBuf>> =
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut entries = entries?;
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests;
