//! Fetching inputs by location and digest (step 2): the one door to the network.

pub mod location;
mod endpoints;
mod pip;
mod resolve;
mod url;
mod heads;
mod refusal;
mod progress;
mod download;
mod client;
mod simple;
pub mod snapshot;
mod registries;
mod mirror;

use reattest_attestation::Digest;
use serde::{Deserialize, Serialize};

pub use endpoints::{Endpoints, EndpointsError};
pub use location::{Location, LocationError};
pub use mirror::Mirror;
pub use progress::Transferred;

/// One file of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// Where it comes from, with its scheme; see [`Location`]: `debian:dists/trixie/InRelease`.
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
    /// Every mirror answered, and none has the file.
    #[error(
        "found no {location} on the mirror ({asked} answered that there is none); needed one that holds it: {fix}"
    )]
    NotOnMirror {
        /// The location that was asked for.
        location: String,
        /// Which mirrors were asked.
        asked: String,
        /// What to change.
        fix: String,
    },
    /// The location has no known form, or needs a digest. The fault of whoever wrote it.
    #[error("cannot fetch {location}: {why}")]
    BadLocation {
        /// The location that was asked for.
        location: String,
        /// What was found, and what was needed.
        why: String,
    },
    /// No answer, or none that HTTP calls a success, after several attempts.
    #[error(
        "cannot reach a mirror for {location}: {why}; needed a working network and registry: check both, then run again"
    )]
    Unreachable {
        /// The location that was asked for.
        location: String,
        /// What each attempt said.
        why: String,
    },
    /// The mirror gave other bytes; nothing of them was kept.
    #[error(
        "the mirror gave {location} with sha256 {found}, needed {expected}; nothing was kept: run again, or use another mirror"
    )]
    WrongDigest {
        /// The location that was asked for.
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
        /// The location that was asked for.
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
        /// The location that was asked for.
        location: String,
        /// What the system said.
        why: String,
    },
    /// The user stopped it.
    #[error("stopped while fetching {location}; what is complete stays in the cache")]
    Cancelled {
        /// The location that was asked for.
        location: String,
    },
    /// Nobody said where the registry is.
    #[error("found no {what} (looked in {looked}); needed one http or https URI there")]
    NoMirror {
        /// Which registry.
        what: String,
        /// Where its address was looked for.
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
#[cfg(test)]
mod resume_tests;
