//! in-toto Statement v1: the shape of every claim, one file a predicate (step 5).

pub mod provenance;
mod wire;
pub mod announcement;
pub mod retraction;
pub mod certificate;
pub mod revocation;
pub mod rotation;
pub mod operator;

pub use announcement::{ANNOUNCEMENT, Announcement};
pub use certificate::{CERTIFICATE, Certificate, Certified};
pub use operator::{OperatorError, OperatorWord, Said};
pub use provenance::{
    Authority, BUILD_FAILURE, BuildFacts, Material, Normalizer, PROVENANCE, REBUILD, Rebuild,
    signer_form,
};
pub use retraction::{RETRACTION, Retraction};
pub use revocation::{REVOCATION, Revocation, Revoked};
pub use rotation::{ROTATION, Rotation};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blame::Blame;
use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::limits::{ARTIFACTS_MAX, ENVELOPE_MAX};
use crate::outcome::OutcomeError;
use crate::quoted::quoted;
use crate::strict::Strict;

/// The `_type` of every statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// A payload that is no statement of ours, or a claim that its own fields contradict. The fault is
/// always the signer's, or that of whoever filled in the fields before signing.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum ClaimError {
    /// Not canonical JSON, or not a field where one is due.
    #[error(transparent)]
    Document(#[from] CanonicalError),
    /// Another `_type`.
    #[error("found statement type {found:?}, needed {STATEMENT:?}")]
    StatementType {
        /// The type, shortened.
        found: String,
    },
    /// Another `buildType` under a predicate that we read.
    #[error("found build type {found:?}, needed \"urn:reattest:rebuild:v1\"")]
    BuildType {
        /// The type, shortened.
        found: String,
    },
    /// A format version that this reader does not speak.
    #[error("found format version {found}, needed 1; a newer reattest may read it")]
    FormatVersion {
        /// The version.
        found: u32,
    },
    /// `builder.id` names another key than the one that signed.
    #[error("found builder id {found:?}, needed {expected:?}, the id of the key that signed")]
    Builder {
        /// The id, shortened.
        found: String,
        /// The id of the signing key.
        expected: String,
    },
    /// Digests that do not lead to the claimed outcome.
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
    /// Subjects that are not what was produced.
    #[error("found subjects that are not exactly the produced digests, needed {expected} of them")]
    Subjects {
        /// How many subjects follow from the outcomes.
        expected: usize,
    },
    /// One purl stands twice in `artifacts`.
    #[error("found {purl} twice in one statement, needed one outcome for each artifact")]
    TwiceTheSame {
        /// The purl.
        purl: String,
    },
    /// A dependency that every build has is missing, or contradicts the parameters.
    #[error("found no usable dependency {name:?}, needed it once, as the parameters name it")]
    Dependency {
        /// Its name in `resolvedDependencies`.
        name: String,
    },
    /// Links for other tools, and nothing reproduced that they could be about.
    #[error("found links though nothing was reproduced, needed none: a link counts as support")]
    NothingToLink,
    /// A revocation's heads of other keys' logs, twice of one log, or in another order.
    #[error("found last good heads that are {found}, needed {expected}")]
    LastGood {
        /// What is wrong with them.
        found: &'static str,
        /// What they should be.
        expected: &'static str,
    },
    /// A rotation from a key to itself, or in the name of two operators.
    #[error("found a rotation {found}, needed one operator's word on two keys")]
    Rotation {
        /// What is wrong with it.
        found: &'static str,
    },
    /// A text or list outside its bounds.
    #[error("found {field} with {found} entries or bytes, needed {least} to {most}")]
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
    /// A fingerprint, URI or other text in another form than its field has.
    #[error("found {field} {found:?}, needed {expected}")]
    Form {
        /// The field.
        field: &'static str,
        /// The text, shortened.
        found: String,
        /// The form.
        expected: &'static str,
    },
    /// An end before its beginning.
    #[error("found {field} that ends before it begins, needed times in order")]
    Times {
        /// What the times are of.
        field: &'static str,
    },
}

impl ClaimError {
    /// Whose fault it is: what a signature covers is the signer's, but for a version that a newer
    /// reader may know.
    pub fn whose(&self) -> Blame {
        match self {
            Self::FormatVersion { .. } => Blame::Reader,
            _ => Blame::Signer,
        }
    }
}

/// What a key claims, by predicate type.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum Claim {
    /// A build that made at least one of its artifacts.
    Rebuild(Rebuild),
    /// A build that made none of them.
    BuildFailure(Rebuild),
    /// A hint that a release exists.
    Announcement(Announcement),
    /// A rebuilder takes its support of one file back.
    Retraction(Retraction),
    /// An operator's word that a rebuilder key is its own.
    Certificate(Certificate),
    /// An operator's word that a rebuilder key is no longer its own.
    Revocation(Revocation),
    /// An operator's word that one key follows another.
    Rotation(Rotation),
    /// A statement of a kind that this reader does not know: carried, never counted.
    Unknown {
        /// Its predicate type.
        predicate_type: String,
    },
}

impl Claim {
    /// Reads a payload that `signer` signed. Callers use [`crate::Authentic::claim`], which cannot
    /// name another signer.
    pub(crate) fn parse(payload: &[u8], signer: &PublicKey) -> Result<Self, ClaimError> {
        let statement = Statement::parse(payload)?;
        match statement.predicate_type.as_str() {
            PROVENANCE | BUILD_FAILURE => provenance::read(&statement, signer),
            ANNOUNCEMENT => announcement::read(&statement).map(Self::Announcement),
            RETRACTION => retraction::read(&statement).map(Self::Retraction),
            CERTIFICATE => certificate::read(&statement).map(Self::Certificate),
            REVOCATION => revocation::read(&statement).map(Self::Revocation),
            ROTATION => rotation::read(&statement).map(Self::Rotation),
            _ => Ok(Self::Unknown { predicate_type: statement.predicate_type }),
        }
    }
}

/// The statement around any predicate.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    predicate: Value,
    predicate_type: String,
    subject: Vec<Subject>,
}

/// One subject: consumers of the field match it by digest only.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize, Debug)]
pub(crate) struct Subject {
    name: String,
    digest: Sha256Set,
}

/// in-toto's digest set, of which we write and read SHA-256 alone.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize, Debug)]
pub(crate) struct Sha256Set {
    pub(crate) sha256: Digest,
}

impl Subject {
    pub(crate) fn new(name: String, sha256: Digest) -> Self {
        Self { name, digest: Sha256Set { sha256 } }
    }
}

impl Statement {
    /// Puts a predicate under its subjects and spells it canonically.
    pub(crate) fn payload<P: Serialize>(
        predicate_type: &str,
        subject: Vec<Subject>,
        predicate: &P,
    ) -> Result<Vec<u8>, ClaimError> {
        let predicate: Value =
            serde_json::to_value(predicate).map_err(|error| shape(error.to_string()))?;
        let statement = Self {
            kind: STATEMENT.to_owned(),
            predicate,
            predicate_type: predicate_type.to_owned(),
            subject,
        };
        Ok(canonical::to_bytes(&statement)?)
    }

    pub(crate) fn parse(payload: &[u8]) -> Result<Self, ClaimError> {
        let statement: Self = canonical::from_bytes(payload, "a statement", ENVELOPE_MAX)?;
        if statement.kind != STATEMENT {
            return Err(ClaimError::StatementType { found: short(&statement.kind) });
        }
        within("subject", statement.subject.len(), 1, ARTIFACTS_MAX)?;
        Ok(statement)
    }

    pub(crate) fn predicate<P: for<'de> Deserialize<'de>>(&self) -> Result<P, ClaimError> {
        P::deserialize(Strict(&self.predicate)).map_err(|error| shape(error.to_string()))
    }

    pub(crate) fn expect_subjects(&self, expected: &[Subject]) -> Result<(), ClaimError> {
        if self.subject == expected {
            Ok(())
        } else {
            Err(ClaimError::Subjects { expected: expected.len() })
        }
    }
}

fn shape(why: String) -> ClaimError {
    CanonicalError::Shape { what: "a predicate", why }.into()
}

pub(crate) fn short(text: &str) -> String {
    quoted(text)
}

pub(crate) fn within(
    field: &'static str,
    found: usize,
    least: usize,
    most: usize,
) -> Result<(), ClaimError> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(ClaimError::Bounds { field, found, least, most })
    }
}
