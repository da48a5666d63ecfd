//! What lies on the disk of one node, read by a reader that shares nothing with the node's store.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

use reattest::protocol::{Fork, Head};
use reattest_attestation::log::Origin;
use reattest_attestation::{Bundle, Digest};
use serde_bytes::ByteBuf;

use crate::memory::MemoryDisk;
use crate::odds::Dice;

/// The data directory of every node.
pub const DATA: &str = "/";

/// One log on a disk.
#[derive(Debug, Default, Clone)]
pub struct StoredLog {
    /// Its entries, whether a head covers them yet or not.
    pub entries: Vec<Vec<u8>>,
    /// Its newest head.
    pub head: Option<Head>,
    /// The proof that it was forked, where it was seen.
    pub fork: Option<Box<Fork>>,
}

/// The disk of one node.
#[derive(Debug)]
pub struct Disk {
    /// What the node's store, its signer and its queue write to.
    pub memory: Arc<MemoryDisk>,
    /// What a power cut leaves of what was not synced.
    pub dice: Dice,
    /// The logs, as they were on it when it was [looked at](Self::look) last.
    pub logs: BTreeMap<Origin, StoredLog>,
    /// Recipes, locks and links, likewise.
    pub documents: BTreeMap<Digest, Vec<u8>>,
    /// What operators say about keys, likewise.
    pub words: Vec<Vec<u8>>,
    /// The canary: the last entry of what is pulled onto a log is lost, and reported as stored.
    pub loses_entries: bool,
    looked: Option<u64>,
}

impl Disk {
    /// An empty disk; the dice say what power cuts leave.
    pub fn new(dice: Dice) -> Self {
        Self {
            memory: Arc::new(MemoryDisk::new()),
            dice,
            logs: BTreeMap::new(),
            documents: BTreeMap::new(),
            words: Vec::new(),
            loses_entries: false,
            looked: None,
        }
    }

    /// Reads what is on the disk, where something changed.
    pub fn look(&mut self) {
        let changes = self.memory.changes();
        if self.looked.replace(changes) == Some(changes) {
            return;
        }
        self.logs = logs(&self.memory);
        let documents = self.memory.files_below(Path::new("/documents"), |_| true);
        let whole = documents.into_iter().filter_map(|(path, bytes)| {
            let digest = path.file_name()?.to_str()?.parse().ok()?;
            (Digest::of(&bytes) == digest).then_some((digest, bytes))
        });
        self.documents = whole.collect();
        let words = self.memory.files_below(Path::new("/words"), |_| true);
        self.words = words.into_iter().map(|(_, word)| word).collect();
    }
}

/// A file of a log: its bytes by its name in the log's directory.
type Files = BTreeMap<String, Vec<u8>>;

fn logs(memory: &MemoryDisk) -> BTreeMap<Origin, StoredLog> {
    let mut found: BTreeMap<Origin, Files> = BTreeMap::new();
    // Partial tiles are copies of what stands elsewhere.
    let whole = |path: &Path| !path.iter().any(|part| part.to_string_lossy().ends_with(".p"));
    for (path, bytes) in memory.files_below(Path::new("/logs"), whole) {
        let parts = path.components().skip(2).filter_map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        });
        let parts: Vec<&str> = parts.collect();
        // reattest/NETWORK/KEY/YEAR/...
        if let Some((origin, file)) = parts.split_at_checked(4)
            && let Ok(origin) = origin.join("/").parse()
        {
            found.entry(origin).or_default().insert(file.join("/"), bytes);
        }
    }
    found.into_iter().map(|(origin, files)| (origin, log(files))).collect()
}

fn log(mut files: Files) -> StoredLog {
    let certificate = files.remove("certificate").unwrap_or_default();
    let checkpoint = files.remove("checkpoint");
    let fork = files.remove("fork").and_then(|bytes| Bundle::parse(&bytes).ok()?.forks.pop());
    let (mut entries, mut tiles) = (Vec::new(), 0);
    while let Some(tile) = files.remove(&format!("tile/entries/{tiles:03}")) {
        read_entries(&tile, &mut entries);
        tiles += 1;
    }
    read_entries(&files.remove(&format!("tail-{tiles}")).unwrap_or_default(), &mut entries);
    StoredLog {
        entries,
        head: checkpoint.map(|checkpoint| Head {
            certificate: ByteBuf::from(certificate.clone()),
            checkpoint: ByteBuf::from(checkpoint),
        }),
        fork: fork.map(|proof| Box::new(Fork::of_proof(&certificate, &proof))),
    }
}

/// Entries behind two bytes of their length each; no envelope is empty, and what is torn is none.
fn read_entries(bytes: &[u8], entries: &mut Vec<Vec<u8>>) {
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>()
        && let Some((entry, after)) =
            after.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        && !entry.is_empty()
    {
        entries.push(entry.to_vec());
        rest = after;
    }
}
