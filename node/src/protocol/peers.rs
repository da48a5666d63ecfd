//! The peers, what was asked of them, and what they did wrong.

use std::collections::BTreeMap;

use reattest_attestation::Timestamp;
use serde_bytes::ByteBuf;

use super::event::{Effect, Notice};
use super::message::{Request, Response};
use super::refusal::Refusal;
use super::{Core, sync};
use crate::limits::{HEADS_PER_RESPONSE, HEADS_SECONDS, PEERS, PENALTY_LIMIT};

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
    heads_asked: Option<(RequestId, Timestamp)>,
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
            standing.heads_asked = Some((request, now));
            let question = Request::Heads;
            effects.push(Effect::Ask { peer: peer.clone(), request, question });
        }
    }

    /// Whether this answers the last question for heads.
    fn heads_answered(&self, peer: &Peer, request: RequestId) -> bool {
        let asked = self.connected.get(peer).and_then(|standing| standing.heads_asked);
        asked.is_some_and(|(asked, _)| asked == request)
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
            .filter(|(_, standing)| {
                standing.heads_asked.is_none_or(|(_, at)| sync::is_due(at, HEADS_SECONDS, now))
            })
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
                effects.push(Effect::Reply { ticket, response: Response::Heads(heads) });
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
            Response::Heads(heads) if self.peers.heads_answered(from, request) => {
                for head in heads.into_iter().take(HEADS_PER_RESPONSE) {
                    if let Err(refusal) = self.learn_head(from, head, now, effects) {
                        self.peers.refuse(from, refusal, effects);
                    }
                }
            }
            Response::Entries(entries) => self.pulled(from, request, entries, now, effects),
            Response::Document(document) => {
                self.document_came(from, request, document.map(ByteBuf::into_vec), effects);
            }
            Response::Heads(_) => self.peers.refuse(from, Refusal::Unasked, effects),
        }
    }
}
