//! What node and builder say to each other.

use reattest_attestation::{Digest, Purl};
use reattest_rebuilder::{FetchProblem, Progress, Want};
use serde::{Deserialize, Serialize};

/// From the node.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToBuilder {
    /// Rebuild this release.
    Rebuild {
        /// The node's name of the job.
        job: u64,
        /// A hint: the builder checks everything about it.
        purl: Purl,
    },
    /// What became of the wants of the last [`FromBuilder::Fetch`], in their order.
    Fetched(Vec<Result<Digest, FetchProblem>>),
}

/// To the node.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromBuilder {
    /// Bring these into the content store.
    Fetch(Vec<Want>),
    /// The job moves on.
    Progress {
        /// The job.
        job: u64,
        /// What happened.
        progress: Progress,
    },
    /// A recipe or a lock lies in the content store under this digest, for peers that ask.
    Document(Digest),
    /// The last message: why the builder cannot go on.
    Failed(String),
    /// The job is done.
    Ended {
        /// The job.
        job: u64,
        /// How it ended.
        end: End,
    },
}

/// How a job ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum End {
    /// The signer logged an outcome.
    Attested {
        /// Its place in the own log.
        index: u64,
    },
    /// This machine's own fault, which may pass.
    Fault(String),
    /// A fault that trying again does not mend.
    Hopeless(String),
}
