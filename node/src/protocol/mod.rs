//! Step 7, gossip: the node's protocol as a state machine, `handle(event, now) -> effects`.
//!
//! No async, no socket, no clock, no randomness, no iteration in an order that a hash decides. The
//! shell performs the effects; the simulator drives the same code.

pub mod event;
pub mod effect;
pub mod message;
pub mod queue;
pub mod refusal;
pub mod addresses;
pub mod strangers;
mod documents;
mod early;
mod forks;
mod heads;
mod jobs;
mod lease;
mod answers;
mod peers;
mod pull;
mod rates;
mod schedule;
mod sync;
mod unkept;
mod witnesses;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::log::{Origin, WitnessKey};
use reattest_attestation::{NetworkId, PublicKey, Timestamp};

pub use addresses::{Address, Source};
pub use effect::{Effect, Judgement, Notice};
pub use event::{BuildEnd, Event, Recovered};
pub use heads::{CheckedHead, Followed};
pub use message::{Fork, Gossip, Head, Request, Response};
pub use peers::{MessageId, Peer, PeerView, RequestId, Ticket, heads_wait, protocol_name};
pub use pull::ProvenRange;
pub use queue::{Change, Queue};
pub use refusal::Refusal;
pub use schedule::Listed;

use crate::entry::claim_of;
use addresses::Addresses;
use documents::Documents;
use early::EarlyQuestions;
use forks::Doubt;
use peers::Peers;
use schedule::Schedule;
use strangers::Strangers;
use unkept::Unkept;
use witnesses::Duties;
use words::Words;

/// What does not change while a node runs.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The network; evidence of another one is refused.
    pub network: NetworkId,
    /// Offline keys of the operators whose logs are followed: those of the policy, and the own.
    pub operators: BTreeSet<PublicKey>,
    /// The key of the own log, where this node signs.
    pub own: Option<PublicKey>,
    /// Witnesses whose cosignatures are kept: those of the policy, and the own.
    pub witnesses: Vec<WitnessKey>,
    /// Whether this node cosigns the heads that it holds.
    pub cosigns: bool,
    /// The peers of a private network; any, where there is no list.
    pub allowed: Option<BTreeSet<Peer>>,
    /// Whether announcements are rebuilt here.
    pub rebuilds: bool,
}

/// The state machine of one node.
#[derive(Debug)]
pub struct Core {
    identity: Identity,
    logs: BTreeMap<Origin, Followed>,
    strangers: Strangers,
    words: Words,
    /// What could not be written when it was learned.
    unkept: Unkept,
    peers: Peers,
    addresses: Addresses,
    documents: Documents,
    schedule: Schedule,
    duties: Duties,
    early: EarlyQuestions,
    /// Questions whether a head continues the one that is held.
    doubts: BTreeMap<RequestId, Doubt>,
    /// Questions to witnesses for the own log's newest head.
    cosigning: BTreeMap<RequestId, Peer>,
    /// Whether the signer waits for witnesses before it signs.
    signer_awaits: bool,
}

impl Core {
    /// A node that begins with the logs and the queue that it has on disk.
    pub fn new(identity: Identity, recovered: Vec<Recovered>, queue: Queue) -> Self {
        let mut core = Self {
            identity,
            logs: BTreeMap::new(),
            strangers: Strangers::default(),
            words: Words::default(),
            unkept: Unkept::default(),
            peers: Peers::default(),
            addresses: Addresses::default(),
            documents: Documents::default(),
            schedule: Schedule::of(queue),
            duties: Duties::default(),
            early: EarlyQuestions::new(),
            doubts: BTreeMap::new(),
            cosigning: BTreeMap::new(),
            signer_awaits: false,
        };
        for log in recovered {
            let first = log.extended.size().saturating_sub(log.recent.len() as u64);
            core.learn_entries(log.head.key(), (log.head.origin(), first), &log.recent);
            let origin = log.head.origin().clone();
            let followed = Followed::recovered(log.head, log.frontier, log.extended, log.forked);
            core.logs.insert(origin, followed);
        }
        core
    }

    /// A core whose signer signs nothing new yet, until [`Event::SignerReady`].
    #[must_use]
    pub fn awaiting_signer(mut self, awaits: bool) -> Self {
        self.signer_awaits = awaits;
        self
    }

    /// Takes one event and says what is to be done.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.take(event, now, &mut effects);
        self.find_documents(&mut effects);
        self.settle(&mut effects);
        effects
    }

    fn take(&mut self, event: Event, now: Timestamp, effects: &mut Vec<Effect>) {
        match event {
            Event::Connected { peer, address, dialled } => {
                self.connected(peer, address, dialled, now, effects);
            }
            Event::Disconnected(peer) => self.disconnected(&peer, now, effects),
            Event::Identified { peer, protocol } => self.identified(&peer, &protocol, effects),
            Event::Discovered { peer, address, source } => {
                self.discovered(peer, address, source, now, effects);
            }
            Event::Gossiped { from, id, bytes } => self.gossiped(&from, id, &bytes, now, effects),
            Event::Asked { from, ticket, request } => {
                self.asked(&from, ticket, request, now, effects);
            }
            Event::Garbled(from) => self.peers.refuse(&from, Refusal::Malformed, effects),
            Event::Answered { from, request, response } => {
                self.answered(&from, request, response, now, effects);
            }
            Event::Unanswered { from, request } => {
                self.unanswered(&from, request, now, effects);
            }
            Event::Extended { origin } => self.extended(&origin, now, effects),
            Event::Stored { origin, size } => self.stored(&origin, size, now, effects),
            Event::NotStored { origin } => self.not_stored(&origin),
            Event::Compared { head, with, held } => self.compared(&head, with, held, effects),
            Event::Cosigned { origin, checkpoint } => {
                self.cosigned(&origin, checkpoint.as_deref(), now, effects);
            }
            Event::NoDocument(digest) => self.no_document(digest, now, effects),
            Event::ForkNotKept { origin } => self.fork_not_kept(origin),
            Event::WordNotKept(digest) => self.word_not_kept(digest),
            Event::DocumentNotKept(digest) => self.document_not_kept(digest, now),
            Event::SignerReady => {
                self.signer_awaits = false;
                self.start_builds(now);
            }
            Event::Word(word) => self.own_word(&word, effects),
            Event::OwnHead { head, frontier, entries } => {
                self.own_head(*head, frontier, &entries, now, effects);
            }
            Event::BuildEnded { job, end, why } => {
                self.build_ended(job, (end, &why), now, effects);
            }
            Event::BuildAlive { job, building } => self.alive(job, building, now),
            Event::Recalled { built } => self.recalled(&built, now),
            Event::Wanted { purl, again } => self.wanted(purl, again, now),
            Event::Followed { new, superseded } => self.followed(new, &superseded),
            Event::Tick => self.tick(now, effects),
        }
    }

    /// A gossiped message is judged by what is at hand: nothing is pulled before it is passed on.
    fn gossiped(
        &mut self,
        from: &Peer,
        id: MessageId,
        bytes: &[u8],
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let learned = self.gossip_in_time(from, now).and_then(|()| match Gossip::decode(bytes) {
            Ok(Gossip::Head(head)) => self.learn_head(from, head, now, effects),
            Ok(Gossip::Fork(fork)) => self.learn_fork(*fork, effects),
            Ok(Gossip::Word(word)) => self.learn_word(&word, effects),
            Err(_) => Err(Refusal::Malformed),
        });
        let judgement = match learned {
            Ok(()) => Judgement::Accept,
            Err(refusal) => {
                self.peers.refuse(from, refusal, effects);
                refusal.judgement()
            }
        };
        effects.push(Effect::Judge { id, from: from.clone(), judgement });
    }

    /// The logs that this node holds, with their sizes.
    pub fn logs(&self) -> impl Iterator<Item = (&Origin, u64)> {
        self.logs.iter().map(|(origin, log)| (origin, log.size()))
    }

    /// Whether the key of this log was seen to sign two histories.
    pub fn is_forked(&self, origin: &Origin) -> bool {
        self.logs.get(origin).is_some_and(Followed::is_forked)
    }

    /// Whether the signer of the own log waits for witnesses before it signs.
    pub fn signer_awaits(&self) -> bool {
        self.signer_awaits
    }

    /// Learns from entries that a signed head covers, of which the first stands at this place: what
    /// is announced, what is done, which documents they name.
    fn learn_entries<E: AsRef<[u8]>>(
        &mut self,
        key: PublicKey,
        (origin, first): (&Origin, u64),
        entries: &[E],
    ) {
        for (index, entry) in (first..).zip(entries) {
            // An entry that does not verify is evidence against its key; nothing is learned from it.
            let claim = claim_of(&key, entry.as_ref());
            if let Some(claim) = &claim {
                self.documents.want(claim);
            }
            self.schedule.learn(&self.identity, key, (origin, index), claim.as_ref());
        }
    }

    fn tick(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.dial(now, effects);
        self.ask_again(now, effects);
        self.refuse_early(now, effects);
        self.forget_doubts(now);
        self.keep_again(effects);
        self.strangers.expire(now);
        self.ask_for_heads(now, effects);
        self.ask_for_documents(now, effects);
        self.cosign_due(now, effects);
        self.beat(now, effects);
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod turn_tests;
