//! Steps 5 and 6, attest and log: the production signer with a key of this world, and all that it ever wrote.

use std::path::Path;

use reattest::disk::SharedDisk;
use reattest::entry::{claim_of, documents_of};
use reattest::fault::Fault;
use reattest::signer::custody::Key;
use reattest::signer::messages::{Attest, Compared};
use reattest::signer::{Awaiting, Mail, OwnLog, Produced};
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

/// Seconds of validity of a certificate: longer than any run.
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

impl Signer {
    /// The key of one node, certified by the operator of a node.
    pub fn new(
        name: Name,
        operator: Name,
        network: &NetworkId,
        now: Timestamp,
    ) -> Result<Self, Broken> {
        let operator = SecretKey::from_seed(&[operator.0; 32]);
        let seed = [name.0.wrapping_add(128); 32];
        let key = SecretKey::from_seed(&seed);
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
            seed,
            written: Vec::new(),
            rebuilds: Vec::new(),
        })
    }

    fn key(&self) -> SecretKey {
        SecretKey::from_seed(&self.seed)
    }

    /// The key of the log.
    pub fn public_key(&self) -> PublicKey {
        self.key().public_key()
    }

    /// The signer of a node that starts, over what is on its disk. It waits for a witness where the
    /// disk may be old: nobody plays that one here, and a newer head that peers show must stop it.
    pub fn open(
        &self,
        disk: SharedDisk,
        behind: bool,
        now: Timestamp,
    ) -> Result<reattest::signer::Signer, Fault> {
        let key = (Box::new(self.key()) as Key, self.certificate.clone());
        let witness = SecretKey::from_seed(&[255; 32]).public_key();
        let awaiting = match WitnessKey::new("witness", witness) {
            Ok(witness) if behind => Awaiting::these(vec![witness], 1, now),
            _ => Awaiting::nobody(),
        };
        let (data, network) = (Path::new(DATA), self.network.clone());
        let own = OwnLog::open(disk, data, network, key, awaiting, now)?;
        Ok(reattest::signer::Signer::new(None, Some(own)))
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
