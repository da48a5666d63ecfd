//! The bundle: the one carrier of evidence, from a store or from a file beside the artifact (steps 9 and 10).
//!
//! JSON lines in any order. Nothing in a bundle is believed: [`crate::Evidence`] verifies it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use crate::envelope::{Envelope, EnvelopeError};
use crate::limits::{BUNDLE_LINES_MAX, BUNDLE_MAX, DOCUMENT_MAX, PROOF_HASHES_MAX};
use crate::log::{
    CheckpointError, ConsistencyProof, ForkProof, InclusionProof, Origin, SignedCheckpoint,
};
use crate::quoted::{quoted, said};

/// A bundle that cannot be read or written as a whole.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum BundleError {
    /// More bytes or lines than a bundle may have.
    #[error(
        "found a bundle of {found} {unit}, needed at most {limit}; ask for a bundle of one artifact"
    )]
    TooLong {
        /// What it has.
        found: usize,
        /// `bytes` or `lines`.
        unit: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Not text, or a line that is no JSON object.
    #[error("found no JSON object on line {line} of the bundle: {why}; get the bundle again")]
    NotJsonLines {
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        why: String,
    },
    /// A recipe or lock to write is no canonical JSON document.
    #[error("cannot write a {what} into a bundle: {why}")]
    Document {
        /// `recipe`, `lock` or `links`.
        what: &'static str,
        /// What is wrong with it.
        why: CanonicalError,
    },
}

/// Where an envelope stands in its key's log.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct LoggedAt {
    /// The envelope's digest.
    pub envelope: Digest,
    /// The log.
    pub origin: Origin,
    /// The size of the checkpoint that the proof leads to: naming it keeps the work of a verifier
    /// linear in the bundle.
    pub size: u64,
    /// The way from the entry to that checkpoint's root.
    pub proof: InclusionProof,
}

/// A line that a reader passed over, and why.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Ignored {
    /// The line, from 1.
    pub line: usize,
    /// Why it is none of ours.
    pub why: String,
}

/// Evidence as it is carried, all of it unverified.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub struct Bundle {
    /// Attestations.
    pub envelopes: Vec<Envelope>,
    /// Their places in logs.
    pub proofs: Vec<LoggedAt>,
    /// Heads of those logs.
    pub checkpoints: Vec<SignedCheckpoint>,
    /// Proofs that a key signed two histories.
    pub forks: Vec<ForkProof>,
    /// What operators say about the keys of those logs: certificates, revocations, rotations.
    pub certificates: Vec<Envelope>,
    /// Recipes that the attestations name, canonical JSON each.
    pub recipes: Vec<Vec<u8>>,
    /// Locks that the attestations name, canonical JSON each.
    pub locks: Vec<Vec<u8>>,
    /// Links for other tools that the attestations name, canonical JSON each.
    pub links: Vec<Vec<u8>>,
    /// Lines of others, or damaged ones of ours: passed over, and shown to who asks why a vote is
    /// missing.
    pub ignored: Vec<Ignored>,
}

#[derive(Serialize, Deserialize)]
struct ProofLine {
    #[serde(rename = "for")]
    about: Named,
    hashes: Vec<Digest>,
    index: u64,
    origin: Origin,
    reattest: String,
    size: u64,
}

#[derive(Serialize, Deserialize)]
struct CheckpointLine {
    #[serde(rename = "for")]
    about: Named,
    note: String,
    reattest: String,
}

#[derive(Serialize, Deserialize)]
struct ForkLine {
    #[serde(rename = "for")]
    about: Named,
    hashes: Vec<Digest>,
    larger: String,
    reattest: String,
    root: Digest,
    smaller: String,
}

#[derive(Serialize)]
struct CertificateLine {
    envelope: Value,
    #[serde(rename = "for")]
    about: Named,
    reattest: String,
}

#[derive(Deserialize)]
struct ReadCertificate<'a> {
    #[serde(borrow)]
    envelope: &'a RawValue,
    #[serde(rename = "for")]
    about: Named,
}

#[derive(Deserialize)]
struct ReadDocument<'a> {
    #[serde(borrow)]
    document: &'a RawValue,
    #[serde(rename = "for")]
    about: Named,
}

/// `sha256:<hex>`: what a line is about.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Named(Digest);

impl TryFrom<String> for Named {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").ok_or("needed \"for\" to begin with sha256:")?;
        digits.parse().map(Self).map_err(|error| format!("{error}"))
    }
}

impl From<Named> for String {
    fn from(name: Named) -> Self {
        format!("sha256:{}", name.0)
    }
}

impl Bundle {
    /// Reads a bundle. A line that is no JSON object makes the whole file damaged; a line that is
    /// an object of another kind is ignored, as in-toto's bundle rules ask.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_MAX {
            let (found, limit) = (bytes.len(), BUNDLE_MAX);
            return Err(BundleError::TooLong { found, unit: "bytes", limit });
        }
        let lines = bytes.split(|byte| *byte == b'\n');
        let mut bundle = Self::default();
        for (at, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            if at >= BUNDLE_LINES_MAX {
                let (found, limit) = (at + 1, BUNDLE_LINES_MAX);
                return Err(BundleError::TooLong { found, unit: "lines", limit });
            }
            let kind =
                Kind::of(line).map_err(|why| BundleError::NotJsonLines { line: at + 1, why })?;
            if let Err(why) = bundle.take(line, &kind) {
                bundle.ignored.push(Ignored { line: at + 1, why });
            }
        }
        Ok(bundle)
    }

    /// Writes a bundle: certificates and heads first, so that a person who opens one sees who
    /// speaks before what they say.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        let mut out = Vec::new();
        for certificate in &self.certificates {
            line(&mut out, "certificate", &certificate_line(certificate))?;
        }
        for head in &self.checkpoints {
            line(&mut out, "checkpoint", &checkpoint_line(head))?;
        }
        for fork in &self.forks {
            line(&mut out, "fork", &fork_line(fork))?;
        }
        for envelope in &self.envelopes {
            out.extend_from_slice(envelope.as_bytes());
            out.push(b'\n');
        }
        for proof in &self.proofs {
            line(&mut out, "proof", &proof_line(proof))?;
        }
        for (what, documents) in
            [("recipe", &self.recipes), ("lock", &self.locks), ("links", &self.links)]
        {
            for document in documents {
                document_line(&mut out, what, document)?;
            }
        }
        Ok(out)
    }

    fn take(&mut self, line: &[u8], kind: &Kind) -> Result<(), String> {
        match kind.reattest.as_str() {
            None => self.envelopes.push(Envelope::parse(line).map_err(said)?),
            Some("proof") => self.proofs.push(read_proof(line)?),
            Some("checkpoint") => self.checkpoints.push(read_checkpoint(line)?),
            Some("fork") => self.forks.push(read_fork(line)?),
            Some("certificate") => self.certificates.push(read_certificate(line)?),
            Some("recipe") => self.recipes.push(read_document(line)?),
            Some("lock") => self.locks.push(read_document(line)?),
            Some("links") => self.links.push(read_document(line)?),
            Some(kind) => {
                return Err(format!("lines of kind {:?} are not known here", quoted(kind)));
            }
        }
        Ok(())
    }
}

/// What a line is, told without reading the rest of it: a lock is longer than everything else in
/// its bundle together.
#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    reattest: Value,
}

impl Kind {
    /// A line that is an object and has two kinds is somebody else's.
    fn of(line: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(line).map_err(said)?;
        if !text.trim_start().starts_with('{') {
            return Err("it does not begin with a brace".to_owned());
        }
        let any = |_| serde_json::from_str::<Map<String, Value>>(text);
        let nobody = |_| Self { reattest: Value::Null };
        serde_json::from_str(text).or_else(|error| any(error).map(nobody)).map_err(said)
    }
}

fn line<T: Serialize>(out: &mut Vec<u8>, what: &'static str, of: &T) -> Result<(), BundleError> {
    let bytes = canonical::to_bytes(of).map_err(|why| BundleError::Document { what, why })?;
    out.extend_from_slice(&bytes);
    out.push(b'\n');
    Ok(())
}

fn proof_line(at: &LoggedAt) -> ProofLine {
    ProofLine {
        about: Named(at.envelope),
        hashes: at.proof.hashes.clone(),
        index: at.proof.index,
        origin: at.origin.clone(),
        reattest: "proof".to_owned(),
        size: at.size,
    }
}

/// A head is about the key whose log it heads.
fn checkpoint_line(head: &SignedCheckpoint) -> CheckpointLine {
    CheckpointLine {
        about: Named(head.unverified().origin.key_digest()),
        note: String::from_utf8_lossy(head.as_bytes()).into_owned(),
        reattest: "checkpoint".to_owned(),
    }
}

/// A fork is about the key whose log it is.
fn fork_line(fork: &ForkProof) -> ForkLine {
    ForkLine {
        about: Named(fork.origin().key_digest()),
        hashes: fork.proof().hashes.clone(),
        larger: fork.larger().as_str().to_owned(),
        reattest: "fork".to_owned(),
        root: fork.root(),
        smaller: fork.smaller().as_str().to_owned(),
    }
}

/// An envelope's canonical bytes are JSON already, so the line carries them as a value.
fn certificate_line(certificate: &Envelope) -> CertificateLine {
    CertificateLine {
        about: Named(certificate.digest()),
        envelope: serde_json::from_slice(certificate.as_bytes()).unwrap_or_default(),
        reattest: "certificate".to_owned(),
    }
}

/// The document stands in its line as it is; whoever reads it asks for the one spelling.
fn document_line(out: &mut Vec<u8>, what: &'static str, bytes: &[u8]) -> Result<(), BundleError> {
    let wrong = |why| BundleError::Document { what, why };
    if bytes.len() > DOCUMENT_MAX {
        let (found, limit) = (bytes.len(), DOCUMENT_MAX);
        return Err(wrong(CanonicalError::TooLong { what, found, limit }));
    }
    let shape = |why| wrong(CanonicalError::Shape { what, why });
    serde_json::from_slice::<&RawValue>(bytes).map_err(|error| shape(said(error)))?;
    if bytes.contains(&b'\n') {
        return Err(shape("it has a newline, which ends a line of a bundle".to_owned()));
    }
    out.extend_from_slice(b"{\"document\":");
    out.extend_from_slice(bytes);
    let about = String::from(Named(Digest::of(bytes)));
    out.extend_from_slice(format!(",\"for\":\"{about}\",\"reattest\":\"{what}\"}}\n").as_bytes());
    Ok(())
}

fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(said)
}

fn read_proof(line: &[u8]) -> Result<LoggedAt, String> {
    let line: ProofLine = read(line)?;
    if line.hashes.len() > PROOF_HASHES_MAX {
        return Err(format!("its proof has more than {PROOF_HASHES_MAX} hashes"));
    }
    let proof = InclusionProof { index: line.index, hashes: line.hashes };
    Ok(LoggedAt { envelope: line.about.0, origin: line.origin, size: line.size, proof })
}

fn read_checkpoint(line: &[u8]) -> Result<SignedCheckpoint, String> {
    let line: CheckpointLine = read(line)?;
    let head = SignedCheckpoint::parse(line.note.as_bytes())
        .map_err(|error: CheckpointError| said(error))?;
    let key = head.unverified().origin.key_digest();
    if key == line.about.0 { Ok(head) } else { Err("it heads another key's log".to_owned()) }
}

fn read_fork(line: &[u8]) -> Result<ForkProof, String> {
    let line: ForkLine = read(line)?;
    if line.hashes.len() > PROOF_HASHES_MAX {
        return Err(format!("its proof has more than {PROOF_HASHES_MAX} hashes"));
    }
    let head = |note: &str| SignedCheckpoint::parse(note.as_bytes()).map_err(said);
    let (smaller, larger) = (head(&line.smaller)?, head(&line.larger)?);
    let fork = ForkProof::new(smaller, larger, line.root, ConsistencyProof { hashes: line.hashes });
    let key = fork.origin().key_digest();
    if key == line.about.0 { Ok(fork) } else { Err("it is of another key's log".to_owned()) }
}

fn read_certificate(line: &[u8]) -> Result<Envelope, String> {
    let line: ReadCertificate<'_> = read(line)?;
    let bytes = spelled(line.envelope, line.about.0)?;
    Envelope::parse(&bytes).map_err(|error: EnvelopeError| said(error))
}

fn read_document(line: &[u8]) -> Result<Vec<u8>, String> {
    let line: ReadDocument<'_> = read(line)?;
    let bytes = spelled(line.document, line.about.0)?;
    if bytes.len() > DOCUMENT_MAX {
        return Err(format!("its document has {} bytes", bytes.len()));
    }
    Ok(bytes)
}

/// The bytes that a digest names: as they stand in the line or, where somebody spelled the line
/// again, in the one spelling.
fn spelled(raw: &RawValue, name: Digest) -> Result<Vec<u8>, String> {
    let bytes = raw.get().as_bytes();
    if Digest::of(bytes) == name {
        return Ok(bytes.to_vec());
    }
    let value: Value = serde_json::from_str(raw.get()).map_err(said)?;
    let bytes = canonical::to_bytes(&value).map_err(said)?;
    let found = Digest::of(&bytes);
    if found == name { Ok(bytes) } else { Err(format!("what it carries is sha256:{found}")) }
}
