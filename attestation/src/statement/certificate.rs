//! The operator's certificate: an offline key's word that an online rebuilder key is its own (steps 5 and 9).

use serde::{Deserialize, Serialize};

use super::operator::{OperatorError, OperatorWord};
use super::{ClaimError, Statement, Subject};
use crate::digest::Digest;
use crate::envelope::Envelope;
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

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    not_after: Timestamp,
    not_before: Timestamp,
    operator: PublicKey,
    rebuilder: PublicKey,
}

impl Certificate {
    /// The canonical statement that the operator's key is to sign.
    pub fn to_payload(&self) -> Result<Vec<u8>, ClaimError> {
        self.check()?;
        Statement::payload(CERTIFICATE, vec![subject(&self.rebuilder)], &Wire::from(self.clone()))
    }

    /// Reads a certificate whose operator signed it; see [`OperatorWord::verify`].
    pub fn verify(envelope: &Envelope) -> Result<Certified, OperatorError> {
        let word = OperatorWord::verify(envelope)?;
        word.certified().ok_or(OperatorError::NotACertificate)
    }

    pub(super) fn check(&self) -> Result<(), ClaimError> {
        if self.not_after < self.not_before {
            return Err(ClaimError::Times { field: "a certificate" });
        }
        Ok(())
    }
}

impl From<Certificate> for Wire {
    fn from(from: Certificate) -> Self {
        let Certificate { operator, rebuilder, not_before, not_after } = from;
        Self { not_after, not_before, operator, rebuilder }
    }
}

impl From<Wire> for Certificate {
    fn from(from: Wire) -> Self {
        let Wire { not_after, not_before, operator, rebuilder } = from;
        Self { operator, rebuilder, not_before, not_after }
    }
}

/// The key's raw bytes stand as the subject, named like the builder.
pub(super) fn subject(rebuilder: &PublicKey) -> Subject {
    Subject::new(rebuilder.builder_id(), rebuilder.digest())
}

pub(crate) fn read(statement: &Statement) -> Result<Certificate, ClaimError> {
    let certificate = Certificate::from(statement.predicate::<Wire>()?);
    statement.expect_subjects(&[subject(&certificate.rebuilder)])?;
    certificate.check()?;
    Ok(certificate)
}

/// A certificate whose operator signed it; made only by [`OperatorWord::certified`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Certified {
    pub(super) certificate: Certificate,
    pub(super) envelope: Digest,
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
