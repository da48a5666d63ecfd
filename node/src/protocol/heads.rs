//! Heads of logs: whose they are, whether they may be believed, and which is the newest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use reattest_attestation::log::{Frontier, Origin, SignedCheckpoint, VerifiedCheckpoint};
use reattest_attestation::{Certificate, Digest, Envelope, PublicKey, Timestamp};
use serde_bytes::ByteBuf;

use super::effect::{Effect, Notice};
use super::message::{Fork, Gossip, Head};
use super::peers::Peer;
use super::pull::Pull;
use super::refusal::Refusal;
use super::{Core, Identity};
use crate::limits::{LOGS, OLDER_HEADS};

/// A head whose certificate and checkpoint verify, of an operator who is followed.
#[derive(Debug, Clone)]
pub struct CheckedHead {
    checkpoint: VerifiedCheckpoint,
    certificate: Arc<Certificate>,
    head: Head,
}

/// Reads a certificate that its operator signed, whoever that is.
pub(super) fn certificate_of(bytes: &[u8]) -> Result<Certificate, Refusal> {
    let envelope = Envelope::parse(bytes).map_err(|_| Refusal::BadCertificate)?;
    let certified = Certificate::verify(&envelope).map_err(|_| Refusal::BadCertificate)?;
    Ok(certified.certificate().clone())
}

/// Reads a checkpoint that this key signed, of a log of its own in this network.
pub(super) fn checkpoint_of(
    identity: &Identity,
    key: &PublicKey,
    bytes: &[u8],
) -> Result<VerifiedCheckpoint, Refusal> {
    let signed = SignedCheckpoint::parse(bytes).map_err(|_| Refusal::BadCheckpoint)?;
    let checkpoint = signed.verify(key).map_err(|_| Refusal::BadCheckpoint)?;
    if *checkpoint.checkpoint().origin.network() == identity.network {
        Ok(checkpoint)
    } else {
        Err(Refusal::OtherNetwork)
    }
}

impl CheckedHead {
    /// Checks a head: the certificate by its operator, the operator by the policy, the checkpoint
    /// by the certified key, the origin by the network and the key.
    pub fn check(identity: &Identity, head: Head, now: Timestamp) -> Result<Self, Refusal> {
        let certificate = Arc::new(certificate_of(&head.certificate)?);
        if !identity.operators.contains(&certificate.operator) {
            return Err(Refusal::UnknownOperator);
        }
        Self::certified(identity, head, certificate, now)
    }

    /// Checks a head whose certificate was read already.
    pub(super) fn certified(
        identity: &Identity,
        head: Head,
        certificate: Arc<Certificate>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let checkpoint = checkpoint_of(identity, &certificate.rebuilder, &head.checkpoint)?;
        if now < certificate.not_before || now > certificate.not_after {
            return Err(Refusal::CertificateNotValidNow);
        }
        Ok(Self { checkpoint, certificate, head })
    }

    /// The log.
    pub fn origin(&self) -> &Origin {
        &self.checkpoint.checkpoint().origin
    }

    /// The number of entries under the head.
    pub fn size(&self) -> u64 {
        self.checkpoint.checkpoint().size
    }

    /// The root over these entries.
    pub fn root(&self) -> Digest {
        self.checkpoint.checkpoint().root
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

    /// This head under another copy of its note, with other cosignatures.
    pub(super) fn with_note(&self, note: &SignedCheckpoint) -> Option<Self> {
        let checkpoint = note.verify(&self.key()).ok()?;
        if checkpoint.checkpoint() != self.checkpoint.checkpoint() {
            return None;
        }
        let checkpoint_bytes = ByteBuf::from(note.as_bytes());
        let head =
            Head { certificate: self.head.certificate.clone(), checkpoint: checkpoint_bytes };
        Some(Self { checkpoint, certificate: self.certificate.clone(), head })
    }
}

/// The log and the size that a head is said to be of, before anything is checked.
pub(super) fn claimed(head: &Head) -> Option<(Origin, u64)> {
    let signed = SignedCheckpoint::parse(&head.checkpoint).ok()?;
    let checkpoint = signed.unverified();
    Some((checkpoint.origin.clone(), checkpoint.size))
}

/// One log as this node holds it.
#[derive(Debug, Default)]
pub struct Followed {
    /// The newest head whose entries are on disk.
    pub(super) stored: Option<CheckedHead>,
    /// The frontier under that head.
    pub(super) frontier: Frontier,
    /// The frontier over all entries on disk: some may be beyond the head.
    pub(super) extended: Frontier,
    /// The store failed: what is beyond the head on disk is not known.
    pub(super) untidy: bool,
    /// The newest head seen.
    pub(super) wanted: Option<CheckedHead>,
    /// Connected peers that showed a head of this log, and the largest size that each showed.
    pub(super) providers: BTreeMap<Peer, u64>,
    pub(super) pull: Option<Pull>,
    /// Sizes and roots below the stored head that were found to be its own.
    pub(super) older: VecDeque<(u64, Digest)>,
    /// The proof that the key signed two histories.
    pub(super) forked: Option<Box<Fork>>,
}

impl Followed {
    pub(super) fn recovered(
        head: CheckedHead,
        frontier: Frontier,
        extended: Frontier,
        forked: Option<Box<Fork>>,
    ) -> Self {
        Self { stored: Some(head), frontier, extended, forked, ..Self::default() }
    }

    /// The number of entries on disk under the newest head.
    pub fn size(&self) -> u64 {
        self.stored.as_ref().map_or(0, CheckedHead::size)
    }

    /// Whether the key was seen to sign two histories.
    pub fn is_forked(&self) -> bool {
        self.forked.is_some()
    }

    /// The proof that the key signed two histories.
    pub(super) fn fork(&self) -> Option<&Fork> {
        self.forked.as_deref()
    }

    /// Whether this very note is the newest that is held or wanted.
    fn has_note(&self, note: &[u8]) -> bool {
        let heads = [self.stored.as_ref(), self.wanted.as_ref()];
        heads.into_iter().flatten().any(|head| head.head.checkpoint == note)
    }

    /// The certificate that these bytes were found to be when a head of this log came with them.
    fn certificate(&self, bytes: &[u8]) -> Option<Arc<Certificate>> {
        let heads = [self.stored.as_ref(), self.wanted.as_ref()];
        let same = heads.into_iter().flatten().find(|known| known.head.certificate == bytes)?;
        Some(same.certificate.clone())
    }

    /// Notes that a peer showed this size.
    pub(super) fn shown(&mut self, peer: &Peer, size: u64) {
        let largest = self.providers.entry(peer.clone()).or_default();
        *largest = (*largest).max(size);
    }

    pub(super) fn remember_older(&mut self, size: u64, root: Digest) {
        if self.older.len() >= OLDER_HEADS {
            self.older.pop_front();
        }
        self.older.push_back((size, root));
    }
}

impl Core {
    /// The newest stored head of every log after an origin, in the order of origins.
    pub(super) fn heads_after(&self, after: &str) -> impl Iterator<Item = Head> {
        let after = after.to_owned();
        self.logs
            .iter()
            .filter(move |(origin, _)| origin.to_string() > after)
            .filter_map(|(_, log)| log.stored.as_ref())
            .map(|head| head.head.clone())
    }

    /// Takes in a head from a peer, and begins to pull what is new under it.
    pub(super) fn learn_head(
        &mut self,
        from: &Peer,
        head: Head,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if let Some(origin) = self.known_note(&head.checkpoint) {
            let size = self.logs.get(&origin).map_or(0, Followed::size);
            return self.shown_again(from, &origin, size, now, effects);
        }
        let certificate = self.certificate_of_head(&head)?;
        if !self.identity.operators.contains(&certificate.operator) {
            return self.learn_stranger(from, head, &certificate, now);
        }
        let head = CheckedHead::certified(&self.identity, head, certificate, now)?;
        let head = self.only_known_witnesses(head);
        let origin = head.origin().clone();
        if self.logs.len() >= LOGS && !self.logs.contains_key(&origin) {
            return Err(Refusal::TooManyLogs);
        }
        if self.identity.own == Some(head.key()) {
            self.own_head_shown(&head, effects);
        }
        let log = self.logs.entry(origin.clone()).or_default();
        log.shown(from, head.size());
        self.compare_or_want(&origin, head, now, effects)
    }

    /// A head's certificate, which is checked where the last head of its log came with another.
    fn certificate_of_head(&self, head: &Head) -> Result<Arc<Certificate>, Refusal> {
        let log = claimed(head).and_then(|(origin, _)| self.logs.get(&origin));
        match log.and_then(|log| log.certificate(&head.certificate)) {
            Some(known) => Ok(known),
            None => Ok(Arc::new(certificate_of(&head.certificate)?)),
        }
    }

    /// The log whose newest note this is, byte for byte: nothing about it needs to be checked again.
    fn known_note(&self, note: &[u8]) -> Option<Origin> {
        let signed = SignedCheckpoint::parse(note).ok()?;
        let origin = &signed.unverified().origin;
        self.logs.get(origin).is_some_and(|log| log.has_note(note)).then(|| origin.clone())
    }

    fn shown_again(
        &mut self,
        from: &Peer,
        origin: &Origin,
        stored: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if let Some(log) = self.logs.get_mut(origin) {
            let size = log.wanted.as_ref().map_or(stored, CheckedHead::size);
            log.shown(from, size);
        }
        self.pull(origin, now, effects);
        Err(Refusal::Stale)
    }

    /// A head that verifies: larger than what is held, the same, or older.
    fn compare_or_want(
        &mut self,
        origin: &Origin,
        head: CheckedHead,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let Some(log) = self.logs.get_mut(origin) else { return Ok(()) };
        let same_size = [log.stored.as_ref(), log.wanted.as_ref()]
            .into_iter()
            .flatten()
            .find(|known| known.size() == head.size());
        if let Some(known) = same_size.cloned() {
            return if known.root() == head.root() {
                self.merge_cosignatures(&known, &head, effects)
            } else {
                self.forked(Fork::of_one_size(&known, &head), effects);
                Err(Refusal::Fork)
            };
        }
        if head.size() < log.size() {
            if !log.older.contains(&(head.size(), head.root())) {
                let with = log.size();
                effects.push(Effect::Compare { head: Box::new(head), with });
            }
            return Err(Refusal::Stale);
        }
        if log.wanted.as_ref().is_some_and(|wanted| wanted.size() > head.size()) {
            return Err(Refusal::Stale);
        }
        log.wanted = Some(head);
        self.pull(origin, now, effects);
        Ok(())
    }

    /// A peer shows a head that the own key signed. More than this node has is a warning that no
    /// signer may ignore.
    fn own_head_shown(&mut self, head: &CheckedHead, effects: &mut Vec<Effect>) {
        let stored = self.logs.get(head.origin()).map_or(0, Followed::size);
        if head.size() > stored || self.signer_awaits {
            effects.push(Effect::ShowSigner { checkpoint: head.head.checkpoint.to_vec() });
        }
        if head.size() <= stored {
            return;
        }
        effects.push(Effect::Notice(Notice::OwnLogAhead { held: stored, shown: head.size() }));
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
        let message = Gossip::Head(head.head.clone());
        let log = self.logs.entry(origin.clone()).or_default();
        let from = log.size();
        log.stored = Some(head);
        log.extended = frontier.clone();
        log.frontier = frontier;
        log.pull = None;
        log.wanted.take_if(|wanted| wanted.size() <= size);
        let first = size.saturating_sub(entries.len() as u64);
        self.learn_entries(key, (&origin, first), entries);
        if let Ok(bytes) = message.encode() {
            effects.push(Effect::Publish(bytes));
        }
        effects.push(Effect::Notice(Notice::Grew { origin, from, size }));
        self.start_builds(now);
    }
}
