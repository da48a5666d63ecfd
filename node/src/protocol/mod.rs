//! Step 7, gossip: the node's protocol as a state machine, `handle(event, now) -> effects`.
//!
//! No async, no socket, no clock, no randomness, no iteration in an order that a hash decides. The
//! shell performs the effects; the simulator drives the same code.

pub mod event;
pub mod message;
pub mod refusal;
mod documents;
mod heads;
mod peers;
mod schedule;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::log::Origin;
use reattest_attestation::{Digest, NetworkId, PublicKey, Timestamp};

pub use event::{BuildEnd, Effect, Event, Judgement, Notice, Recovered};
pub use heads::{CheckedHead, Followed};
pub use message::{Gossip, Head, Request, Response};
pub use peers::{MessageId, Peer, RequestId, Ticket};
pub use refusal::Refusal;

use crate::entry::claim_of;
use documents::Documents;
use peers::Peers;
use schedule::Schedule;

/// What does not change while a node runs.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The network; evidence of another one is refused.
    pub network: NetworkId,
    /// Offline keys of the operators whose logs are followed: those of the policy, and the own.
    pub operators: BTreeSet<PublicKey>,
    /// The key of the own log, where this node signs.
    pub own: Option<PublicKey>,
    /// Whether announcements are rebuilt here.
    pub rebuilds: bool,
}

/// The state machine of one node.
#[derive(Debug)]
pub struct Core {
    identity: Identity,
    logs: BTreeMap<Origin, Followed>,
    peers: Peers,
    documents: Documents,
    schedule: Schedule,
}

impl Core {
    /// A node that begins with the documents and the logs that it has on disk.
    pub fn new(identity: Identity, held: BTreeSet<Digest>, recovered: Vec<Recovered>) -> Self {
        let mut core = Self {
            identity,
            logs: BTreeMap::new(),
            peers: Peers::default(),
            documents: Documents::holding(held),
            schedule: Schedule::default(),
        };
        for log in recovered {
            core.learn_entries(log.head.key(), &log.entries);
            let origin = log.head.origin().clone();
            core.logs.insert(origin, Followed::stored(log.head, log.frontier, log.forked));
        }
        core
    }

    /// Takes one event and says what is to be done.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Connected(peer) => self.connected(peer, now, &mut effects),
            Event::Disconnected(peer) => self.disconnected(&peer, now, &mut effects),
            Event::Gossiped { from, id, bytes } => {
                self.gossiped(&from, id, &bytes, now, &mut effects);
            }
            Event::Asked { ticket, request } => self.asked(ticket, request, &mut effects),
            Event::Answered { from, request, response } => {
                self.answered(&from, request, response, now, &mut effects);
            }
            Event::Unanswered { from, request } => {
                self.unanswered(&from, request, now, &mut effects);
            }
            Event::Stored { origin } => self.stored(&origin, now, &mut effects),
            Event::NotStored { origin } => self.not_stored(&origin),
            Event::OwnHead { head, frontier, entries } => {
                self.own_head(*head, frontier, &entries, now, &mut effects);
            }
            Event::BuildEnded { job, end } => self.build_ended(job, end, now, &mut effects),
            Event::Tick => self.tick(now, &mut effects),
        }
        effects
    }

    /// The logs that this node holds, with their sizes.
    pub fn logs(&self) -> impl Iterator<Item = (&Origin, u64)> {
        self.logs.iter().map(|(origin, log)| (origin, log.size()))
    }

    /// Whether the key of this log was seen to sign two histories.
    pub fn is_forked(&self, origin: &Origin) -> bool {
        self.logs.get(origin).is_some_and(Followed::is_forked)
    }

    /// Learns from entries that a checkpoint covers: what is announced, what is done, which
    /// documents they name.
    fn learn_entries(&mut self, key: PublicKey, entries: &[Vec<u8>]) {
        for entry in entries {
            // An entry that does not verify is evidence against its key; nothing is learned from it.
            let Some(claim) = claim_of(&key, entry) else {
                continue;
            };
            self.documents.want(&claim);
            self.schedule.learn(&self.identity, key, &claim);
        }
    }

    fn tick(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.ask_again(now, effects);
        self.ask_for_heads(now, effects);
        self.ask_for_documents(now, effects);
        self.start_builds(now, effects);
    }
}

#[cfg(test)]
mod tests;
