//! The local service of a real node, asked over its socket and over HTTP: right, wrong, and with malice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::format_push_string,
    reason = "a test may stop at the first surprise"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use reattest_attestation::Digest;
use reattest_tests::{document, said};
use serde_json::{Value, json};

use crate::consumer::Consumer;
use crate::worlds::{P, Q};

/// What came back: status, head, body.
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.head, self.body))
    }

    /// A refusal that says what was found and needed, and is no verdict.
    pub(crate) fn refuses(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.head.contains("application/problem+json"), "{}", self.head);
        let detail = self.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(words), "{detail}");
        assert!(!self.body.contains("verdict\":"), "{}", self.body);
    }
}

pub(crate) fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Told {
    // A server that refuses early may close before all was written.
    let _early = stream.write_all(request);
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Told { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

struct Service {
    consumer: Consumer,
    socket: PathBuf,
    address: String,
}

impl Service {
    fn start(parent: &std::path::Path, token: Option<&str>) -> Self {
        let mut consumer = Consumer::new(parent);
        consumer.reproduced(P, Digest::of(b"netbase"));
        consumer.say(0, Q, Digest::of(b"hostname"), '+');
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut text = std::fs::read_to_string(consumer.member.config()).unwrap();
        text.push_str(&format!("\n[service]\n\"listen\" = \"{port}\"\n"));
        if let Some(token) = token {
            std::fs::write(consumer.member.home.join("token"), format!("{token}\n")).unwrap();
            text.push_str("token = \"token\"\n");
        }
        std::fs::write(consumer.member.config(), text).unwrap();
        consumer.member.start(&[]);
        let socket = consumer.member.home.join("data/service.sock");
        Self { consumer, socket, address: port.to_string() }
    }

    fn send(&self, bytes: &[u8]) -> Told {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        exchange(stream, bytes)
    }

    fn get(&self, path: &str) -> Told {
        self.send(&request("GET", path, "", ""))
    }

    fn post(&self, body: &str) -> Told {
        self.send(&request("POST", "/v1/verdicts", "Content-Type: application/json\r\n", body))
    }

    fn over_http(&self, headers: &str) -> Told {
        let stream = TcpStream::connect(&self.address).unwrap();
        let text = format!("GET /v1/operators HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
        exchange(stream, text.as_bytes())
    }
}

/// A purl as a value in a query.
fn encoded(purl: &str) -> String {
    purl.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace('?', "%3F")
}

fn of(name: &str, purl: &str) -> String {
    format!("/v1/verdicts/sha256:{}?as={}", Digest::of(name.as_bytes()), encoded(purl))
}

#[test]
fn every_door_of_a_node_gives_the_same_verdict() {
    let parent = tempfile::tempdir().unwrap();
    let service = Service::start(parent.path(), None);
    let accepted = service.get(&of("netbase", P)).json();
    assert_eq!(accepted["verdict"], "accepted");
    assert_eq!(service.get(&of("hostname", Q)).json()["verdict"], "inconclusive");
    assert_eq!(service.get(&of("other", P)).json()["verdict"], "rejected");
    assert_ne!(service.get(&of("netbase", Q)).json()["verdict"], "accepted", "a renamed file");
    // The command line judges the same file alike.
    let file = parent.path().join("netbase_6.5_all.deb");
    std::fs::write(&file, "netbase").unwrap();
    let file = file.to_str().unwrap();
    let told = service.consumer.member.command(&["verify", file, "--as", P, "--json"]).output();
    let told = document(&told.unwrap());
    for part in ["verdict", "quorum", "votes", "policy", "dissent"] {
        assert_eq!(told[part], accepted[part], "{part}");
    }
    // A batch, in its order.
    let question =
        |name: &str, purl| json!({"sha256": Digest::of(name.as_bytes()).to_string(), "as": purl});
    let batch = json!({"questions": [question("other", P), question("netbase", P), question("hostname", Q)]});
    let verdicts = service.post(&batch.to_string()).json();
    let verdicts: Vec<&str> = verdicts["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["rejected", "accepted", "inconclusive"]);
    let many = vec![question("netbase", P); 1_000];
    let told = service.post(&json!({"questions": many}).to_string()).json();
    assert_eq!(told["verdicts"].as_array().unwrap().len(), 1_000);
    // A package without a file, the evidence, and whom the policy names.
    let package = service.get(&format!("/v1/packages?purl={}", encoded(P))).json();
    assert_eq!(package["verdicts"][0]["verdict"], "accepted");
    let evidence = service.get(&of("netbase", P).replace("verdicts", "evidence"));
    let bundle = parent.path().join("bundle.jsonl");
    std::fs::write(&bundle, &evidence.body).unwrap();
    let bundle = bundle.to_str().unwrap();
    let told = service
        .consumer
        .member
        .command(&["verify", file, "--as", P, "--bundle", bundle])
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", said(&told));
    assert_eq!(service.get("/v1/operators").json()["operators"].as_array().unwrap().len(), 3);
    assert_eq!(service.get("/v1/health").json()["logs"], 3);
    // Pages end.
    let (mut seen, mut after) = (0, String::new());
    loop {
        let page = service.get(&format!("/v1/logs?limit=2{after}")).json();
        seen += page["logs"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", encoded(next));
    }
    assert_eq!(seen, 3);
    // Who has the answer already is told so.
    let first = service.get("/v1/operators");
    let tag = first.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let again =
        service.send(&request("GET", "/v1/operators", &format!("If-None-Match: {tag}\r\n"), ""));
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    // A policy that is edited judges at once, and a broken one answers nothing.
    service.consumer.policy("mode = 7\n");
    std::thread::sleep(Duration::from_secs(2));
    service.get(&of("netbase", P)).refuses(500, "policy.toml");
    service.consumer.policy("");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(service.get(&of("netbase", P)).json()["verdict"], "accepted");
}

#[test]
fn what_is_not_understood_is_refused_and_the_service_goes_on() {
    let parent = tempfile::tempdir().unwrap();
    let service = Service::start(parent.path(), None);
    service.get("/v1/verdicts/sha256:abc").refuses(400, "64 hexadecimal digits");
    service.get(&of("netbase", "deb:netbase")).refuses(400, "netbase");
    service.get(&(of("netbase", P) + "&x=1")).refuses(400, "x");
    service
        .get("/v1/verdicts/%2e%2e%2f%2e%2e%2fetc%2fpasswd")
        .refuses(400, "64 hexadecimal digits");
    service.get("/v1/../../etc/passwd").refuses(404, "/v1");
    service.get("/").refuses(404, "/v1");
    service.get("/v1/logs?limit=0").refuses(400, "limit");
    service.get("/v1/logs?limit=1001").refuses(400, "limit");
    service.send(&request("DELETE", "/v1/verdicts", "", "")).refuses(405, "GET");
    service.send(&request("PUT", "/v1/health", "", "x")).refuses(405, "GET");
    for body in [
        "",
        "{",
        "[]",
        "{\"questions\":[{}]}",
        "{\"questions\":[],\"more\":1}",
        &"[".repeat(100_000),
    ] {
        service.post(body).refuses(400, "questions");
    }
    let good = json!({"sha256": Digest::of(b"x").to_string(), "as": P});
    let bad = json!({"questions": [good, {"sha256": "x", "as": P}]});
    service.post(&bad.to_string()).refuses(400, "questions[1]");
    let many = json!({"questions": vec![good; 10_001]});
    service.post(&many.to_string()).refuses(413, "10000");
    let huge = service.post(&" ".repeat(9 * 1024 * 1024));
    assert!(huge.status == 413 || huge.status == 0, "{}", huge.body);
    let garbage = service.send(b"\x16\x03\x01 what\r\n\r\n");
    assert!(garbage.status == 400 || garbage.status == 0, "{}", garbage.head);
    let long = service.get(&format!("/v1/{}", "x".repeat(100_000)));
    assert!([0, 400, 414, 431].contains(&long.status), "{}", long.head);
    // Two questions on one connection, the second sent before the first is answered.
    let mut both = b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    both.extend(request("GET", "/v1/operators", "", ""));
    let told = service.send(&both);
    assert!(
        told.status == 200
            && told.body.contains("http/1.1 200") | told.body.contains("HTTP/1.1 200"),
        "{}",
        told.body
    );
    // Connections that say nothing keep nobody out.
    let silent: Vec<UnixStream> =
        (0..16).map(|_| UnixStream::connect(&service.socket).unwrap()).collect();
    assert_eq!(service.get(&of("netbase", P)).json()["verdict"], "accepted");
    drop(silent);
    // A page that was led here by a name of its own is not let in; programs of this machine are.
    service.over_http("Host: evil.example\r\n").refuses(400, "loopback");
    assert_eq!(service.over_http(&format!("Host: {}\r\n", service.address)).status, 200);
}

#[test]
fn a_token_is_needed_where_the_configuration_says_so() {
    let parent = tempfile::tempdir().unwrap();
    let service = Service::start(parent.path(), Some("correct horse battery staple"));
    let host = "Host: anything.example\r\n";
    service.over_http(host).refuses(401, "Bearer");
    for wrong in ["", "correct", "correct horse battery staple!"] {
        service
            .over_http(&format!("{host}Authorization: Bearer {wrong}\r\n"))
            .refuses(401, "Bearer");
    }
    let right = format!("{host}Authorization: Bearer correct horse battery staple\r\n");
    assert_eq!(service.over_http(&right).status, 200);
    assert_eq!(service.get("/v1/operators").status, 200, "the socket's permissions suffice");
    // An address that others reach needs a token.
    let text = std::fs::read_to_string(service.consumer.member.config()).unwrap();
    let open = text.replace("token = \"token\"", "").replace("\"127.0.0.1:", "\"0.0.0.0:");
    let other = parent.path().join("open.toml");
    std::fs::write(&other, open).unwrap();
    let refused = reattest_tests::run(&["--config", other.to_str().unwrap(), "status"]);
    assert!(!refused.status.success() && said(&refused).contains("token"), "{}", said(&refused));
}
