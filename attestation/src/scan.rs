//! A scanner's signed word on the known vulnerabilities of a file: in-toto's predicate `vulns` (step 10).
//!
//! Scans come from other tools: any DSSE envelope counts that holds one valid Ed25519 signature of
//! a scanner that the policy names, whatever its spelling. What it says of severities is read for
//! the worst, and what cannot be read as a severity is taken for critical.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::envelope::{PAYLOAD_TYPE, pae};
use crate::limits::{SCAN_MAX, SCAN_REFUSALS_MAX, SCANS_MAX};
use crate::policy::{Policy, Scanner};
use crate::quoted::{quoted, said};
use crate::time::Timestamp;

/// The predicate types that are read; they differ in nothing that is asked for here.
pub const VULNS: [&str; 2] =
    ["https://in-toto.io/attestation/vulns/v0.1", "https://in-toto.io/attestation/vulns/v0.2"];

/// How bad a finding is, in the words that scanners share.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No harm known.
    None,
    /// CVSS up to 3.9.
    Low,
    /// CVSS up to 6.9.
    Medium,
    /// CVSS up to 8.9.
    High,
    /// CVSS from 9.0, and whatever cannot be read.
    Critical,
}

impl Severity {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// A word or a CVSS base score. Other methods have other scales, so that any other text is
    /// the worst.
    fn read(score: &str) -> Self {
        match score.to_ascii_lowercase().as_str() {
            "none" | "informational" | "negligible" => Self::None,
            "low" => Self::Low,
            "medium" | "moderate" => Self::Medium,
            "high" | "important" => Self::High,
            text => match text.parse::<f32>() {
                Ok(0.0) => Self::None,
                Ok(score) if (0.0..4.0).contains(&score) => Self::Low,
                Ok(score) if (4.0..7.0).contains(&score) => Self::Medium,
                Ok(score) if (7.0..9.0).contains(&score) => Self::High,
                _ => Self::Critical,
            },
        }
    }
}

/// One scan that a scanner of the policy signed; made only by [`read`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Scan {
    scanner: String,
    files: BTreeSet<Digest>,
    finished: Timestamp,
    findings: BTreeMap<String, Severity>,
}

impl Scan {
    /// The policy's name for the scanner.
    pub fn scanner(&self) -> &str {
        &self.scanner
    }

    /// Whether the file was scanned.
    pub fn is_about(&self, file: Digest) -> bool {
        self.files.contains(&file)
    }

    /// When it ended, by the scanner's clock.
    pub fn finished(&self) -> Timestamp {
        self.finished
    }

    /// What was found: identifiers, each with the worst severity that the scan gives it.
    pub fn findings(&self) -> &BTreeMap<String, Severity> {
        &self.findings
    }
}

/// What scans lie among the lines of a bundle or a file of envelopes.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub struct Scans {
    /// Those that a scanner of the policy signed.
    pub scans: Vec<Scan>,
    /// Why others that call themselves scans are not used; the first few.
    pub refused: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    predicate_type: String,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate: Predicate,
}

#[derive(Deserialize)]
struct Subject {
    digest: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Predicate {
    scanner: ScannerPart,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct ScannerPart {
    result: Vec<Found>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    scan_finished_on: String,
}

/// A finding as the examples of the predicate write it, or inside `vulnerability` as its text says.
#[derive(Deserialize)]
struct Found {
    vulnerability: Option<Vulnerability>,
    id: Option<String>,
    #[serde(default)]
    severity: Vec<Score>,
}

#[derive(Deserialize)]
struct Vulnerability {
    id: String,
    #[serde(default)]
    severity: Vec<Score>,
}

#[derive(Deserialize)]
struct Score {
    score: String,
}

/// Reads the scans among JSON lines. Lines of other kinds are passed over: they are evidence of
/// other things, or nobody's.
pub fn read(lines: &[u8], policy: &Policy, now: Timestamp) -> Scans {
    let mut scans = Scans::default();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(payload) = scan_payload(line) else { continue };
        match scan(line, &payload, policy, now) {
            Ok(scan) if scans.scans.len() < SCANS_MAX => scans.scans.push(scan),
            Ok(_) => scans.refuse(format!("more than {SCANS_MAX} scans; keep the newest ones")),
            Err(why) => scans.refuse(why),
        }
    }
    scans
}

impl Scans {
    fn refuse(&mut self, why: String) {
        if self.refused.len() < SCAN_REFUSALS_MAX && !self.refused.contains(&why) {
            self.refused.push(why);
        }
    }
}

/// The payload of an envelope that calls itself a scan, before anything is checked.
fn scan_payload(line: &[u8]) -> Option<Vec<u8>> {
    let envelope: Dsse = serde_json::from_slice(line.get(..SCAN_MAX.min(line.len()))?).ok()?;
    let payload = BASE64_STANDARD.decode(&envelope.payload).ok()?;
    let kind: Kind = serde_json::from_slice(&payload).ok()?;
    VULNS.contains(&kind.predicate_type.as_str()).then_some(payload)
}

fn scan(line: &[u8], payload: &[u8], policy: &Policy, now: Timestamp) -> Result<Scan, String> {
    let envelope: Dsse = serde_json::from_slice(line).map_err(said)?;
    let signed = signer(&envelope, payload, policy.scanners())
        .ok_or("a scan that no [[scanner]] of the policy signed")?;
    if let Some(expires) = signed.expires.filter(|expires| now > *expires) {
        return Err(format!("a scan by {:?}, believed until {expires}", quoted(&signed.name)));
    }
    let statement: Statement = serde_json::from_slice(payload)
        .map_err(|error| format!("a scan by {:?}: {}", quoted(&signed.name), said(error)))?;
    if statement.kind != crate::statement::STATEMENT {
        return Err(format!("a scan of statement type {:?}", quoted(&statement.kind)));
    }
    let digests = statement.subject.iter().filter_map(|each| each.digest.get("sha256"));
    let files: BTreeSet<Digest> = digests.filter_map(|digest| digest.parse().ok()).collect();
    if files.is_empty() {
        return Err(format!("a scan by {:?} of no sha256", quoted(&signed.name)));
    }
    let written = &statement.predicate.metadata.scan_finished_on;
    let finished: jiff::Timestamp = written.parse().map_err(|_| {
        format!("a scan by {:?} that ended {:?}", quoted(&signed.name), quoted(written))
    })?;
    Ok(Scan {
        scanner: signed.name.clone(),
        files,
        finished: Timestamp::from_unix(finished.as_second()),
        findings: findings(statement.predicate.scanner.result),
    })
}

/// The scanner of the policy whose signature holds. Key ids are hints of other tools' own making.
fn signer<'a>(envelope: &Dsse, payload: &[u8], scanners: &'a [Scanner]) -> Option<&'a Scanner> {
    if envelope.payload_type != PAYLOAD_TYPE {
        return None;
    }
    let [signature] = envelope.signatures.as_slice() else { return None };
    let bytes: [u8; 64] = BASE64_STANDARD.decode(&signature.sig).ok()?.try_into().ok()?;
    let message = pae(PAYLOAD_TYPE, payload);
    scanners.iter().find(|scanner| scanner.key.verify(&message, &bytes).is_ok())
}

fn findings(result: Vec<Found>) -> BTreeMap<String, Severity> {
    let mut worst = BTreeMap::new();
    for Found { vulnerability, id, severity } in result {
        let (id, scores) = match vulnerability {
            Some(inner) => (inner.id, inner.severity),
            None => (id.unwrap_or_else(|| "without an id".to_owned()), severity),
        };
        let scores = scores.iter().map(|score| Severity::read(&score.score));
        let found = scores.max().unwrap_or(Severity::Critical);
        let known = worst.entry(quoted(&id)).or_insert(found);
        *known = found.max(*known);
    }
    worst
}
