//! Peers: what they may send, what it costs them, and who is let in.

use reattest_attestation::log::WitnessKey;

use super::*;
use crate::limits::{
    GOSSIP_BURST, INBOUND_PER_RANGE, OUTBOUND, OUTBOUND_PER_RANGE, PENALTY_LIMIT,
    STRANGERS_PER_PEER,
};

#[test]
fn what_is_not_signed_by_whom_it_must_be_is_rejected() {
    let (mut author, stranger) = (Author::new(1), Author::new(2));
    author.announce(1);
    let mut core = core(&[&author], false);
    connect(&mut core, "p");
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
    connect(&mut core, "p");
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
fn a_flood_is_cut_off_and_the_peer_stays_out_for_a_while() {
    let mut author = Author::new(1);
    author.announce(1);
    let mut core = core(&[&author], false);
    connect(&mut core, "flood");
    let mut dropped = 0;
    for _ in 0..GOSSIP_BURST + 2 * PENALTY_LIMIT {
        let effects = gossip(&mut core, "flood", author.head(), at(0));
        dropped += effects.iter().filter(|effect| matches!(effect, Effect::Drop(_))).count();
    }
    assert_eq!(dropped, 1, "dropped once");
    core.handle(Event::Disconnected(peer("flood")), at(1));
    let effects = connect(&mut core, "flood");
    assert_eq!(refused(&effects), [Refusal::Banned]);
    assert!(matches!(effects[..], [_, Effect::Drop(_)]));
    let address = Address { text: "/dns/flood".to_owned(), ip: None };
    let back = Event::Connected { peer: peer("flood"), address, dialled: false };
    let effects = core.handle(back, at(10_000));
    assert!(refused(&effects).is_empty(), "old sins are forgiven");
}

#[test]
fn senseless_requests_are_refused_and_counted() {
    let mut author = Author::new(1);
    author.announce(3);
    let mut core = author.held_by(3);
    let origin = author.origin().to_string();
    let entries =
        |from, until, head| Request::Entries { origin: origin.clone(), from, until, head };
    let ask = |core: &mut Core, request| {
        connect(core, "asker");
        core.handle(Event::Asked { from: peer("asker"), ticket: Ticket(1), request }, at(2))
    };
    for request in [
        entries(2, 2, 3),
        entries(3, 2, 3),
        entries(0, u64::MAX, u64::MAX),
        entries(0, 3, 2),
        Request::Consistency { origin: origin.clone(), old: 0, new: 3 },
        Request::Consistency { origin: origin.clone(), old: 3, new: 2 },
    ] {
        let mut core = author.held_by(3);
        let effects = ask(&mut core, request);
        assert_eq!(refused(&effects), [Refusal::SenselessRequest]);
        assert!(
            effects.iter().any(|effect| {
                matches!(effect, Effect::Reply { response: Response::Nothing, .. })
            })
        );
    }
    // What is merely not held is answered, and costs nothing.
    for request in [
        entries(0, 3, 4),
        Request::Consistency { origin: origin.clone(), old: 1, new: 4 },
        Request::Entries { origin: "nonsense".to_owned(), from: 0, until: 1, head: 1 },
    ] {
        let effects = ask(&mut core, request);
        assert!(refused(&effects).is_empty());
    }
    let effects = ask(&mut core, entries(1, 3, 3));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Serve { from: 1, until: 3, .. })));
}

#[test]
fn a_thousand_strangers_change_neither_memory_nor_logs() {
    let mut author = Author::new(1);
    author.announce(1);
    let mut core = core(&[&author], false);
    connect(&mut core, "p");
    let mut accepted = 0;
    for number in 2..100 {
        let mut stranger = Author::new(number);
        stranger.announce(1);
        let effects = gossip(&mut core, "p", stranger.head(), at(0));
        assert!(asked(&effects).is_none(), "nothing of a stranger is pulled");
        accepted += usize::from(judged(&effects) == Judgement::Accept);
    }
    assert_eq!(accepted, STRANGERS_PER_PEER);
    assert_eq!(core.strangers().count(), STRANGERS_PER_PEER);
    assert_eq!(core.logs().count(), 0);
    assert!(asked(&gossip(&mut core, "p", author.head(), at(0))).is_some());
}

fn at_address(core: &mut Core, name: &str, ip: &str, dialled: bool) -> Vec<Effect> {
    let address = Address { text: format!("/ip4/{ip}/tcp/1"), ip: ip.parse().ok() };
    core.handle(Event::Connected { peer: peer(name), address, dialled }, at(0))
}

#[test]
fn one_range_of_addresses_cannot_be_all_that_is_connected() {
    let mut core = core(&[], false);
    for host in 0..2 * INBOUND_PER_RANGE {
        at_address(&mut core, &format!("evil{host}"), &format!("10.1.{host}.1"), false);
    }
    assert_eq!(core.peers().count(), INBOUND_PER_RANGE);
    at_address(&mut core, "other", "10.2.0.1", false);
    assert_eq!(core.peers().count(), INBOUND_PER_RANGE + 1);

    // Twenty hostile addresses of one range, and eight of others: what is dialled is mixed.
    let mut core = super::core(&[], false);
    let mut dialled = Vec::new();
    for number in 0..28_u8 {
        let ip = if number < 20 { format!("10.9.0.{number}") } else { format!("10.{number}.0.1") };
        let address = Address { text: format!("/ip4/{ip}/tcp/1"), ip: ip.parse().ok() };
        let event = Event::Discovered { peer: None, address, source: Source::Peers };
        for effect in core.handle(event, at(0)) {
            if let Effect::Dial { address, .. } = effect {
                at_address(&mut core, &address.text, &ip, true);
                dialled.push(ip.clone());
            }
        }
    }
    let hostile = dialled.iter().filter(|ip| ip.starts_with("10.9.")).count();
    assert_eq!((hostile, dialled.len()), (OUTBOUND_PER_RANGE, OUTBOUND));
}

#[test]
fn a_private_network_lets_in_whom_it_lists() {
    let mut identity = identity(&[], false);
    identity.allowed = Some([peer("friend")].into());
    let mut core = Core::new(identity, Vec::new(), an_empty_queue());
    assert_eq!(refused(&connect(&mut core, "stranger")), [Refusal::NotAllowed]);
    assert!(refused(&connect(&mut core, "friend")).is_empty());
    assert_eq!(core.peers().count(), 1);
}

#[test]
fn another_version_or_network_is_not_spoken_to() {
    let mut core = core(&[], false);
    connect(&mut core, "p");
    let own = protocol_name(&network("test"));
    let identified = |core: &mut Core, protocol: &str| {
        let protocol = protocol.to_owned();
        refused(&core.handle(Event::Identified { peer: peer("p"), protocol }, at(0)))
    };
    assert!(identified(&mut core, &own).is_empty());
    for other in ["/reattest/test/1", "/reattest/test/3", "/reattest/other/2", "", "ipfs/0.1.0"] {
        assert_eq!(identified(&mut core, other), [Refusal::OtherProtocol], "{other}");
    }
}

#[test]
fn a_peer_that_shows_less_than_it_held_is_recorded_and_not_punished() {
    let mut author = Author::new(1);
    author.announce(3);
    let mut core = author.held_by(3);
    let answered = |core: &mut Core, count: usize, now: i64| {
        let effects = core.handle(Event::Tick, at(now));
        let request = effects.iter().find_map(|effect| match effect {
            Effect::Ask { request, question: Request::Heads { .. }, .. } => Some(*request),
            _ => None,
        });
        let heads = vec![author.head_over(&author.entries[..count])];
        let response = Response::Heads { heads, forks: Vec::new(), words: Vec::new() };
        let event = Event::Answered { from: peer("first"), request: request.unwrap(), response };
        core.handle(event, at(now))
    };
    let rolled_back = |effects: &[Effect]| {
        effects.iter().any(|effect| {
            matches!(effect, Effect::Notice(Notice::RolledBack { shown: 2, before: 3, .. }))
        })
    };
    assert!(!rolled_back(&answered(&mut core, 3, 100)));
    let effects = answered(&mut core, 2, 200);
    assert!(rolled_back(&effects));
    assert!(refused(&effects).is_empty());
    assert!(!rolled_back(&answered(&mut core, 2, 300)), "once");
}

#[test]
fn a_cosignature_is_kept_below_its_head_and_passed_on_once() {
    let mut author = Author::new(1);
    author.announce(2);
    let key = SecretKey::from_seed(&[77; 32]);
    let cosigned = |name: &str, key: &SecretKey| {
        let note = SignedCheckpoint::parse(&author.head().checkpoint).unwrap();
        let note = note.cosign(name, key, at(5)).unwrap();
        Head { checkpoint: ByteBuf::from(note.as_bytes()), ..author.head() }
    };
    let mut identity = identity(&[&author], false);
    identity.witnesses = vec![WitnessKey::new("witness", key.public_key()).unwrap()];
    let mut core = Core::new(identity, Vec::new(), an_empty_queue());
    connect(&mut core, "p");
    let range = asked(&gossip(&mut core, "p", author.head(), at(0))).unwrap();
    let effects = respond(&mut core, &range, honest(&author.entries, &range, 256));
    store(&mut core, effects);
    let effects = gossip(&mut core, "p", cosigned("witness", &key), at(2));
    assert_eq!(judged(&effects), Judgement::Accept);
    let kept = effects.iter().find_map(|effect| match effect {
        Effect::StoreHead { head } => Some(head.head().clone()),
        _ => None,
    });
    assert_eq!(kept, Some(cosigned("witness", &key)));
    // Again, or a line of somebody whom nobody asked for: known already.
    let other = SecretKey::from_seed(&[78; 32]);
    for head in [cosigned("witness", &key), cosigned("nobody", &other), cosigned("witness", &other)]
    {
        let effects = gossip(&mut core, "p", head, at(2));
        assert_eq!(judged(&effects), Judgement::Ignore);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::StoreHead { .. })));
    }
}

#[test]
fn requests_that_cannot_be_read_cost_a_peer_its_connection() {
    let mut core = core(&[], false);
    connect(&mut core, "p");
    let effects = core.handle(Event::Garbled(peer("p")), at(0));
    assert_eq!(refused(&effects), [Refusal::Malformed]);
    let effects = core.handle(Event::Garbled(peer("p")), at(0));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Drop(_))));
}
