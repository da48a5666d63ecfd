//! The right edge of a log's hash tiles: at most 256 hashes a level, whatever the log's size.

use std::io;
use std::path::Path;

use reattest_attestation::Digest;
use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::tiles::tile_path;
use reattest_attestation::log::tree::node_hash;

use super::durable;

/// The incomplete tile of each level, level 0 first.
#[derive(Debug, Default)]
pub(super) struct Edge {
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    full: u64,
    hashes: Vec<Digest>,
}

impl Edge {
    /// Adds a leaf; tiles that it completes are written below `root`, if one is given.
    pub(super) fn push(&mut self, leaf: Digest, root: Option<&Path>) -> io::Result<()> {
        let mut hash = leaf;
        for number in 0_u8.. {
            let index = usize::from(number);
            if self.levels.len() <= index {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(index) else {
                break;
            };
            level.hashes.push(hash);
            if level.hashes.len() < usize::from(ENTRIES_PER_TILE) {
                break;
            }
            let full = std::mem::take(&mut level.hashes);
            if let Some(directory) = root {
                let path = directory.join(tile_path(number, level.full, ENTRIES_PER_TILE));
                if !path.exists() {
                    durable::write(&path, &bytes(&full))?;
                }
            }
            level.full = level.full.saturating_add(1);
            let Some(root) = subtree(&full) else { break };
            hash = root;
        }
        Ok(())
    }

    /// The hashes of an incomplete tile, where it is one and has any.
    pub(super) fn incomplete(&self, level: u8, number: u64) -> Option<&[Digest]> {
        let level = self.levels.get(usize::from(level))?;
        let has = level.full == number && !level.hashes.is_empty();
        has.then_some(&level.hashes)
    }

    /// Writes the incomplete tiles as the partial tiles of a published checkpoint.
    pub(super) fn write_partial(&self, root: &Path) -> io::Result<()> {
        for (number, level) in (0_u8..).zip(&self.levels) {
            let Ok(width) = u16::try_from(level.hashes.len()) else {
                continue;
            };
            if width > 0 {
                let path = root.join(tile_path(number, level.full, width));
                durable::write(&path, &bytes(&level.hashes))?;
            }
        }
        Ok(())
    }
}

fn bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(Digest::as_bytes).copied().collect()
}

/// The root over a full tile, whose width is a power of two; nothing for no tile.
pub(super) fn subtree(hashes: &[Digest]) -> Option<Digest> {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node_hash(*left, *right)),
                _ => None,
            })
            .collect();
    }
    level.first().copied()
}

/// The hashes of a full tile's bytes; nothing where they are not those of one.
pub(super) fn parse(bytes: &[u8]) -> Option<Vec<Digest>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let whole = rest.is_empty() && hashes.len() == usize::from(ENTRIES_PER_TILE);
    whole.then(|| hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect())
}
