//! The core against peers that lie, withhold, fork and speak nonsense.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod forks;
mod hostile;
mod peers;
mod questions;
mod replication;

use reattest_attestation::log::tiles::encode_entry;
use reattest_attestation::log::{
    Checkpoint, Frontier, Origin, SignedCheckpoint, leaf_hash, prove_consistency,
};
use reattest_attestation::{
    Announcement, Certificate, Digest, Envelope, NetworkId, Purl, SecretKey, Sign, Timestamp,
};
use serde_bytes::ByteBuf;

use super::*;

const NOW: i64 = 1_790_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds)
}

fn network(name: &str) -> NetworkId {
    name.parse().unwrap()
}

fn purl() -> Purl {
    "pkg:deb/debian/netbase@6.5?arch=all&distro=trixie".parse().unwrap()
}

/// Somebody with an offline key, an online key, and a log.
struct Author {
    operator: SecretKey,
    rebuilder: SecretKey,
    certificate: Envelope,
    entries: Vec<Vec<u8>>,
    network: NetworkId,
}

impl Author {
    fn new(seed: u8) -> Self {
        let operator = SecretKey::from_seed(&[seed; 32]);
        let rebuilder = SecretKey::from_seed(&[seed + 100; 32]);
        let certificate = Certificate {
            operator: operator.public_key(),
            rebuilder: rebuilder.public_key(),
            not_before: at(-1000),
            not_after: at(1_000_000),
        };
        let certificate = Envelope::sign(certificate.to_payload().unwrap(), &operator).unwrap();
        Self { operator, rebuilder, certificate, entries: Vec::new(), network: network("test") }
    }

    fn announce(&mut self, count: usize) {
        for number in 0..count {
            let announced = at(i64::try_from(self.entries.len() + number).unwrap());
            let announcement =
                Announcement { network: self.network.clone(), purl: purl(), announced };
            let payload = announcement.to_payload().unwrap();
            self.entries
                .push(Envelope::sign(payload, &self.rebuilder).unwrap().as_bytes().to_vec());
        }
    }

    fn origin(&self) -> Origin {
        Origin::new(&self.network, &self.rebuilder.public_key(), 2026)
    }

    fn head_over(&self, entries: &[Vec<u8>]) -> Head {
        let mut frontier = Frontier::new();
        for entry in entries {
            frontier.push(leaf_hash(entry));
        }
        let (size, root) = (frontier.size(), frontier.root());
        let signed =
            Checkpoint { origin: self.origin(), size, root }.sign(&self.rebuilder).unwrap();
        Head {
            certificate: ByteBuf::from(self.certificate.as_bytes()),
            checkpoint: ByteBuf::from(signed.as_bytes()),
        }
    }

    fn head(&self) -> Head {
        self.head_over(&self.entries)
    }

    /// A core that follows this author and holds the first `count` entries.
    fn held_by(&self, count: usize) -> Core {
        let mut core = core(&[self], false);
        connect(&mut core, "first");
        let effects = gossip(&mut core, "first", self.head_over(&self.entries[..count]), at(0));
        let range = asked(&effects).unwrap();
        let effects = respond(&mut core, &range, honest(&self.entries, &range, 1_000));
        store(&mut core, effects);
        assert_eq!(size_of(&core), [u64::try_from(count).unwrap()]);
        core
    }
}

fn identity(follows: &[&Author], rebuilds: bool) -> Identity {
    Identity {
        network: network("test"),
        operators: follows.iter().map(|author| author.operator.public_key()).collect(),
        own: None,
        rebuilds,
        witnesses: Vec::new(),
        cosigns: false,
        allowed: None,
    }
}

fn an_empty_queue() -> Queue {
    Queue::new(queue::Room { jobs: 1, memory: 1 << 30 })
}

fn core(follows: &[&Author], rebuilds: bool) -> Core {
    Core::new(identity(follows, rebuilds), Vec::new(), an_empty_queue())
}

fn connect(core: &mut Core, name: &str) -> Vec<Effect> {
    let address = Address { text: format!("/dns/{name}"), ip: None };
    core.handle(Event::Connected { peer: peer(name), address, dialled: false }, at(0))
}

/// The node's store answers that ranges are written and heads are on disk.
fn store(core: &mut Core, effects: Vec<Effect>) -> (Vec<Vec<u8>>, Vec<Effect>) {
    let (mut written, mut others) = (Vec::new(), Vec::new());
    let mut queue = std::collections::VecDeque::from(effects);
    while let Some(effect) = queue.pop_front() {
        let event = match effect {
            Effect::Extend(range) => {
                written.extend(range.entries().into_iter().map(<[u8]>::to_vec));
                Event::Extended { origin: range.origin().clone() }
            }
            Effect::StoreHead { head } => {
                Event::Stored { origin: head.origin().clone(), size: head.size() }
            }
            other => {
                others.push(other);
                continue;
            }
        };
        queue.extend(core.handle(event, at(1)));
    }
    (written, others)
}

fn peer(name: &str) -> Peer {
    Peer(name.to_owned())
}

fn gossip(core: &mut Core, from: &str, head: Head, now: Timestamp) -> Vec<Effect> {
    let bytes = Gossip::Head(head).encode().unwrap();
    core.handle(Event::Gossiped { from: peer(from), id: MessageId(vec![1]), bytes }, now)
}

/// A range that somebody was asked for.
#[derive(Debug, Clone)]
struct AskedRange {
    peer: Peer,
    request: RequestId,
    from: u64,
    until: u64,
    head: u64,
}

fn ranges(effects: &[Effect]) -> Vec<AskedRange> {
    let range = |effect: &Effect| match effect {
        Effect::Ask { peer, request, question: Request::Entries { from, until, head, .. } } => {
            let (peer, request) = (peer.clone(), *request);
            Some(AskedRange { peer, request, from: *from, until: *until, head: *head })
        }
        _ => None,
    };
    effects.iter().filter_map(range).collect()
}

fn asked(effects: &[Effect]) -> Option<AskedRange> {
    ranges(effects).into_iter().next()
}

fn judged(effects: &[Effect]) -> Judgement {
    let judge = |effect: &Effect| match effect {
        Effect::Judge { judgement, .. } => Some(*judgement),
        _ => None,
    };
    effects.iter().find_map(judge).unwrap()
}

fn refused(effects: &[Effect]) -> Vec<Refusal> {
    let refusal = |effect: &Effect| match effect {
        Effect::Notice(Notice::Refused { refusal, .. }) => Some(*refusal),
        _ => None,
    };
    effects.iter().filter_map(refusal).collect()
}

/// What an honest holder of these entries answers, giving at most `most` of them.
fn honest(entries: &[Vec<u8>], range: &AskedRange, most: usize) -> Response {
    let (from, until) =
        (usize::try_from(range.from).unwrap(), usize::try_from(range.until).unwrap());
    let end = until.min(from + most);
    let mut bundle = Vec::new();
    for entry in &entries[from..end] {
        encode_entry(entry, &mut bundle).unwrap();
    }
    let leaves: Vec<Digest> =
        entries[..usize::try_from(range.head).unwrap()].iter().map(|e| leaf_hash(e)).collect();
    let proof = if end == leaves.len() {
        Vec::new()
    } else {
        prove_consistency(&leaves, u64::try_from(end).unwrap()).unwrap().hashes
    };
    Response::Entries { bundle: ByteBuf::from(bundle), proof }
}

fn respond(core: &mut Core, range: &AskedRange, response: Response) -> Vec<Effect> {
    let (from, request) = (range.peer.clone(), range.request);
    core.handle(Event::Answered { from, request, response }, at(1))
}

fn size_of(core: &Core) -> Vec<u64> {
    core.logs().map(|(_, size)| size).collect()
}
