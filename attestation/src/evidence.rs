//! From carried bytes to statements that stand in their keys' logs (step 9, before any policy).
//!
//! ```text
//! certificates  verify -> which keys there are, and who vouches for each
//! checkpoints   verify -> heads; two heads of one log and size with two roots: a fork
//! envelopes     verify -> Authentic -> claim -> proof under a head -> Logged
//! ```
//!
//! What does not verify is dropped and listed. No policy is asked here, so evidence can be kept
//! and asked again under another.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::artifact::{NetworkId, Purl};
use crate::bundle::{Bundle, LoggedAt};
use crate::digest::Digest;
use crate::envelope::{Authentic, Envelope};
use crate::key::PublicKey;
use crate::log::{Checkpoint, Origin, SignedCheckpoint, leaf_hash, verify_inclusion};
use crate::statement::{Certificate, Certified, Claim, Rebuild};

/// Whether somebody's silence can be told from a withheld statement.
#[derive(Copy, Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub enum Completeness {
    /// Whole logs were followed, so dissent would have been seen.
    #[serde(rename = "checked")]
    Complete,
    /// A bundle: it cannot show that nobody dissents.
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
}

/// Where a statement stands: a key's logs follow one another by year.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub struct Position {
    /// The year of the log's origin.
    pub year: i16,
    /// The place in that log, from 0.
    pub index: u64,
}

/// A rebuild that its key signed and logged; made only by [`Evidence::verify`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Logged {
    authentic: Authentic,
    rebuild: Rebuild,
    position: Position,
}

impl Logged {
    /// The rebuilder key.
    pub fn key(&self) -> PublicKey {
        self.authentic.key()
    }

    /// What it says.
    pub fn rebuild(&self) -> &Rebuild {
        &self.rebuild
    }

    /// Where it stands in the key's logs.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Digest of its envelope.
    pub fn digest(&self) -> Digest {
        self.authentic.digest()
    }
}

/// Verified evidence; made only by [`Evidence::verify`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Evidence {
    network: NetworkId,
    completeness: Completeness,
    certificates: Vec<Certified>,
    logged: Vec<Logged>,
    forked: BTreeSet<PublicKey>,
    refused: Vec<Refused>,
}

/// What is known while a bundle is being verified.
struct Desk<'a> {
    network: &'a NetworkId,
    keys: BTreeMap<Digest, PublicKey>,
    heads: BTreeMap<(Origin, u64), Checkpoint>,
    forked: BTreeSet<PublicKey>,
    refused: Vec<Refused>,
}

impl Evidence {
    /// Verifies whatever the bundle holds for one network. Never fails as a whole: an attacker who
    /// adds rubbish must not take the rest away.
    pub fn verify(bundle: &Bundle, network: &NetworkId, completeness: Completeness) -> Self {
        let mut desk = Desk {
            network,
            keys: BTreeMap::new(),
            heads: BTreeMap::new(),
            forked: BTreeSet::new(),
            refused: Vec::new(),
        };
        for line in &bundle.ignored {
            desk.refuse(format!("line {} of the bundle", line.line), &line.why);
        }
        let certificates = desk.certificates(&bundle.certificates);
        desk.heads(&bundle.checkpoints);
        let logged = desk.statements(&bundle.envelopes, &bundle.proofs);
        desk.refused.sort();
        desk.refused.dedup();
        let (forked, refused) = (desk.forked, desk.refused);
        let network = network.clone();
        Self { network, completeness, certificates, logged, forked, refused }
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

    /// Every rebuild that verified, by key and place in its log.
    pub fn logged(&self) -> &[Logged] {
        &self.logged
    }

    /// Keys that showed two histories; none of their statements counts.
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
        let artifacts = self.logged.iter().flat_map(|logged| &logged.rebuild.artifacts);
        artifacts.filter(|a| a.published == *published).map(|a| a.purl.clone()).collect()
    }

    /// The files that anyone at all says were published under this purl.
    pub fn published_of(&self, purl: &Purl) -> BTreeSet<Digest> {
        let artifacts = self.logged.iter().flat_map(|logged| &logged.rebuild.artifacts);
        artifacts.filter(|a| a.purl == *purl).map(|a| a.published).collect()
    }
}

impl Desk<'_> {
    fn refuse(&mut self, what: String, why: &impl ToString) {
        self.refused.push(Refused { what, why: why.to_string() });
    }

    fn certificates(&mut self, envelopes: &[Envelope]) -> Vec<Certified> {
        let mut certified = BTreeMap::new();
        for envelope in envelopes {
            match Certificate::verify(envelope) {
                Ok(holds) => {
                    let key = holds.certificate().rebuilder;
                    self.keys.insert(key.digest(), key);
                    certified.insert(envelope.digest(), holds);
                }
                Err(why) => self.refuse(format!("certificate sha256:{}", envelope.digest()), &why),
            }
        }
        certified.into_values().collect()
    }

    fn heads(&mut self, signed: &[SignedCheckpoint]) {
        for head in signed {
            if let Err(why) = self.head(head) {
                let claimed = head.unverified();
                self.refuse(format!("head {} of {}", claimed.size, claimed.origin), &why);
            }
        }
    }

    fn head(&mut self, head: &SignedCheckpoint) -> Result<(), String> {
        let claimed = head.unverified();
        if claimed.origin.network() != self.network {
            return Err(format!("it is of another network than {}", self.network));
        }
        let key = *self
            .keys
            .get(&claimed.origin.key_digest())
            .ok_or("no certificate here names its key")?;
        let verified = head.verify(&key).map_err(|error| error.to_string())?;
        let checkpoint = verified.checkpoint().clone();
        let place = (checkpoint.origin.clone(), checkpoint.size);
        let first = self.heads.entry(place).or_insert_with(|| checkpoint.clone());
        if first.root != checkpoint.root {
            self.forked.insert(key);
        }
        Ok(())
    }

    fn statements(&mut self, envelopes: &[Envelope], proofs: &[LoggedAt]) -> Vec<Logged> {
        let mut places: BTreeMap<Digest, Vec<&LoggedAt>> = BTreeMap::new();
        for at in proofs {
            places.entry(at.envelope).or_default().push(at);
        }
        let by_fingerprint: BTreeMap<String, PublicKey> =
            self.keys.values().map(|key| (key.fingerprint(), *key)).collect();
        let envelopes: BTreeMap<Digest, &Envelope> =
            envelopes.iter().map(|envelope| (envelope.digest(), envelope)).collect();
        let mut logged = Vec::new();
        for (digest, envelope) in envelopes {
            let places = places.get(&digest).map_or(&[][..], Vec::as_slice);
            match self.statement(envelope, places, &by_fingerprint) {
                Ok(statement) => logged.extend(statement),
                Err(why) => self.refuse(format!("attestation sha256:{digest}"), &why),
            }
        }
        logged.sort_by_key(|statement: &Logged| (statement.key(), statement.position));
        self.find_two_histories(&logged);
        logged
    }

    /// `None` for a well-formed statement that is no rebuild: it is carried and says nothing here.
    fn statement(
        &self,
        envelope: &Envelope,
        places: &[&LoggedAt],
        keys: &BTreeMap<String, PublicKey>,
    ) -> Result<Option<Logged>, String> {
        let key = keys.get(envelope.keyid()).ok_or("no certificate here names its key")?;
        let authentic = envelope.verify(key).map_err(|error| error.to_string())?;
        let claim = authentic.claim().map_err(|error| error.to_string())?;
        let (Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild)) = claim else {
            return Ok(None);
        };
        if rebuild.network != *self.network {
            return Err(format!("it is of network {}, not {}", rebuild.network, self.network));
        }
        let position = self.position(envelope, key, places)?;
        Ok(Some(Logged { authentic, rebuild, position }))
    }

    /// The first proof that holds; without one, the last thing that was wrong.
    fn position(
        &self,
        envelope: &Envelope,
        key: &PublicKey,
        places: &[&LoggedAt],
    ) -> Result<Position, String> {
        let leaf = leaf_hash(envelope.as_bytes());
        let mut found: Option<Position> = None;
        let mut why = "no proof here places it in its key's log".to_owned();
        for at in places {
            if at.origin.key_digest() != key.digest() {
                "its proof is of another key's log".clone_into(&mut why);
                continue;
            }
            let Some(head) = self.heads.get(&(at.origin.clone(), at.size)) else {
                why = format!("no verified head of size {} of {} is here", at.size, at.origin);
                continue;
            };
            match verify_inclusion(leaf, &at.proof, head.size, head.root) {
                Ok(()) => {
                    let position = Position { year: at.origin.year(), index: at.proof.index };
                    found = found.max(Some(position));
                }
                Err(error) => why = error.to_string(),
            }
        }
        found.ok_or(why)
    }

    /// Two statements proven at one place of one log: its key signed two histories, even where
    /// no two heads of one size are at hand.
    fn find_two_histories(&mut self, sorted: &[Logged]) {
        for pair in sorted.windows(2) {
            if let [a, b] = pair
                && a.key() == b.key()
                && a.position == b.position
            {
                self.forked.insert(a.key());
            }
        }
    }
}
