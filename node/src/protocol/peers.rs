//! The peers, what was asked of them, and what they did wrong.

use std::collections::BTreeMap;

use reattest_attestation::Timestamp;
use serde_bytes::ByteBuf;

use super::event::{Effect, Notice};
use super::message::{Request, Response};
use super::refusal::Refusal;
use super::{Core, sync};
use crate::limits::{HEADS_PER_RESPONSE, HEADS_SECONDS, PEERS, PENALTY_LIMIT, REQUEST_SECONDS};

/// A peer, by the transport's name for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer(pub String);

/// The transport's name of a gossiped message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageId(pub Vec<u8>);

/// Where the answer to a peer's question goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Our name of a question to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

#[derive(Debug, Default)]
struct Standing {
    penalty: u32,
    /// When it was last asked for its heads.
    asked_at: Option<Timestamp>,
    /// That question, while its answer is out.
    asked: Option<RequestId>,
}

impl Standing {
    /// A slow peer is given the time of a request before it is asked again.
    fn heads_due(&self, now: Timestamp) -> bool {
        let wait = if self.asked.is_some() { REQUEST_SECONDS } else { HEADS_SECONDS };
        self.asked_at.is_none_or(|at| sync::is_due(at, wait, now))
    }
}

/// The connected peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    connected: BTreeMap<Peer, Standing>,
    next_request: u64,
}

impl Peers {
    pub(super) fn is_connected(&self, peer: &Peer) -> bool {
        self.connected.contains_key(peer)
    }

    pub(super) fn names(&self) -> Vec<Peer> {
        self.connected.keys().cloned().collect()
    }

    pub(super) fn new_request(&mut self) -> RequestId {
        self.next_request = self.next_request.wrapping_add(1);
        RequestId(self.next_request)
    }

    /// Writes a refusal down; a peer beyond the limit is dropped.
    pub(super) fn refuse(&mut self, peer: &Peer, refusal: Refusal, effects: &mut Vec<Effect>) {
        effects.push(Effect::Notice(Notice::Refused { peer: peer.clone(), refusal }));
        let Some(standing) = self.connected.get_mut(peer) else {
            return;
        };
        standing.penalty = standing.penalty.saturating_add(refusal.penalty());
        if standing.penalty >= PENALTY_LIMIT {
            effects.push(Effect::Drop(peer.clone()));
        }
    }

    fn ask_heads(&mut self, peer: &Peer, now: Timestamp, effects: &mut Vec<Effect>) {
        let request = self.new_request();
        if let Some(standing) = self.connected.get_mut(peer) {
            standing.asked = Some(request);
            standing.asked_at = Some(now);
            let question = Request::Heads;
            effects.push(Effect::Ask { peer: peer.clone(), request, question });
        }
    }

    /// Whether this ends the last question for heads.
    pub(super) fn heads_ended(&mut self, peer: &Peer, request: RequestId) -> bool {
        let standing = self.connected.get_mut(peer);
        standing.is_some_and(|standing| standing.asked.take_if(|asked| *asked == request).is_some())
    }
}

impl Core {
    pub(super) fn connected(&mut self, peer: Peer, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.peers.connected.len() >= PEERS && !self.peers.is_connected(&peer) {
            effects.push(Effect::Drop(peer));
            return;
        }
        self.peers.connected.entry(peer.clone()).or_default();
        self.peers.ask_heads(&peer, now, effects);
    }

    pub(super) fn disconnected(&mut self, peer: &Peer, now: Timestamp, effects: &mut Vec<Effect>) {
        self.peers.connected.remove(peer);
        self.forget_provider(peer, now, effects);
    }

    /// Asks every peer for its heads now and then: gossip may be lost, this is not.
    pub(super) fn ask_for_heads(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let due: Vec<Peer> = self
            .peers
            .connected
            .iter()
            .filter(|(_, standing)| standing.heads_due(now))
            .map(|(peer, _)| peer.clone())
            .collect();
        for peer in due {
            self.peers.ask_heads(&peer, now, effects);
        }
    }

    pub(super) fn asked(&mut self, ticket: Ticket, request: Request, effects: &mut Vec<Effect>) {
        match request {
            Request::Heads => {
                let heads = self.heads().take(HEADS_PER_RESPONSE).collect();
                let forks = self.forks().take(HEADS_PER_RESPONSE).collect();
                effects.push(Effect::Reply { ticket, response: Response::Heads { heads, forks } });
            }
            Request::Entries { origin, from: first, until } => {
                let held = origin.parse().ok().and_then(|origin| {
                    self.logs.get(&origin).map(|log| (origin, log.size().min(until)))
                });
                match held {
                    Some((origin, until)) if first < until => {
                        effects.push(Effect::Serve { ticket, origin, from: first, until });
                    }
                    _ => {
                        let response = Response::Entries(Vec::new());
                        effects.push(Effect::Reply { ticket, response });
                    }
                }
            }
            Request::Document(digest) => effects.push(Effect::ServeDocument { ticket, digest }),
        }
    }

    pub(super) fn answered(
        &mut self,
        from: &Peer,
        request: RequestId,
        response: Response,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        match response {
            Response::Heads { heads, forks } => {
                // A late answer to a question that was given up is nobody's fault.
                if !self.peers.heads_ended(from, request) {
                    return;
                }
                for head in heads.into_iter().take(HEADS_PER_RESPONSE) {
                    if let Err(refusal) = self.learn_head(from, head, now, effects) {
                        self.peers.refuse(from, refusal, effects);
                    }
                }
                for proof in forks.into_iter().take(HEADS_PER_RESPONSE) {
                    if let Err(refusal) = self.learn_fork(proof, now, effects) {
                        self.peers.refuse(from, refusal, effects);
                    }
                }
            }
            Response::Entries(entries) => self.pulled(from, request, entries, now, effects),
            Response::Document(document) => {
                self.document_came(from, request, document.map(ByteBuf::into_vec), effects);
            }
        }
    }
}
