//! Reads a whole log again: every entry is checked against the signed head, and hashes that were lost or damaged are written anew.

use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::tiles::{entries_path, tile_path};
use reattest_attestation::log::{Checkpoint, Frontier, leaf_hash};

use super::durable;
use super::error::LogError;
use super::hashes::LogHashes;
use super::log::{Log, place_of};
use super::tail;
use super::tiles::{self, Edge};

/// Checks every entry under the checkpoint, from the entries alone and in bounded memory; hash
/// tiles that are not what the entries make them are then written anew, and counted. `seen` is
/// told how many entries are done.
pub(super) fn mend(log: &Log, mut seen: impl FnMut(u64)) -> Result<usize, LogError> {
    let Some(head) = log.checkpoint().map(|signed| signed.unverified().clone()) else {
        return Ok(0);
    };
    let (covered, width) = place_of(head.size);
    let (mut frontier, mut edge) = (Frontier::new(), Edge::default());
    let (mut wrong, mut suspect) = (Vec::new(), None);
    for number in 0..covered {
        let bytes = log.full_entries(number)?;
        let leaves = log.decoded(number, &bytes, leaf_hash)?;
        for leaf in leaves {
            frontier.push(leaf);
            for tile in edge.push(leaf) {
                let path = tile_path(tile.level, tile.number, ENTRIES_PER_TILE);
                let stored = log.file(&log.directory().join(path))?;
                if stored.as_ref() == Some(&tiles::bytes(&tile.hashes)) {
                    continue;
                }
                wrong.push((tile.level, tile.number));
                let stored = stored.as_deref().and_then(tiles::parse).unwrap_or_default();
                let differs = stored.iter().zip(&tile.hashes).position(|(one, two)| one != two);
                if tile.level == 0 && suspect.is_none() {
                    suspect = differs.map(|differs| (number, differs));
                }
            }
        }
        seen(number.saturating_add(1).saturating_mul(u64::from(ENTRIES_PER_TILE)));
    }
    let bytes = if width > 0 { log.tile_bytes(covered)? } else { Vec::new() };
    let mut start = 0_usize;
    for end in tail::ends(&bytes).take(width) {
        frontier.push(leaf_hash(bytes.get(start.saturating_add(2)..end).unwrap_or_default()));
        start = end;
    }
    check(log, &head, &frontier, suspect)?;
    seen(head.size);
    // Lower levels come first, and the higher ones are computed from them.
    wrong.sort_unstable();
    let hashes = LogHashes::of(log);
    for (level, number) in &wrong {
        let path = log.directory().join(tile_path(*level, *number, ENTRIES_PER_TILE));
        let computed = hashes.computed(*level, *number)?;
        durable::write(log.disk(), &path, &tiles::bytes(&computed))
            .map_err(|source| LogError::io(&path, source))?;
    }
    Ok(wrong.len())
}

fn check(
    log: &Log,
    head: &Checkpoint,
    found: &Frontier,
    suspect: Option<(u64, usize)>,
) -> Result<(), LogError> {
    if found.size() == head.size && found.root() == head.root {
        return Ok(());
    }
    if let Some((number, place)) = suspect {
        let path = log.directory().join(entries_path(number, ENTRIES_PER_TILE));
        let index = number.saturating_mul(u64::from(ENTRIES_PER_TILE));
        let index = index.saturating_add(place as u64);
        return Err(LogError::damaged(&path, format!("entry {index} is not what its hash says")));
    }
    let (size, root) = (found.size(), found.root());
    let what = format!(
        "it covers {} entries with root {}, and the {size} here have root {root}",
        head.size, head.root
    );
    Err(LogError::damaged(&log.directory().join("checkpoint"), what))
}
