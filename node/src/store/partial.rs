//! The partial tiles of a published checkpoint: copies for readers, made from what the log holds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reattest_attestation::log::tiles::{entries_path, tile_path};

use super::durable;
use super::error::LogError;
use super::hashes::LogHashes;
use super::log::{Log, place_of};
use super::{tail, tiles};
use crate::disk::{Disk, NEW};

/// Writes the partial tiles of the tree of `size` entries, where they are not there yet.
pub(super) fn write(log: &Log, size: u64) -> Result<(), LogError> {
    let hashes = LogHashes::of(log);
    for (level, number, width) in tiles::partial_tiles(size) {
        let tile = hashes.tile(level, number)?;
        let bytes = tiles::bytes(tile.get(..usize::from(width)).unwrap_or_default());
        place(log, &tile_path(level, number, width), &bytes)?;
    }
    let (number, width) = place_of(size);
    if width > 0 {
        let mut bytes = log.tile_bytes(number)?;
        let end = tail::ends(&bytes).take(width).last().unwrap_or(0);
        bytes.truncate(end);
        let path = entries_path(number, u16::try_from(width).unwrap_or(u16::MAX));
        place(log, &path, &bytes)?;
    }
    Ok(())
}

fn place(log: &Log, name: &str, bytes: &[u8]) -> Result<(), LogError> {
    let path = log.directory().join(name);
    if log.file(&path)?.as_deref() == Some(bytes) {
        return Ok(());
    }
    durable::write_unsynced(log.disk(), &path, bytes).map_err(|source| LogError::io(&path, source))
}

/// Removes partial tiles beside those of these sizes: the newest, and the one before, which
/// somebody may be reading. Of older ones readers find the full tile, or a newer checkpoint.
///
/// Without this each entry published alone would be kept 128 times on average.
pub(super) fn sweep(log: &Log, sizes: &[u64]) {
    let kept: BTreeSet<PathBuf> =
        sizes.iter().flat_map(|size| paths(*size)).map(|path| log.directory().join(path)).collect();
    let groups: BTreeSet<&Path> = kept.iter().filter_map(|path| path.parent()?.parent()).collect();
    for name in groups.into_iter().flat_map(|group| names(log, group)) {
        if is_left_over(&name) {
            remove(log.disk(), &name);
        } else if name.extension().is_some_and(|end| end == "p") {
            for file in names(log, &name).into_iter().filter(|file| !kept.contains(file)) {
                remove(log.disk(), &file);
            }
            // Fails where something is kept in it.
            let _holds_some = log.disk().remove_directory(&name);
        }
    }
}

fn paths(size: u64) -> Vec<String> {
    let hashes = tiles::partial_tiles(size).into_iter();
    let mut paths: Vec<String> =
        hashes.map(|(level, number, width)| tile_path(level, number, width)).collect();
    let (number, width) = place_of(size);
    if width > 0 {
        paths.push(entries_path(number, u16::try_from(width).unwrap_or(u16::MAX)));
    }
    paths
}

/// Whether a file is what a write left that was killed before it got its name.
pub(super) fn is_left_over(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(NEW.as_bytes()))
}

fn names(log: &Log, directory: &Path) -> Vec<PathBuf> {
    log.disk().list(directory).unwrap_or_default()
}

/// What cannot be removed now is removed after the next checkpoint.
pub(super) fn remove(disk: &dyn Disk, path: &Path) {
    if let Err(error) = durable::remove(disk, path) {
        tracing::debug!(path = %path.display(), %error, "an old file was not removed");
    }
}
