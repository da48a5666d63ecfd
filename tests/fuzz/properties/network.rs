//! The property of the protocol's state machine: two peers do and say what the bytes spell, through
//! the decoder; whatever comes, it ends, stays bounded, and stores nothing that is not proven.

mod stage;

use super::super::beside::protocol::queue::Room;
use super::super::beside::protocol::{
    Address, Core, Effect, Event, MessageId, Peer, Queue, Request, RequestId, Response, Ticket,
};
use super::super::beside::{REQUEST_BYTES, RESPONSE_BYTES, STRANGERS, decode};
use stage::{Stage, at};

/// Things that are done for one input: more would only be slow.
const ACTIONS: usize = 200;

/// What one event may lead to, with all that follows from it; far above what is seen.
const EFFECTS: usize = 1_000;

/// Questions that a peer may leave unanswered: what is beyond was asked in vain.
const OPEN: usize = 64;

/// Rounds of ticks in which an honest peer is heard after everything.
const ROUNDS: i64 = 40;

/// Reads the input from its beginning, zeros beyond its end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    /// Two bytes of length, and as many bytes.
    fn bytes(&mut self) -> &'a [u8] {
        let length = ((self.byte() << 8) | self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    /// One of some messages, with up to three of its bytes changed, or its end cut off.
    fn bent(&mut self, from: &[Vec<u8>]) -> Vec<u8> {
        let mut message = from[self.byte() % from.len()].clone();
        for _ in 0..self.byte() % 4 {
            let place = ((self.byte() << 8) | self.byte()) % message.len().max(1);
            let value = u8::try_from(self.byte()).unwrap();
            if value == 0 {
                message.truncate(place);
            } else if let Some(byte) = message.get_mut(place) {
                *byte ^= value;
            }
        }
        message
    }
}

/// The state machine, and a disk and a clock for it.
struct Node<'a> {
    stage: &'a Stage,
    core: Core,
    seconds: i64,
    stored: Vec<Vec<u8>>,
    open: Vec<(Peer, RequestId, Request)>,
    tickets: u64,
}

impl<'a> Node<'a> {
    fn new(stage: &'a Stage) -> Self {
        let queue = Queue::new(Room { jobs: 1, memory: 1 << 30 });
        let core = Core::new(stage.identity(), Vec::new(), queue);
        let (stored, open) = (Vec::new(), Vec::new());
        Self { stage, core, seconds: 0, stored, open, tickets: 0 }
    }

    /// One event, and everything that follows from it.
    fn handle(&mut self, event: Event) {
        let mut effects = self.core.handle(event, at(self.seconds));
        let mut count = 0;
        while let Some(effect) = effects.pop() {
            count += 1;
            assert!(count <= EFFECTS, "it does not end");
            if let Some(event) = self.perform(effect) {
                effects.extend(self.core.handle(event, at(self.seconds)));
            }
        }
        let excess = self.open.len().saturating_sub(OPEN);
        self.open.drain(..excess);
    }

    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Ask { peer, request, question } => self.open.push((peer, request, question)),
            Effect::Extend(range) => {
                assert_eq!(*range.origin(), self.stage.origin);
                assert_eq!(range.from(), self.stored.len() as u64, "in order, without a gap");
                self.stored.extend(range.entries().into_iter().map(<[u8]>::to_vec));
                assert!(self.stage.signed(&self.stored), "it stores what nobody proved");
                return Some(Event::Extended { origin: range.origin().clone() });
            }
            Effect::Rewind { size, .. } => {
                self.stored.truncate(usize::try_from(size).unwrap());
            }
            Effect::StoreHead { head } => {
                assert!(head.size() <= self.stored.len() as u64, "a head over nothing");
                return Some(Event::Stored { origin: head.origin().clone(), size: head.size() });
            }
            Effect::FindDocument(digest) => return Some(Event::NoDocument(digest)),
            Effect::Drop(dropped) => return Some(Event::Disconnected(dropped)),
            _ => {}
        }
        None
    }

    fn connect(&mut self, peer: &Peer, dialled: bool) {
        let address = Address { text: format!("/dns/{}", peer.0), ip: None };
        self.handle(Event::Connected { peer: peer.clone(), address, dialled });
    }

    fn gossip(&mut self, from: &Peer, bytes: Vec<u8>) {
        let (from, id) = (from.clone(), MessageId(vec![1]));
        self.handle(Event::Gossiped { from, id, bytes });
    }

    fn asked(&mut self, from: &Peer, bytes: &[u8]) {
        self.tickets += 1;
        let (from, ticket) = (from.clone(), Ticket(self.tickets));
        self.handle(match decode::<REQUEST_BYTES, Request>(bytes) {
            Ok(request) => Event::Asked { from, ticket, request },
            Err(_) => Event::Garbled(from),
        });
    }

    /// An answer to a question that is open, or to one that nobody asked.
    fn answer(&mut self, from: &Peer, which: usize, bytes: &[u8]) {
        let open = self.open.get(which % self.open.len().max(1));
        let request = open.map_or(RequestId(which as u64), |open| open.1);
        let from = from.clone();
        self.handle(match decode::<RESPONSE_BYTES, Response>(bytes) {
            Ok(response) => Event::Answered { from, request, response },
            Err(_) => Event::Unanswered { from, request },
        });
    }

    /// The truth, by whom it was asked of.
    fn answer_honestly(&mut self, which: usize) {
        if self.open.is_empty() {
            return;
        }
        let (from, request, question) = self.open.remove(which % self.open.len());
        let event = match self.stage.answer(&question) {
            Some(response) => Event::Answered { from, request, response },
            None => Event::Unanswered { from, request },
        };
        self.handle(event);
    }

    /// One thing that a peer does, or time.
    fn act(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let peer = Peer(if kind & 0x80 == 0 { "p" } else { "q" }.to_owned());
        let stage = self.stage;
        match kind % 11 {
            0 => self.gossip(&peer, input.bytes().to_vec()),
            1 => self.asked(&peer, input.bytes()),
            2 => self.answer(&peer, input.byte(), input.bytes()),
            3 => self.gossip(&peer, input.bent(&stage.gossip)),
            4 => self.asked(&peer, &input.bent(&stage.requests)),
            5 => self.answer(&peer, input.byte(), &input.bent(&stage.responses)),
            6 | 7 => self.answer_honestly(input.byte()),
            8 => {
                self.seconds += i64::try_from(input.byte()).unwrap();
                self.handle(Event::Tick);
            }
            9 => self.handle(Event::Disconnected(peer)),
            _ => self.connect(&peer, kind & 0x40 == 0),
        }
    }

    fn is_bounded(&self) {
        assert!(self.core.logs().count() <= 1 && self.core.peers().count() <= 3);
        assert!(self.core.strangers().count() <= STRANGERS);
        assert_eq!(self.core.queue().rows().count(), 0, "nothing is rebuilt for strangers here");
        for (origin, size) in self.core.logs() {
            assert_eq!(*origin, self.stage.origin);
            assert!(size <= self.stored.len() as u64, "it says to hold what is not stored");
        }
    }

    /// A day later somebody honest comes, and gets all of the log across, unless the log's own key
    /// was seen to have signed two histories, or another of them is held.
    fn is_still_honest(&mut self) {
        self.handle(Event::Disconnected(Peer("p".to_owned())));
        self.handle(Event::Disconnected(Peer("q".to_owned())));
        self.open.clear();
        self.seconds += 86_400;
        let honest = Peer("honest".to_owned());
        self.connect(&honest, true);
        let whole = self.stage.entries.len() as u64;
        let held = |node: &Self| node.core.logs().map(|(_, size)| size).max().unwrap_or(0);
        for _ in 0..ROUNDS {
            self.gossip(&honest, self.stage.gossip[0].clone());
            for _ in 0..OPEN {
                self.answer_honestly(0);
            }
            if held(self) == whole {
                return;
            }
            self.seconds += 30;
            self.handle(Event::Tick);
        }
        let forked = self.core.is_forked(&self.stage.origin);
        let elsewhere = !self.stage.entries.starts_with(&self.stored);
        let held = held(self);
        assert!(forked || elsewhere, "an honest peer is not heard any more: {held} entries");
    }
}

/// Whether the input brought anything into the log.
pub fn network(bytes: &[u8]) -> bool {
    let stage = Stage::get();
    let mut node = Node::new(stage);
    let mut input = Input(bytes);
    node.connect(&Peer("p".to_owned()), false);
    for _ in 0..ACTIONS {
        if input.0.is_empty() {
            break;
        }
        node.act(&mut input);
        node.is_bounded();
    }
    let learned = !node.stored.is_empty();
    node.is_still_honest();
    node.is_bounded();
    learned
}
