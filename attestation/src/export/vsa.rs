//! SLSA Verification Summary v1 (step 10): a consumer's conclusion about one file, signed for those who trust that consumer.
//!
//! The payload is a pure function of [`VsaInputs`] and the key, so whoever holds the same evidence,
//! policy and time derives the same bytes. A reader derives them again and refuses others.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::artifact::Purl;
use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use crate::envelope::{Envelope, EnvelopeError};
use crate::key::PublicKey;
use crate::limits::{ENVELOPE_MAX, OPERATORS_MAX, SUMMARY_INPUTS_MAX, TEXT_MAX};
use crate::quoted::quoted;
use crate::statement::{STATEMENT, Sha256Set};
use crate::time::Timestamp;

/// The predicate type.
pub const VSA: &str = "https://slsa.dev/verification_summary/v1";

/// SLSA 1.2's verified property: two or more independently operated builders made the file.
pub const REPRODUCED: &str = "SLSA_BUILD_REPRODUCED";

/// The least level of SLSA's build track, provenance exists: more is not ours to say.
pub const BUILD_LEVEL_1: &str = "SLSA_BUILD_LEVEL_1";

/// What SLSA writes instead of levels where the policy refused.
pub const FAILED: &str = "FAILED";

/// The version of SLSA whose text was followed.
const SLSA_VERSION: &str = "1.2";

/// Operators from which SLSA lets a file be called reproduced.
const REPRODUCED_LEAST: usize = 2;

/// A summary that could not be made, read, or taken for what was expected.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum VsaError {
    /// Not canonical JSON, or not the fields of a summary.
    #[error(transparent)]
    Document(#[from] CanonicalError),
    /// The envelope is not by the expected verifier.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A number or length outside its bounds.
    #[error("found {field} {found}, needed {least} to {most}")]
    Bounds {
        /// The field.
        field: &'static str,
        /// What it has.
        found: usize,
        /// The least.
        least: usize,
        /// The most.
        most: usize,
    },
    /// A statement of another kind.
    #[error("found predicate type {found:?}, needed a verification summary ({VSA})")]
    PredicateType {
        /// The type, shortened.
        found: String,
    },
    /// A verifier that is not the key which signed.
    #[error("found verifier {found:?}, needed {expected:?}, the id of the key that signed")]
    Verifier {
        /// The id, shortened.
        found: String,
        /// The id of the key.
        expected: String,
    },
    /// Fields that no summary of ours has together.
    #[error(
        "found a summary that does not follow from its own fields; its signer is at fault, or speaks a newer format"
    )]
    Underivable,
    /// A summary of another file.
    #[error("found a summary of sha256:{found}, needed one of sha256:{expected}")]
    Subject {
        /// Its subject.
        found: Digest,
        /// The file at hand.
        expected: Digest,
    },
    /// A summary of the file as another package.
    #[error("found a summary of {found}, needed one of {expected}")]
    Resource {
        /// Its resource.
        found: Purl,
        /// The package that is meant.
        expected: Purl,
    },
    /// The verifier's policy refused the file.
    #[error("found verification result FAILED, needed PASSED; ask the verifier for its reasons")]
    Refused,
    /// The level is not among those verified.
    #[error("found levels {found}, needed {expected:?} among them")]
    Level {
        /// What the summary has.
        found: String,
        /// The level.
        expected: String,
    },
}

/// `urn:reattest:verifier:<key digest>`, the `verifier.id` of this key's summaries.
pub fn verifier_id(key: &PublicKey) -> String {
    format!("urn:reattest:verifier:{}", key.digest())
}

/// `REATTEST_QUORUM_<supporters>_OF_<operators>`, our own level.
pub fn quorum_level(supporters: usize, operators: usize) -> String {
    format!("REATTEST_QUORUM_{supporters}_OF_{operators}")
}

/// Whose rules the levels keep.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum VsaKind {
    /// SLSA 1.2's: `SLSA_BUILD_REPRODUCED` where two operators support the file.
    Conformant,
    /// Those of slsa-verifier 2.7, which reads no `SLSA_` text but `SLSA_BUILD_LEVEL_<n>`.
    Compatible,
}

/// What the policy concluded.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum VsaResult {
    /// Accepted: this many distinct operators support the file, of so many in the quorum.
    Passed {
        /// Supporting operators, at least one.
        supporters: usize,
        /// Operators of the quorum.
        operators: usize,
    },
    /// Anything else: SLSA knows no third answer, and one that is not yet known fails closed.
    Failed,
}

/// Everything that a summary says.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct VsaInputs {
    /// Name of the file, without directory; 1 to 256 bytes.
    pub file_name: String,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// What the file is accepted as.
    pub purl: Purl,
    /// Digest of the policy's text.
    pub policy: Digest,
    /// Digests of **all** envelopes that the conclusion used; at most 200.
    pub attestations: BTreeSet<Digest>,
    /// When the conclusion was drawn.
    pub verified_at: Timestamp,
    /// Version of the verifier's software; 1 to 256 bytes.
    pub version: String,
    /// The conclusion.
    pub result: VsaResult,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wire {
    #[serde(rename = "_type")]
    kind: String,
    predicate: Predicate,
    predicate_type: String,
    subject: [Subject; 1],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    digest: Sha256Set,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Predicate {
    input_attestations: Vec<Named>,
    policy: Named,
    resource_uri: Purl,
    slsa_version: String,
    time_verified: Timestamp,
    verification_result: String,
    verified_levels: Vec<String>,
    verifier: Verifier,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    digest: Sha256Set,
    uri: String,
}

impl Named {
    fn new(what: &str, sha256: Digest) -> Self {
        let uri = format!("urn:reattest:{what}:sha256:{sha256}");
        Self { digest: Sha256Set { sha256 }, uri }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Verifier {
    id: String,
    version: BTreeMap<String, String>,
}

impl VsaInputs {
    /// The canonical statement that the key `verifier` is to sign.
    pub fn payload(&self, verifier: &PublicKey, kind: VsaKind) -> Result<Vec<u8>, VsaError> {
        self.check()?;
        let passed = self.result != VsaResult::Failed;
        let attestations = self.attestations.iter();
        let predicate = Predicate {
            input_attestations: attestations.map(|one| Named::new("attestation", *one)).collect(),
            policy: Named::new("policy", self.policy),
            resource_uri: self.purl.clone(),
            slsa_version: SLSA_VERSION.to_owned(),
            time_verified: self.verified_at,
            verification_result: if passed { "PASSED" } else { FAILED }.to_owned(),
            verified_levels: self.levels(kind),
            verifier: Verifier {
                id: verifier_id(verifier),
                version: BTreeMap::from([("reattest".to_owned(), self.version.clone())]),
            },
        };
        let subject =
            Subject { digest: Sha256Set { sha256: self.sha256 }, name: self.file_name.clone() };
        Ok(canonical::to_bytes(&Wire {
            kind: STATEMENT.to_owned(),
            predicate,
            predicate_type: VSA.to_owned(),
            subject: [subject],
        })?)
    }

    /// The levels, in the order of their texts.
    pub fn levels(&self, kind: VsaKind) -> Vec<String> {
        let VsaResult::Passed { supporters, operators } = self.result else {
            return vec![FAILED.to_owned()];
        };
        let mut levels = vec![quorum_level(supporters, operators)];
        match kind {
            VsaKind::Conformant if supporters >= REPRODUCED_LEAST => {
                levels.push(REPRODUCED.to_owned());
            }
            VsaKind::Conformant => {}
            VsaKind::Compatible => levels.push(BUILD_LEVEL_1.to_owned()),
        }
        levels
    }

    fn check(&self) -> Result<(), VsaError> {
        let within = |field, found, least, most| {
            let fits = (least..=most).contains(&found);
            if fits { Ok(()) } else { Err(VsaError::Bounds { field, found, least, most }) }
        };
        within("bytes of a file name", self.file_name.len(), 1, TEXT_MAX)?;
        within("bytes of a version", self.version.len(), 1, TEXT_MAX)?;
        // An operator supports a file with an envelope of its own.
        let mut least = 0;
        if let VsaResult::Passed { supporters, operators } = self.result {
            within("operators", operators, 1, OPERATORS_MAX)?;
            within("supporting operators", supporters, 1, operators)?;
            least = supporters;
        }
        within("input attestations", self.attestations.len(), least, SUMMARY_INPUTS_MAX)
    }
}

/// A summary whose signature holds; made only by [`Vsa::read`] and [`Vsa::check`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Vsa {
    inputs: VsaInputs,
    kind: VsaKind,
}

/// What a consumer of a summary asks for; SLSA makes each of these a duty.
#[derive(Copy, Clone, Debug)]
pub struct Expected<'a> {
    /// The verifier whose word counts.
    pub verifier: &'a PublicKey,
    /// SHA-256 of the file at hand.
    pub sha256: Digest,
    /// What the file is meant to be.
    pub purl: &'a Purl,
    /// A level that must be among those verified.
    pub level: &'a str,
}

impl Vsa {
    /// Reads a summary of `verifier`: its signature, its kind, its verifier, and that it follows
    /// from its own fields. A FAILED one reads as [`VsaKind::Conformant`]: both kinds are the same.
    pub fn read(envelope: &Envelope, verifier: &PublicKey) -> Result<Self, VsaError> {
        let authentic = envelope.verify(verifier)?;
        let payload = authentic.payload();
        expect_summary(payload)?;
        let wire: Wire = canonical::from_bytes(payload, "a verification summary", ENVELOPE_MAX)?;
        let expected = verifier_id(verifier);
        if wire.predicate.verifier.id != expected {
            let found = quoted(&wire.predicate.verifier.id);
            return Err(VsaError::Verifier { found, expected });
        }
        let (inputs, kind) = wire.into_inputs().ok_or(VsaError::Underivable)?;
        if inputs.payload(verifier, kind)? == payload {
            Ok(Self { inputs, kind })
        } else {
            Err(VsaError::Underivable)
        }
    }

    /// The seven checks that SLSA asks of whoever relies on a summary: signature, subject,
    /// predicate type, verifier, resource, result, level.
    pub fn check(envelope: &Envelope, expected: &Expected<'_>) -> Result<Self, VsaError> {
        let vsa = Self::read(envelope, expected.verifier)?;
        if vsa.inputs.sha256 != expected.sha256 {
            let (found, expected) = (vsa.inputs.sha256, expected.sha256);
            return Err(VsaError::Subject { found, expected });
        }
        if vsa.inputs.purl != *expected.purl {
            let (found, expected) = (vsa.inputs.purl, expected.purl.clone());
            return Err(VsaError::Resource { found, expected });
        }
        if vsa.inputs.result == VsaResult::Failed {
            return Err(VsaError::Refused);
        }
        let levels = vsa.inputs.levels(vsa.kind);
        if !levels.iter().any(|level| level == expected.level) {
            let expected = quoted(expected.level);
            return Err(VsaError::Level { found: levels.join(", "), expected });
        }
        Ok(vsa)
    }

    /// What it says.
    pub fn inputs(&self) -> &VsaInputs {
        &self.inputs
    }

    /// Whose rules its levels keep.
    pub fn kind(&self) -> VsaKind {
        self.kind
    }
}

/// Looks at the kind before the fields, so that another statement is called by its name.
fn expect_summary(payload: &[u8]) -> Result<(), VsaError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        predicate_type: String,
    }
    let kind: Kind = canonical::from_bytes(payload, "a statement", ENVELOPE_MAX)?;
    if kind.predicate_type == VSA {
        Ok(())
    } else {
        Err(VsaError::PredicateType { found: quoted(&kind.predicate_type) })
    }
}

impl Wire {
    /// Takes what the summary was made from; the caller makes it again and compares, which covers
    /// every field that is not looked at here.
    fn into_inputs(self) -> Option<(VsaInputs, VsaKind)> {
        let Self { mut predicate, subject: [subject], .. } = self;
        let levels = &predicate.verified_levels;
        let result = match levels.first()?.strip_prefix("REATTEST_QUORUM_") {
            Some(counts) => {
                let (supporters, operators) = counts.split_once("_OF_")?;
                let (supporters, operators) = (supporters.parse().ok()?, operators.parse().ok()?);
                VsaResult::Passed { supporters, operators }
            }
            None => VsaResult::Failed,
        };
        let compatible = levels.iter().any(|level| level == BUILD_LEVEL_1);
        let kind = if compatible { VsaKind::Compatible } else { VsaKind::Conformant };
        let attestations = predicate.input_attestations.iter().map(|one| one.digest.sha256);
        let inputs = VsaInputs {
            file_name: subject.name,
            sha256: subject.digest.sha256,
            purl: predicate.resource_uri,
            policy: predicate.policy.digest.sha256,
            attestations: attestations.collect(),
            verified_at: predicate.time_verified,
            version: predicate.verifier.version.remove("reattest")?,
            result,
        };
        Some((inputs, kind))
    }
}
