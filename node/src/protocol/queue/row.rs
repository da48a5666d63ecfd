//! One release in the queue, and the changes of the queue that are written down before they happen.

use reattest_attestation::log::Origin;
use reattest_attestation::{PublicKey, Purl, Timestamp};
use serde::{Deserialize, Serialize};

use super::room::Class;

/// Who wants a release rebuilt; what stands first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// A person at this machine.
    Person,
    /// A registry that this node follows.
    Feed,
    /// An operator of the policy.
    Operator,
    /// Somebody else.
    Stranger,
}

/// Where a release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It waits for its turn.
    Waiting {
        /// Not before this time, where something went wrong the last time.
        not_before: Option<Timestamp>,
    },
    /// It is built.
    Running {
        /// The job.
        job: u64,
        /// Since when.
        since: Timestamp,
    },
    /// Its outcome is signed, and the own log's word of it is on its way.
    Logged {
        /// Since when.
        since: Timestamp,
    },
    /// It is not tried again until somebody asks, or announces it another day.
    GivenUp {
        /// Since when.
        since: Timestamp,
    },
}

/// One release in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The release, by one of its artifacts.
    pub purl: Purl,
    /// Who wants it most.
    pub wanted: Wanted,
    /// The key that announced it first, where one did; turns are shared between keys.
    pub by: Option<PublicKey>,
    /// When it came into the queue.
    pub since: Timestamp,
    /// Where it stands.
    pub state: State,
    /// Attempts that ended in faults of this machine.
    pub faults: u32,
    /// Attempts that found something missing on the mirror.
    pub absences: u32,
    /// How much of the machine it gets.
    pub class: Class,
    /// Whether it is built although it has an outcome already.
    pub again: bool,
    /// Whether a log announces it.
    pub announced: bool,
    /// Why the last attempt gave no outcome.
    pub why: Option<String>,
}

/// One change of the queue: the whole row as it is from now on, so that a change that is written
/// twice is the same as written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A release is in the queue, like this.
    Is(Box<Row>),
    /// A release is not in the queue any more.
    Left(Purl),
    /// What a log announces and concludes up to this size is in the queue.
    Learned {
        /// The log.
        origin: Origin,
        /// The number of its entries.
        size: u64,
    },
    /// What builds of a package took.
    Took {
        /// The package: a purl without version.
        package: String,
        /// What they took.
        took: Took,
    },
}

/// What the last build of a package took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Took {
    /// The smallest class that is known to suffice.
    pub at_least: Class,
    /// Seconds from its start to its outcome.
    pub seconds: u64,
}

/// A purl without version: what versions of one artifact share.
pub fn package_of(purl: &Purl) -> String {
    let text = purl.as_str();
    let (path, qualifiers) = text.split_once('?').map_or((text, ""), |(path, rest)| (path, rest));
    let name = path.split_once('@').map_or(path, |(name, _)| name);
    format!("{name}?{qualifiers}")
}

/// Whether a purl names exactly one artifact, in the one way in which archives' indexes are read
/// here: otherwise many spellings of one release would each be built.
pub fn is_full(purl: &Purl) -> bool {
    let qualifiers = purl.as_str().split_once('?').map_or(0, |(_, rest)| rest.split('&').count());
    let has = |names: &[&str]| {
        qualifiers == names.len() && names.iter().all(|name| purl.qualifier(name).is_some())
    };
    let known = match purl.kind() {
        "deb" => has(&["arch", "distro"]),
        "pypi" => has(&["file_name"]),
        _ => false,
    };
    known && purl.version().is_some()
}
