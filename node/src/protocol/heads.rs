//! Heads of logs: whose they are, whether they may be believed, and which is the newest.

use reattest_attestation::log::{Frontier, Origin, SignedCheckpoint, VerifiedCheckpoint};
use reattest_attestation::{Certificate, Envelope, PublicKey, Timestamp};
use serde_bytes::ByteBuf;

use super::event::{Effect, Judgement, Notice};
use super::message::{Gossip, Head};
use super::peers::{MessageId, Peer};
use super::refusal::Refusal;
use super::sync::Pull;
use super::{Core, Identity};
use crate::limits::LOGS;

/// A head whose certificate and checkpoint verify, of an operator who is followed.
#[derive(Debug, Clone)]
pub struct CheckedHead {
    checkpoint: VerifiedCheckpoint,
    head: Head,
}

impl CheckedHead {
    /// Checks a head: the certificate by its operator, the operator by the policy, the checkpoint
    /// by the certified key, the origin by the network and the key.
    pub fn check(identity: &Identity, head: Head, now: Timestamp) -> Result<Self, Refusal> {
        let envelope = Envelope::parse(&head.certificate).map_err(|_| Refusal::BadCertificate)?;
        let certified = Certificate::verify(&envelope).map_err(|_| Refusal::BadCertificate)?;
        let certificate = certified.certificate();
        if !identity.operators.contains(&certificate.operator) {
            return Err(Refusal::UnknownOperator);
        }
        let signed =
            SignedCheckpoint::parse(&head.checkpoint).map_err(|_| Refusal::BadCheckpoint)?;
        let checkpoint =
            signed.verify(&certificate.rebuilder).map_err(|_| Refusal::BadCheckpoint)?;
        let origin = &checkpoint.checkpoint().origin;
        if origin.key_digest() != certificate.rebuilder.digest() {
            return Err(Refusal::BadCheckpoint);
        }
        if *origin.network() != identity.network {
            return Err(Refusal::OtherNetwork);
        }
        if now < certificate.not_before || now > certificate.not_after {
            return Err(Refusal::CertificateNotValidNow);
        }
        Ok(Self { checkpoint, head })
    }

    /// The log.
    pub fn origin(&self) -> &Origin {
        &self.checkpoint.checkpoint().origin
    }

    /// The number of entries under the head.
    pub fn size(&self) -> u64 {
        self.checkpoint.checkpoint().size
    }

    /// The key of the log.
    pub fn key(&self) -> PublicKey {
        self.checkpoint.key()
    }

    /// The verified checkpoint.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// The head as it travels.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The proof that a key signed two histories, where these two heads are one.
    pub fn fork(&self, other: &Self) -> Option<Box<(Head, Head)>> {
        let one_log = self.origin() == other.origin();
        let proves = one_log && self.contradicts(other);
        proves.then(|| Box::new((self.head.clone(), other.head.clone())))
    }

    fn contradicts(&self, other: &Self) -> bool {
        self.size() == other.size()
            && self.checkpoint.checkpoint().root != other.checkpoint.checkpoint().root
    }
}

/// One log as this node holds it.
#[derive(Debug)]
pub struct Followed {
    /// The newest head whose entries are on disk.
    pub(super) stored: Option<CheckedHead>,
    pub(super) frontier: Frontier,
    /// The newest head seen, and who can give the entries under it.
    pub(super) wanted: Option<(CheckedHead, Vec<Peer>)>,
    pub(super) pull: Option<Pull>,
    /// Two heads that cannot both be true.
    forked: Option<Box<(Head, Head)>>,
}

impl Followed {
    pub(super) fn stored(
        head: CheckedHead,
        frontier: Frontier,
        forked: Option<Box<(Head, Head)>>,
    ) -> Self {
        Self { stored: Some(head), frontier, wanted: None, pull: None, forked }
    }

    fn empty() -> Self {
        Self { stored: None, frontier: Frontier::new(), wanted: None, pull: None, forked: None }
    }

    /// The number of entries on disk under the newest head.
    pub fn size(&self) -> u64 {
        self.stored.as_ref().map_or(0, CheckedHead::size)
    }

    /// Whether the key was seen to sign two histories.
    pub fn is_forked(&self) -> bool {
        self.forked.is_some()
    }

    /// Takes in a proof; whether it is the first.
    fn fork(&mut self, proof: Box<(Head, Head)>) -> bool {
        let first = self.forked.is_none();
        self.forked.get_or_insert(proof);
        first
    }

    /// Takes a head in: whether it is new, or a fork.
    fn learn(&mut self, head: CheckedHead, from: &Peer) -> Learned {
        let known = [self.stored.as_ref(), self.wanted.as_ref().map(|(head, _)| head)];
        if let Some(proof) = known.into_iter().flatten().find_map(|known| known.fork(&head)) {
            return Learned::Fork(proof);
        }
        if head.size() <= self.size() {
            return Learned::Known;
        }
        match &mut self.wanted {
            Some((wanted, _)) if wanted.size() > head.size() => Learned::Known,
            Some((wanted, providers)) if wanted.size() == head.size() => {
                if !providers.contains(from) {
                    providers.push(from.clone());
                }
                Learned::Known
            }
            _ => {
                self.wanted = Some((head, vec![from.clone()]));
                Learned::New
            }
        }
    }
}

enum Learned {
    New,
    Known,
    Fork(Box<(Head, Head)>),
}

impl Core {
    /// The newest stored head of every log.
    pub(super) fn heads(&self) -> impl Iterator<Item = Head> {
        self.logs.values().filter_map(|log| log.stored.as_ref()).map(|head| head.head.clone())
    }

    /// The proof of every fork that was seen.
    pub(super) fn forks(&self) -> impl Iterator<Item = (Head, Head)> {
        self.logs.values().filter_map(|log| log.forked.as_deref()).cloned()
    }

    pub(super) fn gossiped(
        &mut self,
        from: &Peer,
        id: MessageId,
        bytes: &[u8],
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let learned = match Gossip::decode(bytes) {
            Ok(Gossip::Head(head)) => self.learn_head(from, head, now, effects),
            Ok(Gossip::Fork(proof)) => self.learn_fork(*proof, now, effects),
            Err(_) => Err(Refusal::Malformed),
        };
        let judgement = match learned {
            Ok(()) => Judgement::Accept,
            Err(refusal) => {
                self.peers.refuse(from, refusal, effects);
                refusal.judgement()
            }
        };
        effects.push(Effect::Judge { id, from: from.clone(), judgement });
    }

    /// Takes in a head from a peer, and begins to pull what is new under it.
    pub(super) fn learn_head(
        &mut self,
        from: &Peer,
        head: Head,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let head = CheckedHead::check(&self.identity, head, now)?;
        let origin = head.origin().clone();
        if self.logs.len() >= LOGS && !self.logs.contains_key(&origin) {
            return Err(Refusal::TooManyLogs);
        }
        let log = self.logs.entry(origin.clone()).or_insert_with(Followed::empty);
        match log.learn(head, from) {
            Learned::Known => Ok(()),
            Learned::New => {
                self.pull(&origin, now, effects);
                Ok(())
            }
            Learned::Fork(proof) => {
                self.forked(&origin, proof, effects);
                Err(Refusal::Fork)
            }
        }
    }

    /// Takes in the proof of a fork from a peer: it must prove one.
    pub(super) fn learn_fork(
        &mut self,
        proof: (Head, Head),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let one = CheckedHead::check(&self.identity, proof.0, now)?;
        let other = CheckedHead::check(&self.identity, proof.1, now)?;
        let proof = one.fork(&other).ok_or(Refusal::NoFork)?;
        let origin = one.origin().clone();
        if self.logs.len() >= LOGS && !self.logs.contains_key(&origin) {
            return Err(Refusal::TooManyLogs);
        }
        self.forked(&origin, proof, effects);
        Ok(())
    }

    /// A fork is news for everybody, once.
    fn forked(&mut self, origin: &Origin, proof: Box<(Head, Head)>, effects: &mut Vec<Effect>) {
        let log = self.logs.entry(origin.clone()).or_insert_with(Followed::empty);
        if !log.fork(proof.clone()) {
            return;
        }
        if let Ok(bytes) = Gossip::Fork(proof.clone()).encode() {
            effects.push(Effect::Publish(bytes));
        }
        effects.push(Effect::Notice(Notice::Forked { origin: origin.clone(), proof }));
    }

    /// The signer published a head of the own log: everybody is told.
    pub(super) fn own_head(
        &mut self,
        head: CheckedHead,
        frontier: Frontier,
        entries: &[Vec<u8>],
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let origin = head.origin().clone();
        let (key, size) = (head.key(), head.size());
        let from = self.logs.get(&origin).map_or(0, Followed::size);
        let message = Gossip::Head(head.head.clone());
        let forked = self.logs.remove(&origin).and_then(|log| log.forked);
        self.logs.insert(origin.clone(), Followed::stored(head, frontier, forked));
        self.learn_entries(key, entries);
        if let Ok(bytes) = message.encode() {
            effects.push(Effect::Publish(bytes));
        }
        effects.push(Effect::Notice(Notice::Grew { origin, from, size }));
        self.start_builds(now, effects);
    }

    /// A head as bytes from anywhere, for the shell's start.
    pub fn check_head(
        identity: &Identity,
        certificate: &[u8],
        checkpoint: &[u8],
        now: Timestamp,
    ) -> Result<CheckedHead, Refusal> {
        let head =
            Head { certificate: ByteBuf::from(certificate), checkpoint: ByteBuf::from(checkpoint) };
        CheckedHead::check(identity, head, now)
    }
}
