//! Step 10, decided: what each door let in or kept out, and why, in a chain of records that can be replayed.
//!
//! ```text
//! door -> decide -> verdict, mode, breakglass -> shelf (evidence, policy) -> chain -> answer
//!                                                                      \-> replay, watch
//! ```
//!
//! A record and everything that it names are on disk before a door hears its answer.

mod record;
mod signature;
mod chain;
mod writing;
mod reading;
mod shelf;
mod asking;
mod settle;
mod decide;
mod alarms;
mod breakglass;
pub mod watch;
mod replay;
mod diff;

pub use alarms::{Receiver, Spool, Untaken};
pub use asking::{Answered, Asked, PolicyRead, ask};
pub use breakglass::{
    BreakglassError, OpenBreakglass, break_glass, identity, open as open_breakglasses, review,
};
pub use chain::{Chain, Counts};
pub use decide::{Decision, Desk};
pub use diff::{Compared, Outcome, compare};
pub use reading::{Damage, Finding, Findings, Line, Lines};
pub use record::{
    Applied, Artifact, Basis, Breakglass, Decided, Effect, Event, Identity, Record, Request, Said,
    Why,
};
pub use replay::{Replayed, replay};
pub use settle::{Found, settle};
pub use shelf::Shelf;
pub use signature::Signature;
pub use writing::Taken;

use std::io;
use std::path::{Path, PathBuf};

use crate::config::Config;

/// Where the decisions of a node's configuration are kept.
pub fn directory(config: &Config) -> PathBuf {
    config.data.join("decisions")
}

/// Why the decision log cannot be used. An enforcing door that meets one refuses.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk refused: full, read-only, or not this user's.
    #[error(
        "the decision log cannot be written or read: {path}: {source}; needed a file that this user can write, on a disk with some space left",
        path = path.display()
    )]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that are not what was written.
    #[error(
        "the decision log is damaged: {0}; keep it as it is for whoever investigates, restore a copy, and see `reattest audit verify`"
    )]
    Damaged(Damage),
    /// Another process has held the log for long.
    #[error(
        "the decision log is locked: {path} was held for {seconds} s by another process; needed it free; see who has it open with `fuser`",
        path = path.display()
    )]
    Locked {
        /// The lock.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// A record that is longer than any may be.
    #[error(
        "found a record of {found} bytes, needed {limit} at most; name fewer operators in the policy, or shorten the reason"
    )]
    TooLong {
        /// Its bytes.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// A record that has no canonical form.
    #[error("a record cannot be written: {0}; this is a fault of this program")]
    Unwritable(String),
    /// The key that was to sign a record could not.
    #[error("a record could not be signed: {0}; needed the consumer's key")]
    Unsigned(String),
    /// More unreviewed breakglasses than anybody can keep in mind.
    #[error(
        "found {0} breakglasses that nobody reviewed, needed fewer; review them first with `reattest breakglass list` and `reattest breakglass review ID`"
    )]
    TooManyOpen(usize),
}

impl LogError {
    fn disk(path: &Path, source: io::Error) -> Self {
        Self::Disk { path: path.to_owned(), source }
    }

    fn damaged(path: &Path, record: u64, why: impl Into<String>) -> Self {
        Self::Damaged(Damage { path: path.to_owned(), record, why: why.into() })
    }
}

#[cfg(test)]
mod tests;
