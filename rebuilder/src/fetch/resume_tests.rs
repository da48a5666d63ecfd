//! Interrupted downloads (step 2) against a server that cuts, ignores, refuses and lies about ranges.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and has a server"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use reattest_attestation::Digest;

use super::{Endpoints, Fetch, FetchProblem, Mirror, Want};
use crate::cas::{Cas, partial};
use crate::progress::Cancel;

/// What one connection answers; numbers are bytes of the file.
#[derive(Clone, Copy)]
enum Answer {
    /// As asked, and cut off after so many.
    Cut(usize),
    /// As asked, to the end.
    Honest,
    /// Everything, whatever was asked.
    Whole,
    /// 206 with the asked bytes and this `Content-Range`.
    Claims(&'static str),
    /// 206 with other bytes than the file has.
    OtherBytes,
    /// A status and a header line.
    Status(&'static str),
}

struct Server {
    base: String,
    asked: Arc<Mutex<Vec<Option<usize>>>>,
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

/// Answers one connection after the other by the script, and by its last line after its end.
fn server(file: Vec<u8>, script: &'static [Answer]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    thread::spawn(move || {
        for (count, mut stream) in listener.incoming().flatten().enumerate() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let range = lines.take_while(|line| !line.is_empty()).find_map(|line| {
                line.to_lowercase().strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok()
            });
            heard.lock().unwrap().push(range);
            let answer = script.get(count).or(script.last()).unwrap();
            let _gone = stream.write_all(&response(&file, *answer, range));
        }
    });
    Server { base, asked }
}

fn response(file: &[u8], answer: Answer, range: Option<usize>) -> Vec<u8> {
    let from = range.unwrap_or(0);
    let usual = match range {
        Some(_) => {
            format!("206 X\r\nContent-Range: bytes {from}-{}/{}", file.len() - 1, file.len())
        }
        None => "200 OK".to_owned(),
    };
    let (head, body, sent) = match answer {
        Answer::Honest => (usual, file[from..].to_vec(), usize::MAX),
        Answer::Cut(after) => (usual, file[from..].to_vec(), after),
        Answer::Whole => ("200 OK".to_owned(), file.to_vec(), usize::MAX),
        Answer::Claims(said) => {
            (format!("206 X\r\nContent-Range: {said}"), file[from..].to_vec(), usize::MAX)
        }
        Answer::OtherBytes => (usual, vec![b'!'; file.len() - from], usize::MAX),
        Answer::Status(status) => (status.to_owned(), Vec::new(), usize::MAX),
    };
    let mut bytes =
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend(body.iter().take(sent));
    bytes
}

fn fetch(server: &Server, cache: &Path, file: &[u8]) -> Result<Digest, FetchProblem> {
    let want = Want::pinned("debian:file", Digest::of(file), file.len() as u64);
    let mut mirror = Mirror::new(&Endpoints::given([server.base.clone()]), cache).unwrap();
    mirror.fetch(&[want]).pop().unwrap()
}

/// Leaves a beginning as a killed process would.
fn leave(cache: &Path, name: &Digest, bytes: &[u8]) {
    let directory = partial::directory(cache);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name.to_string()), bytes).unwrap();
}

#[test]
fn a_cut_download_goes_on_where_it_ended() {
    use Answer::{Cut, Honest};
    let table: [(&[Answer], &[Option<usize>]); 4] = [
        (&[Cut(0), Honest], &[None, None]),
        (&[Cut(1), Honest], &[None, Some(1)]),
        (&[Cut(9_999), Honest], &[None, Some(9_999)]),
        (&[Cut(4_000), Cut(4_000), Honest], &[None, Some(4_000), Some(8_000)]),
    ];
    for (script, asked) in table {
        let script: &'static [Answer] = script.to_vec().leak();
        let (cache, file) = (tempfile::tempdir().unwrap(), content(10_000));
        let server = server(file.clone(), script);
        assert_eq!(fetch(&server, cache.path(), &file), Ok(Digest::of(&file)));
        assert_eq!(*server.asked.lock().unwrap(), asked);
        assert_eq!(fs::read_dir(partial::directory(cache.path())).unwrap().count(), 0);
    }
}

#[test]
fn a_download_that_makes_progress_is_never_given_up() {
    let (cache, file) = (tempfile::tempdir().unwrap(), content(7 << 20));
    let server = server(file.clone(), &[Answer::Cut((1 << 20) + 1)]);
    assert_eq!(fetch(&server, cache.path(), &file), Ok(Digest::of(&file)));
    assert_eq!(server.asked.lock().unwrap().len(), 7);
}

#[test]
fn the_next_run_goes_on_where_a_killed_one_ended() {
    let (cache, file) = (tempfile::tempdir().unwrap(), content(10_000));
    let digest = Digest::of(&file);
    leave(cache.path(), &digest, &file[..6_000]);
    let server = server(file.clone(), &[Answer::Honest]);
    let mut mirror = Mirror::new(&Endpoints::given([server.base.clone()]), cache.path()).unwrap();
    let last = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&last);
    mirror = mirror.with_progress(Box::new(move |batch| *seen.lock().unwrap() = Some(batch)));
    let answers = mirror.fetch(&[Want::pinned("debian:file", digest, 10_000)]);
    assert_eq!(answers, [Ok(digest)]);
    assert_eq!(*server.asked.lock().unwrap(), [Some(6_000)]);
    assert_eq!(mirror.downloaded(), 4_000);
    let batch = last.lock().unwrap().unwrap();
    assert_eq!((batch.bytes, batch.resumed, batch.received), (10_000, 6_000, 4_000));
}

#[test]
fn a_whole_beginning_needs_no_request_and_one_that_is_too_long_or_wrong_is_forgotten() {
    let file = content(10_000);
    let digest = Digest::of(&file);
    let long = [file.as_slice(), b"more"].concat();
    let table: [(&[u8], usize); 3] = [(&file, 0), (&long, 1), (&[0; 10_000], 1)];
    for (left, requests) in table {
        let cache = tempfile::tempdir().unwrap();
        leave(cache.path(), &digest, left);
        let server = server(file.clone(), &[Answer::Honest]);
        assert_eq!(fetch(&server, cache.path(), &file), Ok(digest));
        assert_eq!(server.asked.lock().unwrap().len(), requests);
    }
}

#[test]
fn a_server_that_answers_a_range_in_another_way_is_asked_once_more_from_zero() {
    use Answer::{Claims, Honest, OtherBytes, Status, Whole};
    let table: [(&str, &[Answer], usize); 8] = [
        ("ignores ranges", &[Whole], 1),
        ("has no such range", &[Status("416 X"), Honest], 2),
        ("other start", &[Claims("bytes 0-9999/10000"), Honest], 2),
        ("other total", &[Claims("bytes 6000-9999/20000"), Honest], 2),
        ("beyond the end", &[Claims("bytes 6000-10000/10000"), Honest], 2),
        ("no range at all", &[Claims("nonsense"), Honest], 2),
        ("changed content", &[OtherBytes, Honest], 2),
        ("short claim", &[Claims("bytes 6000-6000/10000")], 1),
    ];
    for (what, script, requests) in table {
        let script: &'static [Answer] = script.to_vec().leak();
        let (cache, file) = (tempfile::tempdir().unwrap(), content(10_000));
        leave(cache.path(), &Digest::of(&file), &file[..6_000]);
        let server = server(file.clone(), script);
        assert_eq!(fetch(&server, cache.path(), &file), Ok(Digest::of(&file)), "{what}");
        assert_eq!(server.asked.lock().unwrap().len(), requests, "{what}");
    }
}

#[test]
fn content_that_stays_wrong_is_refused_after_one_restart_and_leaves_nothing() {
    let (cache, file) = (tempfile::tempdir().unwrap(), content(10_000));
    let digest = Digest::of(&file);
    leave(cache.path(), &digest, &file[..6_000]);
    let server = server(vec![b'x'; 10_000], &[Answer::Honest]);
    let answer = fetch(&server, cache.path(), &file);
    assert!(matches!(answer, Err(FetchProblem::WrongDigest { .. })), "{answer:?}");
    assert_eq!(*server.asked.lock().unwrap(), [Some(6_000), None]);
    assert!(!Cas::below(cache.path()).unwrap().has(&digest));
    assert_eq!(fs::read_dir(partial::directory(cache.path())).unwrap().count(), 0);
}

#[test]
fn a_stopped_download_stays_for_the_next_run() {
    let (cache, file) = (tempfile::tempdir().unwrap(), content(4 << 20));
    let server = server(file.clone(), &[Answer::Honest]);
    let cancel = Cancel::new();
    let stop = cancel.clone();
    let mut mirror = Mirror::new(&Endpoints::given([server.base.clone()]), cache.path())
        .unwrap()
        .with_cancel(&cancel)
        .with_progress(Box::new(move |batch| {
            if batch.received > 0 {
                stop.cancel();
            }
        }));
    let want = Want::pinned("debian:file", Digest::of(&file), file.len() as u64);
    let answers = mirror.fetch(&[want]);
    // The whole file may have come before the flag was seen; then there is nothing to go on with.
    if answers == [Ok(Digest::of(&file))] {
        return;
    }
    assert!(matches!(answers.as_slice(), [Err(FetchProblem::Cancelled { .. })]), "{answers:?}");
    assert_eq!(fetch(&server, cache.path(), &file), Ok(Digest::of(&file)));
    let asked = server.asked.lock().unwrap();
    assert!(asked[1].is_some_and(|start| start > 0), "{asked:?}");
}

#[test]
fn a_busy_server_is_left_alone_as_long_as_it_asks_and_given_up_when_that_is_long() {
    let file = content(100);
    let table: [(&[Answer], usize); 3] = [
        (&[Answer::Status("503 X\r\nRetry-After: 0"), Answer::Honest], 2),
        (
            &[
                Answer::Status("429 X\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT"),
                Answer::Honest,
            ],
            2,
        ),
        (&[Answer::Status("503 X\r\nRetry-After: 86400")], 1),
    ];
    for (script, requests) in table {
        let script: &'static [Answer] = script.to_vec().leak();
        let cache = tempfile::tempdir().unwrap();
        let server = server(file.clone(), script);
        let answer = fetch(&server, cache.path(), &file);
        assert_eq!(server.asked.lock().unwrap().len(), requests);
        match requests {
            2 => assert_eq!(answer, Ok(Digest::of(&file))),
            _ => assert!(answer.unwrap_err().to_string().contains("86400 s")),
        }
    }
}
