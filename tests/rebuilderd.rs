//! rebuilderd's read API of a real node: what its clients read, asked as they ask it (C9).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_push_string,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise"
)]

use std::net::TcpStream;
use std::path::Path;

use reattest_attestation::Digest;
use reattest_attestation::export::{legacy_keyid, rebuilderd_pem};
use serde_json::{Value, json};

use crate::consumer::Consumer;
use crate::doors::{Told, exchange};
use crate::worlds::{P, Q};

/// A node of a consumer, with its local service over HTTP.
pub(crate) struct Served {
    pub(crate) consumer: Consumer,
    pub(crate) address: String,
}

impl Served {
    /// What is said before the node starts.
    pub(crate) fn start(parent: &Path, say: impl FnOnce(&Consumer)) -> Self {
        let mut consumer = Consumer::new(parent);
        say(&consumer);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut text = std::fs::read_to_string(consumer.member.config()).unwrap();
        text.push_str(&format!("\n[service]\n\"listen\" = \"{port}\"\n"));
        std::fs::write(consumer.member.config(), text).unwrap();
        consumer.member.start(&[]);
        Self { consumer, address: port.to_string() }
    }

    pub(crate) fn ask(&self, host: &str, line: &str, body: &str) -> Told {
        let stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let text = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        exchange(stream, text.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Told {
        self.ask("o0.localhost", &format!("GET {path}"), "")
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        let told = self.get(path);
        assert_eq!(told.status, 200, "{path}: {}{}", told.head, told.body);
        told.json()
    }

    fn binary(&self, query: &str) -> Value {
        self.json(&format!("/api/v1/packages/binary?{query}"))
    }
}

fn purl(number: u32) -> String {
    format!("pkg:deb/debian/p{number:03}@1.{number}?arch=amd64&distro=trixie")
}

#[test]
fn a_link_is_found_by_the_steps_of_repro_threshold_and_nothing_else_has_a_number() {
    let parent = tempfile::tempdir().unwrap();
    let (file, other) = (Digest::of(b"netbase"), Digest::of(b"hostname"));
    let served = Served::start(parent.path(), |consumer| {
        consumer.say_with_links(0, P, file);
        consumer.say(0, Q, other, '+');
        consumer.say(0, &purl(1), other, '-');
        consumer.say_with_links(0, &purl(2), other);
        consumer.retract(0, &purl(2), other);
    });
    let keys = served.json("/api/v1/meta/public-keys");
    assert_eq!(keys, json!({ "current": [rebuilderd_pem(&Consumer::key(0))] }));
    assert_eq!(served.json("/api/v0/public-keys"), keys);

    let found = served.binary("name=netbase&version=6.5&architecture=all");
    let row = &found["records"][0];
    assert_eq!((&found["total"], &row["status"]), (&1.into(), &"GOOD".into()), "{found}");
    assert_eq!((&row["distribution"], &row["release"]), (&"debian".into(), &"trixie".into()));
    assert_eq!(row["component"], "main");
    let (build, artifact) =
        (row["build_id"].as_i64().unwrap(), row["artifact_id"].as_i64().unwrap());
    let link = served.get(&format!("/api/v1/builds/{build}/artifacts/{artifact}/attestation"));
    assert_eq!(link.status, 200, "{}", link.body);
    assert_eq!(served.get(&format!("/api/v0/builds/{build}/attestation")).body, link.body);
    let link = link.json();
    assert_eq!(link["signatures"][0]["keyid"], legacy_keyid(&Consumer::key(0)));
    let products = link["signed"]["products"].as_object().unwrap();
    let product = products.values().next().unwrap();
    assert_eq!(product["sha256"], file.to_string());

    // Where a client would ask for a link and get none, it would drop every other one as well.
    for (name, status) in [("hostname", "GOOD"), ("p001", "BAD"), ("p002", "UNKWN")] {
        let row = &served.binary(&format!("name={name}"))["records"][0];
        assert_eq!(row["status"], status, "{row}");
        assert_eq!(row["artifact_id"], Value::Null, "{row}");
    }
    for path in [
        "/api/v1/builds/2/artifacts/2/attestation",
        "/api/v1/builds/1/artifacts/2/attestation",
        "/api/v1/builds/99/artifacts/1/attestation",
        "/api/v1/builds/1/log",
        "/api/v1/builds/1/artifacts/1/diffoscope",
        "/api/v0/builds/0/log",
        "/api/v1/packages/binary/99",
        "/api/v1/builds/99",
    ] {
        let told = served.get(path);
        assert_eq!((told.status, told.body.as_str()), (404, "Not found\n"), "{path}");
    }
    assert_eq!(served.get("/api/v1/builds/x").status, 400);
}

#[test]
fn pages_end_and_numbers_stay_when_the_log_grows() {
    let parent = tempfile::tempdir().unwrap();
    let mut served = Served::start(parent.path(), |consumer| {
        for number in (0..7).rev() {
            consumer.say(0, &purl(number), Digest::of(&number.to_be_bytes()), '+');
        }
    });
    // As `rebuildctl pkgs ls` does it: sorted by name, after the last number, until an empty page.
    let all = |served: &Served, more: &str| {
        let (mut after, mut seen) = (String::new(), Vec::new());
        for _ in 0..10 {
            let page = served.binary(&format!("limit=3{more}{after}"));
            assert_eq!(page["total"], 7, "whatever the page: {page}");
            let rows = page["records"].as_array().unwrap().clone();
            let Some(last) = rows.last() else { return seen };
            after = format!("&after={}", last["id"]);
            seen.extend(rows.iter().map(|row| (row["id"].clone(), row["name"].clone())));
        }
        panic!("the pages do not end: {seen:?}");
    };
    let names = |seen: &[(Value, Value)]| -> Vec<String> {
        seen.iter().map(|(_, name)| name.as_str().unwrap().to_owned()).collect()
    };
    let up: Vec<String> = (0..7).map(|number| format!("p{number:03}")).collect();
    let down: Vec<String> = up.iter().rev().cloned().collect();
    let by_name = all(&served, "&sort=name");
    assert_eq!(names(&by_name), up);
    assert_eq!(names(&all(&served, "")), down, "in the order in which they were first seen");
    assert_eq!(names(&all(&served, "&sort=name&direction=Descending")), down);
    assert_eq!(names(&all(&served, "&direction=descending")), up);
    assert_eq!(names(&all(&served, "&sort=status")), down, "the same value: by number");
    let before = served.binary("sort=name&before=6&limit=100");
    assert_eq!(before["records"].as_array().unwrap().len(), 1, "p000 is 7, p001 is 6");
    assert_eq!(served.binary("after=2147483647")["records"], json!([]));
    assert_eq!(served.binary("sort=name&after=99")["records"], json!([]), "to an end");
    assert_eq!(served.get("/api/v1/packages/binary?limit=-1").status, 400);
    assert_eq!(served.binary("limit=100000")["records"].as_array().unwrap().len(), 7);

    // A newer word takes the place of the older one, and nothing else moves.
    served.consumer.member.kill();
    served.consumer.say(0, &purl(3), Digest::of(b"again"), '-');
    served.consumer.member.start(&[]);
    let again = all(&served, "&sort=name");
    assert_eq!(again, by_name);
    let row = &served.binary("name=p003")["records"][0];
    assert_eq!((&row["status"], &row["build_id"]), (&"BAD".into(), &8.into()), "{row}");
    let builds = served.json("/api/v1/builds?limit=100");
    assert_eq!(builds["total"], 8, "{builds}");
}

#[test]
fn each_operator_has_a_name_of_its_own_and_a_stranger_has_none() {
    let parent = tempfile::tempdir().unwrap();
    let served = Served::start(parent.path(), |consumer| {
        consumer.say(0, P, Digest::of(b"netbase"), '+');
        consumer.say(1, P, Digest::of(b"netbase"), '-');
    });
    let status = |host: &str| {
        let told = served.ask(host, "GET /api/v1/packages/binary?name=netbase", "");
        assert_eq!(told.status, 200, "{host}: {}", told.body);
        told.json()["records"][0]["status"].clone()
    };
    assert_eq!([status("o0.localhost"), status("O1.localhost:80")], ["GOOD", "BAD"]);
    for (host, words) in
        [("o2.localhost", "no log of an operator"), ("localhost", "rebuilds nothing itself")]
    {
        let told = served.ask(host, "GET /api/v1/packages/binary", "");
        told.refuses(404, words);
    }
    let told = served.ask("o0.localhost.evil.test", "GET /api/v1/packages/binary", "");
    told.refuses(400, "as Host");
    // Writing is nobody's there.
    assert_eq!(served.ask("o0.localhost", "POST /api/v1/packages", "{}").status, 404);
    served.ask("o0.localhost", "POST /api/v1/packages/binary", "{}").refuses(405, "needed GET");
}

#[test]
fn a_key_that_was_revoked_gives_out_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let served = Served::start(parent.path(), |consumer| {
        consumer.say_with_links(0, P, Digest::of(b"netbase"));
        consumer.revoke(0);
    });
    assert_eq!(served.json("/api/v1/meta/public-keys"), json!({ "current": [] }));
    let row = &served.binary("name=netbase")["records"][0];
    assert_eq!((&row["status"], &row["artifact_id"]), (&"UNKWN".into(), &Value::Null), "{row}");
    assert_eq!(served.get("/api/v1/builds/1/artifacts/1/attestation").status, 404);
    assert_eq!(served.json("/api/v0/pkgs/list")[0]["has_attestation"], false);
}

#[test]
fn what_else_their_clients_read_has_all_its_fields() {
    let parent = tempfile::tempdir().unwrap();
    let served = Served::start(parent.path(), |consumer| {
        consumer.say_with_links(0, P, Digest::of(b"netbase"));
        consumer.say(0, Q, Digest::of(b"hostname"), '-');
    });
    let list = served.json("/api/v0/pkgs/list");
    let rows = list.as_array().unwrap();
    assert_eq!(rows.len(), 2, "{list}");
    for field in [
        "name",
        "version",
        "status",
        "distro",
        "suite",
        "architecture",
        "artifact_url",
        "build_id",
        "built_at",
        "has_diffoscope",
        "has_attestation",
    ] {
        assert!(rows.iter().all(|row| !row[field].is_null()), "{field}: {list}");
    }
    assert_eq!(rows[0]["has_attestation"], true);
    let bad = served.json("/api/v0/pkgs/list?status=BAD&distro=debian&suite=main");
    assert_eq!(bad.as_array().unwrap().len(), 1, "{bad}");
    assert!(!rows[0]["built_at"].as_str().unwrap().contains('Z'), "their times have no zone");

    assert_eq!(served.json("/api/v1/meta/distributions"), json!(["debian"]));
    assert_eq!(served.json("/api/v1/meta/distributions/debian/releases"), json!(["trixie"]));
    let architectures = json!(["all", "amd64"]);
    assert_eq!(served.json("/api/v1/meta/distributions/debian/architectures"), architectures);
    let of_release = "/api/v1/meta/distributions/debian/releases/trixie/architectures";
    assert_eq!(served.json(of_release), architectures);
    let sources = served.json("/api/v1/packages/source");
    assert_eq!((&sources["total"], &sources["records"][0]["id"]), (&1.into(), &1.into()));
    assert_eq!(served.json("/api/v1/packages/source/1"), sources["records"][0]);
    let build = served.json("/api/v1/builds/1");
    assert_eq!((&build["backend"], &build["status"]), (&"reattest".into(), &"GOOD".into()));
    let artifacts = served.json("/api/v1/builds/1/artifacts");
    assert_eq!(artifacts[0]["has_attestation"], true, "{artifacts}");
    assert_eq!(served.json("/api/v1/builds/1/artifacts/1"), artifacts[0]);
    let dashboard = served.json("/api/v1/dashboard");
    assert_eq!(dashboard["rebuilds"], json!({"good": 0, "bad": 1, "fail": 0, "unknown": 0}));
    assert_eq!(
        served.json("/api/v0/dashboard")["suites"]["main"],
        json!({"good": 1, "unknown": 0, "bad": 1})
    );
    assert_eq!(served.json("/api/v1/queue")["records"], json!([]));
    assert_eq!(served.json("/api/v1/workers")["records"], json!([]));
    let queue = served.ask("o0.localhost", "POST /api/v0/queue/list", "{\"limit\":null}");
    assert_eq!(queue.json()["queue"], json!([]), "{}", queue.body);
}
