//! Two histories of one log, and operators' words about keys.

use reattest_attestation::{Revocation, Rotation};

use super::*;

fn forked(effects: &[Effect]) -> Option<Fork> {
    effects.iter().find_map(|effect| match effect {
        Effect::Notice(Notice::Forked { proof, .. }) => Some((**proof).clone()),
        _ => None,
    })
}

fn published_fork(effects: &[Effect]) -> bool {
    let fork = |bytes: &[u8]| matches!(Gossip::decode(bytes), Ok(Gossip::Fork(_)));
    effects.iter().any(|effect| matches!(effect, Effect::Publish(bytes) if fork(bytes)))
}

/// An author, and another history of the same log that shares its first entry.
fn two_histories(one: usize, other: usize) -> (Author, Vec<Vec<u8>>) {
    let mut author = Author::new(1);
    author.announce(other + 1);
    let mut history = author.entries.clone();
    history.remove(1);
    author.entries.truncate(one);
    (author, history)
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
    connect(&mut core, "p");
    gossip(&mut core, "p", one.clone(), at(0));
    let effects = gossip(&mut core, "p", other.clone(), at(0));
    let proof = forked(&effects).unwrap();
    assert_eq!((&proof.smaller, &proof.larger), (&one.checkpoint, &other.checkpoint));
    assert!(core.is_forked(&author.origin()));
    assert_eq!(refused(&effects), [Refusal::Fork]);
    assert!(published_fork(&effects), "everybody is told");
    assert!(!published_fork(&gossip(&mut core, "p", other, at(0))), "once is enough");
    assert_eq!(Refusal::Fork.penalty(), 0, "who carries the proof did nothing wrong");
    // Whoever asks for heads is shown both, so that the proof reaches everybody.
    let request = Request::Heads { after: String::new() };
    let asked = Event::Asked { from: peer("p"), ticket: Ticket(1), request };
    let effects = core.handle(asked, at(1));
    let [Effect::Reply { response: Response::Heads { forks, .. }, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(forks[..], std::slice::from_ref(&proof)[..]);
    // A disk that was full is asked again, until it takes the proof.
    let kept = |effects: Vec<Effect>| {
        effects.iter().any(|effect| matches!(effect, Effect::KeepFork { origin, .. } if *origin == author.origin()))
    };
    assert!(!kept(core.handle(Event::Tick, at(1))));
    core.handle(Event::ForkNotKept { origin: author.origin() }, at(1));
    assert!(kept(core.handle(Event::Tick, at(1))));
    assert!(!kept(core.handle(Event::Tick, at(1))));
    // What is no proof costs whoever sends it.
    let mut core = super::core(&[&author], false);
    connect(&mut core, "p");
    let mut none = proof.clone();
    none.smaller = none.larger.clone();
    let told = |core: &mut Core, fork: Fork| {
        let bytes = Gossip::Fork(Box::new(fork)).encode().unwrap();
        let event = Event::Gossiped { from: peer("p"), id: MessageId(vec![2]), bytes };
        core.handle(event, at(1))
    };
    let effects = told(&mut core, none);
    assert_eq!((refused(&effects), judged(&effects)), (vec![Refusal::NoFork], Judgement::Reject));
    // Who never saw the log believes the proof, and tells the others once.
    let effects = told(&mut core, proof.clone());
    assert_eq!(judged(&effects), Judgement::Accept);
    assert!(core.is_forked(&author.origin()));
    assert_eq!(judged(&told(&mut core, proof)), Judgement::Ignore);
}

#[test]
fn a_larger_head_of_another_history_is_proven_to_be_one() {
    let (author, history) = two_histories(3, 9);
    let mut core = author.held_by(3);
    connect(&mut core, "other");
    let head = author.head_over(&history);
    let range = asked(&gossip(&mut core, "other", head.clone(), at(2))).unwrap();
    assert_eq!((range.from, range.head), (3, 9));
    // Its entries stand under its head, and do not continue what is held: it is asked for the way.
    let effects = respond(&mut core, &range, honest(&history, &range, 256));
    assert!(refused(&effects).is_empty(), "it may be the author who lied");
    let request = effects.iter().find_map(|effect| match effect {
        Effect::Ask { request, question: Request::Consistency { old: 3, new: 9, .. }, .. } => {
            Some(*request)
        }
        _ => None,
    });
    let leaves: Vec<Digest> = history.iter().map(|entry| leaf_hash(entry)).collect();
    let mut frontier = Frontier::new();
    for leaf in &leaves[..3] {
        frontier.push(*leaf);
    }
    let proof = prove_consistency(&leaves, 3).unwrap().hashes;
    let response = Response::Consistency { root: frontier.root(), proof };
    let event = Event::Answered { from: peer("other"), request: request.unwrap(), response };
    let effects = core.handle(event, at(3));
    let fork = forked(&effects).unwrap();
    assert_eq!(fork.larger, head.checkpoint);
    assert!(fork.check(&identity(&[&author], false)).is_ok());
    assert!(published_fork(&effects) && core.is_forked(&author.origin()));
    assert_eq!(size_of(&core), [3], "what is held stays");
}

#[test]
fn a_peer_that_cannot_show_the_way_is_the_liar() {
    let (author, history) = two_histories(3, 9);
    let mut full = Author::new(1);
    full.announce(9);
    for wrong_root in [true, false] {
        let mut core = author.held_by(3);
        connect(&mut core, "liar");
        // An honest head; entries that are not under it.
        let range = asked(&gossip(&mut core, "liar", full.head(), at(2))).unwrap();
        let effects = respond(&mut core, &range, honest(&history, &range, 256));
        let request = effects.iter().find_map(|effect| match effect {
            Effect::Ask { request, question: Request::Consistency { .. }, .. } => Some(*request),
            _ => None,
        });
        let leaves: Vec<Digest> = full.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let mut frontier = Frontier::new();
        for leaf in &leaves[..3] {
            frontier.push(*leaf);
        }
        let root = if wrong_root { Digest::of(b"x") } else { frontier.root() };
        let proof = prove_consistency(&leaves, 3).unwrap().hashes;
        let response = Response::Consistency { root, proof };
        let event = Event::Answered { from: peer("liar"), request: request.unwrap(), response };
        let effects = core.handle(event, at(3));
        assert_eq!(refused(&effects), [Refusal::WrongEntries]);
        assert!(forked(&effects).is_none() && !core.is_forked(&author.origin()));
    }
}

#[test]
fn a_fork_of_the_own_log_is_shown_to_the_signer() {
    let (author, history) = two_histories(2, 2);
    let mut first = core(&[&author], false);
    connect(&mut first, "p");
    gossip(&mut first, "p", author.head(), at(0));
    let fork = forked(&gossip(&mut first, "p", author.head_over(&history), at(0))).unwrap();
    let told = |own: &Author| {
        let mut identity = identity(&[&author], true);
        identity.own = Some(own.rebuilder.public_key());
        let mut core = Core::new(identity, Vec::new(), an_empty_queue());
        connect(&mut core, "p");
        let bytes = Gossip::Fork(Box::new(fork.clone())).encode().unwrap();
        let gossiped = Event::Gossiped { from: peer("p"), id: MessageId(vec![1]), bytes };
        let effects = core.handle(gossiped, at(1));
        assert!(forked(&effects).is_some());
        let shown = effects.into_iter().filter_map(|effect| match effect {
            Effect::ShowSigner { checkpoint } => Some(checkpoint),
            _ => None,
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(told(&author), [fork.smaller.to_vec(), fork.larger.to_vec()]);
    assert!(told(&Author::new(2)).is_empty(), "a fork of somebody else is none of its business");
}

#[test]
fn an_older_head_is_compared_with_the_own_copy() {
    let (mut author, history) = two_histories(3, 9);
    let honest_head = author.head();
    let old = author.head_over(&history[..2]);
    author.announce(6);
    let mut core = author.held_by(9);
    let compared = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Compare { head, with } => Some((head.clone(), *with)),
            _ => None,
        })
    };
    let leaves: Vec<Digest> = author.entries.iter().map(|entry| leaf_hash(entry)).collect();
    let looked_up = |core: &mut Core, (head, with): (Box<CheckedHead>, u64)| {
        let mut frontier = Frontier::new();
        let size = usize::try_from(head.size()).unwrap();
        for leaf in &leaves[..size] {
            frontier.push(*leaf);
        }
        let proof = prove_consistency(&leaves, head.size()).unwrap();
        let event = Event::Compared { head, with, held: Some((frontier.root(), proof)) };
        core.handle(event, at(3))
    };
    // One of the same history, once.
    let effects = gossip(&mut core, "first", honest_head.clone(), at(2));
    assert_eq!(judged(&effects), Judgement::Ignore);
    let effects = looked_up(&mut core, compared(&effects).unwrap());
    assert!(forked(&effects).is_none());
    assert!(compared(&gossip(&mut core, "first", honest_head, at(2))).is_none(), "it is known");
    // One of another.
    let effects = gossip(&mut core, "first", old.clone(), at(2));
    let effects = looked_up(&mut core, compared(&effects).unwrap());
    let fork = forked(&effects).unwrap();
    assert_eq!(fork.smaller, old.checkpoint);
    assert!(fork.check(&identity(&[&author], false)).is_ok());
}

#[test]
fn an_operators_words_are_kept_and_carried_and_nobody_elses() {
    let (author, stranger) = (Author::new(1), Author::new(2));
    let mut core = core(&[&author], false);
    connect(&mut core, "p");
    let revocation = |author: &Author, number: i64| Revocation {
        operator: author.operator.public_key(),
        rebuilder: author.rebuilder.public_key(),
        last_good: Vec::new(),
        reason: "stolen".to_owned(),
        revoked: at(number),
    };
    let signed = |author: &Author, by: &SecretKey, number| {
        Envelope::sign(revocation(author, number).to_payload().unwrap(), by).unwrap()
    };
    let told = |core: &mut Core, word: &Envelope| {
        let bytes = Gossip::Word(ByteBuf::from(word.as_bytes())).encode().unwrap();
        let event = Event::Gossiped { from: peer("p"), id: MessageId(vec![3]), bytes };
        core.handle(event, at(1))
    };
    let word = signed(&author, &author.operator, 0);
    let effects = told(&mut core, &word);
    assert_eq!(judged(&effects), Judgement::Accept);
    let stored =
        |effect: &Effect| matches!(effect, Effect::StoreWord(bytes) if bytes == word.as_bytes());
    assert!(effects.iter().any(stored));
    assert_eq!(judged(&told(&mut core, &word)), Judgement::Ignore, "known");
    // A disk that was full is asked again, until it takes the word.
    let tick = |core: &mut Core| core.handle(Event::Tick, at(1));
    assert!(!tick(&mut core).iter().any(stored));
    core.handle(Event::WordNotKept(word.digest()), at(1));
    assert!(tick(&mut core).iter().any(stored));
    assert!(!tick(&mut core).iter().any(stored));
    let cases = [
        (signed(&stranger, &stranger.operator, 0), Refusal::UnknownOperator),
        (signed(&author, &author.rebuilder, 0), Refusal::BadWord),
        (author.certificate.clone(), Refusal::BadWord),
    ];
    for (word, refusal) in cases {
        assert_eq!(refused(&told(&mut core, &word)), [refusal]);
    }
    let rotation = Rotation {
        certificate: Certificate {
            operator: author.operator.public_key(),
            rebuilder: stranger.rebuilder.public_key(),
            not_before: at(0),
            not_after: at(1000),
        },
        revocation: revocation(&author, 5),
    };
    let rotation = Envelope::sign(rotation.to_payload().unwrap(), &author.operator).unwrap();
    assert_eq!(judged(&told(&mut core, &rotation)), Judgement::Accept);
    // Whoever asks for heads is told them.
    let request = Request::Heads { after: String::new() };
    let effects = core.handle(Event::Asked { from: peer("p"), ticket: Ticket(1), request }, at(1));
    let [Effect::Reply { response: Response::Heads { words, .. }, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(words.len(), 2);
    // An operator with too many of them is not heard any further.
    let mut last = Vec::new();
    for number in 1..200 {
        last = refused(&told(&mut core, &signed(&author, &author.operator, number)));
    }
    assert_eq!(last, [Refusal::TooManyWords]);
}
