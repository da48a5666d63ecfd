//! The right edge of a log's hash tiles: at most 255 hashes a level, whatever the log's size.

use reattest_attestation::Digest;
use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::tree::node_hash;

/// Bits of a hash's place within its tile: 2^8 hashes are a tile.
const TILE_BITS: u32 = 8;

/// The incomplete tile of each level, level 0 first.
#[derive(Debug, Default, Clone)]
pub(super) struct Edge {
    levels: Vec<Level>,
}

#[derive(Debug, Default, Clone)]
struct Level {
    full: u64,
    hashes: Vec<Digest>,
}

/// A tile of hashes that is complete.
#[derive(Debug, Clone)]
pub(super) struct FullTile {
    pub(super) level: u8,
    pub(super) number: u64,
    pub(super) hashes: Vec<Digest>,
}

impl Edge {
    /// The edge over `full` whole tiles of leaves, from the tiles of each level: `tile` reads the
    /// full tile of a level and number, at most 255 of each level.
    pub(super) fn over<E>(
        full: u64,
        mut tile: impl FnMut(u8, u64) -> Result<Vec<Digest>, E>,
    ) -> Result<Self, E> {
        let mut levels = vec![Level { full, hashes: Vec::new() }];
        let mut below = full;
        for level in 0_u8.. {
            if below == 0 {
                break;
            }
            let full = below >> TILE_BITS;
            let hashes = (full << TILE_BITS..below)
                .map(|number| tile(level, number).map(|hashes| subtree(&hashes)))
                .collect::<Result<_, _>>()?;
            levels.push(Level { full, hashes });
            below = full;
        }
        Ok(Self { levels })
    }

    /// Adds a leaf; the tiles that it completes, level 0 first.
    pub(super) fn push(&mut self, leaf: Digest) -> Vec<FullTile> {
        let (mut hash, mut completed) = (leaf, Vec::new());
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
            let hashes = std::mem::take(&mut level.hashes);
            hash = subtree(&hashes);
            completed.push(FullTile { level: number, number: level.full, hashes });
            level.full = level.full.saturating_add(1);
        }
        completed
    }

    /// Full tiles of a level.
    pub(super) fn full(&self, level: u8) -> u64 {
        self.levels.get(usize::from(level)).map_or(0, |level| level.full)
    }

    /// Leaves, those of full tiles included.
    pub(super) fn size(&self) -> u64 {
        let leaves = self.levels.first().map_or(0, |level| level.hashes.len());
        (self.full(0) << TILE_BITS).saturating_add(leaves as u64)
    }

    /// The hashes of an incomplete tile, where it is one and has any.
    pub(super) fn incomplete(&self, level: u8, number: u64) -> Option<&[Digest]> {
        let level = self.levels.get(usize::from(level))?;
        let has = level.full == number && !level.hashes.is_empty();
        has.then_some(&level.hashes)
    }
}

/// The incomplete tiles of the tree of `size` leaves: level, number and width of each.
pub(super) fn partial_tiles(size: u64) -> Vec<(u8, u64, u16)> {
    let (mut found, mut hashes) = (Vec::new(), size);
    for level in 0_u8.. {
        if hashes == 0 {
            break;
        }
        let number = hashes >> TILE_BITS;
        let width = u16::try_from(hashes & u64::from(ENTRIES_PER_TILE - 1)).unwrap_or_default();
        if width > 0 {
            found.push((level, number, width));
        }
        hashes = number;
    }
    found
}

/// The bytes of a tile's file.
pub(super) fn bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(Digest::as_bytes).copied().collect()
}

/// The root over the hashes of a full tile, whose number is a power of two.
pub(super) fn subtree(hashes: &[Digest]) -> Digest {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        let (pairs, _) = level.as_chunks::<2>();
        level = pairs.iter().map(|[left, right]| node_hash(*left, *right)).collect();
    }
    level.first().copied().unwrap_or_else(|| Digest::of(b""))
}

/// The hashes of a full tile's bytes; nothing where they are not those of one.
pub(super) fn parse(bytes: &[u8]) -> Option<Vec<Digest>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let whole = rest.is_empty() && hashes.len() == usize::from(ENTRIES_PER_TILE);
    whole.then(|| hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect())
}
