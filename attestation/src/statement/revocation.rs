//! The revocation: an operator's offline key closes the logs of a rebuilder key (steps 5 and 9).

use serde::{Deserialize, Serialize};

use super::certificate::subject;
use super::{ClaimError, Statement, within};
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::limits::{LAST_GOOD_MAX, LOG_SIZE_MAX, TEXT_MAX};
use crate::log::{Checkpoint, Origin};
use crate::time::Timestamp;

/// Its predicate type.
pub const REVOCATION: &str = "urn:reattest:revocation:v1";

/// An operator's word that a key is no longer its own.
///
/// Of all that the key ever logged, only what stands under one of the named heads still counts
/// for this operator: the operator vouches for those, even where the key signed two histories.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Revocation {
    /// The operator's offline key, which signs this.
    pub operator: PublicKey,
    /// The key that is revoked.
    pub rebuilder: PublicKey,
    /// The last good head of each of its logs: at most 64, in the order of their origins, no log
    /// twice. A log that is not named counts for nothing.
    pub last_good: Vec<Checkpoint>,
    /// Why, for people; 1 to 256 bytes.
    pub reason: String,
    /// When, by the operator's clock.
    pub revoked: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    last_good: Vec<WireHead>,
    operator: PublicKey,
    reason: String,
    rebuilder: PublicKey,
    revoked: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHead {
    origin: Origin,
    root: Digest,
    size: u64,
}

impl Revocation {
    /// The canonical statement that the operator's key is to sign.
    pub fn to_payload(&self) -> Result<Vec<u8>, ClaimError> {
        self.check()?;
        Statement::payload(REVOCATION, vec![subject(&self.rebuilder)], &Wire::from(self.clone()))
    }

    pub(super) fn check(&self) -> Result<(), ClaimError> {
        within("reason", self.reason.len(), 1, TEXT_MAX)?;
        within("last good heads", self.last_good.len(), 0, LAST_GOOD_MAX)?;
        let wrong = |found, expected| Err(ClaimError::LastGood { found, expected });
        for head in &self.last_good {
            if head.origin.key_digest() != self.rebuilder.digest() {
                return wrong("of another key's log", "heads of the revoked key's own logs");
            }
            if head.size > LOG_SIZE_MAX {
                return wrong("beyond 2^48 entries", "a size that a log can have");
            }
        }
        let ordered = self.last_good.iter().zip(self.last_good.iter().skip(1));
        if ordered.into_iter().any(|(before, after)| before.origin >= after.origin) {
            return wrong("out of order, or two of one log", "one for each log, by origin");
        }
        Ok(())
    }
}

impl From<Revocation> for Wire {
    fn from(from: Revocation) -> Self {
        let Revocation { operator, rebuilder, last_good, reason, revoked } = from;
        let head = |Checkpoint { origin, size, root }| WireHead { origin, root, size };
        let last_good = last_good.into_iter().map(head).collect();
        Self { last_good, operator, reason, rebuilder, revoked }
    }
}

impl From<Wire> for Revocation {
    fn from(from: Wire) -> Self {
        let Wire { last_good, operator, reason, rebuilder, revoked } = from;
        let head = |WireHead { origin, root, size }| Checkpoint { origin, size, root };
        let last_good = last_good.into_iter().map(head).collect();
        Self { operator, rebuilder, last_good, reason, revoked }
    }
}

pub(crate) fn read(statement: &Statement) -> Result<Revocation, ClaimError> {
    let revocation = Revocation::from(statement.predicate::<Wire>()?);
    statement.expect_subjects(&[subject(&revocation.rebuilder)])?;
    revocation.check()?;
    Ok(revocation)
}

/// A revocation whose operator signed it; made only by [`super::OperatorWord::revoked`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Revoked {
    pub(super) revocation: Revocation,
    pub(super) envelope: Digest,
}

impl Revoked {
    /// What it says.
    pub fn revocation(&self) -> &Revocation {
        &self.revocation
    }

    /// Digest of its envelope.
    pub fn envelope(&self) -> Digest {
        self.envelope
    }
}
