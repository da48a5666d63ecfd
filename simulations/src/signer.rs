//! Steps 5 and 6, attest and log: the production signer with a key of this world, and all that it ever wrote.

use std::path::Path;

use reattest::disk::SharedDisk;
use reattest::entry::{claim_of, documents_of};
use reattest::fault::Fault;
use reattest::signer::custody::Key;
use reattest::signer::messages::{Attest, Compared};
use reattest::signer::{Awaiting, Mail, OwnLog, Produced, Witness};
use reattest_attestation::log::{Checkpoint, Frontier, Origin, WitnessKey, leaf_hash};
use reattest_attestation::{
    Announcement, Certificate, Claim, Digest, Envelope, NetworkId, PublicKey, Purl, SecretKey,
    Sign, Timestamp,
};

use crate::checkers::{Broken, Invariant};
use crate::disk::DATA;
use crate::network::Name;
use crate::rebuilds::Said;
use crate::releases::Made;

/// Seconds of validity of a certificate, before and after a world begins: longer than any run, and than
/// any clock is wrong.
const VALIDITY: i64 = 86_400;

/// The key of a node, and what checkers know of it. What its signer knows is on the node's disk.
#[derive(Debug)]
pub struct Signer {
    seed: [u8; 32],
    network: NetworkId,
    /// The operator's offline key.
    pub operator: PublicKey,
    /// The operator's certificate of the key: a DSSE envelope.
    pub certificate: Vec<u8>,
    /// The log.
    pub origin: Origin,
    /// Every entry that was ever journaled: a signer keeps the frontier only, checkers compare with
    /// this.
    pub written: Vec<Vec<u8>>,
    /// The releases that it attests, each with the documents that it names for it.
    rebuilds: Vec<(Purl, Vec<Digest>)>,
}

/// A step that must not fail in a world where keys and forms are right.
fn sound<T, E: ToString>(result: Result<T, E>) -> Result<T, Broken> {
    result.map_err(|error| Broken::new(Invariant::SignerWorks, error.to_string()))
}

/// Two nodes of every world are witnesses.
pub fn is_witness(name: Name) -> bool {
    name.0 < 2
}

/// The key that others know a witness by.
pub fn witness(name: Name) -> Result<WitnessKey, Broken> {
    sound(WitnessKey::new(&witness_name(name), witness_key(name).public_key()))
}

fn witness_name(name: Name) -> String {
    format!("witness-{name}")
}

fn witness_key(name: Name) -> SecretKey {
    SecretKey::from_seed(&[name.0.wrapping_add(64); 32])
}

impl Signer {
    /// The key of one node, certified by the operator of a node.
    pub fn new(
        name: Name,
        operator: Name,
        network: &NetworkId,
        now: Timestamp,
    ) -> Result<Self, Broken> {
        Self::of([name.0.wrapping_add(128); 32], operator, network, now)
    }

    /// The next key of a node that has an operator of its own.
    pub fn next(&self, name: Name, now: Timestamp) -> Result<Self, Broken> {
        let mut seed = self.seed;
        if let Some(last) = seed.last_mut() {
            *last = last.wrapping_add(1);
        }
        Self::of(seed, name, &self.network, now)
    }

    fn of(
        seed: [u8; 32],
        operator: Name,
        network: &NetworkId,
        now: Timestamp,
    ) -> Result<Self, Broken> {
        let operator = SecretKey::from_seed(&[operator.0; 32]);
        let key = SecretKey::from_seed(&seed);
        let mut signer = Self {
            network: network.clone(),
            operator: operator.public_key(),
            certificate: Vec::new(),
            origin: Origin::new(network, &key.public_key(), now.year()),
            seed,
            written: Vec::new(),
            rebuilds: Vec::new(),
        };
        let payload = sound(signer.certified(now).to_payload())?;
        signer.certificate = sound(Envelope::sign(payload, &operator))?.as_bytes().to_vec();
        Ok(signer)
    }

    /// What its operator says of the key.
    pub fn certified(&self, now: Timestamp) -> Certificate {
        Certificate {
            operator: self.operator,
            rebuilder: self.public_key(),
            not_before: Timestamp::from_unix(now.as_unix().saturating_sub(VALIDITY)),
            not_after: Timestamp::from_unix(now.as_unix().saturating_add(VALIDITY)),
        }
    }

    fn key(&self) -> SecretKey {
        SecretKey::from_seed(&self.seed)
    }

    /// The key of the log.
    pub fn public_key(&self) -> PublicKey {
        self.key().public_key()
    }

    /// The signer of a node that starts, over what is on its disk. It signs nothing until another
    /// node, which is a witness, cosigned where its log stands.
    pub fn open(
        &self,
        disk: SharedDisk,
        (name, witnesses): (Name, &[WitnessKey]),
        now: Timestamp,
    ) -> Result<reattest::signer::Signer, Fault> {
        let (data, network) = (Path::new(DATA), self.network.clone());
        let cosigner = is_witness(name).then(|| {
            Witness::new(disk.clone(), data, &witness_name(name), Box::new(witness_key(name)))
        });
        let own = witness_key(name).public_key();
        let others: Vec<_> = witnesses.iter().filter(|one| one.key() != own).cloned().collect();
        let needed = usize::from(!others.is_empty());
        let key = (Box::new(self.key()) as Key, self.certificate.clone());
        let awaiting = Awaiting::these(others, needed, now);
        let own = OwnLog::open(disk, data, network, key, awaiting, now)?;
        Ok(reattest::signer::Signer::new(cosigner.transpose()?, Some(own)))
    }

    /// An entry that the signer handed over: a new one, or the last one again after a crash.
    pub fn wrote(&mut self, index: u64, entry: &[u8]) -> Result<(), Broken> {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        match self.written.get(index) {
            None if index == self.written.len() => {
                let claim = claim_of(&self.public_key(), entry);
                if let Some(Claim::Rebuild(rebuild)) = &claim {
                    let documents = claim.iter().flat_map(documents_of).collect();
                    self.rebuilds.push((rebuild.source.clone(), documents));
                }
                self.written.push(entry.to_vec());
            }
            Some(before) if before == entry => {}
            _ => {
                let found = format!("entry {index} after {} others", self.written.len());
                return Err(Broken::new(Invariant::OneHistory, found));
            }
        }
        Ok(())
    }

    /// Signs a second history: another last entry under a head of the size that is signed already.
    pub fn fork(&self, purl: &Purl, now: Timestamp) -> Result<(Vec<u8>, Vec<u8>), Broken> {
        let announcement =
            Announcement { network: self.network.clone(), purl: purl.clone(), announced: now };
        let envelope = sound(Envelope::sign(sound(announcement.to_payload())?, &self.key()))?;
        let forged = envelope.as_bytes().to_vec();
        let mut frontier = Frontier::new();
        let kept = self.written.len().saturating_sub(1);
        for entry in self.written.iter().take(kept).chain([&forged]) {
            frontier.push(leaf_hash(entry));
        }
        let (origin, size, root) = (self.origin.clone(), frontier.size(), frontier.root());
        let head = sound(Checkpoint { origin, size, root }.sign(&self.key()))?;
        Ok((forged, head.as_bytes().to_vec()))
    }

    /// The documents that this log names.
    pub fn documents(&self) -> impl Iterator<Item = &Digest> {
        self.rebuilds.iter().flat_map(|(_, documents)| documents)
    }

    /// The releases that this log attests, in its order.
    pub fn attested(&self) -> impl Iterator<Item = &Purl> {
        self.rebuilds.iter().map(|(purl, _)| purl)
    }
}

/// What a builder hands to the signer: what came out of the sources of `purl`, twice where that is not
/// the published file.
pub fn result(
    network: &NetworkId,
    purl: &Purl,
    made: Made,
    documents: [Digest; 2],
    finished: Timestamp,
) -> Result<Mail, Broken> {
    let Made { published, produced, archive } = made;
    let said = Said { network, purl, published, produced, archive, documents, finished };
    let rebuild = sound(said.rebuild())?;
    let again = (produced != published).then_some(0);
    let purl = purl.clone();
    let compared = Compared { purl, published, produced: Some(0), again, normalized: None };
    let file = Produced::of_bytes(&made.bytes(&rebuild.source));
    let result = Attest {
        source: rebuild.source,
        recipe: rebuild.recipe,
        lock: rebuild.lock,
        lock_authorities: rebuild.lock_authorities,
        artifacts: vec![compared],
        authority: rebuild.authority,
        sources: rebuild.sources,
        facts: rebuild.facts,
    };
    Ok(Mail::Built(Box::new(result), vec![file]))
}
