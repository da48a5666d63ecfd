//! The files of a mirror, each of a bounded size and in a bounded time, and the proofs made of them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use reattest_attestation::Digest;
use reattest_attestation::limits::ENTRIES_PER_TILE;
use reattest_attestation::log::tiles::{decode_entries, encode_entry, entries_path, tile_path};
use reattest_attestation::log::{Origin, StoredHashes, stored_consistency, stored_root};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::limits::{
    DOCUMENT_BYTES, ENTRY_TILE_BYTES, MIRROR_TILES, MIRROR_WAIT, RESPONSE_ENTRY_BYTES,
};

/// Why a mirror gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It does not have the file, which is nobody's fault: it may be a moment behind.
    Absent,
    /// It does not answer, or what it has there is no file of the tree.
    Broken(String),
}

/// One log's place and what is known of its size: its tiles change their names as it grows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles<'a> {
    pub(super) origin: &'a Origin,
    /// The size of the head that is proven towards.
    pub(super) head: u64,
    /// The size of the newest head that the mirror showed.
    pub(super) newest: u64,
}

/// A mirror's files.
pub(super) struct Tree {
    agent: Agent,
    base: String,
    /// The last file of entries: a range of long entries takes several answers.
    entries: Option<(String, Vec<u8>)>,
    tiles: RefCell<BTreeMap<String, Vec<Digest>>>,
}

impl Tree {
    pub(super) fn at(base: &str) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Whoever named the mirror did not name what it leads to.
            .max_redirects(0)
            .timeout_global(Some(MIRROR_WAIT))
            .max_idle_connections_per_host(1)
            .user_agent(concat!("reattest/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let agent = Agent::new_with_config(config);
        Self { agent, base: base.to_owned(), entries: None, tiles: RefCell::default() }
    }

    /// Forgets what was fetched: it may have been wrong.
    pub(super) fn forget(&mut self) {
        self.entries = None;
        self.tiles.borrow_mut().clear();
    }

    /// One file, of at most so many bytes; nothing where there is none.
    pub(super) fn file(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, Trouble> {
        let url = format!("{}/{path}", self.base);
        let broken = |why: String| Trouble::Broken(format!("{url}: {why}"));
        let mut response =
            self.agent.get(&url).call().map_err(|error| broken(error.to_string()))?;
        match response.status().as_u16() {
            200 => {}
            404 | 410 => return Ok(None),
            status if (300..400).contains(&status) => {
                return Err(broken("it leads elsewhere; name the URL that it leads to".to_owned()));
            }
            status => return Err(broken(format!("the server answers {status}"))),
        }
        let limit = limit as u64;
        let too_long = || broken(format!("it is longer than {limit} bytes"));
        let read = response.body_mut().with_config().limit(limit.saturating_add(1)).read_to_vec();
        match read {
            Ok(bytes) if bytes.len() as u64 <= limit => Ok(Some(bytes)),
            Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => Err(too_long()),
            Err(error) => Err(broken(error.to_string())),
        }
    }

    /// A recipe or a lock, by its digest.
    pub(super) fn document(&self, digest: Digest) -> Result<Option<Vec<u8>>, Trouble> {
        self.file(&format!("documents/{digest}"), DOCUMENT_BYTES)
    }

    /// Entries of one tile as an entry bundle, and the consistency proof from the tree that ends with
    /// them to the head.
    pub(super) fn range(
        &mut self,
        tiles: Tiles<'_>,
        from: u64,
        until: u64,
    ) -> Result<(Vec<u8>, Vec<Digest>), Trouble> {
        let per_tile = u64::from(ENTRIES_PER_TILE);
        let (number, skipped) = (from.wrapping_div(per_tile), from.wrapping_rem(per_tile));
        let bytes = self.entries(tiles, number)?;
        let entries = decode_entries(bytes).map_err(|error| {
            Trouble::Broken(format!("{}, entries {from} and after: {error}", tiles.origin))
        })?;
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let wanted = usize::try_from(until.saturating_sub(from)).unwrap_or(usize::MAX);
        let (mut bundle, mut end) = (Vec::new(), from);
        for entry in entries.into_iter().skip(skipped).take(wanted) {
            let longer = bundle.len().saturating_add(entry.len()).saturating_add(2);
            if !bundle.is_empty() && longer > RESPONSE_ENTRY_BYTES {
                break;
            }
            encode_entry(entry, &mut bundle).map_err(|error| Trouble::Broken(error.to_string()))?;
            end = end.saturating_add(1);
        }
        if end == from {
            return Err(Trouble::Broken(format!(
                "{}, entry {from}: the file ends before it",
                tiles.origin
            )));
        }
        let hashes = Hashes { tree: self, tiles };
        let proof = if end < tiles.head {
            stored_consistency(&hashes, end, tiles.head)?.ok_or(Trouble::Absent)?.hashes
        } else {
            Vec::new()
        };
        Ok((bundle, proof))
    }

    /// The root over the first `old` entries, and the way from there to the head.
    pub(super) fn way(&self, tiles: Tiles<'_>, old: u64) -> Result<(Digest, Vec<Digest>), Trouble> {
        let hashes = Hashes { tree: self, tiles };
        let proof = stored_consistency(&hashes, old, tiles.head)?.ok_or(Trouble::Absent)?;
        Ok((stored_root(&hashes, old)?, proof.hashes))
    }

    fn entries(&mut self, tiles: Tiles<'_>, number: u64) -> Result<&[u8], Trouble> {
        for width in tiles.widths(0, number) {
            let path = format!("logs/{}/{}", tiles.origin, entries_path(number, width));
            if self.entries.as_ref().is_none_or(|(held, _)| *held != path) {
                let Some(bytes) = self.file(&path, ENTRY_TILE_BYTES)? else { continue };
                self.entries = Some((path, bytes));
            }
            return self.entries.as_ref().map(|(_, bytes)| bytes.as_slice()).ok_or(Trouble::Absent);
        }
        Err(Trouble::Absent)
    }

    fn tile(&self, path: String, width: u16) -> Result<Option<Vec<Digest>>, Trouble> {
        if let Some(hashes) = self.tiles.borrow().get(&path) {
            return Ok(Some(hashes.clone()));
        }
        let bytes = usize::from(width).saturating_mul(32);
        let Some(found) = self.file(&path, bytes)? else { return Ok(None) };
        if found.len() != bytes {
            let why = format!("it has {} bytes, needed {bytes}", found.len());
            return Err(Trouble::Broken(format!("{}/{path}: {why}", self.base)));
        }
        let (hashes, _) = found.as_chunks::<32>();
        let hashes: Vec<Digest> = hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect();
        let mut held = self.tiles.borrow_mut();
        if held.len() >= MIRROR_TILES {
            held.clear();
        }
        held.insert(path, hashes.clone());
        Ok(Some(hashes))
    }
}

impl Tiles<'_> {
    /// The widths that a tile may have on the mirror: under the head, under the newest one, or in
    /// full by now.
    fn widths(self, level: u8, number: u64) -> Vec<u16> {
        let mut widths = Vec::new();
        for size in [self.head, self.newest] {
            let hashes = size.checked_shr(u32::from(level).saturating_mul(8)).unwrap_or(0);
            let first = number.saturating_mul(u64::from(ENTRIES_PER_TILE));
            let width = hashes.saturating_sub(first).min(u64::from(ENTRIES_PER_TILE));
            widths.extend(u16::try_from(width).ok().filter(|width| *width > 0));
        }
        widths.push(ENTRIES_PER_TILE);
        widths.dedup();
        widths
    }
}

/// The hashes of one log, as proofs ask for them.
struct Hashes<'a> {
    tree: &'a Tree,
    tiles: Tiles<'a>,
}

impl StoredHashes for Hashes<'_> {
    type Error = Trouble;

    fn hash(&self, level: u8, index: u64) -> Result<Digest, Trouble> {
        let number = index.wrapping_div(u64::from(ENTRIES_PER_TILE));
        let place = usize::try_from(index.wrapping_rem(u64::from(ENTRIES_PER_TILE))).unwrap_or(0);
        for width in self.tiles.widths(level, number) {
            let path = format!("logs/{}/{}", self.tiles.origin, tile_path(level, number, width));
            if let Some(hashes) = self.tree.tile(path, width)? {
                return hashes.get(place).copied().ok_or(Trouble::Absent);
            }
        }
        Err(Trouble::Absent)
    }
}
