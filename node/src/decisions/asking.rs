//! What a decision rests on: the policy, read once, and the evidence, or why there is none (step 10).

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use reattest_attestation::limits::POLICY_MAX;
use reattest_attestation::{Completeness, Digest, Policy};

use super::record::Request;
use crate::config::Config;
use crate::limits::SCAN_FILE_BYTES;
use crate::query::{self, Source};
use crate::shell::control::{self, Answer, Ask};
use crate::store::index::Selector;

/// A policy as it was when it was read. Its bytes are kept, so that what judged is what is
/// recorded, whoever edits the file meanwhile.
#[derive(Debug, Clone)]
pub struct PolicyRead {
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) policy: Result<Policy, String>,
}

impl PolicyRead {
    /// Reads a policy file once. That it cannot be read or is mistaken is no error here: it is
    /// decided on, and recorded.
    pub fn file(path: &Path) -> Self {
        let mut bytes = Vec::with_capacity(4_096);
        // One byte more than allowed, so that the policy's own check names the limit.
        let limit = (POLICY_MAX as u64).saturating_add(1);
        let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
        let named = |why: String| format!("the policy {}: {why}", path.display());
        match read {
            Ok(_) => {
                let Self { bytes, policy } = Self::text(bytes);
                Self { bytes, policy: policy.map_err(named) }
            }
            Err(error) => Self { bytes: None, policy: Err(named(error.to_string())) },
        }
    }

    /// A policy's text.
    pub fn text(bytes: Vec<u8>) -> Self {
        let policy = super::replay::policy_of(&bytes);
        Self { bytes: (bytes.len() <= POLICY_MAX).then_some(bytes), policy }
    }

    /// The policy, or what is wrong with it.
    pub fn policy(&self) -> Result<&Policy, &str> {
        self.policy.as_ref().map_err(String::as_str)
    }
}

/// What came of asking for evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It answered.
    Had {
        /// A bundle's bytes, not verified yet.
        bundle: Vec<u8>,
        /// Whether a dissent would be in it.
        dissent: Completeness,
        /// Lines with scans, where they are not in the bundle; mostly empty.
        scans: Vec<u8>,
    },
    /// It could not be asked: `when_unavailable` decides.
    Unavailable(String),
    /// It was asked, and its answer cannot be used: never let in by `when_unavailable`, or whoever
    /// can make an answer too large or too odd could open every door.
    Unusable(String),
}

/// Asks for the evidence on a request.
///
/// [`Source::Node`] asks the running node alone. The logs of a node that does not run may be old,
/// and are read only where the door says so with [`Source::Disk`].
pub fn ask(source: &Source, request: &Request) -> Answered {
    let selector = Selector::Package(request.purl.clone());
    match source {
        Source::Bundle(bytes) => {
            let dissent = Completeness::Excerpt;
            Answered::Had { bundle: bytes.clone(), dissent, scans: Vec::new() }
        }
        Source::Disk(data) if !data.is_dir() => {
            Answered::Unavailable(format!("there are no logs at {}", data.display()))
        }
        Source::Disk(data) => match query::from_disk(data, &selector) {
            Ok((bundle, dissent)) => match bundle.to_bytes() {
                Ok(bundle) => Answered::Had { bundle, dissent, scans: Vec::new() },
                Err(error) => Answered::Unusable(error.to_string()),
            },
            Err(fault) => Answered::Unusable(fault.to_string()),
        },
        Source::Held(held) => match held.evidence(&selector) {
            Ok((bundle, dissent)) => match bundle.to_bytes() {
                Ok(bundle) => Answered::Had { bundle, dissent, scans: Vec::new() },
                Err(error) => Answered::Unusable(error.to_string()),
            },
            Err(fault) => Answered::Unusable(fault.to_string()),
        },
        Source::Node(config) => from_node(&config.socket(), selector),
    }
}

fn from_node(socket: &Path, selector: Selector) -> Answered {
    let at = socket.display();
    match control::exchange(socket, &Ask::Evidence(selector)) {
        Ok(Some(Answer::Evidence { bundle, complete })) => {
            Answered::Had { bundle: bundle.into_vec(), dissent: complete, scans: Vec::new() }
        }
        Ok(Some(Answer::Failed(why))) => Answered::Unusable(format!("the node failed: {why}")),
        Ok(Some(_)) => Answered::Unusable("the node answered another question".to_owned()),
        Ok(None) => Answered::Unavailable(format!("no node runs at {at}")),
        // What it said was too long or not an answer: it was asked.
        Err(error) if matches!(error.kind(), ErrorKind::Other | ErrorKind::InvalidData) => {
            Answered::Unusable(format!("the node at {at} gave no answer that can be read: {error}"))
        }
        Err(error) => Answered::Unavailable(format!("the node at {at} does not answer: {error}")),
    }
}

/// Where doors ask what is known of a file.
#[derive(Debug)]
pub struct Asked {
    evidence: Source,
    scans: Option<PathBuf>,
}

impl Asked {
    /// This evidence, and the scans that the configuration names.
    pub fn of(evidence: Source, config: &Config) -> Self {
        Self { evidence, scans: config.scans.clone() }
    }

    /// Where the evidence is asked.
    pub fn evidence(&self) -> &Source {
        &self.evidence
    }

    /// The evidence on a request, and the scans of its file. Scans that are there and cannot be read
    /// make the answer unusable: what they say may forbid the file.
    pub fn ask(&self, request: &Request) -> Answered {
        match ask(&self.evidence, request) {
            Answered::Had { bundle, dissent, scans } => match self.scans_of(&request.sha256) {
                Ok(more) => Answered::Had { bundle, dissent, scans: [scans, more].concat() },
                Err(why) => Answered::Unusable(why),
            },
            other => other,
        }
    }

    /// Lines of `DIR/HEX.jsonl`; none where there is no such file.
    fn scans_of(&self, sha256: &Digest) -> Result<Vec<u8>, String> {
        let Some(directory) = &self.scans else { return Ok(Vec::new()) };
        let path = directory.join(format!("{sha256}.jsonl"));
        let failed = |error: std::io::Error| {
            let path = path.display();
            format!(
                "the scans at {path} cannot be read: {error}; needed a file that this user can read, or none"
            )
        };
        // A directory that is not there is a mistake; a file that is not there is no scan.
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound && directory.is_dir() => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        let limit = SCAN_FILE_BYTES as u64;
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > SCAN_FILE_BYTES {
            return Err(format!(
                "found more than {limit} bytes of scans at {}, needed {limit} at most; keep the newest ones",
                path.display()
            ));
        }
        Ok(bytes)
    }
}
