//! What peers are asked, how often, and what becomes of their answers.

use super::*;
use crate::limits::{EARLY_SECONDS, HEADS_PER_RESPONSE, RANGES_PER_PEER, REQUEST_SECONDS};

#[test]
fn a_slow_peer_is_neither_asked_twice_nor_punished() {
    let mut author = Author::new(1);
    author.announce(1);
    let mut core = core(&[&author], false);
    let heads_asked = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Ask { request, question: Request::Heads { .. }, .. } => Some(*request),
            _ => None,
        })
    };
    let first = heads_asked(&connect(&mut core, "p")).unwrap();
    assert!(heads_asked(&core.handle(Event::Tick, at(REQUEST_SECONDS - 1))).is_none());
    let again = heads_asked(&core.handle(Event::Tick, at(REQUEST_SECONDS))).unwrap();
    // The answer to the question that was given up comes late: it is passed over, for nothing.
    for (request, learned) in [(first, false), (again, true)] {
        let heads = vec![author.head()];
        let response = Response::Heads { heads, forks: Vec::new(), words: Vec::new() };
        let event = Event::Answered { from: peer("p"), request, response };
        let effects = core.handle(event, at(REQUEST_SECONDS + 1));
        assert_eq!(asked(&effects).is_some(), learned);
        assert!(refused(&effects).is_empty());
    }
}

/// The seconds at which a core that holds so many logs asks a peer that answers at once.
fn heads_asked_at(logs: u8) -> Vec<i64> {
    let mut authors: Vec<Author> = (1..=logs).map(Author::new).collect();
    for author in &mut authors {
        author.announce(1);
    }
    let identity = identity(&authors.iter().collect::<Vec<_>>(), false);
    let recovered = authors.iter().map(|author| {
        let mut frontier = Frontier::new();
        frontier.push(leaf_hash(&author.entries[0]));
        let head = CheckedHead::check(&identity, author.head(), at(0)).unwrap();
        let extended = frontier.clone();
        Recovered { head, frontier, extended, forked: None, recent: author.entries.clone() }
    });
    let mut core = Core::new(identity.clone(), recovered.collect(), an_empty_queue());
    let mut effects = connect(&mut core, "p");
    let mut times = Vec::new();
    for second in 0..40 {
        let asked = effects.iter().find_map(|effect| match effect {
            Effect::Ask { request, question: Request::Heads { .. }, .. } => Some(*request),
            _ => None,
        });
        if let Some(request) = asked {
            times.push(second);
            let response =
                Response::Heads { heads: Vec::new(), forks: Vec::new(), words: Vec::new() };
            core.handle(Event::Answered { from: peer("p"), request, response }, at(second));
        }
        effects = core.handle(Event::Tick, at(second + 1));
    }
    times
}

#[test]
fn who_holds_more_logs_asks_for_all_heads_less_often() {
    assert_eq!(heads_asked_at(1), [0, 5, 10, 15, 20, 25, 30, 35]);
    assert_eq!(heads_asked_at(64), heads_asked_at(1));
    assert_eq!(heads_asked_at(65), [0, 10, 20, 30]);
}

#[test]
fn a_document_with_another_digest_is_not_kept() {
    let mut core = core(&[], false);
    connect(&mut core, "p");
    core.want_document(Digest::of(b"recipe"));
    let effects = core.handle(Event::Tick, at(0));
    let looked_for = |effect: &Effect| matches!(effect, Effect::FindDocument(_));
    assert!(effects.iter().any(looked_for), "the own disk is asked first");
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Ask { question: Request::Document(_), .. }))
    );
    let effects = core.handle(Event::NoDocument(Digest::of(b"recipe")), at(0));
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

#[test]
fn a_document_that_the_disk_did_not_take_is_asked_for_again() {
    let mut core = core(&[], false);
    connect(&mut core, "p");
    core.want_document(Digest::of(b"recipe"));
    core.handle(Event::Tick, at(0));
    let asked_for = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Ask { request, question: Request::Document(_), .. } => Some(*request),
            _ => None,
        })
    };
    let request = asked_for(&core.handle(Event::NoDocument(Digest::of(b"recipe")), at(0))).unwrap();
    let response = Response::Document(Some(ByteBuf::from(b"recipe".to_vec())));
    let came = core.handle(Event::Answered { from: peer("p"), request, response }, at(1));
    assert!(came.iter().any(|effect| matches!(effect, Effect::StoreDocument(_))));
    core.handle(Event::DocumentNotKept(Digest::of(b"recipe")), at(1));
    // Not at once: a disk that is full stays so for a while.
    let again = (1..100).find(|second| asked_for(&core.handle(Event::Tick, at(*second))).is_some());
    assert_eq!(again, Some(1 + 4 * REQUEST_SECONDS));
}

#[test]
fn a_document_that_nobody_has_is_asked_for_again_after_a_while() {
    let mut core = core(&[], false);
    connect(&mut core, "p");
    core.want_document(Digest::of(b"recipe"));
    core.handle(Event::Tick, at(0));
    let asked_for = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Ask { request, question: Request::Document(_), .. } => Some(*request),
            _ => None,
        })
    };
    let mut request =
        asked_for(&core.handle(Event::NoDocument(Digest::of(b"recipe")), at(0))).unwrap();
    // Each round waits longer than the one before, up to four times as long.
    let mut now = 0;
    for wait in [2, 4, 4, 4].map(|times| times * REQUEST_SECONDS) {
        let answer =
            Event::Answered { from: peer("p"), request, response: Response::Document(None) };
        assert_eq!(asked_for(&core.handle(answer, at(now))), None, "at once");
        assert_eq!(asked_for(&core.handle(Event::Tick, at(now + wait - 1))), None);
        now += wait;
        request = asked_for(&core.handle(Event::Tick, at(now))).unwrap();
    }
    let answer = Event::Answered { from: peer("p"), request, response: Response::Document(None) };
    core.handle(answer, at(now));
    let back = core.handle(Event::Tick, at(now - 50_000));
    assert!(asked_for(&back).is_some(), "a clock that jumped back makes nobody wait");
}

#[test]
fn a_page_of_heads_that_goes_nowhere_is_not_followed_by_another() {
    let mut author = Author::new(1);
    author.announce(1);
    let mut core = core(&[&author], false);
    let heads_asked = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Ask { request, question: Request::Heads { after }, .. } => {
                Some((*request, after.clone()))
            }
            _ => None,
        })
    };
    let (request, _) = heads_asked(&connect(&mut core, "p")).unwrap();
    let page = |request| {
        let heads = vec![author.head(); HEADS_PER_RESPONSE];
        let response = Response::Heads { heads, forks: Vec::new(), words: Vec::new() };
        Event::Answered { from: peer("p"), request, response }
    };
    let (request, after) = heads_asked(&core.handle(page(request), at(0))).unwrap();
    assert_eq!(after, author.origin().to_string(), "a full page has another after it");
    assert_eq!(heads_asked(&core.handle(page(request), at(0))), None);
}

/// A follower of an author of one entry who heard of the head and asked for the entry, which has not come.
fn on_its_way(author: &Author) -> (Core, AskedRange) {
    let mut core = core(&[author], false);
    for name in ["p", "q", "r"] {
        connect(&mut core, name);
    }
    let range = asked(&gossip(&mut core, "p", author.head(), at(0))).unwrap();
    (core, range)
}

/// Another peer asks for the first entry under a head; what is said at once.
fn asks(core: &mut Core, from: &str, ticket: u64, head: u64, author: &Author) -> Vec<Effect> {
    let origin = author.origin().to_string();
    let request = Request::Entries { origin, from: 0, until: 1, head };
    let event = Event::Asked { from: peer(from), ticket: Ticket(ticket), request };
    let effects = core.handle(event, at(0));
    effects.into_iter().filter(|effect| said(effect).is_some()).collect()
}

/// The ticket of an answer, and whether there is something in it.
fn said(effect: &Effect) -> Option<(u64, bool)> {
    match effect {
        Effect::Serve { ticket, .. } => Some((ticket.0, true)),
        Effect::Reply { ticket, response: Response::Nothing } => Some((ticket.0, false)),
        _ => None,
    }
}

fn all_said(effects: &[Effect]) -> Vec<(u64, bool)> {
    effects.iter().filter_map(said).collect()
}

#[test]
fn who_asks_before_the_entries_came_is_answered_when_they_have() {
    let mut author = Author::new(1);
    author.announce(1);
    let (mut core, range) = on_its_way(&author);
    assert!(asks(&mut core, "q", 7, 1, &author).is_empty(), "nothing is said yet");
    assert_eq!(core.early_questions(), 1);
    let beyond = asks(&mut core, "q", 8, 2, &author);
    assert_eq!(all_said(&beyond), [(8, false)], "nobody has heard of that head here");
    let effects = respond(&mut core, &range, honest(&author.entries, &range, 1));
    let (_, effects) = store(&mut core, effects);
    assert_eq!(all_said(&effects), [(7, true)]);
    assert_eq!(core.early_questions(), 0);
}

#[test]
fn an_early_question_waits_for_seconds_and_its_peer_keeps_few() {
    let mut author = Author::new(1);
    author.announce(1);
    let (mut core, _) = on_its_way(&author);
    let most = u64::try_from(RANGES_PER_PEER).unwrap();
    let too_many: Vec<Effect> =
        (0..=most).flat_map(|ticket| asks(&mut core, "q", ticket, 1, &author)).collect();
    assert_eq!(all_said(&too_many), [(most, false)]);
    asks(&mut core, "r", 100, 1, &author);
    assert!(all_said(&core.handle(Event::Tick, at(EARLY_SECONDS - 1))).is_empty());
    let effects = core.handle(Event::Disconnected(peer("q")), at(EARLY_SECONDS - 1));
    assert_eq!(all_said(&effects).len(), RANGES_PER_PEER, "their tickets are closed");
    let effects = core.handle(Event::Tick, at(EARLY_SECONDS));
    assert_eq!(all_said(&effects), [(100, false)]);
    assert_eq!(core.early_questions(), 0);
}
