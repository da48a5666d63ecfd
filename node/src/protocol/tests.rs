//! The core against peers that lie, withhold, fork and speak nonsense.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use reattest_attestation::log::{Checkpoint, Frontier, Origin, leaf_hash};
use reattest_attestation::{
    Announcement, Certificate, Digest, Envelope, NetworkId, Purl, SecretKey, Sign, Timestamp,
};
use serde_bytes::ByteBuf;

use super::*;
use crate::limits::{BUILD_RETRY_SECONDS, PENALTY_LIMIT, REQUEST_SECONDS};

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

    fn bufs(&self) -> Vec<ByteBuf> {
        self.entries.iter().cloned().map(ByteBuf::from).collect()
    }
}

fn core(follows: &[&Author], rebuilds: bool) -> Core {
    let operators = follows.iter().map(|author| author.operator.public_key()).collect();
    let identity = Identity { network: network("test"), operators, own: None, rebuilds };
    Core::new(identity, BTreeSet::new(), Vec::new())
}

fn peer(name: &str) -> Peer {
    Peer(name.to_owned())
}

fn gossip(core: &mut Core, from: &str, head: Head, now: Timestamp) -> Vec<Effect> {
    let bytes = Gossip::Head(head).encode().unwrap();
    core.handle(Event::Gossiped { from: peer(from), id: MessageId(vec![1]), bytes }, now)
}

fn asked(effects: &[Effect]) -> Option<(Peer, RequestId, u64)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask { peer, request, question: Request::Entries { from, .. } } => {
            Some((peer.clone(), *request, *from))
        }
        _ => None,
    })
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

fn answer(core: &mut Core, from: &str, request: RequestId, entries: Vec<ByteBuf>) -> Vec<Effect> {
    let response = Response::Entries(entries);
    core.handle(Event::Answered { from: peer(from), request, response }, at(1))
}

#[test]
fn a_head_is_pulled_and_stored_whole() {
    let mut author = Author::new(1);
    author.announce(3);
    let mut core = core(&[&author], false);
    core.handle(Event::Connected(peer("p")), at(0));
    let effects = gossip(&mut core, "p", author.head(), at(0));
    assert_eq!(judged(&effects), Judgement::Accept);
    let (_, request, from) = asked(&effects).unwrap();
    assert_eq!(from, 0);
    // The answer comes in two parts; what is asked next begins where the first ended.
    let effects = answer(&mut core, "p", request, author.bufs()[..2].to_vec());
    let (_, request, from) = asked(&effects).unwrap();
    assert_eq!(from, 2);
    let effects = answer(&mut core, "p", request, author.bufs()[2..].to_vec());
    let [Effect::Store { from: 0, entries, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(*entries, author.entries);
    core.handle(Event::Stored { origin: author.origin() }, at(1));
    assert_eq!(core.logs().map(|(_, size)| size).collect::<Vec<_>>(), [3]);
}

#[test]
fn entries_that_do_not_lead_to_the_head_are_asked_of_somebody_else() {
    let mut author = Author::new(1);
    author.announce(2);
    let mut core = core(&[&author], false);
    for name in ["liar", "honest"] {
        core.handle(Event::Connected(peer(name)), at(0));
    }
    let effects = gossip(&mut core, "liar", author.head(), at(0));
    let (_, request, _) = asked(&effects).unwrap();
    gossip(&mut core, "honest", author.head(), at(0));
    let wrong = vec![ByteBuf::from(b"x".to_vec()), ByteBuf::from(b"y".to_vec())];
    let effects = answer(&mut core, "liar", request, wrong);
    assert_eq!(refused(&effects), [Refusal::WrongEntries]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Store { .. })));
    let (next, request, _) = asked(&effects).unwrap();
    assert_eq!(next, peer("honest"));
    let effects = answer(&mut core, "honest", request, author.bufs());
    assert!(matches!(effects[..], [Effect::Store { .. }]));
}

#[test]
fn a_peer_that_does_not_answer_is_passed_over() {
    let mut author = Author::new(1);
    author.announce(1);
    let mut core = core(&[&author], false);
    for name in ["slow", "quick"] {
        core.handle(Event::Connected(peer(name)), at(0));
    }
    gossip(&mut core, "slow", author.head(), at(0));
    gossip(&mut core, "quick", author.head(), at(0));
    let effects = core.handle(Event::Tick, at(REQUEST_SECONDS));
    assert_eq!(asked(&effects).unwrap().0, peer("quick"));
}

#[test]
fn a_slow_peer_is_neither_asked_twice_nor_punished() {
    let mut author = Author::new(1);
    author.announce(1);
    let mut core = core(&[&author], false);
    let heads_asked = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Ask { request, question: Request::Heads, .. } => Some(*request),
            _ => None,
        })
    };
    let first = heads_asked(&core.handle(Event::Connected(peer("p")), at(0))).unwrap();
    assert!(heads_asked(&core.handle(Event::Tick, at(REQUEST_SECONDS - 1))).is_none());
    let again = heads_asked(&core.handle(Event::Tick, at(REQUEST_SECONDS))).unwrap();
    // The answer to the question that was given up comes late: it is passed over, for nothing.
    for (request, learned) in [(first, false), (again, true)] {
        let response = Response::Heads { heads: vec![author.head()], forks: Vec::new() };
        let event = Event::Answered { from: peer("p"), request, response };
        let effects = core.handle(event, at(REQUEST_SECONDS + 1));
        assert_eq!(asked(&effects).is_some(), learned);
        assert!(refused(&effects).is_empty());
    }
}

#[test]
fn more_entries_than_the_head_covers_are_refused() {
    let mut author = Author::new(1);
    author.announce(1);
    let head = author.head();
    author.announce(1);
    let mut core = core(&[&author], false);
    core.handle(Event::Connected(peer("p")), at(0));
    let (_, request, _) = asked(&gossip(&mut core, "p", head, at(0))).unwrap();
    let effects = answer(&mut core, "p", request, author.bufs());
    assert_eq!(refused(&effects), [Refusal::WrongEntries]);
}

#[test]
fn two_heads_of_one_size_are_a_fork_and_their_proof_is_kept() {
    let mut author = Author::new(1);
    author.announce(1);
    let one = author.head();
    author.entries.clear();
    author.announce(2);
    let other = author.head_over(&author.entries[1..]);
    let mut core = core(&[&author], false);
    core.handle(Event::Connected(peer("p")), at(0));
    gossip(&mut core, "p", one.clone(), at(0));
    let effects = gossip(&mut core, "p", other.clone(), at(0));
    let Some(Effect::Notice(Notice::Forked { proof, .. })) =
        effects.iter().find(|effect| matches!(effect, Effect::Notice(Notice::Forked { .. })))
    else {
        panic!("{effects:?}")
    };
    assert_eq!(**proof, (one.clone(), other.clone()));
    assert!(core.is_forked(&author.origin()));
    assert_eq!(refused(&effects), [Refusal::Fork]);
    let published = |effects: &[Effect]| {
        effects.iter().any(|effect| {
            matches!(effect, Effect::Publish(bytes)
            if matches!(Gossip::decode(bytes), Ok(Gossip::Fork(_))))
        })
    };
    assert!(published(&effects), "everybody is told");
    assert!(!published(&gossip(&mut core, "p", other.clone(), at(0))), "once is enough");
    assert_eq!(Refusal::Fork.penalty(), 0, "who carries the proof did nothing wrong");
    // Whoever asks for heads is shown both, so that the proof reaches everybody.
    let asked = Event::Asked { ticket: Ticket(1), request: Request::Heads };
    let effects = core.handle(asked, at(1));
    let [Effect::Reply { response: Response::Heads { forks, .. }, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(forks[..], [(one.clone(), other)]);
    // What is no proof costs whoever sends it.
    let bytes = Gossip::Fork(Box::new((one.clone(), one))).encode().unwrap();
    let event = Event::Gossiped { from: peer("p"), id: MessageId(vec![2]), bytes };
    let effects = core.handle(event, at(1));
    assert_eq!((refused(&effects), judged(&effects)), (vec![Refusal::NoFork], Judgement::Reject));
}

#[test]
fn what_is_not_signed_by_whom_it_must_be_is_rejected() {
    let (mut author, stranger) = (Author::new(1), Author::new(2));
    author.announce(1);
    let mut core = core(&[&author], false);
    core.handle(Event::Connected(peer("p")), at(0));
    let mut wrong = author.head();
    wrong.checkpoint = stranger.head().checkpoint;
    let mut torn = author.head();
    torn.certificate.truncate(100);
    let mut foreign = Author::new(1);
    foreign.network = network("other");
    foreign.announce(1);
    let cases = [
        (wrong, Refusal::BadCheckpoint, Judgement::Reject),
        (torn, Refusal::BadCertificate, Judgement::Reject),
        (stranger.head(), Refusal::UnknownOperator, Judgement::Ignore),
        (foreign.head(), Refusal::OtherNetwork, Judgement::Ignore),
    ];
    for (head, refusal, judgement) in cases {
        let effects = gossip(&mut core, "p", head, at(0));
        assert_eq!((refused(&effects), judged(&effects)), (vec![refusal], judgement));
        assert!(asked(&effects).is_none());
    }
    let late = gossip(&mut core, "p", author.head(), at(2_000_000));
    assert_eq!(refused(&late), [Refusal::CertificateNotValidNow]);
}

#[test]
fn nonsense_costs_a_peer_its_connection() {
    let mut core = core(&[], false);
    core.handle(Event::Connected(peer("p")), at(0));
    let mut dropped = false;
    for _ in 0..PENALTY_LIMIT.div_ceil(Refusal::Malformed.penalty()) {
        let event =
            Event::Gossiped { from: peer("p"), id: MessageId(vec![1]), bytes: vec![255; 40] };
        let effects = core.handle(event, at(0));
        assert_eq!(judged(&effects), Judgement::Reject);
        dropped = effects.iter().any(|effect| matches!(effect, Effect::Drop(_)));
    }
    assert!(dropped);
}

#[test]
fn an_announcement_is_built_once_and_an_own_fault_is_tried_again_later() {
    let mut author = Author::new(1);
    author.announce(2);
    let mut core = core(&[&author], true);
    core.handle(Event::Connected(peer("p")), at(0));
    let (_, request, _) = asked(&gossip(&mut core, "p", author.head(), at(0))).unwrap();
    answer(&mut core, "p", request, author.bufs());
    let effects = core.handle(Event::Stored { origin: author.origin() }, at(1));
    let jobs = |effects: &[Effect]| -> Vec<u64> {
        let job = |effect: &Effect| match effect {
            Effect::Build { job, .. } => Some(*job),
            _ => None,
        };
        effects.iter().filter_map(job).collect()
    };
    let first = jobs(&effects);
    assert_eq!(first.len(), 1, "announced twice, built once");
    let effects = core.handle(Event::BuildEnded { job: first[0], end: BuildEnd::Fault }, at(1));
    assert!(jobs(&effects).is_empty(), "not at once");
    let again = jobs(&core.handle(Event::Tick, at(1 + BUILD_RETRY_SECONDS)));
    assert_eq!(again.len(), 1);
    core.handle(Event::BuildEnded { job: again[0], end: BuildEnd::Attested }, at(40));
    assert!(jobs(&core.handle(Event::Tick, at(10_000))).is_empty(), "it is done");
}

#[test]
fn a_document_with_another_digest_is_not_kept() {
    let mut core = core(&[], false);
    core.handle(Event::Connected(peer("p")), at(0));
    core.documents.want_digest(Digest::of(b"recipe"));
    let effects = core.handle(Event::Tick, at(0));
    let request = effects.iter().find_map(|effect| match effect {
        Effect::Ask { request, question: Request::Document(_), .. } => Some(*request),
        _ => None,
    });
    let response = Response::Document(Some(ByteBuf::from(b"another".to_vec())));
    let event = Event::Answered { from: peer("p"), request: request.unwrap(), response };
    let effects = core.handle(event, at(1));
    assert_eq!(refused(&effects), [Refusal::WrongEntries]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::StoreDocument(_))));
}
