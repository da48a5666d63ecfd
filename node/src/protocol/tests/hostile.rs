//! Every kind of message, bent at random and put through the decoder into the state machine: whatever
//! comes, it ends, stays bounded, stores nothing that is not proven, and believes nobody.

use std::collections::BTreeMap;

use super::*;
use crate::codec;
use crate::limits::{
    ADDRESSES_PER_PEER, DOCUMENTS_WANTED, REQUEST_BYTES, RESPONSE_BYTES, STRANGERS,
};

/// Numbers in an order that a seed decides (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// Bytes with some of them changed, cut, repeated or added.
    fn bend(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 => bytes.truncate(at),
                2 => bytes.insert(at.min(bytes.len()), u8::try_from(self.below(256)).unwrap()),
                3 if !bytes.is_empty() => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ if !bytes.is_empty() => bytes[at] = [0, 1, 250, 251, 255][self.below(5)],
                _ => {}
            }
        }
        bytes
    }
}

/// A world of one honest log, its true messages, and what a peer may make of them.
struct Stage {
    author: Author,
    gossip: Vec<Vec<u8>>,
    requests: Vec<Vec<u8>>,
    responses: Vec<Vec<u8>>,
}

impl Stage {
    fn new() -> Self {
        let mut author = Author::new(1);
        author.announce(6);
        let mut other = Author::new(1);
        other.announce(9);
        other.entries.remove(1);
        let (small, large) = (author.head_over(&author.entries[..3]), other.head());
        let root = {
            let mut frontier = Frontier::new();
            other.entries[..3].iter().map(|entry| leaf_hash(entry)).for_each(|l| frontier.push(l));
            frontier.root()
        };
        let leaves: Vec<Digest> = other.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let fork = Fork {
            certificate: large.certificate.clone(),
            smaller: small.checkpoint.clone(),
            larger: large.checkpoint.clone(),
            root,
            hashes: prove_consistency(&leaves, 3).unwrap().hashes,
        };
        let word = ByteBuf::from(author.certificate.as_bytes());
        let gossip = [
            Gossip::Head(author.head()),
            Gossip::Head(small.clone()),
            Gossip::Fork(Box::new(fork.clone())),
            Gossip::Word(word.clone()),
        ];
        let origin = author.origin().to_string();
        let requests = [
            Request::Heads { after: String::new() },
            Request::Entries { origin: origin.clone(), from: 0, until: 3, head: 6 },
            Request::Consistency { origin: origin.clone(), old: 2, new: 6 },
            Request::Document(Digest::of(b"x")),
            Request::Cosigned { origin },
        ];
        let range = |from, until| AskedRange {
            peer: peer("p"),
            request: RequestId(0),
            from,
            until,
            head: 6,
        };
        let responses = [
            Response::Heads {
                heads: vec![author.head(), small],
                forks: vec![fork],
                words: vec![word],
            },
            honest(&author.entries, &range(0, 6), 6),
            honest(&author.entries, &range(0, 6), 2),
            honest(&author.entries, &range(2, 6), 6),
            Response::Consistency { root, proof: vec![root; 3] },
            Response::Document(Some(ByteBuf::from(vec![1; 9]))),
            Response::Nothing,
        ];
        Self {
            gossip: gossip.iter().map(|message| message.encode().unwrap()).collect(),
            requests: requests.iter().map(|message| codec::encode(message).unwrap()).collect(),
            responses: responses.iter().map(|message| codec::encode(message).unwrap()).collect(),
            author,
        }
    }

    /// One message of a random kind from `p`, in answer to `open` where it is one.
    fn event(&self, dice: &mut Dice, open: &[RequestId]) -> Option<Event> {
        let pick = |dice: &mut Dice, from: &[Vec<u8>]| {
            let message = from[dice.below(from.len())].clone();
            if dice.below(3) == 0 { message } else { dice.bend(&message) }
        };
        let from = peer("p");
        match dice.below(4) {
            0 => {
                let (id, bytes) = (MessageId(vec![1]), pick(dice, &self.gossip));
                Some(Event::Gossiped { from, id, bytes })
            }
            1 => {
                let bytes = pick(dice, &self.requests);
                let request = codec::decode::<REQUEST_BYTES, _>(&bytes).ok()?;
                Some(Event::Asked { from, ticket: Ticket(dice.next()), request })
            }
            _ => {
                let bytes = pick(dice, &self.responses);
                let response = codec::decode::<RESPONSE_BYTES, _>(&bytes).ok()?;
                let known = open.get(dice.below(open.len())).copied();
                let request = known.unwrap_or(RequestId(dice.next()));
                Some(Event::Answered { from, request, response })
            }
        }
    }
}

/// Lets one peer speak a thousand bent messages; how many of them were taken in.
fn play(stage: &Stage, seed: u64) -> usize {
    let mut dice = Dice(seed | 1);
    let mut core = core(&[&stage.author], false);
    connect(&mut core, "p");
    let (mut open, mut taken) = (Vec::new(), 0);
    let mut stored: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for step in 0..1_000_i64 {
        let event =
            if step % 100 == 99 { Some(Event::Tick) } else { stage.event(&mut dice, &open) };
        let Some(event) = event else { continue };
        taken += 1;
        let mut effects = core.handle(event, at(step / 20));
        while let Some(effect) = effects.pop() {
            let next = match effect {
                Effect::Ask { request, .. } => {
                    open.push(request);
                    None
                }
                Effect::Extend(range) => {
                    for (index, entry) in (range.from()..).zip(range.entries()) {
                        stored.insert(index, entry.to_vec());
                    }
                    Some(Event::Extended { origin: range.origin().clone() })
                }
                Effect::Rewind { size, .. } => {
                    stored.retain(|index, _| *index < size);
                    None
                }
                Effect::StoreHead { head } => {
                    Some(Event::Stored { origin: head.origin().clone(), size: head.size() })
                }
                Effect::FindDocument(digest) => Some(Event::NoDocument(digest)),
                Effect::Drop(dropped) => Some(Event::Disconnected(dropped)),
                _ => None,
            };
            if let Some(event) = next {
                effects.extend(core.handle(event, at(step / 20)));
            }
        }
        if core.peers().count() == 0 {
            // Time passes until it may come back.
            let address = Address { text: "/dns/p".to_owned(), ip: None };
            let back = Event::Connected { peer: peer("p"), address, dialled: false };
            core.handle(back, at(step / 20 + 10_000 * (step + 1)));
        }
        let excess = open.len().saturating_sub(64);
        open.drain(..excess);
    }
    for (index, entry) in &stored {
        assert_eq!(
            Some(entry),
            stage.author.entries.get(usize::try_from(*index).unwrap()),
            "{seed}"
        );
    }
    assert!(core.logs().count() <= 1 && core.strangers().count() <= STRANGERS);
    assert!(core.documents.len() <= DOCUMENTS_WANTED + ADDRESSES_PER_PEER);
    taken
}

#[test]
fn bent_messages_change_nothing_that_is_not_proven() {
    let stage = Stage::new();
    let taken: usize = (0..60).map(|seed| play(&stage, seed * 7_919 + 1)).sum();
    assert!(taken > 10_000, "most of them get through the decoder: {taken}");
}
