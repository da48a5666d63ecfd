//! What stands in a cache (step 2): one unit for each thing that is kept or removed as a whole.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{kept, names, presence};
use rustix::fs::{FlockOperation, flock};

use crate::clock;

/// One thing that is removed whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its path below the cache.
    pub(super) name: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it takes on the disk.
    pub(super) bytes: u64,
    /// After 1970.
    pub(super) last_use: Duration,
    /// Half of something: of no use to anybody but the process that makes it.
    pub(super) is_leftover: bool,
    /// A process holds its lock.
    pub(super) is_held: bool,
    /// Outputs that differed, within their time: other things go first.
    pub(super) is_kept: bool,
}

impl Unit {
    /// Whether a process of now may rely on it.
    pub(super) fn is_used_since(&self, oldest_user: Option<Duration>) -> bool {
        self.is_held || oldest_user.is_some_and(|since| self.last_use >= since)
    }
}

/// A cache as it was found.
pub(super) struct Found {
    pub(super) units: Vec<Unit>,
    pub(super) now: Duration,
    pub(super) oldest_user: Option<Duration>,
}

/// Lists a cache. What vanishes meanwhile is not there; links are neither followed nor removed.
pub(super) fn scan(cache: &Path) -> io::Result<Found> {
    // First, so that whoever comes later is younger than everything that is found unused.
    let oldest_user = presence::oldest(cache)?;
    let kept = kept::digests(cache);
    let mut units = Vec::new();
    for top in names(cache)? {
        match name(&top).as_str() {
            "users" => {}
            "blobs" => blobs(cache, &kept, &mut units)?,
            "scratch" => {
                let held = |path: &Path| Some(is_busy(&path.join(".in-use")));
                children(cache, &top, &mut units, held)?;
            }
            _ if is_data(&top) => {}
            _ => children(cache, &top, &mut units, |_| None)?,
        }
    }
    let now = Duration::from_secs(u64::try_from(clock::now().as_unix()).unwrap_or(0));
    Ok(Found { units, now, oldest_user })
}

fn blobs(cache: &Path, kept: &BTreeSet<String>, units: &mut Vec<Unit>) -> io::Result<()> {
    let blobs = cache.join("blobs");
    for path in names(&blobs.join("partial"))? {
        let is_held = is_busy(&path);
        units.extend(file(cache, &path).map(|unit| Unit { is_held, ..unit }));
    }
    for place in names(&blobs.join("sha256"))? {
        // Temporary files of writers lie beside the places.
        units.extend(file(cache, &place).map(|unit| Unit { is_leftover: true, ..unit }));
        for path in names(&place)? {
            let is_kept = kept.contains(&name(&path));
            units.extend(file(cache, &path).map(|unit| Unit { is_kept, ..unit }));
        }
    }
    Ok(())
}

/// Everything directly below a directory: files by themselves, directories whole.
///
/// `scratch` tells of a directory that is somebody's scratch space whether it is held.
fn children(
    cache: &Path,
    top: &Path,
    units: &mut Vec<Unit>,
    scratch: impl Fn(&Path) -> Option<bool>,
) -> io::Result<()> {
    let mut left = names(top)?;
    while let Some(path) = left.pop() {
        let name = name(&path);
        // Locks are empty, and removing one would let two makers at the same directory.
        if ends_in(&path, &["lock", "used"]) {
            continue;
        }
        if let Some(unit) = file(cache, &path) {
            units.push(unit);
        } else if name == "pins" || name == "making" {
            // What a layer's pins led to, and layers under way: units of their own.
            left.extend(names(&path)?);
        } else if path.is_dir() && !path.is_symlink() && !is_data(&path) {
            let held = scratch(&path);
            let lock = path.with_file_name(format!("{}.lock", name.trim_end_matches(".tmp")));
            let is_held = held.unwrap_or_else(|| is_busy(&lock));
            units.extend(directory(cache, &path).map(|unit| Unit {
                is_held,
                is_leftover: unit.is_leftover || held.is_some(),
                ..unit
            }));
        }
    }
    Ok(())
}

/// A data directory of a node that somebody put here: logs and keys are no cache.
fn is_data(path: &Path) -> bool {
    ["peer.key", "signer", "logs", "node.sock"].iter().any(|name| path.join(name).exists())
}

/// Users of a layer share its lock, so only a lock for oneself tells whether there is any.
fn is_busy(lock: &Path) -> bool {
    let Ok(file) = File::open(lock) else { return false };
    flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
}

fn file(cache: &Path, path: &Path) -> Option<Unit> {
    let metadata = fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
    Some(unit(cache, path, metadata.blocks().saturating_mul(512), modified(&metadata)))
}

fn directory(cache: &Path, path: &Path) -> Option<Unit> {
    let times = [path.to_owned(), presence::record_of(path), path.with_added_extension("lock")];
    let times = times.iter().filter_map(|path| fs::symlink_metadata(path).ok());
    let last_use = times.map(|metadata| modified(&metadata)).max()?;
    Some(unit(cache, path, tree_bytes(path), last_use))
}

fn unit(cache: &Path, path: &Path, bytes: u64, last_use: Duration) -> Unit {
    let name = path.strip_prefix(cache).unwrap_or(path).to_string_lossy().into_owned();
    let last = self::name(path);
    let is_leftover = last.starts_with('.') || ends_in(path, &["tmp", "gone"]);
    let path = path.to_owned();
    Unit { name, path, bytes, last_use, is_leftover, is_held: false, is_kept: false }
}

/// A file with several names in the tree counts once.
fn tree_bytes(path: &Path) -> u64 {
    let mut seen = BTreeSet::new();
    let mut total = 0_u64;
    let mut left = vec![path.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                left.push(entry.path());
            } else if metadata.nlink() > 1 && !seen.insert((metadata.dev(), metadata.ino())) {
                continue;
            }
            total = total.saturating_add(metadata.blocks().saturating_mul(512));
        }
    }
    total
}

/// The time of the last change, after 1970.
pub(super) fn modified(metadata: &Metadata) -> Duration {
    let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
    Duration::new(seconds, u32::try_from(metadata.mtime_nsec()).unwrap_or(0))
}

fn ends_in(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
