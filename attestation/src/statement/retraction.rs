//! The retraction: a rebuilder takes its own support of one file back, and never a dissent (step 5).

use serde::{Deserialize, Serialize};

use super::{ClaimError, Statement, Subject, within};
use crate::artifact::{NetworkId, Purl};
use crate::digest::Digest;
use crate::limits::TEXT_MAX;
use crate::time::Timestamp;

/// Its predicate type.
pub const RETRACTION: &str = "urn:reattest:retraction:v1";

/// "I no longer stand behind this file." Takes back what the same key said in support of it
/// earlier in its logs; what it says later counts again.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Retraction {
    /// The network that it is made for.
    pub network: NetworkId,
    /// The artifact.
    pub purl: Purl,
    /// The published file that is no longer supported.
    pub published: Digest,
    /// Why, for people; 1 to 256 bytes.
    pub reason: String,
    /// When, by the rebuilder's clock.
    pub retracted: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    network: NetworkId,
    published: Digest,
    purl: Purl,
    reason: String,
    retracted: Timestamp,
}

impl Retraction {
    /// The canonical statement to sign.
    pub fn to_payload(&self) -> Result<Vec<u8>, ClaimError> {
        self.check()?;
        let Self { network, purl, published, reason, retracted } = self.clone();
        let subject = vec![subject(&purl)];
        let wire = Wire { network, published, purl, reason, retracted };
        Statement::payload(RETRACTION, subject, &wire)
    }

    fn check(&self) -> Result<(), ClaimError> {
        within("reason", self.reason.len(), 1, TEXT_MAX)
    }
}

/// Not the file: a verifier that only matches subjects by digest would take it for support.
fn subject(purl: &Purl) -> Subject {
    Subject::new(purl.to_string(), Digest::of(purl.as_str().as_bytes()))
}

pub(crate) fn read(statement: &Statement) -> Result<Retraction, ClaimError> {
    let Wire { network, published, purl, reason, retracted } = statement.predicate()?;
    statement.expect_subjects(&[subject(&purl)])?;
    let retraction = Retraction { network, purl, published, reason, retracted };
    retraction.check()?;
    Ok(retraction)
}
