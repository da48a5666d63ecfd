//! Fetching inputs by path and digest (step 2): the one door to the network.

mod endpoints;
mod resolve;
mod client;
mod mirror;

use reattest_attestation::Digest;
use serde::{Deserialize, Serialize};

pub use endpoints::{Endpoints, EndpointsError};
pub use mirror::{Mirror, Transferred};

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// The path below the archive's root, e.g. `dists/trixie/InRelease` or `pool/main/…`.
    pub location: String,
    /// Its SHA-256 and size in bytes; `None` only for what a signature authenticates instead.
    pub expected: Option<(Digest, u64)>,
    /// No more bytes than this are taken.
    pub limit: u64,
}

impl Want {
    /// A file whose digest is known.
    pub fn pinned(location: &str, sha256: Digest, size: u64) -> Self {
        Self { location: location.to_owned(), expected: Some((sha256, size)), limit: size }
    }
}

/// Why a file did not come. Always this machine's or the mirror's fault: never an outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum FetchProblem {
    /// The mirror answered and has no such file.
    #[error(
        "the mirror does not have {location} ({asked} answered 404); needed a mirror that holds it: add one to apt's sources or to the configuration"
    )]
    NotOnMirror {
        /// The path that was asked for.
        location: String,
        /// Which mirrors were asked.
        asked: String,
    },
    /// No answer, or none that HTTP calls a success, after several attempts.
    #[error(
        "cannot reach a mirror for {location}: {why}; needed a working network or mirror: check apt's sources, then run again"
    )]
    Unreachable {
        /// The path that was asked for.
        location: String,
        /// What each attempt said.
        why: String,
    },
    /// The mirror gave other bytes; nothing of them was kept.
    #[error(
        "the mirror gave {location} with sha256 {found}, needed {expected}; nothing was kept: run again, or use another mirror"
    )]
    WrongDigest {
        /// The path that was asked for.
        location: String,
        /// The digest that the signed index names.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// More bytes than were announced or allowed.
    #[error(
        "the mirror gave more than {limit} bytes for {location}; nothing was kept: run again, or use another mirror"
    )]
    TooLarge {
        /// The path that was asked for.
        location: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// The disk is full.
    #[error(
        "no space left on the disk of {path}; free some, or move the cache with XDG_CACHE_HOME, then run again"
    )]
    NoSpace {
        /// The cache.
        path: String,
    },
    /// The cache cannot be written.
    #[error("cannot store {location}: {why}")]
    Store {
        /// The path that was asked for.
        location: String,
        /// What the system said.
        why: String,
    },
    /// The user stopped it.
    #[error("stopped while fetching {location}; what is complete stays in the cache")]
    Cancelled {
        /// The path that was asked for.
        location: String,
    },
    /// Nobody said where the archive is.
    #[error(
        "found no archive in apt's sources (looked in {looked}); needed one deb entry with an http or https URI"
    )]
    NoMirror {
        /// Which files were read.
        looked: String,
    },
}

/// Brings files into the content-addressed store.
///
/// Answers stand in the order of the wants; a digest says that the bytes are in the store now.
pub trait Fetch {
    /// Fetches what is not there yet.
    fn fetch(&mut self, wants: &[Want]) -> Vec<Result<Digest, FetchProblem>>;
}

#[cfg(test)]
mod tests;
