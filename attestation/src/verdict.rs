//! The verdict and its JSON, the same through every door (steps 9 and 10).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::artifact::Purl;
use crate::digest::Digest;
use crate::evidence::Completeness;
use crate::file::HashedFile;
use crate::outcome::Outcome;
use crate::policy::Mode;
use crate::statement::Normalizer;
use crate::time::Timestamp;

/// What is asked: whether this file may be used.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Question {
    /// The file, hashed here.
    pub file: HashedFile,
    /// What the file is meant to be, where the asker knows.
    pub purl: Option<Purl>,
    /// What normalizers make of the file, computed here; for policies that accept `equivalent`.
    pub normalized: Vec<Normalized>,
}

/// What normalizers make of a file.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Normalized {
    /// The normalizers, in the order in which they were applied.
    pub normalizers: Vec<Normalizer>,
    /// SHA-256 of the normalized form.
    pub digest: Digest,
}

impl Question {
    /// Asks about a file, meant to be this purl where one is given.
    pub fn about(file: HashedFile, purl: Option<Purl>) -> Self {
        Self { file, purl, normalized: Vec::new() }
    }
}

/// The three answers; never a bool.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conclusion {
    /// The quorum stands behind this file, and every other rule holds.
    Accepted,
    /// The quorum stands behind another file of the identical purl, or can no longer stand behind
    /// this one.
    Rejected,
    /// Everything else.
    Inconclusive,
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Inconclusive => "inconclusive",
        })
    }
}

/// The file that the verdict is about.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct ArtifactAsked {
    /// The file's name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// What it was judged as; null where that could not be told.
    pub purl: Option<Purl>,
}

/// What one key of one operator of the policy says about the purl.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Vote {
    /// The policy's name for the operator.
    pub operator: String,
    /// Fingerprint of the rebuilder key.
    pub key: String,
    /// Its newest outcome for the purl.
    pub outcome: Outcome,
    /// What it produced, or null where it made nothing.
    pub sha256: Option<Digest>,
    /// How produced and published were compared.
    pub level: Level,
    /// The entry's place in the key's log, from 0.
    pub log_index: u64,
    /// When the build ended, by the rebuilder's own clock.
    pub attested_at: Timestamp,
}

/// How two files were compared.
#[derive(Copy, Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Bit for bit.
    Bitwise,
    /// After normalizers; counts only where the policy names them.
    Equivalent,
}

/// The formula's outermost group and how far it is met.
#[derive(Copy, Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct QuorumCount {
    /// k.
    pub need: usize,
    /// Members that support the file.
    pub have: usize,
    /// Members, from the policy.
    pub of: usize,
}

/// Why the verdict is what it is, in words that a person can act on.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// The rule's name, for programs.
    pub rule: String,
    /// What was found.
    pub found: String,
    /// What was needed.
    pub expected: String,
    /// What to do.
    pub fix: String,
}

/// The policy that was applied.
#[derive(Copy, Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct PolicyApplied {
    /// SHA-256 of its text.
    pub sha256: Digest,
    /// What the verdict does to its asker.
    pub mode: Mode,
}

/// The answer. Its JSON has the fields in this order.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// What was asked about.
    pub artifact: ArtifactAsked,
    /// The answer.
    pub verdict: Conclusion,
    /// Who said what, in the policy's order of operators.
    pub votes: Vec<Vote>,
    /// How far the quorum is met.
    pub quorum: QuorumCount,
    /// Whether hidden dissent was looked for.
    pub dissent: Completeness,
    /// Every rule that failed, or the one that held.
    pub reasons: Vec<Reason>,
    /// The policy.
    pub policy: PolicyApplied,
}

impl Reason {
    pub(crate) fn new(
        rule: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            rule: rule.to_owned(),
            found: found.into(),
            expected: expected.into(),
            fix: fix.into(),
        }
    }
}
