//! Opens a log: the edge of its tiles under the signed head, and what lies beyond it, checked entry by entry.

use std::path::Path;

use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::tiles::{decode_entries, entries_path, tile_path};
use reattest_attestation::log::{Origin, leaf_hash};

use super::durable;
use super::error::LogError;
use super::hashes::LogHashes;
use super::log::{Log, TILE, place_of};
use super::tail::{self, Tail};
use super::tiles::{self, Edge};
use super::{mending, partial};
use crate::disk::{Disk, SharedDisk};

/// Groups of three digits in a tile's number: [`reattest_attestation::limits::LOG_SIZE_MAX`]
/// entries are 2^40 tiles.
const GROUPS: usize = 5;

pub(super) fn open(disk: &SharedDisk, directory: &Path, origin: Origin) -> Result<Log, LogError> {
    let mut log = Log::without_entries(disk, directory, origin)?;
    let published = log.published();
    let mut numbers = tile_numbers(log.disk(), directory)?;
    let (covered, _) = place_of(published);
    check_gaps(&log, &numbers, covered)?;
    log.edge = edge_over(&log, covered)?;
    let mut cut = false;
    while !cut && numbers.binary_search(&log.edge.full(0)).is_ok() {
        cut = !take_tile(&mut log, published)?;
    }
    let full = log.edge.full(0);
    numbers.retain(|number| *number >= full);
    if let Some(last) = numbers.last() {
        // Of a power cut, which took a tile before them.
        remove_numbered(&log, full, last.saturating_add(1))?;
    }
    take_tail(&mut log, published)?;
    remove_strays(&log)?;
    if check_head(&log).is_err() {
        // The entries are the truth. Where they lead to the head, only hashes were damaged.
        tracing::warn!(log = %log.origin(), "hashes do not lead to the signed head; every entry is read");
        mending::mend(&log, |_| {})?;
        let mut edge = edge_over(&log, log.edge.full(0))?;
        if !log.tail.is_empty() {
            push_leaves(&mut edge, &log.tail.read(log.disk())?, log.tail.ends());
        }
        log.edge = edge;
    }
    check_head(&log)?;
    partial::write(&log, published)?;
    Ok(log)
}

pub(super) fn read_only(
    disk: &SharedDisk,
    directory: &Path,
    origin: Origin,
) -> Result<Log, LogError> {
    let mut log = Log::without_entries(disk, directory, origin)?;
    let (covered, width) = place_of(log.published());
    check_gaps(&log, &tile_numbers(log.disk(), directory)?, covered)?;
    log.edge = edge_over(&log, covered)?;
    log.tail = Tail::new(directory, covered);
    if width > 0 {
        let partial = entries_path(covered, u16::try_from(width).unwrap_or(u16::MAX));
        let places = [partial, entries_path(covered, ENTRIES_PER_TILE), tail_name(covered)];
        for path in places.map(|place| directory.join(place)) {
            let bytes = log.file(&path)?.unwrap_or_default();
            let ends: Vec<usize> = tail::ends(&bytes).take(width).collect();
            if ends.len() == width {
                push_leaves(&mut log.edge, &bytes, &ends);
                log.tail = Tail::of_file(path, ends);
                break;
            }
        }
    }
    check_head(&log)?;
    Ok(log)
}

fn tail_name(number: u64) -> String {
    format!("{}{number}", tail::PREFIX)
}

fn edge_over(log: &Log, full: u64) -> Result<Edge, LogError> {
    let hashes = LogHashes::of(log);
    Edge::over(full, |level, number| hashes.raw(level, number))
}

/// The numbers of all full tiles of entries, sorted.
fn tile_numbers(disk: &dyn Disk, directory: &Path) -> Result<Vec<u64>, LogError> {
    let mut found = Vec::new();
    let mut level = vec![(0_u64, directory.join("tile/entries"))];
    for _ in 0..GROUPS {
        let mut below = Vec::new();
        for (group, path) in level {
            let entries = match disk.list(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                entries => entries.map_err(|source| LogError::io(&path, source))?,
            };
            for entry in entries {
                let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let number = |digits: &str| {
                    let three = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
                    let digits = three.then(|| digits.parse::<u64>().ok()).flatten()?;
                    group.checked_mul(1_000)?.checked_add(digits)
                };
                if let Some(group) = name.strip_prefix('x').and_then(number) {
                    below.push((group, entry));
                } else if let Some(number) = number(&name) {
                    found.push(number);
                }
            }
        }
        level = below;
    }
    found.sort_unstable();
    Ok(found)
}

/// Every tile that the checkpoint covers is there.
fn check_gaps(log: &Log, numbers: &[u64], covered: u64) -> Result<(), LogError> {
    let missing = (0..covered).zip(numbers.iter().map(Some).chain(std::iter::repeat(None)));
    for (expected, found) in missing {
        if found != Some(&expected) {
            let path = log.directory().join(entries_path(expected, ENTRIES_PER_TILE));
            return Err(LogError::damaged(&path, "it is missing, and the checkpoint covers it"));
        }
    }
    Ok(())
}

/// Takes the next full tile beyond the checkpoint, or what of it is whole; whether all of it was.
fn take_tile(log: &mut Log, published: u64) -> Result<bool, LogError> {
    let number = log.edge.full(0);
    let bytes = log.full_entries(number)?;
    let path = log.directory().join(tile_path(0, number, ENTRIES_PER_TILE));
    let hashes = log.file(&path)?;
    let entries = decode_entries(&bytes).unwrap_or_default();
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    // Written before the tile of entries: one that is not there was taken away since.
    let vouched = hashes.as_ref().is_none_or(|hashes| *hashes == tiles::bytes(&leaves));
    if leaves.len() == TILE && vouched {
        for leaf in leaves {
            for tile in log.edge.push(leaf) {
                let path = tile_path(tile.level, tile.number, ENTRIES_PER_TILE);
                let (path, bytes) = (log.directory().join(path), tiles::bytes(&tile.hashes));
                if log.file(&path)?.as_ref() != Some(&bytes) {
                    durable::write(log.disk(), &path, &bytes)
                        .map_err(|error| LogError::io(&path, error))?;
                }
            }
        }
        return Ok(true);
    }
    let hashes = hashes.unwrap_or_default();
    let (hashes, _) = hashes.as_chunks::<32>();
    let ends: Vec<usize> = tail::ends(&bytes).take(TILE).collect();
    let mut start = 0;
    let agree = ends.iter().zip(hashes).take_while(|(end, hash)| {
        let entry = bytes.get(start + 2..**end).unwrap_or_default();
        start = **end;
        leaf_hash(entry).as_bytes() == *hash
    });
    let covered = published.saturating_sub(number.saturating_mul(u64::from(ENTRIES_PER_TILE)));
    let kept = agree.count().max(usize::try_from(covered).unwrap_or(TILE)).min(ends.len());
    let ends: Vec<usize> = ends.into_iter().take(kept).collect();
    let whole = bytes.get(..ends.last().copied().unwrap_or(0)).unwrap_or_default();
    tracing::warn!(log = %log.origin(), tile = number, kept, "a torn tile is cut back");
    Tail::write(log.disk(), log.directory(), number, whole, ends)?;
    remove_numbered(log, number, number.saturating_add(1))?;
    Ok(false)
}

/// Takes the tail, cut to its last whole entry.
fn take_tail(log: &mut Log, published: u64) -> Result<(), LogError> {
    let number = log.edge.full(0);
    log.tail = Tail::new(log.directory(), number);
    let Some(bytes) = log.file(log.tail.path())? else {
        return Ok(());
    };
    let covered = published.saturating_sub(number.saturating_mul(u64::from(ENTRIES_PER_TILE)));
    let covered = usize::try_from(covered).unwrap_or(TILE);
    let mut ends: Vec<usize> = tail::ends(&bytes).take(TILE - 1).collect();
    // A power cut leaves zeros where an entry was to be, and no envelope is empty.
    let lengths = ends.iter().scan(0, |start, end| Some(*end - std::mem::replace(start, *end)));
    let whole = lengths.enumerate().position(|(place, length)| length == 2 && place >= covered);
    ends.truncate(whole.unwrap_or(usize::MAX));
    let length = ends.last().copied().unwrap_or(0);
    if length < bytes.len() {
        tracing::warn!(log = %log.origin(), "a torn tail is cut back");
        let path = log.tail.path();
        log.disk()
            .set_length(path, length as u64)
            .and_then(|()| log.disk().sync(path))
            .map_err(|source| LogError::io(path, source))?;
    }
    push_leaves(&mut log.edge, &bytes, &ends);
    log.tail = Tail::of_file(log.tail.path().to_owned(), ends);
    Ok(())
}

fn push_leaves(edge: &mut Edge, bytes: &[u8], ends: &[usize]) {
    let mut start = 0;
    for end in ends {
        edge.push(leaf_hash(bytes.get(start + 2..*end).unwrap_or_default()));
        start = *end;
    }
}

/// The entries on disk are those that the checkpoint covers.
fn check_head(log: &Log) -> Result<(), LogError> {
    let Some(head) = log.checkpoint().map(|signed| signed.unverified().clone()) else {
        return Ok(());
    };
    let path = log.directory().join("checkpoint");
    if head.origin != log.origin {
        return Err(LogError::damaged(&path, format!("it is of the log {}", head.origin)));
    }
    if log.size() < head.size {
        let what = format!("it covers {} entries, and {} are here", head.size, log.size());
        return Err(LogError::damaged(&path, what));
    }
    let root = log.root(head.size)?;
    if root != head.root {
        let what = format!("the {} entries here have root {root}, its is {}", head.size, head.root);
        return Err(LogError::damaged(&path, what));
    }
    Ok(())
}

/// Removes the full tiles from tile `number` on, the newest first, so that a crash leaves no gap.
pub(super) fn remove_tiles(log: &Log, number: u64) -> Result<(), LogError> {
    let mut first = number;
    for level in 1_u8.. {
        first >>= 8;
        let full = log.edge().full(level);
        if full == 0 {
            break;
        }
        for tile in first..full {
            remove(log, &tile_path(level, tile, ENTRIES_PER_TILE))?;
        }
    }
    remove_numbered(log, number, log.edge().full(0))
}

fn remove_numbered(log: &Log, from: u64, until: u64) -> Result<(), LogError> {
    for number in (from..until).rev() {
        remove(log, &tile_path(0, number, ENTRIES_PER_TILE))?;
        remove(log, &entries_path(number, ENTRIES_PER_TILE))?;
    }
    Ok(())
}

fn remove(log: &Log, name: &str) -> Result<(), LogError> {
    let path = log.directory().join(name);
    durable::remove(log.disk(), &path).map_err(|source| LogError::io(&path, source))
}

/// Removes tails of other tiles, and what killed writes left.
fn remove_strays(log: &Log) -> Result<(), LogError> {
    let directory = log.directory();
    let entries = match log.disk().list(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|source| LogError::io(directory, source))?,
    };
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stray_tail = name.starts_with(tail::PREFIX) && path != log.tail.path();
        if stray_tail || partial::is_left_over(&path) {
            partial::remove(log.disk(), &path);
        }
    }
    Ok(())
}
