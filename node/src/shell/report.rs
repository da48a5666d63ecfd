//! What a node tells while it runs: one line each, for people or as JSON.

mod events;

use reattest_rebuilder::Progress;
use serde::{Deserialize, Serialize};

/// Something worth a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Report {
    /// The node can be reached here.
    Listening {
        /// A multiaddr that ends in the peer's name.
        address: String,
    },
    /// A rebuild begins.
    Rebuilding {
        /// The job; several may run at a time.
        job: u64,
        /// The release.
        purl: String,
    },
    /// A rebuild moves on.
    Progress {
        /// The job.
        job: u64,
        /// What happened.
        progress: Progress,
    },
    /// The signer logged an outcome.
    Attested {
        /// The job.
        job: u64,
        /// Its place in the own log.
        index: u64,
    },
    /// A rebuild ended without an outcome.
    Fault {
        /// The job.
        job: u64,
        /// Why.
        why: String,
    },
    /// A release came to no outcome so often that it is not tried again by itself.
    GivenUp {
        /// The release.
        purl: String,
        /// Why the last attempt gave none.
        why: String,
    },
    /// A log grew, the own one or a peer's.
    Grew {
        /// The operator, as the policy names it.
        operator: String,
        /// Its size now.
        size: u64,
        /// What the new entries say.
        said: Vec<String>,
    },
    /// A followed registry was looked at.
    Followed {
        /// Which.
        feed: String,
        /// What was found.
        said: String,
    },
    /// A key signed two histories.
    Forked {
        /// The operator, as the policy names it.
        operator: String,
    },
    /// A peer shows less of a log than before.
    RolledBack {
        /// The operator, as the policy names it.
        operator: String,
        /// The peer.
        peer: String,
        /// Entries that it shows now.
        shown: u64,
        /// Entries that it showed before.
        before: u64,
    },
    /// A peer shows more of the own log than this machine has.
    OwnLogAhead {
        /// Entries that this machine has.
        held: u64,
        /// Entries that the peer shows.
        shown: u64,
    },
    /// An operator revoked or replaced a key.
    Word {
        /// The digest of its envelope.
        digest: String,
    },
    /// A mirror answers, or does not.
    Mirror {
        /// Where it is.
        url: String,
        /// What is wrong with it; nothing where it answers.
        why: Option<String>,
    },
    /// A peer sent something that was refused.
    Refused {
        /// The peer.
        peer: String,
        /// The refusal's name in metrics.
        cause: String,
        /// Why.
        why: String,
    },
}

impl Report {
    /// One line for people.
    pub fn line(&self) -> String {
        match self {
            Self::Listening { address } => format!("listening at {address}"),
            Self::Rebuilding { purl, .. } => format!("rebuilding {purl}"),
            Self::Progress { progress, .. } => progress_line(progress),
            Self::Attested { index, .. } => format!("outcome signed and logged as entry {index}"),
            Self::Fault { why, .. } => format!("no outcome: {why}"),
            Self::GivenUp { purl, why } => format!(
                "no outcome: {purl} is given up ({why}); `reattest announce` has it tried again"
            ),
            Self::Grew { operator, size, said } => {
                format!("log of {operator}, entry {}: {}", size.saturating_sub(1), said.join("; "))
            }
            Self::Followed { feed, said } => format!("following {feed}: {said}"),
            Self::Forked { operator } => {
                format!("{operator} SIGNED TWO HISTORIES; its votes stop counting")
            }
            Self::RolledBack { operator, peer, shown, before } => format!(
                "{peer} shows {shown} entries of {operator}'s log, and showed {before} before"
            ),
            Self::OwnLogAhead { held, shown } => format!(
                "a peer has {shown} entries of THE OWN LOG, and this machine {held}: it came back \
                 from a backup, or the key is used elsewhere"
            ),
            Self::Word { digest } => format!("an operator revoked or replaced a key: {digest}"),
            Self::Mirror { url, why: None } => format!("following the mirror {url}"),
            Self::Mirror { url, why: Some(why) } => {
                format!("nothing is taken from the mirror {url} now: {why}")
            }
            Self::Refused { peer, why, .. } => format!("refused from {peer}: {why}"),
        }
    }
}

/// One step of a rebuild, in words.
pub fn progress_line(progress: &Progress) -> String {
    match progress {
        Progress::IndexVerified { suite, date, signers } => {
            let keys = if signers.len() == 1 { "key" } else { "keys" };
            format!("index of {suite} ({date}): signature holds, {} archive {keys}", signers.len())
        }
        Progress::Found { source, published } => {
            format!("release: {} from {source}", published.join(", "))
        }
        Progress::Solving => "apt resolves the build dependencies, inside the sandbox".to_owned(),
        Progress::Pinned { inputs, bytes, recipe, .. } => format!(
            "recipe {} pinned: {inputs} inputs, {}, each by SHA-256",
            short(&recipe.to_string()),
            megabytes(*bytes)
        ),
        Progress::Fetching { done, total, bytes, total_bytes } => format!(
            "inputs: {done} of {total} here, {} of {}",
            megabytes(*bytes),
            megabytes(*total_bytes)
        ),
        Progress::EnvironmentBuilding { packages } => {
            format!("environment: installing {packages} packages, inside the sandbox")
        }
        Progress::EnvironmentReady { cached: true, .. } => {
            "environment: at hand, made from these inputs before".to_owned()
        }
        Progress::EnvironmentReady { seconds, .. } => {
            format!("environment: made in {seconds:.1} s")
        }
        Progress::Building { run: 1 } => "building, in a sandbox without network".to_owned(),
        Progress::Building { run: 2 } => {
            "building once more, afresh, to see whether it gives the same".to_owned()
        }
        Progress::Building { .. } => {
            "building under other conditions, to see what it depends on".to_owned()
        }
        Progress::Built { run: 3, seconds, succeeded } => {
            let failed = if *succeeded { "" } else { "; it failed" };
            format!("varied run (it decides nothing): {seconds:.1} s{failed}")
        }
        Progress::Built { seconds, succeeded: true, .. } => format!("built in {seconds:.1} s"),
        Progress::Built { seconds, .. } => format!("the build failed after {seconds:.1} s"),
        Progress::Compared { purl, outcome, .. } => format!("{purl}: {outcome}"),
    }
}

/// The first characters of a digest, enough for a person.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
