//! The operator's certificate: an offline key's word that an online rebuilder key is its own (steps 5 and 9).

use serde::{Deserialize, Serialize};

use super::{Claim, ClaimError, Statement, Subject};
use crate::digest::Digest;
use crate::envelope::{Envelope, EnvelopeError};
use crate::key::PublicKey;
use crate::time::Timestamp;

/// Its predicate type.
pub const CERTIFICATE: &str = "urn:reattest:certificate:v1";

/// What an operator's key says about a rebuilder's key.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Certificate {
    /// The operator's offline key, which signs this.
    pub operator: PublicKey,
    /// The online key that is certified.
    pub rebuilder: PublicKey,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
}

/// An envelope that is no certificate, or is not signed by the operator that it names.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// The payload is no well-formed statement.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The payload is a well-formed statement of another kind.
    #[error(
        "found a statement of another kind, needed predicate type \"urn:reattest:certificate:v1\""
    )]
    NotACertificate,
    /// The signature is not the named operator's.
    #[error(transparent)]
    Signature(#[from] EnvelopeError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    not_after: Timestamp,
    not_before: Timestamp,
    operator: PublicKey,
    rebuilder: PublicKey,
}

impl Certificate {
    /// The canonical statement that the operator's key is to sign.
    pub fn to_payload(&self) -> Result<Vec<u8>, ClaimError> {
        self.check()?;
        let Self { operator, rebuilder, not_before, not_after } = *self;
        let wire = Wire { not_after, not_before, operator, rebuilder };
        Statement::payload(CERTIFICATE, vec![subject(&rebuilder)], &wire)
    }

    /// Checks an envelope against the operator key that its own payload names. Whether anyone
    /// trusts that operator is the policy's to say.
    pub fn verify(envelope: &Envelope) -> Result<Certified, CertificateError> {
        let statement = Statement::parse(envelope.unverified_payload())?;
        if statement.predicate_type != CERTIFICATE {
            return Err(CertificateError::NotACertificate);
        }
        let operator = read(&statement)?.operator;
        match envelope.verify(&operator)?.claim()? {
            Claim::Certificate(certificate) => {
                Ok(Certified { certificate, envelope: envelope.digest() })
            }
            _ => Err(CertificateError::NotACertificate),
        }
    }

    fn check(&self) -> Result<(), ClaimError> {
        if self.not_after < self.not_before {
            return Err(ClaimError::Times { field: "a certificate" });
        }
        Ok(())
    }
}

/// The certified key's raw bytes stand as the subject, named like the builder.
fn subject(rebuilder: &PublicKey) -> Subject {
    Subject::new(rebuilder.builder_id(), rebuilder.digest())
}

pub(crate) fn read(statement: &Statement) -> Result<Certificate, ClaimError> {
    let Wire { not_after, not_before, operator, rebuilder } = statement.predicate()?;
    statement.expect_subjects(&[subject(&rebuilder)])?;
    let certificate = Certificate { operator, rebuilder, not_before, not_after };
    certificate.check()?;
    Ok(certificate)
}

/// A certificate whose operator signed it; made only by [`Certificate::verify`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Certified {
    certificate: Certificate,
    envelope: Digest,
}

impl Certified {
    /// What it says.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Digest of its envelope.
    pub fn envelope(&self) -> Digest {
        self.envelope
    }

    /// Whether it holds at `now`, both ends included.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        (self.certificate.not_before..=self.certificate.not_after).contains(&now)
    }
}
