//! The peers, what was asked of them, and what they did wrong.

use std::collections::BTreeMap;

use reattest_attestation::Timestamp;
use reattest_attestation::log::Origin;

use super::addresses::{Address, range_of};
use super::effect::{Effect, Notice};
use super::message::{Request, VERSION};
use super::rates::Rates;
use super::refusal::Refusal;
use super::{Core, sync};
use crate::limits::{
    BAN_SECONDS, BANNED, HEADS_PER_RESPONSE, HEADS_SECONDS, INBOUND_PER_RANGE, PEERS,
    PENALTY_LIMIT, PENALTY_SECONDS, REQUEST_SECONDS,
};

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

#[derive(Debug)]
struct Standing {
    address: Address,
    dialled: bool,
    penalty: u32,
    /// When a penalty point was forgiven last.
    forgiven: Timestamp,
    rates: Rates,
    /// When it was last asked for its heads.
    asked_at: Option<Timestamp>,
    /// That question, while its answer is out.
    asked: Option<(RequestId, String)>,
    /// The largest size of each log that it said to hold.
    held: BTreeMap<Origin, u64>,
}

impl Standing {
    fn new(address: Address, dialled: bool, now: Timestamp) -> Self {
        Self {
            address,
            dialled,
            penalty: 0,
            forgiven: now,
            rates: Rates::default(),
            asked_at: None,
            asked: None,
            held: BTreeMap::new(),
        }
    }

    /// A slow peer is given the time of a request before it is asked again.
    fn heads_due(&self, wait: i64, now: Timestamp) -> bool {
        let wait = if self.asked.is_some() { REQUEST_SECONDS } else { wait };
        self.asked_at.is_none_or(|at| sync::is_due(at, wait, now))
    }

    /// Old sins are forgiven slowly.
    fn forgive(&mut self, now: Timestamp) {
        if sync::is_due(self.forgiven, PENALTY_SECONDS, now) {
            self.forgiven = now;
            self.penalty = self.penalty.saturating_sub(1);
        }
    }
}

/// Seconds between two questions for all heads to one peer, for who holds so many logs: as many times
/// longer as there are pages of heads, so that a peer's answers take no more of a link for a thousand
/// logs than for 64.
pub fn heads_wait(logs: usize) -> i64 {
    let pages = i64::try_from(logs.div_ceil(HEADS_PER_RESPONSE)).unwrap_or(i64::MAX);
    HEADS_SECONDS.saturating_mul(pages.max(1))
}

/// A connected peer, as others may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Who.
    pub peer: Peer,
    /// Where.
    pub address: String,
    /// Whether this node opened the connection.
    pub dialled: bool,
    /// Penalty points.
    pub penalty: u32,
}

/// The connected peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    connected: BTreeMap<Peer, Standing>,
    /// Dropped peers, and until when they stay out.
    banned: BTreeMap<Peer, Timestamp>,
    next_request: u64,
}

impl Peers {
    pub(super) fn is_connected(&self, peer: &Peer) -> bool {
        self.connected.contains_key(peer)
    }

    pub(super) fn names(&self) -> Vec<Peer> {
        self.connected.keys().cloned().collect()
    }

    /// Connections that this node opened.
    pub(super) fn outbound(&self) -> usize {
        self.connected.values().filter(|standing| standing.dialled).count()
    }

    /// The ranges of addresses that these lead to.
    pub(super) fn outbound_ranges(&self) -> impl Iterator<Item = [u8; 4]> {
        let dialled = self.connected.values().filter(|standing| standing.dialled);
        dialled.filter_map(|standing| range_of(&standing.address))
    }

    pub(super) fn new_request(&mut self) -> RequestId {
        self.next_request = self.next_request.wrapping_add(1);
        RequestId(self.next_request)
    }

    /// Whether the peer may be asked once more, by the rate that it allows.
    pub(super) fn may_ask(&mut self, peer: &Peer, now: Timestamp) -> bool {
        self.connected.get_mut(peer).is_some_and(|standing| standing.rates.may_ask(now))
    }

    fn may_gossip(&mut self, peer: &Peer, now: Timestamp) -> bool {
        self.connected.get_mut(peer).is_none_or(|standing| standing.rates.may_gossip(now))
    }

    pub(super) fn may_request(&mut self, peer: &Peer, now: Timestamp) -> bool {
        self.connected.get_mut(peer).is_none_or(|standing| standing.rates.may_request(now))
    }

    /// Writes a refusal down; a peer beyond the limit is dropped, once, and stays out for a while.
    pub(super) fn refuse(&mut self, peer: &Peer, refusal: Refusal, effects: &mut Vec<Effect>) {
        effects.push(Effect::Notice(Notice::Refused { peer: peer.clone(), refusal }));
        let Some(standing) = self.connected.get_mut(peer) else {
            return;
        };
        let before = standing.penalty;
        standing.penalty = before.saturating_add(refusal.penalty());
        if before < PENALTY_LIMIT && standing.penalty >= PENALTY_LIMIT {
            let until = standing.forgiven.as_unix().saturating_add(BAN_SECONDS);
            self.ban(peer.clone(), Timestamp::from_unix(until));
            effects.push(Effect::Drop(peer.clone()));
        }
    }

    fn ban(&mut self, peer: Peer, until: Timestamp) {
        if self.banned.len() >= BANNED {
            let oldest = self.banned.iter().min_by_key(|(_, until)| **until);
            if let Some(oldest) = oldest.map(|(peer, _)| peer.clone()) {
                self.banned.remove(&oldest);
            }
        }
        self.banned.insert(peer, until);
    }

    /// Why a connection is not kept, if it is not.
    fn objection(&self, peer: &Peer, address: &Address, dialled: bool) -> Option<Refusal> {
        if self.banned.contains_key(peer) {
            return Some(Refusal::Banned);
        }
        if self.connected.contains_key(peer) {
            return None;
        }
        let range = range_of(address);
        let of_range =
            |standing: &&Standing| range.is_some() && range_of(&standing.address) == range;
        let crowd = self.connected.values().filter(of_range).count();
        let crowded = !dialled && crowd >= INBOUND_PER_RANGE;
        (crowded || self.connected.len() >= PEERS).then_some(Refusal::NoRoom)
    }

    pub(super) fn ask_heads(
        &mut self,
        peer: &Peer,
        after: String,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let request = self.new_request();
        if let Some(standing) = self.connected.get_mut(peer) {
            standing.asked = Some((request, after.clone()));
            standing.asked_at = Some(now);
            let question = Request::Heads { after };
            effects.push(Effect::Ask { peer: peer.clone(), request, question });
        }
    }

    /// After which origin heads were asked for, where this ends the last question for them.
    pub(super) fn heads_ended(&mut self, peer: &Peer, request: RequestId) -> Option<String> {
        let standing = self.connected.get_mut(peer)?;
        standing.asked.take_if(|(asked, _)| *asked == request).map(|(_, after)| after)
    }

    /// A peer says that it holds this much of a log; what it said to hold before, where that was
    /// more.
    pub(super) fn says_to_hold(&mut self, peer: &Peer, origin: &Origin, size: u64) -> Option<u64> {
        let standing = self.connected.get_mut(peer)?;
        let before = standing.held.insert(origin.clone(), size)?;
        (before > size).then_some(before)
    }
}

impl Core {
    pub(super) fn connected(
        &mut self,
        peer: Peer,
        address: Address,
        dialled: bool,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let allowed = self.identity.allowed.as_ref();
        let objection = if allowed.is_some_and(|allowed| !allowed.contains(&peer)) {
            Some(Refusal::NotAllowed)
        } else {
            self.peers.banned.retain(|_, until| now < *until);
            self.peers.objection(&peer, &address, dialled)
        };
        if let Some(refusal) = objection {
            effects.push(Effect::Notice(Notice::Refused { peer: peer.clone(), refusal }));
            effects.push(Effect::Drop(peer));
            return;
        }
        if dialled {
            self.addresses.reached(&peer, &address);
        }
        let standing = Standing::new(address, dialled, now);
        self.peers.connected.entry(peer.clone()).or_insert(standing);
        self.peers.ask_heads(&peer, String::new(), now, effects);
        self.ask_to_cosign(&peer, effects);
    }

    /// A peer that speaks another protocol cannot be understood.
    pub(super) fn identified(&mut self, peer: &Peer, protocol: &str, effects: &mut Vec<Effect>) {
        if protocol != protocol_name(&self.identity.network) {
            self.peers.refuse(peer, Refusal::OtherProtocol, effects);
            effects.push(Effect::Drop(peer.clone()));
        }
    }

    pub(super) fn disconnected(&mut self, peer: &Peer, now: Timestamp, effects: &mut Vec<Effect>) {
        self.peers.connected.remove(peer);
        self.forget_provider(peer, now, effects);
        self.forget_early(peer, effects);
        self.dial(now, effects);
    }

    /// The connected peers.
    pub fn peers(&self) -> impl Iterator<Item = PeerView> {
        self.peers.connected.iter().map(|(peer, standing)| PeerView {
            peer: peer.clone(),
            address: standing.address.text.clone(),
            dialled: standing.dialled,
            penalty: standing.penalty,
        })
    }

    /// Asks every peer for its heads now and then: gossip may be lost, this is not.
    pub(super) fn ask_for_heads(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let (mut due, wait) = (Vec::new(), heads_wait(self.logs.len()));
        for (peer, standing) in &mut self.peers.connected {
            standing.forgive(now);
            if standing.heads_due(wait, now) {
                due.push(peer.clone());
            }
        }
        for peer in due {
            self.peers.ask_heads(&peer, String::new(), now, effects);
            self.ask_to_cosign(&peer, effects);
        }
    }

    /// A signer that came back asks whoever may be a witness where its own log stood.
    fn ask_to_cosign(&mut self, peer: &Peer, effects: &mut Vec<Effect>) {
        if !self.signer_awaits {
            return;
        }
        let own = self.logs.keys().filter(|origin| {
            self.identity.own.is_some_and(|key| origin.key_digest() == key.digest())
        });
        if let Some(newest) = own.max_by_key(|origin| origin.year()) {
            let question = Request::Cosigned { origin: newest.to_string() };
            let request = self.peers.new_request();
            self.cosigning.insert(request, peer.clone());
            effects.push(Effect::Ask { peer: peer.clone(), request, question });
        }
    }

    /// Whether a peer gossips no faster than it may.
    pub(super) fn gossip_in_time(&mut self, from: &Peer, now: Timestamp) -> Result<(), Refusal> {
        if self.peers.may_gossip(from, now) { Ok(()) } else { Err(Refusal::TooFast) }
    }

    /// A request came to nothing.
    pub(super) fn unanswered(
        &mut self,
        from: &Peer,
        request: RequestId,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.range_unanswered(from, request, now, effects);
        self.document_did_not_come(from, request);
        self.no_answer(from, request);
    }

    pub(super) fn no_answer(&mut self, from: &Peer, request: RequestId) {
        let _not_asked = self.take_doubt(from, request);
        self.cosigning.remove(&request);
        self.peers.heads_ended(from, request);
    }
}

/// The protocol's name, with the network and the version in it.
pub fn protocol_name(network: &reattest_attestation::NetworkId) -> String {
    format!("/reattest/{network}/{VERSION}")
}
