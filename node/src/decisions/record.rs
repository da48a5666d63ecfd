//! One record of the decision log: everything that is needed to decide the same again (step 10).
//!
//! Canonical JSON, one line. Evidence and policy stand on the [`super::Shelf`] under the digests that
//! the record names.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use reattest_attestation::policy::{Door, Environment, Mode, WhenUnavailable};
use reattest_attestation::statement::Normalizer;
use reattest_attestation::verdict::Normalized;
use reattest_attestation::{Completeness, Digest, HashedFile, Purl, Question, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

use super::signature::Signature;

/// A record: its place in the chain, and what happened.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1: its id on the command line.
    pub number: u64,
    /// SHA-256 of the line before, without its newline; 64 zeros before the first.
    pub previous: Digest,
    /// When it was written, by this machine's clock.
    pub clock: Timestamp,
    /// The program that wrote it.
    pub version: String,
    /// What happened.
    pub event: Event,
    /// Who answers for it, where a key signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// What happened.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// A door asked, and was answered.
    Decision(Box<Decided>),
    /// Somebody lets one artifact in, whatever is found out about it, and answers for it.
    Breakglass(Breakglass),
    /// Somebody looked at a breakglass afterwards, which ends it.
    Reviewed {
        /// Its number.
        breakglass: u64,
        /// Who did.
        by: Identity,
        /// What came of it.
        remark: String,
    },
    /// The end of the log was torn, as by a crash, and was cut off; nobody was answered by it.
    Mended {
        /// Bytes that were cut off.
        bytes: u64,
        /// SHA-256 of them.
        sha256: Digest,
    },
}

/// A way past the policy, for one artifact and a while.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Breakglass {
    /// What it lets in.
    pub artifact: Artifact,
    /// Why.
    pub reason: String,
    /// Last second at which it does.
    pub expires: Timestamp,
    /// Who broke the glass.
    pub by: Identity,
}

/// What a breakglass is for: exactly one purl, or exactly one file.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Artifact {
    /// Whatever a door means by this full purl.
    Purl(Purl),
    /// These bytes.
    Sha256(Digest),
}

/// Who did something, as the system tells it.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The user's name, where the system has one.
    pub user: Option<String>,
    /// Who logged in, as the kernel's audit remembers it through `sudo` and `su`.
    pub login_uid: Option<u32>,
    /// Who called `sudo`, as the environment says, which its owner can make say anything.
    pub sudo_user: Option<String>,
    /// The machine's name.
    pub host: String,
    /// The terminal; null without one.
    pub terminal: Option<String>,
}

/// A decision, with everything that it follows from.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Decided {
    /// What was asked, by whom.
    pub request: Request,
    /// The policy's environment that covers the request; null where none could be told.
    pub environment: Option<Applied>,
    /// The time that the verdict was drawn at.
    pub at: Timestamp,
    /// SHA-256 of the policy's text, which is on the shelf; null where it could not be read.
    pub policy: Option<Digest>,
    /// What the verdict rests on, or why there is none.
    pub basis: Basis,
    /// The verdict, where evidence was had: in a dry run the one that would have counted.
    pub verdict: Option<Verdict>,
    /// Numbers of the open breakglasses that cover the artifact, needed or not.
    pub breakglass: Vec<u64>,
    /// What the door was told.
    pub effect: Effect,
    /// Why.
    pub why: Why,
    /// The same for people.
    pub words: String,
}

/// The environment of a policy that was applied.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Applied {
    /// Its name.
    pub name: String,
    /// What a verdict does there.
    pub mode: Mode,
    /// What happens there where the service that holds the evidence cannot be asked.
    pub when_unavailable: WhenUnavailable,
}

impl From<&Environment> for Applied {
    fn from(environment: &Environment) -> Self {
        let Environment { name, mode, when_unavailable, .. } = environment;
        Self { name: name.clone(), mode: *mode, when_unavailable: *when_unavailable }
    }
}

/// What a door asks.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Which door asks.
    pub door: Door,
    /// What the file is meant to be.
    pub purl: Purl,
    /// The file's name, without directories.
    pub name: String,
    /// SHA-256 of its bytes, as the door hashed them.
    pub sha256: Digest,
    /// What normalizers made of the file, where the policy allows equivalents.
    pub normalized: Vec<Said>,
    /// What the machine's configuration says about the place.
    pub labels: BTreeMap<String, String>,
}

/// What normalizers made of a file.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Said {
    /// The normalizers, in the order in which they were applied.
    pub normalizers: Vec<Normalizer>,
    /// SHA-256 of the normalized form.
    pub sha256: Digest,
}

/// What a verdict rests on.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "kebab-case")]
pub enum Basis {
    /// Evidence was had.
    Had {
        /// SHA-256 of the bundle, which is on the shelf.
        bundle: Digest,
        /// SHA-256 of lines with scans that were not in the bundle, on the shelf too; null without any.
        scans: Option<Digest>,
        /// Whether hidden dissent was looked for.
        dissent: Completeness,
        /// SHA-256 over whom was believed: the policy's operators and witnesses, and the operators'
        /// words in the bundle.
        trust: Digest,
    },
    /// The service could not be asked.
    Unavailable {
        /// What happened.
        why: String,
    },
    /// It answered with what cannot be used; `when_unavailable` does not cover that.
    Unusable {
        /// What is wrong with it.
        why: String,
    },
    /// Nothing was asked: the mode is off, or the policy cannot be applied.
    Unasked,
}

/// What a door was told.
#[derive(Copy, Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It may go on.
    Allowed,
    /// It must not.
    Refused,
}

/// Why a door was told what it was told.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The verdict is `accepted`.
    Accepted,
    /// The verdict is `rejected`.
    Rejected,
    /// The verdict is `inconclusive`.
    Inconclusive,
    /// The service could not be asked, and the environment says what happens then.
    Unavailable,
    /// The service answered with what cannot be used.
    Unusable,
    /// The policy cannot be read or applied; a fault, and no verdict.
    Misconfigured,
    /// Whatever was found, the environment only tries it out.
    DryRun,
    /// The environment asks nothing.
    Off,
    /// Somebody broke the glass for this artifact.
    Breakglass,
    /// The decision could not be written down; stands in no record.
    Unrecorded,
}

impl Breakglass {
    /// Whether it is for what a door asks. Its time is not looked at.
    pub fn covers(&self, request: &Request) -> bool {
        match &self.artifact {
            Artifact::Purl(purl) => *purl == request.purl,
            Artifact::Sha256(sha256) => *sha256 == request.sha256,
        }
    }
}

impl FromStr for Artifact {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("sha256:") {
            Some(hex) => hex.parse().map(Self::Sha256).map_err(|error| format!("{error}")),
            None => text.parse().map(Self::Purl).map_err(|error| format!("{error}")),
        }
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Purl(purl) => write!(f, "{purl}"),
            Self::Sha256(sha256) => write!(f, "sha256:{sha256}"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => write!(f, "{user} (uid {})", self.uid)?,
            None => write!(f, "uid {}", self.uid)?,
        }
        if let Some(login) = self.login_uid.filter(|login| *login != self.uid) {
            write!(f, ", logged in as uid {login},")?;
        }
        if let Some(sudo) = &self.sudo_user {
            write!(f, " by sudo of {sudo}")?;
        }
        write!(f, " on {}", self.host)?;
        match &self.terminal {
            Some(terminal) => write!(f, " at {terminal}"),
            None => f.write_str(" without a terminal"),
        }
    }
}

impl Request {
    /// What a door asks about a file that it hashed.
    pub fn new(door: Door, purl: Purl, file: &HashedFile) -> Self {
        Self {
            door,
            purl,
            name: file.name().to_owned(),
            sha256: file.sha256(),
            normalized: Vec::new(),
            labels: BTreeMap::new(),
        }
    }

    /// With the labels of this machine's configuration.
    #[must_use]
    pub fn with_labels(self, labels: BTreeMap<String, String>) -> Self {
        Self { labels, ..self }
    }

    /// With what normalizers made of the file, for policies that accept equivalents.
    #[must_use]
    pub fn with_normalized(self, normalized: &[Normalized]) -> Self {
        let said =
            |one: &Normalized| Said { normalizers: one.normalizers.clone(), sha256: one.digest };
        Self { normalized: normalized.iter().map(said).collect(), ..self }
    }

    /// The question as the verdict's code asks it.
    pub fn question(&self) -> Question {
        let file = HashedFile::elsewhere(&self.name, self.sha256);
        let mut question = Question::about(file, Some(self.purl.clone()));
        question.normalized = self
            .normalized
            .iter()
            .map(|said| Normalized { normalizers: said.normalizers.clone(), digest: said.sha256 })
            .collect();
        question
    }
}

impl Decided {
    /// Whether it was let in without a verdict that lets it in: to be looked at again.
    pub fn is_owed(&self) -> bool {
        self.effect == Effect::Allowed && self.why != Why::Accepted && self.why != Why::Off
    }

    /// Digests of what the record needs from the shelf.
    pub fn shelved(&self) -> Vec<Digest> {
        let had = match &self.basis {
            Basis::Had { bundle, scans, .. } => [Some(*bundle), *scans],
            _ => [None, None],
        };
        self.policy.into_iter().chain(had.into_iter().flatten()).collect()
    }
}
