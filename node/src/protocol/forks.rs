//! Two histories of one log: how they are noticed, proven and told; and logs that became shorter.

use reattest_attestation::log::{
    ConsistencyProof, ForkProof, Origin, SignedCheckpoint, verify_consistency,
};
use reattest_attestation::{Digest, PublicKey, Timestamp};
use serde_bytes::ByteBuf;

use super::effect::{Effect, Notice};
use super::heads::{CheckedHead, certificate_of};
use super::message::{Fork, Gossip, Request};
use super::peers::{Peer, RequestId};
use super::refusal::Refusal;
use super::sync::is_due;
use super::{Core, Identity};
use crate::limits::{DOUBTS, LOGS, REQUEST_SECONDS};

/// A question whether a head continues the one that is held, while its answer is out.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    peer: Peer,
    held: CheckedHead,
    target: CheckedHead,
    since: Timestamp,
}

impl Fork {
    /// Two heads of one size with two roots.
    pub(super) fn of_one_size(one: &CheckedHead, other: &CheckedHead) -> Self {
        let no_way = ConsistencyProof { hashes: Vec::new() };
        Self::new(one, other, other.root(), no_way)
    }

    /// Two heads, the root that the larger one's first entries have, and the way from it.
    pub(super) fn new(
        smaller: &CheckedHead,
        larger: &CheckedHead,
        root: Digest,
        proof: ConsistencyProof,
    ) -> Self {
        Self {
            certificate: larger.head().certificate.clone(),
            smaller: smaller.head().checkpoint.clone(),
            larger: larger.head().checkpoint.clone(),
            root,
            hashes: proof.hashes,
        }
    }

    /// The proof as anybody checks it.
    pub fn proof(&self) -> Option<ForkProof> {
        let smaller = SignedCheckpoint::parse(&self.smaller).ok()?;
        let larger = SignedCheckpoint::parse(&self.larger).ok()?;
        let proof = ConsistencyProof { hashes: self.hashes.clone() };
        Some(ForkProof::new(smaller, larger, self.root, proof))
    }

    /// Writes a proof as it travels, with the certificate of the key.
    pub fn of_proof(certificate: &[u8], proof: &ForkProof) -> Self {
        Self {
            certificate: ByteBuf::from(certificate),
            smaller: ByteBuf::from(proof.smaller().as_bytes()),
            larger: ByteBuf::from(proof.larger().as_bytes()),
            root: proof.root(),
            hashes: proof.proof().hashes.clone(),
        }
    }

    /// Checks it: a followed operator's key, two heads by it, and that they cannot both be true. A
    /// certificate that has ended proves a fork as well as one that holds.
    pub fn check(&self, identity: &Identity) -> Result<(Origin, PublicKey), Refusal> {
        let certificate = certificate_of(&self.certificate)?;
        if !identity.operators.contains(&certificate.operator) {
            return Err(Refusal::UnknownOperator);
        }
        let proof = self.proof().ok_or(Refusal::BadCheckpoint)?;
        if *proof.origin().network() != identity.network {
            return Err(Refusal::OtherNetwork);
        }
        let forked = proof.verify(&certificate.rebuilder).map_err(|_| Refusal::NoFork)?;
        Ok((proof.origin().clone(), forked.key()))
    }
}

impl Core {
    /// The proof of every fork that was seen.
    pub(super) fn forks(&self) -> impl Iterator<Item = Fork> {
        self.logs.values().filter_map(|log| log.forked.as_deref()).cloned()
    }

    /// Takes in the proof of a fork from a peer: it must prove one.
    pub(super) fn learn_fork(
        &mut self,
        fork: Fork,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let claimed = fork.proof().ok_or(Refusal::BadCheckpoint)?;
        let known = self.logs.get(claimed.origin());
        if known.is_some_and(super::Followed::is_forked) {
            return Err(Refusal::Stale);
        }
        if known.is_none() && self.logs.len() >= LOGS {
            return Err(Refusal::TooManyLogs);
        }
        fork.check(&self.identity)?;
        self.forked(fork, effects);
        Ok(())
    }

    /// A fork is news for everybody, once.
    pub(super) fn forked(&mut self, fork: Fork, effects: &mut Vec<Effect>) {
        // Whatever led here, nobody is accused without a proof that holds.
        let Ok((origin, key)) = fork.check(&self.identity) else { return };
        let is_own = self.identity.own == Some(key);
        let log = self.logs.entry(origin.clone()).or_default();
        if log.is_forked() {
            return;
        }
        let proof = Box::new(fork);
        log.forked = Some(proof.clone());
        log.pull = None;
        log.wanted = None;
        if is_own {
            // The signer sees for itself which of them is not of its history, and stops.
            for checkpoint in [&proof.smaller, &proof.larger] {
                effects.push(Effect::ShowSigner { checkpoint: checkpoint.to_vec() });
            }
        }
        if let Ok(bytes) = Gossip::Fork(proof.clone()).encode() {
            effects.push(Effect::Publish(bytes));
        }
        effects.push(Effect::KeepFork { origin: origin.clone(), proof: proof.clone() });
        effects.push(Effect::Notice(Notice::Forked { origin, proof }));
    }

    /// A head below the stored one was compared with the own copy of its log.
    pub(super) fn compared(
        &mut self,
        head: &CheckedHead,
        with: u64,
        way: Option<(Digest, ConsistencyProof)>,
        effects: &mut Vec<Effect>,
    ) {
        let Some((root, proof)) = way else { return };
        let Some(log) = self.logs.get_mut(head.origin()) else { return };
        if root == head.root() {
            log.remember_older(head.size(), root);
            return;
        }
        let Some(stored) = log.stored.clone().filter(|stored| stored.size() == with) else {
            // The log grew meanwhile; whoever shows the old head again begins this anew.
            return;
        };
        self.forked(Fork::new(head, &stored, root, proof), effects);
    }

    /// Entries from this peer do not continue what is held: either it lies, or the log's key signed
    /// two histories. It is asked to show the way from the one head to the other.
    pub(super) fn doubt(
        &mut self,
        peer: &Peer,
        held: CheckedHead,
        target: CheckedHead,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let asked = |doubt: &Doubt| doubt.peer == *peer && doubt.target.origin() == target.origin();
        if self.doubts.len() >= DOUBTS || self.doubts.values().any(asked) {
            return;
        }
        let request = self.peers.new_request();
        let question = Request::Consistency {
            origin: target.origin().to_string(),
            old: held.size(),
            new: target.size(),
        };
        let doubt = Doubt { peer: peer.clone(), held, target, since: now };
        self.doubts.insert(request, doubt);
        effects.push(Effect::Ask { peer: peer.clone(), request, question });
    }

    /// The peer showed a root and the way from it to its head.
    pub(super) fn doubt_answered(
        &mut self,
        from: &Peer,
        request: RequestId,
        root: Digest,
        hashes: Vec<Digest>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(doubt) = self.take_doubt(from, request) else { return };
        let (held, target) = (&doubt.held, &doubt.target);
        let proof = ConsistencyProof { hashes };
        let way = verify_consistency((held.size(), root), (target.size(), target.root()), &proof);
        if way.is_err() || root == held.root() {
            // No way at all; or one that starts where we stand, which its entries did not follow.
            self.peers.refuse(from, Refusal::WrongEntries, effects);
            return;
        }
        self.forked(Fork::new(held, target, root, proof), effects);
    }

    /// No answer is no proof of anything.
    pub(super) fn take_doubt(&mut self, from: &Peer, request: RequestId) -> Option<Doubt> {
        let asked = self.doubts.get(&request).is_some_and(|doubt| doubt.peer == *from);
        if asked { self.doubts.remove(&request) } else { None }
    }

    pub(super) fn forget_doubts(&mut self, now: Timestamp) {
        self.doubts.retain(|_, doubt| !is_due(doubt.since, REQUEST_SECONDS, now));
    }
}
