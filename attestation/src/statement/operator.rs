//! What only an operator's offline key may say: certificate, revocation, rotation (step 9).

use super::certificate::Certified;
use super::revocation::{Revocation, Revoked};
use super::{CERTIFICATE, Certificate, ClaimError, REVOCATION, ROTATION, Statement};
use super::{certificate, revocation, rotation};
use crate::blame::Blame;
use crate::digest::Digest;
use crate::envelope::{Envelope, EnvelopeError};

/// An envelope that is no operator's word, or is not signed by the operator that it names.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum OperatorError {
    /// The payload is no well-formed statement.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The payload is a well-formed statement of another kind.
    #[error(
        "found a statement of another kind, needed a certificate, revocation or rotation of an operator"
    )]
    NotAnOperators,
    /// A revocation where a certificate is due.
    #[error("found an operator's revocation, needed a certificate")]
    NotACertificate,
    /// The signature is not the named operator's.
    #[error(transparent)]
    Signature(#[from] EnvelopeError),
}

impl OperatorError {
    /// Whose fault it is. Before the signature is checked, that is whoever carried the bytes.
    pub fn whose(&self) -> Blame {
        match self {
            Self::Claim(_) | Self::Signature(_) | Self::NotAnOperators | Self::NotACertificate => {
                Blame::Carrier
            }
        }
    }
}

/// The claims that an operator's key makes about rebuilder keys.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum Said {
    /// This key is mine.
    Certificate(Certificate),
    /// This key is no longer mine.
    Revocation(Revocation),
    /// This key follows that one.
    Rotation(super::Rotation),
}

/// A claim whose operator signed it; made only by [`OperatorWord::verify`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct OperatorWord {
    said: Said,
    envelope: Digest,
}

impl OperatorWord {
    /// Checks an envelope against the operator key that its own payload names. Whether anyone
    /// trusts that operator is the policy's to say.
    pub fn verify(envelope: &Envelope) -> Result<Self, OperatorError> {
        let statement = Statement::parse(envelope.unverified_payload())?;
        let (operator, said) = match statement.predicate_type.as_str() {
            CERTIFICATE => {
                let certificate = certificate::read(&statement)?;
                (certificate.operator, Said::Certificate(certificate))
            }
            REVOCATION => {
                let revocation = revocation::read(&statement)?;
                (revocation.operator, Said::Revocation(revocation))
            }
            ROTATION => {
                let rotation = rotation::read(&statement)?;
                (rotation.operator(), Said::Rotation(rotation))
            }
            _ => return Err(OperatorError::NotAnOperators),
        };
        // What was read is exactly what the signature covers: an envelope's payload never changes.
        envelope.verify(&operator)?;
        Ok(Self { said, envelope: envelope.digest() })
    }

    /// What it says.
    pub fn said(&self) -> &Said {
        &self.said
    }

    /// The certificate in it, where there is one.
    pub fn certified(&self) -> Option<Certified> {
        let certificate = match &self.said {
            Said::Certificate(certificate) => certificate,
            Said::Rotation(rotation) => &rotation.certificate,
            Said::Revocation(_) => return None,
        };
        Some(Certified { certificate: certificate.clone(), envelope: self.envelope })
    }

    /// The revocation in it, where there is one.
    pub fn revoked(&self) -> Option<Revoked> {
        let revocation = match &self.said {
            Said::Revocation(revocation) => revocation,
            Said::Rotation(rotation) => &rotation.revocation,
            Said::Certificate(_) => return None,
        };
        Some(Revoked { revocation: revocation.clone(), envelope: self.envelope })
    }
}
