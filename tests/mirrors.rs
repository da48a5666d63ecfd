//! Static copies of logs over HTTP: what they may do for a node, and what they cannot do to it (N11).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reattest::operator::certify;
use reattest::store::Store;
use reattest_attestation::log::{Checkpoint, Origin};
use reattest_attestation::{Announcement, Digest, Envelope, SecretKey, Sign, Timestamp};
use reattest_tests::network::{Member, PATIENCE};
use reattest_tests::processes::wait_until;
use reattest_tests::{directory, printed, said};

/// Two full tiles and a part of a third.
const ENTRIES: u64 = 700;

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn origin(key: &SecretKey) -> Origin {
    Origin::new(&"test".parse().unwrap(), &key.public_key(), 2026)
}

/// A data directory with one log of signed announcements by `rebuilder`, and one document.
fn write_tree(data: &Path, operator: &SecretKey, rebuilder: &SecretKey, entries: u64) {
    let certificate = certify(operator, rebuilder.public_key(), 30).unwrap();
    let mut store = Store::open(data).unwrap();
    store.put_document(b"a recipe").unwrap();
    let log = store.log_mut(&origin(rebuilder)).unwrap();
    let signed: Vec<Vec<u8>> = (log.size()..entries).map(|n| entry(rebuilder, n)).collect();
    log.append(log.size(), &signed).unwrap();
    let root = log.root(entries).unwrap();
    let head = Checkpoint { origin: origin(rebuilder), size: entries, root };
    log.publish(head.sign(rebuilder).unwrap(), certificate.as_bytes()).unwrap();
}

fn entry(key: &SecretKey, number: u64) -> Vec<u8> {
    let purl = format!("pkg:deb/debian/netbase@{number}?arch=all&distro=trixie").parse().unwrap();
    let announced = Timestamp::from_unix(1_790_000_000);
    let hint = Announcement { network: "test".parse().unwrap(), purl, announced };
    Envelope::sign(hint.to_payload().unwrap(), key).unwrap().as_bytes().to_vec()
}

/// What any web server has: `logs` and `documents`, copied file by file.
fn copy_tree(data: &Path, to: &Path) {
    for name in ["logs", "documents"] {
        let status =
            std::process::Command::new("cp").arg("-r").arg(data.join(name)).arg(to).status();
        assert!(status.unwrap().success());
    }
}

/// A member that rebuilds nothing and follows this operator, with more lines of configuration.
fn follower(parent: &Path, name: &str, operator: &SecretKey, more: &str) -> Member {
    let member = Member::init(parent, name);
    let key = operator.public_key();
    let policy = format!(
        "version = 1\nnetwork = \"test\"\nexpires = 2100-01-01T00:00:00Z\n\n[[operator]]\n\
         name = \"alder\"\nkey = \"{key}\"\n\n[quorum]\nneed = 1\nof = [\"alder\"]\n"
    );
    fs::write(member.home.join("policy.toml"), policy).unwrap();
    member.configure(&[("roles", "[\"consume\"]".to_owned())]);
    let text = fs::read_to_string(member.config()).unwrap();
    fs::write(member.config(), format!("{text}\n{more}")).unwrap();
    member
}

fn mirror(url: &str) -> String {
    format!("[[mirror]]\nurl = {url:?}\nevery = \"1 s\"\n")
}

/// The node's own words since it started.
fn log_of(member: &Member) -> String {
    fs::read_to_string(member.home.join("node.log")).unwrap()
}

/// What the static server does instead of giving a file, by the end of its path.
type Wrong = fn(path: &str, bytes: Vec<u8>) -> Answer;

enum Answer {
    Bytes(Vec<u8>),
    /// No length, and no end.
    Endless,
}

/// A web server that knows nothing but files; it counts what it was asked for.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn of(root: PathBuf, wrong: Wrong) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, log) = (root.clone(), Arc::clone(&log));
                std::thread::spawn(move || serve(stream, &root, wrong, &log));
            }
        });
        Self { url, asked }
    }

    fn honest(root: PathBuf) -> Self {
        Self::of(root, |_, bytes| Answer::Bytes(bytes))
    }
}

fn serve(mut stream: TcpStream, root: &Path, wrong: Wrong, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    let _gone = reader.read_line(&mut request);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("/");
    log.lock().unwrap().push(path.to_owned());
    let file = fs::read(root.join(path.trim_start_matches('/')));
    let answer = file.map(|bytes| wrong(path, bytes));
    let _gone = match answer {
        Err(_) => stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Ok(Answer::Bytes(bytes)) => stream
            .write_all(
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    bytes.len()
                )
                .as_bytes(),
            )
            .and_then(|()| stream.write_all(&bytes)),
        Ok(Answer::Endless) => {
            let head = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
            head
        }
    };
}

/// What `GET` of a path gives: the head and the body.
fn get(base: &str, request: &str) -> (String, Vec<u8>) {
    let address = base.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end + 4..].to_vec())
}

#[test]
fn a_node_without_peers_catches_up_from_a_copy_of_files_and_serves_it_on() {
    let home = directory();
    let (operator, rebuilder) = (secret(1), secret(2));
    let source = home.path().join("source");
    write_tree(&source, &operator, &rebuilder, ENTRIES);
    let copy = home.path().join("copy");
    fs::create_dir(&copy).unwrap();
    copy_tree(&source, &copy);
    let server = Server::honest(copy.clone());
    let http = format!("{}[http]\n listen = \"127.0.0.1:0\"\n", mirror(&server.url));
    let mut first = follower(home.path(), "first", &operator, &http);
    let address = first.start(&[]);
    wait_until("the mirror's log is here", PATIENCE, || first.log_size("alder") == ENTRIES);

    // The copy grows, as by a later run of the same copying.
    write_tree(&source, &operator, &rebuilder, ENTRIES + 100);
    copy_tree(&source, &copy);
    wait_until("the log grew", PATIENCE, || first.log_size("alder") == ENTRIES + 100);

    // On to a node that has a peer and no mirror, and to one that has this node as its mirror.
    let mut second = follower(home.path(), "second", &operator, "");
    second.start(&[address]);
    let url = first.status()["http"].as_str().unwrap().to_owned();
    let mut third = follower(home.path(), "third", &operator, &mirror(&url));
    third.start(&[]);
    for member in [&second, &third] {
        wait_until("the log is handed on", PATIENCE, || member.log_size("alder") == ENTRIES + 100);
    }
    let name = origin(&rebuilder).to_string();
    let entries = |member: &Member| {
        let data = member.home.join("data");
        fs::read(data.join("logs").join(&name).join("tile/entries/001")).unwrap()
    };
    assert_eq!(entries(&third), entries(&second));
    let direction = |member: &Member| {
        let output = member.command(&["peers", "--json"]).output().unwrap();
        reattest_tests::document(&output)[0]["direction"].as_str().unwrap_or("").to_owned()
    };
    assert_eq!(direction(&third), "mirror");
    assert_eq!(direction(&second), "outbound");
    // Polite: the list of logs once in a look, which is a second here, however often the core asks.
    let asked = server.asked.lock().unwrap().clone();
    let count = |end: &str| asked.iter().filter(|path| path.ends_with(end)).count();
    assert!(count("/tile/entries/000") <= 2, "each tile once or so: {asked:?}");
    assert!(count("/logs/origins") > 1, "{asked:?}");
}

/// A node that follows only this mirror takes nothing wrong, and says so.
fn refuses(name: &str, word: &str, alter: impl Fn(&Path, &Path), wrong: Wrong) {
    let home = directory();
    let (operator, rebuilder) = (secret(1), secret(2));
    let source = home.path().join("source");
    write_tree(&source, &operator, &rebuilder, ENTRIES);
    let log = source.join("logs").join(origin(&rebuilder).to_string());
    alter(&log, home.path());
    let server = Server::of(source, wrong);
    let mut member = follower(home.path(), name, &operator, &mirror(&server.url));
    member.start(&[]);
    wait_until(&format!("a word on {word:?}"), PATIENCE, || log_of(&member).contains(word));
    assert!(member.log_size("alder") < ENTRIES, "{}", log_of(&member));
    let status = member.command(&["status"]).output().unwrap();
    assert!(status.status.success(), "{}", said(&status));
    assert!(printed(&status).contains(&server.url), "{}", printed(&status));
    // What it holds is what its head covers, and all of that was signed.
    let kept = Store::read_only(&member.home.join("data")).unwrap();
    for log in kept.logs() {
        for (number, kept) in (0..).zip(log.read(0, log.published(), usize::MAX).unwrap()) {
            assert_eq!(kept, entry(&rebuilder, number));
        }
    }
}

fn as_it_is(_: &Path, _: &Path) {}

fn honest(_: &str, bytes: Vec<u8>) -> Answer {
    Answer::Bytes(bytes)
}

#[test]
fn a_changed_entry_is_refused() {
    let changed = |log: &Path, _: &Path| {
        let tile = log.join("tile/entries/001");
        let mut bytes = fs::read(&tile).unwrap();
        bytes[40] ^= 1;
        fs::write(tile, bytes).unwrap();
    };
    refuses(
        "changed",
        "entries, a proof or a document that are not what was asked for",
        changed,
        honest,
    );
}

#[test]
fn a_changed_hash_is_refused() {
    let changed = |log: &Path, _: &Path| {
        let tile = log.join("tile/0/002.p/188");
        let mut bytes = fs::read(&tile).unwrap();
        bytes[40] ^= 1;
        fs::write(tile, bytes).unwrap();
    };
    refuses(
        "hash",
        "entries, a proof or a document that are not what was asked for",
        changed,
        honest,
    );
}

#[test]
fn the_checkpoint_of_another_log_is_refused() {
    let swapped = |log: &Path, home: &Path| {
        let other = home.join("other");
        write_tree(&other, &secret(3), &secret(4), ENTRIES);
        let theirs = other.join("logs").join(origin(&secret(4)).to_string());
        fs::copy(theirs.join("checkpoint"), log.join("checkpoint")).unwrap();
    };
    refuses("swapped", "a checkpoint that the log's key did not sign", swapped, honest);
}

#[test]
fn a_cut_tile_is_refused() {
    refuses("cut", "ends within entry", as_it_is, |path, mut bytes| {
        if path.contains("/tile/entries/") {
            bytes.truncate(1_000);
        }
        Answer::Bytes(bytes)
    });
}

#[test]
fn an_answer_without_end_is_cut_off() {
    refuses("endless", "is longer than", as_it_is, |path, bytes| {
        if path.ends_with("/checkpoint") { Answer::Endless } else { Answer::Bytes(bytes) }
    });
}

#[test]
fn the_server_gives_files_of_the_tree_and_nothing_else() {
    let home = directory();
    let (operator, rebuilder) = (secret(1), secret(2));
    let mut member =
        follower(home.path(), "door", &operator, "[http]\n listen = \"127.0.0.1:0\"\n");
    write_tree(&member.home.join("data"), &operator, &rebuilder, ENTRIES);
    member.start(&[]);
    let url = member.status()["http"].as_str().unwrap().to_owned();
    let log = format!("/logs/{}", origin(&rebuilder));
    let data = member.home.join("data");
    let document = format!("/documents/{}", Digest::of(b"a recipe"));
    let tile = format!("{log}/tile/entries/001");
    for path in ["/logs/origins", &document, &tile, &format!("{log}/checkpoint")] {
        let (head, body) = get(&url, &format!("GET {path}"));
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        assert_eq!(body, fs::read(data.join(&path[1..])).unwrap(), "{path}");
    }
    assert!(get(&url, &format!("GET {tile}")).0.contains("immutable"));
    assert!(get(&url, &format!("GET {log}/checkpoint")).0.contains("no-cache"));
    for path in [
        "/peer.key",
        "/logs/../peer.key",
        "/logs/%2e%2e/peer.key",
        "//peer.key",
        "/lock",
        &format!("{log}/tail-2"),
        &format!("{log}/../../../../../peer.key"),
        "/logs/origins?x",
    ] {
        let (head, _) = get(&url, &format!("GET {path}"));
        assert!(head.starts_with("HTTP/1.1 404"), "{path}: {head}");
    }
    assert!(get(&url, "POST /logs/origins").0.starts_with("HTTP/1.1 405"));
    assert!(get(&url, &format!("GET /{}", "a".repeat(40_000))).0.starts_with("HTTP/1.1 4"));
    metrics_answer(&url);
}

/// Each metric has its question, and what a scraper would read.
fn metrics_answer(url: &str) {
    let (head, body) = get(url, "GET /metrics");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let text = String::from_utf8(body).unwrap();
    let values = text.lines().filter(|line| !line.starts_with('#'));
    for line in values.clone() {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(text.contains(&format!("# HELP {name} ")), "{line}");
        assert!(text.contains(&format!("# TYPE {name} ")), "{line}");
        assert!(line.rsplit(' ').next().unwrap().parse::<u64>().is_ok(), "{line}");
    }
    assert!(text.contains("reattest_peers{direction=\"inbound\"} 0\n"), "{text}");
    let entries = values.filter(|line| line.starts_with("reattest_log_entries{"));
    assert!(entries.clone().all(|line| line.ends_with(" 700")), "{text}");
    assert_eq!(entries.count(), 1, "{text}");
    let bytes = text.lines().find_map(|line| line.strip_prefix("reattest_data_bytes "));
    assert!(bytes.unwrap().parse::<u64>().unwrap() > ENTRIES * 300, "{text}");
    let (_, page) = get(url, "GET /");
    let page: serde_json::Value = serde_json::from_slice(&page).unwrap();
    assert_eq!(page["metrics"], "/metrics");
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_line_and_column() {
    let home = directory();
    let member = Member::init(home.path(), "typo");
    let good = fs::read_to_string(member.config()).unwrap();
    let lines = good.lines().count();
    let with = |more: &str, place: &str| {
        fs::write(member.config(), format!("{}\n{more}", good.trim_end())).unwrap();
        let output = member.command(&["status"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(place), "needed {place:?}: {}", said(&output));
    };
    with("[[mirror]]\nurl = \"ftp://x\"", &format!("line {}, column 7", lines + 2));
    with("[[mirror]]\nurl = \"http://x\"\nevery = \"0\"", &format!("line {}, column 9", lines + 3));
    with("[http]\nlisten = \"0.0.0.0:4180\"", "public = true");
    with("[archive]\npython = [\"x\"]", &format!("line {}, column 11", lines + 2));
    with("[http]\nlisten = \"loopback\"", &format!("line {}, column 10", lines + 2));
    with("[https]", &format!("line {}, column 2", lines + 1));
    fs::write(member.config(), good.replace("peers = []", "peers = [\"here\"]")).unwrap();
    let output = member.command(&["status"]).output().unwrap();
    assert!(said(&output).contains("column 10: peers[0]: found \"here\""), "{}", said(&output));
}
