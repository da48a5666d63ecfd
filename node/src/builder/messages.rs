//! What node and builder say to each other.

use reattest_attestation::{Digest, Purl};
use reattest_rebuilder::{FetchProblem, Progress, Want};
use serde::{Deserialize, Serialize};

/// From the node.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToBuilder {
    /// Rebuild this release, beside whatever else runs.
    Rebuild {
        /// The node's name of the job.
        job: u64,
        /// A hint: the builder checks everything about it.
        purl: Purl,
        /// Bytes of memory that it may use.
        memory: u64,
    },
    /// Stop a job; its end is told as always.
    Cancel {
        /// The job.
        job: u64,
    },
    /// Look what a followed registry has; wants of it are those of the job [`look_job`].
    Look {
        /// Which, by its place in the configuration.
        feed: u64,
    },
    /// What became of the wants of a job's last [`FromBuilder::Fetch`], in their order.
    Fetched {
        /// The job.
        job: u64,
        /// What became of each want.
        results: Vec<Result<Digest, FetchProblem>>,
    },
}

/// To the node.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromBuilder {
    /// Bring these into the content store.
    Fetch {
        /// The job that waits for them.
        job: u64,
        /// What is wanted.
        wants: Vec<Want>,
    },
    /// The job moves on.
    Progress {
        /// The job.
        job: u64,
        /// What happened.
        progress: Progress,
    },
    /// The job is worked on; told every [`crate::limits::HEARTBEAT`].
    Alive {
        /// The job.
        job: u64,
    },
    /// What a followed registry has is written down.
    Looked {
        /// Which, by its place in the configuration.
        feed: u64,
        /// What was found in words, or why nothing was.
        found: Result<String, String>,
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

/// The job that a look at a registry is: from the other end of the numbers.
pub fn look_job(feed: u64) -> u64 {
    u64::MAX.saturating_sub(feed)
}

/// How a job ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum End {
    /// The signer logged an outcome.
    Attested {
        /// Its place in the own log.
        index: u64,
    },
    /// It needs more memory than it may use.
    TooLarge(String),
    /// Another job builds the same source.
    Busy(String),
    /// The mirror has not, or not yet, what it needs.
    Absent(String),
    /// This machine's own fault, which may pass.
    Fault(String),
    /// A fault that trying again does not mend.
    Hopeless(String),
}
