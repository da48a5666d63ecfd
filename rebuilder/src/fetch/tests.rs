//! The mirror client (step 2) against a small server: each refusal is told apart, nothing is fetched twice.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and has a server"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use reattest_attestation::Digest;

use super::{Endpoints, Fetch, FetchProblem, Mirror, Want};
use crate::cas::Cas;

const INDEX: &[u8] = b"the signed index";

/// Serves `/index` with and `/plain` without a validator, `/file`, and 404 for all else.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(&stream));
        }
    });
    format!("http://{address}")
}

fn serve(stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new())).unwrap_or_default();
    let headers: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let known = headers.iter().any(|line| line.eq_ignore_ascii_case("if-none-match: \"tag\""));
    let (head, body): (&str, &[u8]) = match request.split(' ').nth(1) {
        Some("/index") if known => ("304 Not Modified\r\nETag: \"tag\"", b""),
        Some("/index") => ("200 OK\r\nETag: \"tag\"", INDEX),
        Some("/plain") => ("200 OK", INDEX),
        Some("/file") => ("200 OK", b"file"),
        _ => ("404 Not Found", b""),
    };
    let head =
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn want(location: &str, content: &[u8]) -> Want {
    Want::pinned(&format!("debian:{location}"), Digest::of(content), content.len() as u64)
}

fn unpinned(location: &str, limit: u64) -> Want {
    Want { location: format!("debian:{location}"), expected: None, limit }
}

#[test]
fn a_batch_is_answered_in_order_and_each_refusal_is_told_apart() {
    let cache = tempfile::tempdir().unwrap();
    let mut mirror = Mirror::new(&Endpoints::given([server()]), cache.path()).unwrap();
    let wants = [
        want("file", b"file"),
        want("missing", b"x"),
        want("file", b"fool"),
        Want { limit: 2, ..unpinned("file", 2) },
    ];
    let answers = mirror.fetch(&wants);
    let [fine, missing, wrong, large] = answers.as_slice() else { unreachable!() };
    assert_eq!(fine, &Ok(Digest::of(b"file")));
    assert!(matches!(missing, Err(FetchProblem::NotOnMirror { .. })), "{missing:?}");
    assert!(matches!(wrong, Err(FetchProblem::WrongDigest { .. })), "{wrong:?}");
    assert!(matches!(large, Err(FetchProblem::TooLarge { .. })), "{large:?}");
    assert!(!Cas::below(cache.path()).unwrap().has(&Digest::of(b"fool")));
}

#[test]
fn a_second_run_downloads_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let endpoints = Endpoints::given([server()]);
    let wants = [want("file", b"file"), unpinned("index", 99), unpinned("plain", 99)];
    let mut first = Mirror::new(&endpoints, cache.path()).unwrap();
    let answers = first.fetch(&wants);
    assert!(first.downloaded() > 0);
    let mut second = Mirror::new(&endpoints, cache.path()).unwrap();
    assert_eq!(second.fetch(&wants), answers);
    assert_eq!(second.downloaded(), 0);
}

#[test]
fn a_mirror_that_does_not_answer_is_unreachable_and_none_at_all_says_so() {
    let cache = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoints = Endpoints::given([format!("http://{closed}")]);
    let answers = Mirror::new(&endpoints, cache.path()).unwrap().fetch(&[want("file", b"file")]);
    assert!(matches!(answers.as_slice(), [Err(FetchProblem::Unreachable { .. })]), "{answers:?}");
    let none =
        Mirror::new(&Endpoints::given([]), cache.path()).unwrap().fetch(&[want("file", b"file")]);
    assert!(matches!(none.as_slice(), [Err(FetchProblem::NoMirror { .. })]));
}

#[test]
fn the_next_mirror_is_asked_for_what_the_first_has_not() {
    let cache = tempfile::tempdir().unwrap();
    let endpoints = Endpoints::given([format!("{}/elsewhere", server()), server()]);
    let answers = Mirror::new(&endpoints, cache.path()).unwrap().fetch(&[want("file", b"file")]);
    assert_eq!(answers, [Ok(Digest::of(b"file"))]);
}
