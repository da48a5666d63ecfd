//! Events a second of the production state machine on one core: a follower that hears of heads, pulls, stores and answers.

use std::collections::VecDeque;
use std::time::Instant;

use reattest::protocol::queue::Room;
use reattest::protocol::{
    Address, Core, Effect, Event, Gossip, Head, Identity, MessageId, Peer, Queue, Request,
    Response, Ticket,
};
use reattest_attestation::log::tiles::encode_entry;
use reattest_attestation::log::{Checkpoint, Frontier, Origin, leaf_hash};
use reattest_attestation::statement::Certificate;
use reattest_attestation::{Digest, Envelope, SecretKey, Sign as _, Timestamp};
use serde_bytes::ByteBuf;

use crate::pairs::Pair;
use crate::table::Table;
use crate::worlds::{NOW, network, outcome, rebuild};

/// Logs that the node follows, and attestations in each.
const LOGS: u16 = 10;
const ENTRIES: usize = 200;

/// Connected peers: those that a node dials.
const PEERS: usize = 16;

/// Attestations a second, and ticks.
const A_SECOND: usize = 10;
const TICKS: usize = 2;

/// Rounds of a head that is held, a question and a tick.
const QUIET: usize = 4_000;

/// Seconds an event at 200,000 a second.
const GOAL: f64 = 1.0 / 200_000.0;

/// A log: its entries, and the head and its message after each of them.
struct Author {
    origin: Origin,
    operator: SecretKey,
    entries: Vec<Vec<u8>>,
    heads: Vec<Vec<u8>>,
}

impl Author {
    fn new(number: u16) -> Self {
        let [operator, key] = ["operator", "rebuilder"]
            .map(|what| Digest::of(format!("{what} {number}").as_bytes()))
            .map(|seed| SecretKey::from_seed(seed.as_bytes()));
        let certificate = Certificate {
            operator: operator.public_key(),
            rebuilder: key.public_key(),
            not_before: Timestamp::from_unix(0),
            not_after: "2100-01-01T00:00:00Z".parse().unwrap(),
        };
        let certificate = Envelope::sign(certificate.to_payload().unwrap(), &operator).unwrap();
        let origin = Origin::new(&network(), &key.public_key(), 2026);
        let (mut entries, mut heads, mut frontier) = (Vec::new(), Vec::new(), Frontier::new());
        for entry in 0..ENTRIES {
            let purl = format!("pkg:deb/debian/netbase@{entry}.{number}?arch=all&distro=trixie");
            let said = rebuild(outcome(&purl, Digest::of(purl.as_bytes()), '+'));
            let payload = said.to_payload(&key.public_key()).unwrap();
            let entry = Envelope::sign(payload, &key).unwrap().as_bytes().to_vec();
            frontier.push(leaf_hash(&entry));
            entries.push(entry);
            let (size, root) = (frontier.size(), frontier.root());
            let checkpoint = Checkpoint { origin: origin.clone(), size, root }.sign(&key).unwrap();
            let head = Head {
                certificate: ByteBuf::from(certificate.as_bytes()),
                checkpoint: ByteBuf::from(checkpoint.as_bytes()),
            };
            heads.push(Gossip::Head(head).encode().unwrap());
        }
        Self { origin, operator, entries, heads }
    }

    /// What an honest peer answers that holds the log up to the head which is asked about.
    fn answer(&self, from: u64, until: u64, head: u64) -> Response {
        assert_eq!(until, head, "a follower that keeps up pulls to the head");
        let range = usize::try_from(from).unwrap()..usize::try_from(until).unwrap();
        let mut bundle = Vec::new();
        self.entries[range].iter().for_each(|entry| encode_entry(entry, &mut bundle).unwrap());
        Response::Entries { bundle: ByteBuf::from(bundle), proof: Vec::new() }
    }
}

/// A follower, and the world around it: peers that answer, a store that writes.
struct Follower<'a> {
    core: Core,
    authors: &'a [Author],
    handled: u32,
    seconds: f64,
    now: i64,
}

fn peer(number: usize) -> Peer {
    Peer(format!("12D3KooWpeer{number}"))
}

impl<'a> Follower<'a> {
    fn new(authors: &'a [Author]) -> Self {
        let identity = Identity {
            network: network(),
            operators: authors.iter().map(|author| author.operator.public_key()).collect(),
            own: None,
            rebuilds: false,
            witnesses: Vec::new(),
            cosigns: false,
            allowed: None,
        };
        let queue = Queue::new(Room { jobs: 1, memory: 1 << 30 });
        let core = Core::new(identity, Vec::new(), queue);
        Self { core, authors, handled: 0, seconds: 0.0, now: NOW }
    }

    /// Handles an event and all that follow from it; only the state machine's time counts.
    fn handle(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let begun = Instant::now();
            let effects = self.core.handle(event, Timestamp::from_unix(self.now));
            self.seconds += begun.elapsed().as_secs_f64();
            self.handled += 1;
            events.extend(effects.into_iter().filter_map(|effect| self.perform(effect)));
        }
    }

    /// What the world says to an effect.
    fn perform(&self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Extend(range) => Some(Event::Extended { origin: range.origin().clone() }),
            Effect::StoreHead { head } => {
                Some(Event::Stored { origin: head.origin().clone(), size: head.size() })
            }
            Effect::FindDocument(digest) => Some(Event::NoDocument(digest)),
            Effect::Ask { peer, request, question } => {
                let response = match question {
                    Request::Entries { origin, from, until, head } => {
                        let log = |one: &&Author| one.origin.to_string() == origin;
                        self.authors.iter().find(log).unwrap().answer(from, until, head)
                    }
                    Request::Heads { .. } => {
                        Response::Heads { heads: Vec::new(), forks: Vec::new(), words: Vec::new() }
                    }
                    Request::Document(_) => Response::Document(None),
                    _ => Response::Nothing,
                };
                Some(Event::Answered { from: peer, request, response })
            }
            _ => None,
        }
    }

    /// Every attestation of every log: its head comes from one peer, and another asks for the entry.
    fn live(&mut self) {
        for number in 0..PEERS {
            let address = Address { text: format!("/dns/peer{number}"), ip: None };
            self.handle(Event::Connected { peer: peer(number), address, dialled: true });
        }
        (self.handled, self.seconds) = (0, 0.0);
        let mut count = 0_usize;
        for entry in 0..ENTRIES {
            for author in self.authors {
                let id = MessageId(Digest::of(&author.heads[entry]).as_bytes().to_vec());
                let bytes = author.heads[entry].clone();
                self.handle(Event::Gossiped { from: peer(count % PEERS), id, bytes });
                let from = u64::try_from(entry).unwrap();
                let origin = author.origin.to_string();
                let request = Request::Entries { origin, from, until: from + 1, head: from + 1 };
                let ticket = Ticket(u64::try_from(count).unwrap());
                self.handle(Event::Asked { from: peer((count + 1) % PEERS), ticket, request });
                count += 1;
                if count.is_multiple_of(A_SECOND) {
                    self.now += 1;
                    (0..TICKS).for_each(|_| self.handle(Event::Tick));
                }
            }
        }
        let held: u64 = self.core.logs().map(|(_, size)| size).sum();
        assert_eq!(held, u64::try_from(count).unwrap(), "the follower holds every log whole");
    }

    /// What brings nothing new: heads that are held, questions for entries, ticks.
    fn quiet(&mut self) {
        (self.handled, self.seconds) = (0, 0.0);
        let entries = u64::try_from(ENTRIES).unwrap();
        for round in 0..QUIET {
            let author = &self.authors[round % self.authors.len()];
            let bytes = author.heads[ENTRIES - 1].clone();
            let id = MessageId(Digest::of(&bytes).as_bytes().to_vec());
            self.handle(Event::Gossiped { from: peer(round % PEERS), id, bytes });
            let origin = author.origin.to_string();
            let from = u64::try_from(round).unwrap() % entries;
            let request = Request::Entries { origin, from, until: from + 1, head: entries };
            let ticket = Ticket(u64::try_from(round).unwrap());
            self.handle(Event::Asked { from: peer((round + 1) % PEERS), ticket, request });
            self.now += 1;
            self.handle(Event::Tick);
        }
    }
}

/// The rows about the state machine.
pub(crate) fn rows(table: &mut Table) {
    let authors: Vec<Author> = (0..LOGS).map(Author::new).collect();
    let (mut live, mut quiet) = (Vec::new(), Vec::new());
    let mut events = 0;
    for _ in 0..5 {
        let mut follower = Follower::new(&authors);
        follower.live();
        events = follower.handled;
        live.push(follower.seconds / f64::from(follower.handled));
        follower.quiet();
        quiet.push(follower.seconds / f64::from(follower.handled));
    }
    let goal = |table: &mut Table, what: &str, times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        let ours = times[times.len() / 2];
        let what = format!("state machine, an event {what}: {:.0} a second", 1.0 / ours);
        table.times(&what, "200,000 a second", Pair { ours, theirs: GOAL }, Some(1.0));
    };
    let attestations = usize::from(LOGS) * ENTRIES;
    goal(table, &format!("of {events} for {attestations} attestations"), &mut live);
    goal(table, "that brings nothing new", &mut quiet);
}
