//! The verification of one bundle: what is known while its lines are checked (step 9).

use std::collections::{BTreeMap, BTreeSet};

use super::{Completeness, Evidence, Logged, Position, Refused, Under};
use crate::artifact::NetworkId;
use crate::blame::Blame;
use crate::bundle::{Bundle, LoggedAt};
use crate::digest::Digest;
use crate::envelope::{Authentic, Envelope};
use crate::key::PublicKey;
use crate::log::{
    Checkpoint, ForkProof, Origin, SignedCheckpoint, VerifiedCheckpoint, inclusion_root, leaf_hash,
};
use crate::statement::{Certified, Claim, OperatorWord, Rebuild, Retraction, Revoked};

/// Where an entry stands, with the heads that prove it there.
type Places = BTreeMap<Position, BTreeSet<Under>>;

/// Why something is refused, and whose fault that is.
type Why = (Blame, String);

pub(super) struct Desk<'a> {
    network: &'a NetworkId,
    certificates: BTreeMap<Digest, Certified>,
    revocations: BTreeMap<Digest, Revoked>,
    keys: BTreeMap<Digest, PublicKey>,
    by_fingerprint: BTreeMap<String, PublicKey>,
    notes: BTreeMap<PublicKey, BTreeMap<Vec<u8>, VerifiedCheckpoint>>,
    /// By log and size, then root: whether the log's key signed that head.
    heads: BTreeMap<(Origin, u64), BTreeMap<Digest, bool>>,
    /// The leaf hash at each place under a head that the log's key signed.
    entries: BTreeMap<(PublicKey, Position), Digest>,
    rebuilds: Vec<Logged<Rebuild>>,
    retractions: Vec<Logged<Retraction>>,
    forked: BTreeSet<PublicKey>,
    refused: BTreeSet<Refused>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(network: &'a NetworkId) -> Self {
        Self {
            network,
            certificates: BTreeMap::new(),
            revocations: BTreeMap::new(),
            keys: BTreeMap::new(),
            by_fingerprint: BTreeMap::new(),
            notes: BTreeMap::new(),
            heads: BTreeMap::new(),
            entries: BTreeMap::new(),
            rebuilds: Vec::new(),
            retractions: Vec::new(),
            forked: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// The steps, in the only order in which each finds what it needs.
    pub(super) fn clear(mut self, bundle: &Bundle, completeness: Completeness) -> Evidence {
        for line in &bundle.ignored {
            self.refuse(
                format!("line {} of the bundle", line.line),
                (Blame::Carrier, line.why.clone()),
            );
        }
        self.operators_words(&bundle.certificates);
        self.heads(&bundle.checkpoints);
        self.find_two_heads();
        self.proven_forks(&bundle.forks);
        self.statements(&bundle.envelopes, &bundle.proofs);
        self.rebuilds.sort_by_key(|logged| (logged.key(), logged.position, logged.digest()));
        self.retractions.sort_by_key(|logged| (logged.key(), logged.position, logged.digest()));
        Evidence {
            network: self.network.clone(),
            completeness,
            certificates: self.certificates.into_values().collect(),
            revocations: self.revocations.into_values().collect(),
            heads: self
                .notes
                .into_iter()
                .map(|(key, notes)| (key, notes.into_values().collect()))
                .collect(),
            rebuilds: self.rebuilds,
            retractions: self.retractions,
            forked: self.forked,
            refused: self.refused.into_iter().collect(),
        }
    }

    fn refuse(&mut self, what: String, (whose, why): Why) {
        self.refused.insert(Refused { what, why, whose });
    }

    fn operators_words(&mut self, envelopes: &[Envelope]) {
        for envelope in envelopes {
            let word = match OperatorWord::verify(envelope) {
                Ok(word) => word,
                Err(why) => {
                    let what = format!("operator's statement sha256:{}", envelope.digest());
                    self.refuse(what, (why.whose(), why.to_string()));
                    continue;
                }
            };
            if let Some(certified) = word.certified() {
                self.learn(certified.certificate().rebuilder);
                self.certificates.insert(certified.envelope(), certified);
            }
            if let Some(revoked) = word.revoked() {
                self.learn(revoked.revocation().rebuilder);
                for head in &revoked.revocation().last_good {
                    self.head_known(head, false);
                }
                self.revocations.insert(revoked.envelope(), revoked);
            }
        }
    }

    fn learn(&mut self, key: PublicKey) {
        self.keys.insert(key.digest(), key);
        self.by_fingerprint.insert(key.fingerprint(), key);
    }

    fn head_known(&mut self, head: &Checkpoint, signed: bool) {
        let place = (head.origin.clone(), head.size);
        *self.heads.entry(place).or_default().entry(head.root).or_default() |= signed;
    }

    fn heads(&mut self, signed: &[SignedCheckpoint]) {
        for head in signed {
            match self.head(head) {
                Ok(verified) => {
                    self.head_known(verified.checkpoint(), true);
                    let notes = self.notes.entry(verified.key()).or_default();
                    notes.insert(head.as_bytes().to_vec(), verified);
                }
                Err(why) => {
                    let claimed = head.unverified();
                    self.refuse(format!("head {} of {}", claimed.size, claimed.origin), why);
                }
            }
        }
    }

    fn head(&self, head: &SignedCheckpoint) -> Result<VerifiedCheckpoint, Why> {
        let origin = &head.unverified().origin;
        if origin.network() != self.network {
            let why = format!("it is of another network than {}", self.network);
            return Err((Blame::Carrier, why));
        }
        let key = self.keys.get(&origin.key_digest()).ok_or_else(no_certificate)?;
        head.verify(key).map_err(|error| (Blame::Carrier, error.to_string()))
    }

    /// One log and size with two roots that its key signed.
    fn find_two_heads(&mut self) {
        for ((origin, _), roots) in &self.heads {
            if roots.values().filter(|signed| **signed).count() > 1 {
                self.forked.extend(self.keys.get(&origin.key_digest()));
            }
        }
    }

    /// Two heads of different sizes, shown to be of two histories.
    fn proven_forks(&mut self, forks: &[ForkProof]) {
        for fork in forks {
            match self.fork(fork) {
                Ok(key) => {
                    self.forked.insert(key);
                }
                Err(why) => self.refuse(format!("fork of {}", fork.origin()), why),
            }
        }
    }

    fn fork(&self, fork: &ForkProof) -> Result<PublicKey, Why> {
        if fork.origin().network() != self.network {
            let why = format!("it is of another network than {}", self.network);
            return Err((Blame::Carrier, why));
        }
        let key = self.keys.get(&fork.origin().key_digest()).ok_or_else(no_certificate)?;
        let forked = fork.verify(key).map_err(|error| (Blame::Carrier, error.to_string()))?;
        Ok(forked.key())
    }

    fn statements(&mut self, envelopes: &[Envelope], proofs: &[LoggedAt]) {
        let mut places: BTreeMap<Digest, Vec<&LoggedAt>> = BTreeMap::new();
        for at in proofs {
            places.entry(at.envelope).or_default().push(at);
        }
        let envelopes: BTreeMap<Digest, &Envelope> =
            envelopes.iter().map(|envelope| (envelope.digest(), envelope)).collect();
        for (digest, envelope) in envelopes {
            let places = places.get(&digest).map_or(&[][..], Vec::as_slice);
            if let Err(why) = self.statement(envelope, places) {
                self.refuse(format!("attestation sha256:{digest}"), why);
            }
        }
    }

    /// A well-formed statement that is neither rebuild nor retraction says nothing here; its place
    /// in the log is noted all the same.
    fn statement(&mut self, envelope: &Envelope, places: &[&LoggedAt]) -> Result<(), Why> {
        let key = *self.by_fingerprint.get(envelope.keyid()).ok_or_else(no_certificate)?;
        let authentic =
            envelope.verify(&key).map_err(|error| (error.whose(), error.to_string()))?;
        let standing = self.places(&authentic, places);
        let claim = authentic.claim().map_err(|error| (error.whose(), error.to_string()))?;
        match claim {
            Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild) => {
                self.of_this_network(&rebuild.network)?;
                self.rebuilds.extend(logged(&authentic, &rebuild, standing?));
            }
            Claim::Retraction(retraction) => {
                self.of_this_network(&retraction.network)?;
                self.retractions.extend(logged(&authentic, &retraction, standing?));
            }
            Claim::Announcement(_)
            | Claim::Certificate(_)
            | Claim::Revocation(_)
            | Claim::Rotation(_)
            | Claim::Unknown { .. } => {}
        }
        Ok(())
    }

    fn of_this_network(&self, found: &NetworkId) -> Result<(), Why> {
        if found == self.network {
            return Ok(());
        }
        Err((Blame::Carrier, format!("it is of network {found}, not {}", self.network)))
    }

    /// Every place that a proof leads to; without any, the last thing that was wrong.
    ///
    /// Two entries at one place of one log under heads that its key signed are two histories,
    /// whatever the entries say, and even where no two heads of one size are at hand.
    fn places(&mut self, authentic: &Authentic, places: &[&LoggedAt]) -> Result<Places, Why> {
        let (key, leaf) = (authentic.key(), leaf_hash(authentic.envelope().as_bytes()));
        let mut found = Places::new();
        let mut wrong = "no proof here places it in its key's log".to_owned();
        for at in places {
            let under = match self.under(leaf, key, at) {
                Ok(under) => under,
                Err(why) => {
                    wrong = why;
                    continue;
                }
            };
            let position = Position { year: at.origin.year(), index: at.proof.index };
            if under.signed && *self.entries.entry((key, position)).or_insert(leaf) != leaf {
                self.forked.insert(key);
            }
            found.entry(position).or_default().insert(under);
        }
        if found.is_empty() { Err((Blame::Carrier, wrong)) } else { Ok(found) }
    }

    fn under(&self, leaf: Digest, key: PublicKey, at: &LoggedAt) -> Result<Under, String> {
        if at.origin.key_digest() != key.digest() {
            return Err("its proof is of another key's log".to_owned());
        }
        if at.origin.network() != self.network {
            return Err(format!("its proof is of another network than {}", self.network));
        }
        let roots = self.heads.get(&(at.origin.clone(), at.size)).ok_or_else(|| {
            format!("no verified head of size {} of {} is here", at.size, at.origin)
        })?;
        let root = inclusion_root(leaf, &at.proof, at.size).map_err(|error| error.to_string())?;
        let signed = *roots.get(&root).ok_or_else(|| {
            format!("its proof leads to root {root}, which is no head of {} here", at.origin)
        })?;
        let head = Checkpoint { origin: at.origin.clone(), size: at.size, root };
        Ok(Under { head, signed })
    }
}

/// One for each place.
fn logged<T: Clone>(authentic: &Authentic, claim: &T, places: Places) -> Vec<Logged<T>> {
    let digest = authentic.digest();
    let logged = |(position, under)| {
        let (authentic, claim) = (authentic.clone(), claim.clone());
        Logged { authentic, digest, claim, position, under }
    };
    places.into_iter().map(logged).collect()
}

fn no_certificate() -> Why {
    (Blame::Reader, "no certificate here names its key".to_owned())
}
