//! Whose turn it is, beside whom it runs, and what a followed registry adds and takes away.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use super::queue::Class;
use super::schedule_tests::{FOUR, GIB, Node, ONE, builds, gave_up, purl};
use super::{BuildEnd, Effect, Event, Listed};
use crate::limits::OVERTAKES;

#[test]
fn persons_go_before_feeds_and_feeds_before_operators() {
    let mut node = Node::new(ONE);
    node.announced("operator", 2, Class::Medium);
    node.announced("operator2", 2, Class::Medium);
    let mut next = node.tick(0);
    node.follow(&["feed"], 0);
    node.want("person", 0);
    let mut order = Vec::new();
    while let Some((job, purl)) = next.pop() {
        order.push(purl.name());
        next = builds(&node.end(job, BuildEnd::Hopeless, 100));
    }
    assert_eq!(order, ["operator2", "person", "feed", "operator"]);
}

#[test]
fn operators_take_turns_however_much_one_announces() {
    let mut node = Node::new(ONE);
    for number in 0..6 {
        node.announced(&format!("a-flood{number}"), 2, Class::Small);
    }
    for number in 0..2 {
        node.announced(&format!("z-few{number}"), 3, Class::Small);
    }
    let mut order = Vec::new();
    let mut next = node.tick(0);
    while let Some((job, purl)) = next.pop() {
        order.push(purl.name());
        next = builds(&node.end(job, BuildEnd::Hopeless, 1));
    }
    let place = |name: &str| order.iter().position(|one| one == name).unwrap();
    assert_eq!(order.len(), 8);
    assert!(place("z-few0") <= 2 && place("z-few1") <= 4, "{order:?}");
}

#[test]
fn small_builds_run_beside_one_another_and_a_large_one_waits_for_room_not_for_ever() {
    let mut node = Node::new(FOUR);
    for number in 0..20 {
        node.announced(&format!("small{number:02}"), 2, Class::Small);
    }
    node.announced("small05-large", 2, Class::Large);
    let mut jobs: Vec<u64> = node.tick(0).into_iter().map(|(job, _)| job).collect();
    assert_eq!(jobs.len(), 4, "they run beside one another");
    let mut before = 4;
    loop {
        let job = jobs.remove(0);
        let began = builds(&node.end(job, BuildEnd::Hopeless, 2));
        if began.iter().any(|(_, release)| *release == purl("small05-large")) {
            assert!(jobs.is_empty() && began.len() == 1, "it runs alone");
            break;
        }
        before += began.len();
        jobs.extend(began.into_iter().map(|(job, _)| job));
    }
    assert_eq!(before, 5 + usize::try_from(OVERTAKES).unwrap());
}

#[test]
fn a_build_that_its_class_does_not_hold_gets_the_next_one_and_is_remembered() {
    let mut node = Node::new(FOUR);
    node.announced("a", 2, Class::Small);
    let memory = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Build { job, memory, .. } => Some((*job, *memory)),
            _ => None,
        })
    };
    let (mut job, bytes) = memory(&node.take(Event::Tick, 0)).unwrap();
    assert_eq!(bytes, GIB);
    for larger in [2 * GIB, 4 * GIB] {
        let began = memory(&node.end(job, BuildEnd::TooLarge, 1)).unwrap();
        assert_eq!(began.1, larger);
        job = began.0;
    }
    assert!(gave_up(&node.end(job, BuildEnd::TooLarge, 2)), "there is no more");
    // The next version begins where this one ended.
    node.follow(&["a@2"], 3);
    assert_eq!(node.row("a@2").unwrap().class, Class::Large);
}

#[test]
fn what_a_build_took_decides_the_class_of_the_next() {
    let mut node = Node::new(FOUR);
    for (version, seconds, class) in
        [("1", 60, Class::Medium), ("2", 600, Class::Small), ("3", 1, Class::Medium)]
    {
        let name = format!("a@{version}");
        let job = node.follow(&[&name], 10_000)[0].0;
        assert_eq!(node.row(&name).unwrap().class, class);
        node.end(job, BuildEnd::Attested, 10_000 + seconds);
    }
}

#[test]
fn what_a_feed_has_no_more_leaves_the_queue_unless_it_runs_or_a_person_wants_it() {
    let mut node = Node::new(ONE);
    node.follow(&["running@1"], 0);
    node.follow(&["old@1", "wanted@1"], 0);
    node.want("wanted@1", 0);
    let new = vec![Listed { purl: purl("old@2"), source_bytes: None }];
    let superseded = ["running@1", "old@1", "wanted@1", "unknown@1"].map(purl).to_vec();
    node.take(Event::Followed { new, superseded }, 1);
    let left: Vec<String> =
        node.core.queue().rows().map(|row| row.purl.as_str().to_owned()).collect();
    let needed: Vec<String> =
        ["old@2", "running@1", "wanted@1"].map(|name| purl(name).as_str().to_owned()).to_vec();
    assert_eq!(left, needed);
}

#[test]
fn a_followed_release_is_announced_once_and_only_when_its_build_begins() {
    let mut node = Node::new(ONE);
    let job = node.follow(&["a", "b"], 0)[0].0;
    let announces = |effects: Vec<Effect>| {
        effects.iter().filter(|effect| matches!(effect, Effect::Announce(_))).count()
    };
    assert_eq!(announces(node.take(Event::BuildAlive { job, building: false }, 1)), 0);
    assert_eq!(announces(node.take(Event::BuildAlive { job, building: true }, 2)), 1);
    assert_eq!(announces(node.take(Event::BuildAlive { job, building: true }, 3)), 0);
}

#[test]
fn a_release_leaves_once_its_outcome_is_signed_although_the_log_names_others() {
    let mut node = Node::new(ONE);
    let job = node.want("a", 0)[0].0;
    node.end(job, BuildEnd::Attested, 1);
    assert!(node.tick(2).is_empty());
    node.tick(2 + crate::limits::LOGGED_SECONDS);
    assert!(node.row("a").is_none());
}

#[test]
fn a_purl_that_is_no_one_artifact_is_no_announcement() {
    for (text, is_full) in [
        ("pkg:deb/debian/a@1?arch=all&distro=trixie", true),
        ("pkg:deb/debian/a@1?arch=all", false),
        ("pkg:deb/debian/a?arch=all&distro=trixie", false),
        ("pkg:deb/debian/a@1?arch=all&distro=trixie&x=y", false),
        ("pkg:pypi/a@1?file_name=a-1-py3-none-any.whl", true),
        ("pkg:pypi/a@1", false),
        ("pkg:npm/a@1", false),
    ] {
        assert_eq!(super::queue::is_full(&text.parse().unwrap()), is_full, "{text}");
    }
}
