//! Steps 5 and 6, attest and log: a key, its write-ahead journal and its heads, as the signer role keeps them.
//!
//! The role's own code speaks over sockets and reads files; the order of its steps is kept here:
//! journal, the node's disk, head.

use reattest::entry::claim_of;
use reattest_attestation::log::{Checkpoint, Frontier, Origin, leaf_hash};
use reattest_attestation::{
    Announcement, Certificate, Claim, Digest, Envelope, NetworkId, PublicKey, Purl, SecretKey,
    Sign, Timestamp,
};

use crate::checkers::{Broken, Invariant};
use crate::network::Name;
use crate::rebuilds::Said;
use crate::releases::Made;

/// Seconds of validity of a certificate: longer than any run.
const VALIDITY: i64 = 86_400;

/// What outlives every crash of a node: its key and its journal.
#[derive(Debug)]
pub struct Signer {
    key: SecretKey,
    network: NetworkId,
    /// The operator's offline key.
    pub operator: PublicKey,
    /// The operator's certificate of the key: a DSSE envelope.
    pub certificate: Vec<u8>,
    /// The log.
    pub origin: Origin,
    frontier: Frontier,
    /// The newest head that was signed.
    pub checkpoint: Option<Vec<u8>>,
    /// An entry in the journal that no head covers yet.
    pub pending: Option<(u64, Vec<u8>)>,
    /// Every entry that was ever journaled: a real signer keeps the frontier only, checkers compare
    /// with this.
    pub written: Vec<Vec<u8>>,
}

/// A step of a signer that must not fail in a world where keys and forms are right.
fn sound<T, E: ToString>(result: Result<T, E>) -> Result<T, Broken> {
    result.map_err(|error| Broken::new(Invariant::SignerWorks, error.to_string()))
}

impl Signer {
    /// The signer of one node, certified by the operator of a node.
    pub fn new(
        name: Name,
        operator: Name,
        network: &NetworkId,
        now: Timestamp,
    ) -> Result<Self, Broken> {
        let operator = SecretKey::from_seed(&[operator.0; 32]);
        let key = SecretKey::from_seed(&[name.0.wrapping_add(128); 32]);
        let certificate = Certificate {
            operator: operator.public_key(),
            rebuilder: key.public_key(),
            not_before: now,
            not_after: Timestamp::from_unix(now.as_unix().saturating_add(VALIDITY)),
        };
        let envelope = sound(Envelope::sign(sound(certificate.to_payload())?, &operator))?;
        Ok(Self {
            network: network.clone(),
            operator: operator.public_key(),
            certificate: envelope.as_bytes().to_vec(),
            origin: Origin::new(network, &key.public_key(), now.year()),
            key,
            frontier: Frontier::new(),
            checkpoint: None,
            pending: None,
            written: Vec::new(),
        })
    }

    /// The key of the log.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Composes a hint that a release exists.
    pub fn announcement(&self, purl: &Purl, now: Timestamp) -> Result<Vec<u8>, Broken> {
        let network = self.network.clone();
        sound(Announcement { network, purl: purl.clone(), announced: now }.to_payload())
    }

    /// Composes what a rebuild of `purl` gave.
    pub fn rebuild(
        &self,
        purl: &Purl,
        made: Made,
        documents: [Digest; 2],
        now: Timestamp,
    ) -> Result<Vec<u8>, Broken> {
        let Made { published, produced, archive } = made;
        let (network, finished) = (&self.network, now);
        let said = Said { network, purl, published, produced, archive, documents, finished };
        let rebuild = sound(said.rebuild())?;
        sound(rebuild.to_payload(&self.public_key()))
    }

    /// Signs a statement and journals it: from here on it will be logged, whatever crashes.
    pub fn begin(&mut self, payload: Vec<u8>) -> Result<(u64, Vec<u8>), Broken> {
        let envelope = sound(Envelope::sign(payload, &self.key))?.as_bytes().to_vec();
        let pending = (self.frontier.size(), envelope.clone());
        self.pending = Some(pending.clone());
        self.written.push(envelope);
        Ok(pending)
    }

    /// Signs the head over the journaled entry, once the node has it on disk.
    pub fn commit(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let Some((_, envelope)) = self.pending.take() else {
            return Ok(None);
        };
        self.frontier.push(leaf_hash(&envelope));
        let (size, root) = (self.frontier.size(), self.frontier.root());
        self.checkpoint = Some(self.sign_head(size, root)?);
        Ok(self.checkpoint.clone())
    }

    /// Signs a second history: another last entry under a head of the size that is signed already.
    pub fn fork(&self, purl: &Purl, now: Timestamp) -> Result<(Vec<u8>, Vec<u8>), Broken> {
        let payload = self.announcement(purl, now)?;
        let forged = sound(Envelope::sign(payload, &self.key))?.as_bytes().to_vec();
        let mut frontier = Frontier::new();
        let kept = self.written.len().saturating_sub(1);
        for entry in self.written.iter().take(kept).chain([&forged]) {
            frontier.push(leaf_hash(entry));
        }
        Ok((forged, self.sign_head(frontier.size(), frontier.root())?))
    }

    /// The releases that this log attests, in its order.
    pub fn attested(&self) -> Vec<Purl> {
        let claims = self.written.iter().filter_map(|entry| claim_of(&self.public_key(), entry));
        let attested = claims.filter_map(|claim| match claim {
            Claim::Rebuild(rebuild) => Some(rebuild.source),
            _ => None,
        });
        attested.collect()
    }

    fn sign_head(&self, size: u64, root: Digest) -> Result<Vec<u8>, Broken> {
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        Ok(sound(checkpoint.sign(&self.key))?.as_bytes().to_vec())
    }
}
