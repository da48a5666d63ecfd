//! What must hold of any bytes at all, a function for each fuzz target; run by the fuzzers, and by `tests/fuzz_corpus.rs` on the corpus.
//!
//! Each function panics where its property is broken, and says whether the bytes were accepted, so
//! that a corpus in which nothing is accepted is noticed. Whoever includes this file puts a module
//! `beside` next to it.

mod apt;
mod lockfiles;
mod documents;
mod messages;
mod normalizers;
mod proofs;
mod bundles;
mod reports;
mod network;
mod queues;
mod naive;

use std::fmt::Display;

pub use apt::apt;
pub use bundles::{bundle, evidence};
pub use documents::{checkpoint, document, envelope, policy, statement};
pub use lockfiles::lockfile;
pub use messages::codec;
pub use network::network;
pub use normalizers::normalize;
pub use proofs::proof;
pub use queues::queue;
pub use reports::report;

/// A property: panics where it is broken, and says whether the bytes were accepted.
pub type Property = fn(&[u8]) -> bool;

/// Every target by its name, which is also its directory in the corpus.
pub const TARGETS: [(&str, Property); 15] = [
    ("statement", statement),
    ("envelope", envelope),
    ("checkpoint", checkpoint),
    ("proof", proof),
    ("bundle", bundle),
    ("evidence", evidence),
    ("policy", policy),
    ("codec", codec),
    ("apt", apt),
    ("lockfile", lockfile),
    ("document", document),
    ("normalize", normalize),
    ("report", report),
    ("network", network),
    ("queue", queue),
];

/// Bytes of the longest refusal that a person still reads.
const REFUSAL_MAX: usize = 1_000;

/// The value, or nothing after a refusal that is one short line without control characters.
fn told<T, E: Display>(result: Result<T, E>) -> Option<T> {
    result.map_err(|error| is_one_line(&error.to_string())).ok()
}

fn is_one_line(refusal: &str) {
    assert!(!refusal.is_empty() && refusal.len() <= REFUSAL_MAX, "{} bytes", refusal.len());
    assert!(!refusal.chars().any(char::is_control), "{refusal:?}");
}
