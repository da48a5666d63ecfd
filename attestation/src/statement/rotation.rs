//! The rotation: one word of an operator's offline key that closes one rebuilder key and certifies the next (steps 5 and 9).

use serde::{Deserialize, Serialize};

use super::certificate::{self, subject};
use super::revocation::{self, Revocation};
use super::{Certificate, ClaimError, Statement};
use crate::key::PublicKey;

/// Its predicate type.
pub const ROTATION: &str = "urn:reattest:rotation:v1";

/// A certificate and a revocation that come into force together, so that no moment is left in
/// which both keys speak, or none.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Rotation {
    /// The new key's certificate.
    pub certificate: Certificate,
    /// The old key's revocation, by the same operator.
    pub revocation: Revocation,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    certificate: certificate::Wire,
    revocation: revocation::Wire,
}

impl Rotation {
    /// The canonical statement that the operator's key is to sign.
    pub fn to_payload(&self) -> Result<Vec<u8>, ClaimError> {
        self.check()?;
        let Self { certificate, revocation } = self.clone();
        let subjects = vec![subject(&certificate.rebuilder), subject(&revocation.rebuilder)];
        let wire = Wire { certificate: certificate.into(), revocation: revocation.into() };
        Statement::payload(ROTATION, subjects, &wire)
    }

    /// The offline key that signs: only it may name a successor, so that whoever steals the
    /// online key cannot.
    pub fn operator(&self) -> PublicKey {
        self.certificate.operator
    }

    fn check(&self) -> Result<(), ClaimError> {
        self.certificate.check()?;
        self.revocation.check()?;
        if self.certificate.operator != self.revocation.operator {
            return Err(ClaimError::Rotation { found: "in the name of two operators" });
        }
        if self.certificate.rebuilder == self.revocation.rebuilder {
            return Err(ClaimError::Rotation { found: "from a key to itself" });
        }
        Ok(())
    }
}

pub(crate) fn read(statement: &Statement) -> Result<Rotation, ClaimError> {
    let Wire { certificate, revocation } = statement.predicate()?;
    let rotation = Rotation { certificate: certificate.into(), revocation: revocation.into() };
    let subjects =
        [subject(&rotation.certificate.rebuilder), subject(&rotation.revocation.rebuilder)];
    statement.expect_subjects(&subjects)?;
    rotation.check()?;
    Ok(rotation)
}
