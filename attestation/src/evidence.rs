//! From carried bytes to statements that stand in their keys' logs (step 9, before any policy).
//!
//! ```text
//! operators' words  verify -> which keys there are, who vouches for each, and up to which head
//! checkpoints       verify -> heads; two heads of one log that cannot both be true: a fork
//! envelopes         verify -> Authentic -> claim -> proof under a head -> Logged
//! ```
//!
//! What does not verify is dropped and listed. No policy is asked here, so evidence can be kept
//! and asked again under another. The first of the three steps of verification.

mod desk;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::artifact::{NetworkId, Purl};
use crate::blame::Blame;
use crate::bundle::Bundle;
use crate::digest::Digest;
use crate::envelope::Authentic;
use crate::key::PublicKey;
use crate::log::{Checkpoint, VerifiedCheckpoint};
use crate::statement::{Certified, Rebuild, Retraction, Revoked};
use desk::Desk;

/// Whether somebody's silence can be told from a withheld statement.
#[derive(Copy, Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub enum Completeness {
    /// Whole logs were followed, so dissent would have been seen.
    #[serde(rename = "checked")]
    Complete,
    /// A bundle, or logs that have not all come yet: it cannot show that nobody dissents.
    #[serde(rename = "unchecked")]
    Excerpt,
}

/// Something that did not verify.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub struct Refused {
    /// What it was.
    pub what: String,
    /// Why it is not used.
    pub why: String,
    /// Who can mend it.
    pub whose: Blame,
}

/// Where a statement stands: a key's logs follow one another by year.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub struct Position {
    /// The year of the log's origin.
    pub year: i16,
    /// The place in that log, from 0.
    pub index: u64,
}

/// A head that a statement is proven under.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub struct Under {
    /// The head.
    pub head: Checkpoint,
    /// Whether the log's own key signed it; otherwise only an operator's revocation names it.
    pub signed: bool,
}

/// A claim that its key signed, at one place of that key's log; made only by
/// [`Evidence::verify`]. A claim that is logged twice stands here twice.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Logged<T> {
    authentic: Authentic,
    /// Known once: verdicts compare statements by it again and again.
    digest: Digest,
    claim: T,
    position: Position,
    under: BTreeSet<Under>,
}

impl<T> Logged<T> {
    /// The rebuilder key.
    pub fn key(&self) -> PublicKey {
        self.authentic.key()
    }

    /// What it says.
    pub fn claim(&self) -> &T {
        &self.claim
    }

    /// Where it stands in the key's logs.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The heads that prove it there; at least one.
    pub fn under(&self) -> &BTreeSet<Under> {
        &self.under
    }

    /// Digest of its envelope.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its envelope, signature checked.
    pub fn authentic(&self) -> &Authentic {
        &self.authentic
    }
}

/// Verified evidence; made only by [`Evidence::verify`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Evidence {
    network: NetworkId,
    completeness: Completeness,
    certificates: Vec<Certified>,
    revocations: Vec<Revoked>,
    heads: BTreeMap<PublicKey, Vec<VerifiedCheckpoint>>,
    rebuilds: Vec<Logged<Rebuild>>,
    retractions: Vec<Logged<Retraction>>,
    forked: BTreeSet<PublicKey>,
    refused: Vec<Refused>,
}

impl Evidence {
    /// Verifies whatever the bundle holds for one network. Never fails as a whole: an attacker who
    /// adds rubbish must not take the rest away.
    pub fn verify(bundle: &Bundle, network: &NetworkId, completeness: Completeness) -> Self {
        Desk::new(network).clear(bundle, completeness)
    }

    /// The network whose statements these are.
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// Whether dissent could be hidden.
    pub fn completeness(&self) -> Completeness {
        self.completeness
    }

    /// Certificates that hold against the operators that they name.
    pub fn certificates(&self) -> &[Certified] {
        &self.certificates
    }

    /// Revocations that hold against the operators that they name.
    pub fn revocations(&self) -> &[Revoked] {
        &self.revocations
    }

    /// Heads that the key signed, of all its logs, each note once.
    pub fn heads(&self, key: &PublicKey) -> &[VerifiedCheckpoint] {
        self.heads.get(key).map_or(&[], Vec::as_slice)
    }

    /// Every rebuild that verified, by key and place in its log.
    pub fn rebuilds(&self) -> &[Logged<Rebuild>] {
        &self.rebuilds
    }

    /// The rebuilds of one key, by place in its log.
    pub fn rebuilds_of(&self, key: &PublicKey) -> &[Logged<Rebuild>] {
        of_key(&self.rebuilds, key)
    }

    /// The retractions of one key, by place in its log.
    pub fn retractions_of(&self, key: &PublicKey) -> &[Logged<Retraction>] {
        of_key(&self.retractions, key)
    }

    /// Keys that showed two histories. Of theirs, only what their operator vouches for counts.
    pub fn forked(&self) -> &BTreeSet<PublicKey> {
        &self.forked
    }

    /// What did not verify, and why.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// The purls under which anyone at all says that this file was published. A verdict looks
    /// only at those of the policy's own operators.
    pub fn purls_of(&self, published: &Digest) -> BTreeSet<Purl> {
        let artifacts = self.rebuilds.iter().flat_map(|logged| &logged.claim.artifacts);
        artifacts.filter(|a| a.published == *published).map(|a| a.purl.clone()).collect()
    }

    /// The files that anyone at all says were published under this purl.
    pub fn published_of(&self, purl: &Purl) -> BTreeSet<Digest> {
        let artifacts = self.rebuilds.iter().flat_map(|logged| &logged.claim.artifacts);
        artifacts.filter(|a| a.purl == *purl).map(|a| a.published).collect()
    }
}

/// Claims stand sorted by key.
fn of_key<'a, T>(sorted: &'a [Logged<T>], key: &PublicKey) -> &'a [Logged<T>] {
    let from = sorted.partition_point(|logged| logged.key() < *key);
    let rest = sorted.get(from..).unwrap_or_default();
    rest.get(..rest.partition_point(|logged| logged.key() == *key)).unwrap_or_default()
}
