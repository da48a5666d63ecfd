//! The local service's lists: who rebuilt what, where operators disagree, and the logs as static files (C1).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use reattest_attestation::log::Origin;
use reattest_attestation::{Digest, Purl};
use serde_json::{Value, json};

use crate::consumer::Consumer;
use crate::rebuilderd::Served;
use crate::worlds::{P, Q, network};

/// A purl as a value in a query.
fn encoded(purl: &str) -> String {
    purl.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace('?', "%3F")
}

/// All pages of a list, and how many there were.
fn pages(served: &Served, path: &str, list: &str) -> (Vec<Value>, usize) {
    let (mut found, mut after) = (Vec::new(), String::new());
    for number in 1..20 {
        let join = if path.contains('?') { '&' } else { '?' };
        let page = served.json(&format!("{path}{join}limit=2{after}"));
        found.extend(page[list].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { return (found, number) };
        after = format!("&after={}", encoded(next));
    }
    (found, 0)
}

#[test]
fn rebuilders_votes_and_disputes_are_listed_to_their_end() {
    let parent = tempfile::tempdir().unwrap();
    let (file, other) = (Digest::of(b"netbase"), Digest::of(b"hostname"));
    let purl = |number: u32| format!("pkg:deb/debian/p{number}@1?arch=all&distro=trixie");
    let served = Served::start(parent.path(), |consumer| {
        consumer.reproduced(P, file);
        consumer.say(1, P, file, '-');
        consumer.say(2, P, file, '+');
        consumer.retract(2, P, file);
        consumer.reproduced(Q, other);
        for number in 0..3 {
            consumer.say(0, &purl(number), other, '+');
            consumer.say(1, &purl(number), other, '-');
        }
        // Not told the same file; one that does not build contradicts nobody; taken back.
        consumer.say(0, &purl(3), other, '+');
        consumer.say(1, &purl(3), file, '+');
        consumer.say(0, &purl(4), other, '+');
        consumer.say(1, &purl(4), other, '!');
        consumer.say(0, &purl(5), other, '+');
        consumer.say(1, &purl(5), other, '-');
        consumer.retract(1, &purl(5), other);
    });
    let (rebuilders, count) = pages(&served, "/v1/rebuilders", "rebuilders");
    assert_eq!((rebuilders.len(), count), (3, 2), "{rebuilders:?}");
    let first = Consumer::key(0).to_string();
    let mine = rebuilders.iter().find(|one| one["key"] == first).unwrap();
    assert_eq!(
        (&mine["operator"], &mine["stands"], &mine["size"]),
        (&"o0".into(), &true.into(), &8.into())
    );

    let (votes, count) = pages(&served, &format!("/v1/votes?purl={}", encoded(P)), "votes");
    assert_eq!((votes.len(), count), (5, 3), "{votes:?}");
    let of = |operator: &str| -> Vec<String> {
        let of_it = votes.iter().filter(|vote| vote["operator"] == operator);
        of_it
            .map(|vote| format!("{} {}", vote["outcome"], vote["retracted"]).replace('"', ""))
            .collect()
    };
    assert_eq!(of("o0"), ["reproduced false"]);
    assert_eq!(of("o1"), ["reproduced false", "differs false"]);
    assert_eq!(of("o2"), ["reproduced true", "reproduced true"]);
    assert_eq!(served.json("/v1/votes?purl=pkg:deb/debian/none@1")["votes"], json!([]));

    let (disputes, count) = pages(&served, "/v1/disputes", "disputes");
    let named: Vec<String> =
        disputes.iter().map(|one| one["purl"].as_str().unwrap().to_owned()).collect();
    let mut wanted: Vec<String> = (0..4).map(purl).collect();
    wanted.insert(0, P.to_owned());
    let spelled = |purl: &String| purl.parse::<Purl>().unwrap().to_string();
    assert_eq!(named, wanted.iter().map(spelled).collect::<Vec<_>>());
    assert_eq!(count, 3);
    assert_eq!(disputes[0]["words"][0]["operator"], "o0");

    for (path, words) in [
        ("/v1/votes", "purl"),
        ("/v1/votes?purl=x", "\"x\""),
        ("/v1/disputes?limit=0", "limit=0"),
        ("/v1/disputes?limit=1001", "limit=1001"),
        ("/v1/rebuilders?page=2", "page"),
    ] {
        served.get(path).refuses(400, words);
    }
}

#[test]
fn logs_are_there_as_the_static_files_that_mirrors_read() {
    let parent = tempfile::tempdir().unwrap();
    let served = Served::start(parent.path(), |consumer| {
        consumer.say_with_links(0, P, Digest::of(b"netbase"));
    });
    let origin = Origin::new(&network(), &Consumer::key(0), 2026).to_string();
    let origins = served.get("/logs/origins");
    assert!(origins.status == 200 && origins.body.contains(&origin), "{}", origins.body);
    let data = served.consumer.member.home.join("data");
    for (file, kind, cached) in [
        ("checkpoint", "text/plain", "no-cache"),
        ("certificate", "application/json", "no-cache"),
        ("tile/entries/000.p/1", "application/octet-stream", "no-cache"),
        ("tile/0/000.p/1", "application/octet-stream", "no-cache"),
    ] {
        let told = served.get(&format!("/logs/{origin}/{file}"));
        assert_eq!(told.status, 200, "{file}: {}", told.body);
        assert!(told.head.contains(kind) && told.head.contains(cached), "{file}: {}", told.head);
        let held = std::fs::read(data.join("logs").join(&origin).join(file)).unwrap();
        assert_eq!(told.body, String::from_utf8_lossy(&held), "{file}");
    }
    for path in [
        "/logs/../policy.toml".to_owned(),
        format!("/logs/{origin}/../../../../../keys/consumer.key"),
        format!("/logs/{origin}/%2e%2e/checkpoint"),
        "/documents/../keys/consumer.key".to_owned(),
        format!("/logs/{origin}/tile/0/001"),
        "/logs/decisions/head".to_owned(),
    ] {
        served.get(&path).refuses(404, "");
    }
}
