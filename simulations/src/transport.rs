//! What the swarm does between the core and the network: connections, gossip passed on, requests matched to answers.

use std::collections::{BTreeMap, BTreeSet};

use reattest::codec;
use reattest::limits::{GOSSIP_BYTES, REQUEST_BYTES, RESPONSE_BYTES};
use reattest::protocol::{Event, Judgement, MessageId, Request, RequestId, Response, Ticket};
use reattest_attestation::Digest;

use crate::checkers::{Broken, Invariant};
use crate::network::{Name, Packet};

/// The transport of one node in one of its lives.
#[derive(Debug)]
pub struct Transport {
    /// Connected nodes.
    pub connected: BTreeSet<Name>,
    /// Requests that no answer came to yet.
    pub asked: BTreeMap<u64, (Name, RequestId)>,
    /// Requests of others that were not answered yet.
    pub tickets: BTreeMap<Ticket, (Name, u64)>,
    /// Gossiped messages that came, by their digests; each is passed on at most once.
    seen: BTreeMap<Digest, Option<Vec<u8>>>,
    next: u64,
}

fn bounded(found: usize, limit: usize, what: &str) -> Result<(), Broken> {
    if found <= limit {
        return Ok(());
    }
    Err(Broken::new(Invariant::Bounds, format!("{what} of {found}, at most {limit} are allowed")))
}

fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Broken> {
    codec::encode(value).map_err(|error| Broken::new(Invariant::Bounds, error.to_string()))
}

impl Transport {
    /// The transport of a node's life of this number: numbers of requests never repeat.
    pub fn of_life(life: u32) -> Self {
        Self {
            connected: BTreeSet::new(),
            asked: BTreeMap::new(),
            tickets: BTreeMap::new(),
            seen: BTreeMap::new(),
            next: u64::from(life) << 32,
        }
    }

    fn number(&mut self) -> u64 {
        self.next = self.next.saturating_add(1);
        self.next
    }

    /// A request on its way to a peer, and its number.
    pub fn ask(
        &mut self,
        peer: Name,
        request: RequestId,
        question: &Request,
    ) -> Result<(u64, Packet), Broken> {
        let bytes = encode(question)?;
        bounded(bytes.len(), REQUEST_BYTES, "a request")?;
        let number = self.number();
        self.asked.insert(number, (peer, request));
        Ok((number, Packet::Ask(number, bytes)))
    }

    /// An answer on its way to whoever asked.
    pub fn reply(&mut self, ticket: Ticket, response: &Response) -> Result<(Name, Packet), Broken> {
        let Some((peer, number)) = self.tickets.remove(&ticket) else {
            return Err(Broken::new(Invariant::OneAnswer, format!("{ticket:?} twice")));
        };
        let bytes = encode(response)?;
        bounded(bytes.len(), RESPONSE_BYTES, "a response")?;
        Ok((peer, Packet::Answer(number, bytes)))
    }

    /// Everybody whom a gossiped message of our own goes to.
    pub fn publish(&mut self, bytes: &[u8]) -> Result<Vec<Name>, Broken> {
        bounded(bytes.len(), GOSSIP_BYTES, "a gossiped message")?;
        self.seen.insert(Digest::of(bytes), None);
        Ok(self.connected.iter().copied().collect())
    }

    /// Everybody whom a judged message is passed on to, and the message.
    pub fn judge(
        &mut self,
        id: &MessageId,
        from: Name,
        judgement: Judgement,
    ) -> Option<(Vec<u8>, Vec<Name>)> {
        let digest = Digest::from_bytes(id.0.as_slice().try_into().ok()?);
        let bytes = self.seen.get_mut(&digest)?.take()?;
        let others = self.connected.iter().copied().filter(|peer| *peer != from).collect();
        (judgement == Judgement::Accept).then_some((bytes, others))
    }

    /// What a packet is to the core; nothing where the transport swallows it.
    ///
    /// A repeated gossiped message does come to the core again: the swarm forgets what it saw after
    /// a while.
    pub fn receive(&mut self, from: Name, packet: Packet) -> Option<Event> {
        match packet {
            Packet::Gossip(bytes) => {
                let id = Digest::of(&bytes);
                self.seen.entry(id).or_insert_with(|| Some(bytes.clone()));
                let id = MessageId(id.as_bytes().to_vec());
                Some(Event::Gossiped { from: from.peer(), id, bytes })
            }
            Packet::Ask(number, bytes) => {
                let request = codec::decode::<REQUEST_BYTES, _>(&bytes).ok()?;
                let ticket = Ticket(self.number());
                self.tickets.insert(ticket, (from, number));
                Some(Event::Asked { from: from.peer(), ticket, request })
            }
            Packet::Answer(number, bytes) => {
                let (_, request) = self.asked.remove(&number).filter(|(peer, _)| *peer == from)?;
                let response = codec::decode::<RESPONSE_BYTES, _>(&bytes).ok()?;
                Some(Event::Answered { from: from.peer(), request, response })
            }
        }
    }

    /// A request was waited for long enough, where it is still open.
    pub fn time_out(&mut self, number: u64) -> Option<Event> {
        let (peer, request) = self.asked.remove(&number)?;
        Some(Event::Unanswered { from: peer.peer(), request })
    }

    /// A connection closed; what the core is told of it.
    pub fn disconnect(&mut self, peer: Name) -> Vec<Event> {
        self.connected.remove(&peer);
        let open = self.asked.iter().filter(|(_, (asked, _))| *asked == peer);
        let open: Vec<u64> = open.map(|(number, _)| *number).collect();
        let mut events = vec![Event::Disconnected(peer.peer())];
        events.extend(open.into_iter().filter_map(|number| self.time_out(number)));
        events
    }
}
