//! The paths of the static tree: what a node, or any web server with a copy of its data directory,
//! serves of its logs and documents.

use reattest_attestation::Digest;
use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::Origin;
use reattest_attestation::log::tiles::{entries_path, tile_path};

/// A file of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Below the data directory; made anew from what the request named, never copied from it.
    pub path: String,
    /// Its media type.
    pub kind: &'static str,
    /// How long it may be kept.
    pub cached: Cached,
}

/// How long a file may be kept by caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached {
    /// It never changes.
    Forever,
    /// It may be another one at any time.
    Never,
}

const BYTES: &str = "application/octet-stream";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The file that the path of a request names, if it names one. There is one spelling for each.
pub fn find(path: &str) -> Option<Found> {
    let path = path.strip_prefix('/')?;
    if path == "logs/origins" {
        return Some(Found { path: path.to_owned(), kind: TEXT, cached: Cached::Never });
    }
    if let Some(digest) = path.strip_prefix("documents/") {
        let digest: Digest = digest.parse().ok()?;
        let found =
            Found { path: format!("documents/{digest}"), kind: BYTES, cached: Cached::Forever };
        return (found.path == path).then_some(found);
    }
    let (origin, file) = split_origin(path.strip_prefix("logs/")?)?;
    let (file, kind, cached) = match file {
        "checkpoint" => (file.to_owned(), TEXT, Cached::Never),
        "certificate" | "fork" => (file.to_owned(), JSON, Cached::Never),
        tile => {
            let (tile, full) = tile_of(tile)?;
            // A partial tile goes away once the log has grown.
            (tile, BYTES, if full { Cached::Forever } else { Cached::Never })
        }
    };
    let found = Found { path: format!("logs/{origin}/{file}"), kind, cached };
    (found.path == path).then_some(found)
}

/// An origin has four parts; the rest is the file's.
fn split_origin(path: &str) -> Option<(Origin, &str)> {
    let (at, _) = path.match_indices('/').nth(3)?;
    let (origin, file) = path.split_at_checked(at)?;
    Some((origin.parse().ok()?, file.strip_prefix('/')?))
}

/// The path of a tile, and whether it is a full one.
fn tile_of(path: &str) -> Option<(String, bool)> {
    let (level, number) = path.strip_prefix("tile/")?.split_once('/')?;
    let (number, width) = match number.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok()?),
        None => (number, ENTRIES_PER_TILE),
    };
    let mut n = 0_u64;
    for group in number.split('/') {
        let digits: u64 = group.trim_start_matches('x').parse().ok()?;
        n = n.checked_mul(1_000)?.checked_add(digits)?;
    }
    let full = width == ENTRIES_PER_TILE;
    let made = if level == "entries" {
        entries_path(n, width)
    } else {
        tile_path(level.parse().ok()?, n, width)
    };
    let partial_of_full = full && path.contains(".p/");
    (made == path && width > 0 && width <= ENTRIES_PER_TILE && !partial_of_full)
        .then_some((made, full))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn log() -> String {
        format!("/logs/reattest/test/{}/2026", Digest::of(b"key"))
    }

    #[test]
    fn the_files_of_the_tree_are_found_under_their_own_names() {
        let document = format!("/documents/{}", Digest::of(b"recipe"));
        let files = [
            "checkpoint",
            "certificate",
            "fork",
            "tile/0/000",
            "tile/1/x001/x234/067",
            "tile/0/003.p/7",
            "tile/entries/273.p/112",
            "tile/entries/x001/000",
        ];
        let paths = files.iter().map(|file| format!("{}/{file}", log()));
        for path in paths.chain([document, "/logs/origins".to_owned()]) {
            let found = find(&path).unwrap();
            assert_eq!(format!("/{}", found.path), path);
        }
        let cached = |file: &str| find(&format!("{}/{file}", log())).unwrap().cached;
        assert_eq!(cached("tile/entries/000"), Cached::Forever);
        assert_eq!(cached("tile/entries/000.p/1"), Cached::Never);
        assert_eq!(cached("checkpoint"), Cached::Never);
    }

    #[test]
    fn nothing_else_is_found() {
        let wrong = [
            "tail-0",
            "tile/0/0",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/07",
            "tile/256/000",
            "tile/entries/x000/001",
            "tile/00/000",
            "tile/0/../../checkpoint",
            "",
            "checkpoint/",
            "tile/0/+00",
            "tile/0/xx01/000",
            ".new-x",
            "../2026/checkpoint",
            "tile/0/999999999999999999999",
        ];
        for file in wrong {
            assert_eq!(find(&format!("{}/{file}", log())), None, "{file}");
        }
        for path in [
            "",
            "/",
            "//logs/origins",
            "/logs",
            "/logs/../peer.key",
            "/peer.key",
            "/documents/..",
            "/logs/reattest/test/00/2026/checkpoint",
            "/keys/operator.key",
            "/logs/origins/",
            "/%6cogs/origins",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
        let upper = format!("/documents/{}", Digest::of(b"recipe").to_string().to_uppercase());
        assert_eq!(find(&upper), None);
    }
}
