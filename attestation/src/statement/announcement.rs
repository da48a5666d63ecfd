//! The announcement: a signed hint that a release exists; it confers nothing (steps 1 and 5).

use serde::{Deserialize, Serialize};

use super::{ClaimError, Statement, Subject};
use crate::artifact::{NetworkId, Purl};
use crate::digest::Digest;
use crate::time::Timestamp;

/// Its predicate type.
pub const ANNOUNCEMENT: &str = "urn:reattest:announcement:v1";

/// A hint that a release exists. Whoever hears it checks the release's authority itself.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Announcement {
    /// The network that it is made for.
    pub network: NetworkId,
    /// What is announced.
    pub purl: Purl,
    /// When, by the announcer's clock.
    pub announced: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    announced: Timestamp,
    network: NetworkId,
    purl: Purl,
}

impl Announcement {
    /// The canonical statement to sign.
    pub fn to_payload(&self) -> Result<Vec<u8>, ClaimError> {
        let Self { network, purl, announced } = self.clone();
        let subject = vec![subject(&purl)];
        Statement::payload(ANNOUNCEMENT, subject, &Wire { announced, network, purl })
    }
}

/// in-toto wants a digest for every subject and a hint has no file: the digest is the purl text's,
/// which no published file has.
fn subject(purl: &Purl) -> Subject {
    Subject::new(purl.to_string(), Digest::of(purl.as_str().as_bytes()))
}

pub(crate) fn read(statement: &Statement) -> Result<Announcement, ClaimError> {
    let Wire { announced, network, purl } = statement.predicate()?;
    statement.expect_subjects(&[subject(&purl)])?;
    Ok(Announcement { network, purl, announced })
}
