//! Log replication: ranges from several peers, each proven before it is kept.

use super::*;
use crate::limits::{RANGE_ENTRIES, RANGES, RANGES_PER_PEER, REQUEST_SECONDS};

fn author(count: usize) -> Author {
    let mut author = Author::new(1);
    author.announce(count);
    author
}

/// A core that was told a head by these peers, and the ranges that it asks for.
fn told(author: &Author, peers: &[&str]) -> (Core, Vec<AskedRange>) {
    let mut core = core(&[author], false);
    let mut asked = Vec::new();
    for name in peers {
        connect(&mut core, name);
    }
    for name in peers {
        asked.extend(ranges(&gossip(&mut core, name, author.head(), at(0))));
    }
    (core, asked)
}

/// Lets these peers answer until nothing is asked any more; all that was stored.
fn served(
    core: &mut Core,
    author: &Author,
    mut asked: Vec<AskedRange>,
    most: usize,
) -> Vec<Vec<u8>> {
    let mut written = Vec::new();
    while let Some(range) = asked.pop() {
        let effects = respond(core, &range, honest(&author.entries, &range, most));
        let (stored, effects) = store(core, effects);
        written.extend(stored);
        asked.extend(ranges(&effects));
    }
    written
}

#[test]
fn a_head_is_pulled_and_stored_whole() {
    let author = author(3);
    let (mut core, asked) = told(&author, &["p"]);
    let [range] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((range.from, range.until, range.head), (0, 3, 3));
    // The answer comes in two parts; what is asked next begins where the first ended.
    let effects = respond(&mut core, range, honest(&author.entries, range, 2));
    let (one, effects) = store(&mut core, effects);
    let range = super::asked(&effects).unwrap();
    assert_eq!((range.from, range.until), (2, 3));
    assert_eq!(size_of(&core), [0], "no head covers the two yet");
    let effects = respond(&mut core, &range, honest(&author.entries, &range, 2));
    let (other, _) = store(&mut core, effects);
    assert_eq!([one, other].concat(), author.entries);
    assert_eq!(size_of(&core), [3]);
}

#[test]
fn ranges_are_asked_of_several_peers_at_once_and_kept_in_order() {
    let author = author(1_500);
    let (mut core, asked) = told(&author, &["p", "q"]);
    let of = |name: &str| asked.iter().filter(|range| range.peer == peer(name)).count();
    assert_eq!(of("p") + of("q"), 1_500_usize.div_ceil(256), "all at once");
    assert!(of("p") <= RANGES_PER_PEER);
    assert!(asked.iter().all(|range| range.until - range.from <= RANGE_ENTRIES));
    assert_eq!(served(&mut core, &author, asked, 100), author.entries);
    assert_eq!(size_of(&core), [1_500]);
}

#[test]
fn what_is_under_way_is_bounded_whatever_the_log() {
    let author = author(256 * 20);
    let (mut core, mut asked) = told(&author, &["p", "q", "r", "s"]);
    assert!(asked.len() <= RANGES);
    // Everything but the first range arrives: nothing may be asked beyond the bound.
    let first = asked.iter().position(|range| range.from == 0).unwrap();
    let first = asked.remove(first);
    for range in &asked {
        let effects = respond(&mut core, range, honest(&author.entries, range, 256));
        assert!(ranges(&effects).is_empty(), "what waits for its turn is counted");
    }
    assert_eq!(served(&mut core, &author, vec![first], 256), author.entries);
}

#[test]
fn many_logs_share_what_may_be_under_way() {
    let authors: Vec<Author> = (1..=20)
        .map(|seed| {
            let mut author = Author::new(seed);
            author.announce(300);
            author
        })
        .collect();
    let mut core = core(&authors.iter().collect::<Vec<_>>(), false);
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        connect(&mut core, name);
    }
    let mut waiting: Vec<(usize, AskedRange)> = Vec::new();
    for (number, author) in authors.iter().enumerate() {
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let effects = gossip(&mut core, name, author.head(), at(0));
            waiting.extend(ranges(&effects).into_iter().map(|range| (number, range)));
        }
    }
    assert!(waiting.len() <= 2 * authors.len());
    while let Some((number, range)) = waiting.pop() {
        let effects = respond(&mut core, &range, honest(&authors[number].entries, &range, 256));
        let (_, effects) = store(&mut core, effects);
        for effect in &effects {
            let Effect::Ask { question: Request::Entries { origin, .. }, .. } = effect else {
                continue;
            };
            let number =
                authors.iter().position(|author| author.origin().to_string() == *origin).unwrap();
            let asked = ranges(std::slice::from_ref(effect)).remove(0);
            waiting.push((number, asked));
        }
    }
    assert_eq!(size_of(&core), vec![300; 20]);
}

#[test]
fn entries_that_do_not_lead_to_the_head_are_asked_of_somebody_else() {
    let author = author(2);
    let (mut core, asked) = told(&author, &["liar", "honest"]);
    let range = asked[0].clone();
    assert_eq!(range.peer, peer("liar"), "the first who showed the head");
    let wrong = vec![b"x".to_vec(), b"y".to_vec()];
    let effects = respond(&mut core, &range, honest(&wrong, &range, 256));
    assert_eq!(refused(&effects), [Refusal::WrongEntries]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Extend(_))));
    let next = super::asked(&effects).unwrap();
    assert_eq!(next.peer, peer("honest"));
    assert_eq!(served(&mut core, &author, vec![next], 256), author.entries);
}

#[test]
fn a_wrong_range_in_the_middle_is_blamed_on_who_sent_it() {
    let author = author(1_000);
    let mut tampered = author.entries.clone();
    tampered[700] = b"another".to_vec();
    let (mut core, asked) = told(&author, &["p", "q"]);
    let mut blamed = Vec::new();
    let mut waiting = asked;
    let mut written = Vec::new();
    while let Some(range) = waiting.pop() {
        let lies = range.peer == peer("p");
        let mut response = honest(&author.entries, &range, 256);
        if lies && range.from <= 700 && 700 < range.until {
            // The true proof with other entries.
            let Response::Entries { bundle, .. } = honest(&tampered, &range, 256) else { panic!() };
            let Response::Entries { proof, .. } = response else { panic!() };
            response = Response::Entries { bundle, proof };
        }
        let effects = respond(&mut core, &range, response);
        blamed.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Notice(Notice::Refused { peer, refusal: Refusal::WrongEntries }) => {
                Some(peer.clone())
            }
            _ => None,
        }));
        let (stored, effects) = store(&mut core, effects);
        written.extend(stored);
        waiting.extend(ranges(&effects));
    }
    assert_eq!(written, author.entries);
    assert_eq!(blamed, [peer("p")], "who was asked first");
}

#[test]
fn more_entries_than_were_asked_for_are_refused() {
    let mut author = author(1);
    let head = author.head();
    author.announce(1);
    let mut core = core(&[&author], false);
    connect(&mut core, "p");
    let range = asked(&gossip(&mut core, "p", head, at(0))).unwrap();
    let mut bundle = Vec::new();
    for entry in &author.entries {
        encode_entry(entry, &mut bundle).unwrap();
    }
    for bundle in [bundle, Vec::new(), vec![0, 9, 1]] {
        let mut core = super::core(&[&author], false);
        connect(&mut core, "p");
        let effects = gossip(&mut core, "p", author.head_over(&author.entries[..1]), at(0));
        let range = asked(&effects).unwrap();
        let response = Response::Entries { bundle: ByteBuf::from(bundle), proof: Vec::new() };
        assert_eq!(refused(&respond(&mut core, &range, response)), [Refusal::WrongEntries]);
    }
    assert_eq!(range.until, 1);
}

#[test]
fn a_peer_that_does_not_answer_or_has_nothing_is_passed_over() {
    let author = author(1);
    let (mut core, asked) = told(&author, &["a", "b", "c"]);
    assert_eq!(asked[0].peer, peer("a"));
    let effects = core.handle(Event::Tick, at(REQUEST_SECONDS));
    let next = super::asked(&effects).unwrap();
    assert_eq!(next.peer, peer("b"));
    let effects = respond(&mut core, &next, Response::Nothing);
    assert_eq!(refused(&effects), [Refusal::Withheld]);
    let next = super::asked(&effects).unwrap();
    assert_eq!(next.peer, peer("c"));
    assert_eq!(Refusal::Withheld.penalty() + Refusal::Silent.penalty(), 0);
    let effects = core.handle(Event::Disconnected(peer("c")), at(REQUEST_SECONDS));
    assert!(super::asked(&effects).is_none(), "nobody is left");
    // Whoever shows the head again is asked again.
    connect(&mut core, "c");
    let next = super::asked(&gossip(&mut core, "c", author.head(), at(11))).unwrap();
    assert_eq!(served(&mut core, &author, vec![next], 256), author.entries);
}

#[test]
fn what_was_stored_before_a_stop_is_not_asked_for_again() {
    let author = author(600);
    let over = |count: usize| {
        let mut frontier = Frontier::new();
        for entry in &author.entries[..count] {
            frontier.push(leaf_hash(entry));
        }
        frontier
    };
    let head = author.head_over(&author.entries[..10]);
    let identity = identity(&[&author], false);
    let recovered = |extended| Recovered {
        head: CheckedHead::check(&identity, head.clone(), at(0)).unwrap(),
        frontier: over(10),
        extended,
        forked: None,
        recent: Vec::new(),
    };
    let mut core = Core::new(identity.clone(), vec![recovered(over(300))], an_empty_queue());
    connect(&mut core, "p");
    let asked = ranges(&gossip(&mut core, "p", author.head(), at(0)));
    assert_eq!(asked.iter().map(|range| range.from).min(), Some(300));
    assert_eq!(served(&mut core, &author, asked, 256), author.entries[300..]);

    // What lies there is of no known history: it is thrown away, nobody is blamed, and the log is
    // pulled from its head on.
    let mut wrong = over(10);
    for n in 0..200_u32 {
        wrong.push(leaf_hash(&n.to_be_bytes()));
    }
    let mut core = Core::new(identity.clone(), vec![recovered(wrong)], an_empty_queue());
    connect(&mut core, "p");
    let asked = ranges(&gossip(&mut core, "p", author.head(), at(0)));
    let first = asked.iter().find(|range| range.from == 210).unwrap().clone();
    let effects = respond(&mut core, &first, honest(&author.entries, &first, 256));
    assert!(refused(&effects).is_empty());
    let rewound = |effect: &Effect| matches!(effect, Effect::Rewind { size: 10, .. });
    assert!(effects.iter().any(rewound));
    let asked = ranges(&effects);
    assert_eq!(asked.iter().map(|range| range.from).min(), Some(10));
    assert_eq!(served(&mut core, &author, asked, 256), author.entries[10..]);
}

#[test]
fn a_disk_that_takes_nothing_stops_the_pull_and_loses_nothing() {
    let author = author(600);
    let (mut core, asked) = told(&author, &["p"]);
    let first = asked.iter().find(|range| range.from == 0).unwrap().clone();
    let effects = respond(&mut core, &first, honest(&author.entries, &first, 256));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Extend(_))));
    let effects = core.handle(Event::NotStored { origin: author.origin() }, at(1));
    assert!(ranges(&effects).is_empty());
    assert_eq!(size_of(&core), [0]);
    let effects = gossip(&mut core, "p", author.head(), at(2));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Rewind { size: 0, .. })));
    assert_eq!(served(&mut core, &author, ranges(&effects), 256), author.entries);
}

#[test]
fn a_head_that_comes_while_another_is_pulled_is_pulled_next() {
    let mut author = author(300);
    let (mut core, asked) = told(&author, &["p"]);
    author.announce(300);
    let effects = gossip(&mut core, "p", author.head(), at(1));
    assert_eq!(judged(&effects), Judgement::Accept);
    assert_eq!(served(&mut core, &author, asked, 256), author.entries);
    assert_eq!(size_of(&core), [600]);
}
