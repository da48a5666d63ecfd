//! Why a log cannot be read or written, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use reattest_attestation::log::Origin;

/// Why a log cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// No room, or no quota, for what was to be written.
    #[error(
        "{path}: the disk is full ({source}); nothing half-written is left: make room, or set `[store] max_bytes` below what the disk has",
        path = path.display()
    )]
    Full {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes on disk that this node did not write.
    #[error(
        "{path} is damaged: {what}; `reattest node --reindex` mends hashes and indexes, and where it cannot, move the log's directory away, and the log is fetched again from peers",
        path = path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// An entry at a place where another one already is.
    #[error("log {origin} holds another entry at {index} than the one to be stored there")]
    Conflict {
        /// Which log.
        origin: Origin,
        /// Where.
        index: u64,
    },
    /// Entries that leave a gap.
    #[error("log {origin} has {size} entries, and was given entry {index}")]
    Gap {
        /// Which log.
        origin: Origin,
        /// Entries it has.
        size: u64,
        /// The entry it was given.
        index: u64,
    },
    /// Longer than an entry may be.
    #[error("an entry of {0} bytes, where 65,535 are allowed")]
    TooLong(usize),
    /// A hash beyond the entries of the log.
    #[error("log {origin} was asked for hash {index} of level {level}, which it does not have yet")]
    Unhashed {
        /// Which log.
        origin: Origin,
        /// The level of tiles.
        level: u8,
        /// The hash's place in that level.
        index: u64,
    },
    /// A checkpoint that does not cover what the log holds.
    #[error("log {origin} was given a head over {size} entries that has another root than they")]
    OtherRoot {
        /// Which log.
        origin: Origin,
        /// Entries under the head.
        size: u64,
    },
    /// Something that would take back what was published.
    #[error("log {origin} published {published} entries, which cannot become {size} again")]
    Published {
        /// Which log.
        origin: Origin,
        /// Entries under its checkpoint.
        published: u64,
        /// Entries that it was to have.
        size: u64,
    },
    /// A log that was asked for and does not exist.
    #[error("log {0} is not here")]
    Unknown(Origin),
}

impl LogError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source }
            }
            _ => Self::Io { path, source },
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}
