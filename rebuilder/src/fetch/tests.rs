//! The clients of registries (step 2) against a small server: each refusal is told apart, nothing is fetched twice.
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
    let json = headers
        .iter()
        .any(|line| line.to_lowercase().starts_with("accept: ") && line.contains("simple.v1+json"));
    let page = page();
    let (head, body): (&str, &[u8]) = match request.split(' ').nth(1) {
        Some("/index") if known => ("304 Not Modified\r\nETag: \"tag\"", b""),
        Some("/index") => ("200 OK\r\nETag: \"tag\"", INDEX),
        Some("/plain") => ("200 OK", INDEX),
        Some("/file") => ("200 OK", b"file"),
        Some("/mr/binary/old/") => {
            ("200 OK", br#"{"result":[{"binary_version":"1:1.0"},{"binary_version":"1:1.0-1"}]}"#)
        }
        Some("/mr/package/old/") => ("200 OK", br#"{"result":[{"version":"1:1.0-1"}]}"#),
        Some(
            "/mr/binary/old/1:1.0-1/binfiles?fileinfo=1"
            | "/mr/package/old/1:1.0-1/srcfiles?fileinfo=1",
        ) => ("200 OK", KEPT.as_bytes()),
        Some("/file/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") => ("200 OK", b"binary"),
        Some("/file/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb") => ("200 OK", b"source"),
        Some("/file/cccccccccccccccccccccccccccccccccccccccc") => ("200 OK", b"forged"),
        Some("/archive/debian/20250520T000000Z/dists/x" | "/at/20250520T000000Z/dists/x") => {
            ("200 OK", b"then")
        }
        Some("/simple/moved/") => ("302 Found\r\nLocation: ../one/", b""),
        Some("/down") => ("302 Found\r\nLocation: file:///etc/passwd", b""),
        Some("/round") => ("301 Found\r\nLocation: /round", b""),
        Some("/moved") => ("307 Found\r\nLocation: /file", b""),
        Some("/simple/one/") if json => ("200 OK\r\nETag: \"tag\"", page.as_bytes()),
        _ => ("404 Not Found", b""),
    };
    let head =
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// A page with one right file, one whose bytes are others, and two at places that are not asked.
fn page() -> String {
    let entry = |name: &str, url: &str, content: &[u8]| {
        format!(
            r#"{{"filename":"{name}","url":"{url}","hashes":{{"sha256":"{}"}}}}"#,
            Digest::of(content)
        )
    };
    let files = [
        entry("one-1.tar.gz", "../../file#sha256=0", b"file"),
        entry("one-2.tar.gz", "/file", b"other"),
        entry("one-3.tar.gz", "http://127.0.0.2/file", b"file"),
        entry("one-4.tar.gz", "file:///file", b"file"),
    ];
    format!(r#"{{"meta":{{"api-version":"1.0"}},"files":[{}]}}"#, files.join(","))
}

/// An answer of a snapshot service: two right files, and one whose bytes are others.
const KEPT: &str = r#"{"fileinfo":{
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":[{"archive_name":"debian","first_seen":"20250520T000000Z","name":"old_1.0-1_all.deb","path":"/pool/main/o/old","size":6}],
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb":[{"archive_name":"debian","first_seen":"20250520T000000Z","name":"old_1.0.orig.tar.xz","path":"/pool/main/o/old","size":6}],
    "cccccccccccccccccccccccccccccccccccccccc":[{"archive_name":"debian","first_seen":"20250520T000000Z","name":"old_1.0-1.dsc","path":"/pool/main/o/old","size":6}]}}"#;

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
    // Nothing listens there, and no test that runs beside this one is ever given this port.
    let endpoints = Endpoints::given(["http://127.0.0.1:1".to_owned()]);
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

#[test]
fn a_python_file_is_found_through_its_projects_page() {
    let cache = tempfile::tempdir().unwrap();
    let endpoints = Endpoints::default().with_python([format!("{}/simple/", server())]);
    let mut mirror = Mirror::new(&endpoints, cache.path()).unwrap();
    let pinned = |location: &str| Want::pinned(location, Digest::of(b"file"), 4);
    let page =
        |project: &str| Want { location: format!("pypi:{project}/"), expected: None, limit: 9999 };
    let answers = mirror.fetch(&[page("one"), pinned("pypi:one/one-1.tar.gz")]);
    assert_eq!(answers, [Ok(Digest::of(page_bytes().as_slice())), Ok(Digest::of(b"file"))]);
    for project in ["one", "moved"] {
        let cache = tempfile::tempdir().unwrap();
        let mut mirror = Mirror::new(&endpoints, cache.path()).unwrap();
        let location = format!("pypi:{project}/one-1.tar.gz");
        assert_eq!(mirror.fetch(&[pinned(&location)]), [Ok(Digest::of(b"file"))], "{location}");
    }
    let again = Mirror::new(&endpoints, cache.path()).unwrap().fetch(&[page("one")]);
    assert_eq!(again, [Ok(Digest::of(page_bytes().as_slice()))]);
}

fn page_bytes() -> Vec<u8> {
    page().into_bytes()
}

#[test]
fn a_python_file_that_the_page_does_not_vouch_for_is_not_asked_for() {
    let endpoints = Endpoints::default().with_python([format!("{}/simple", server())]);
    let refused = |location: &str, content: &[u8]| {
        let cache = tempfile::tempdir().unwrap();
        let want = Want::pinned(location, Digest::of(content), content.len() as u64);
        let mut mirror = Mirror::new(&endpoints, cache.path()).unwrap();
        let problem = mirror.fetch(&[want]).pop().unwrap().unwrap_err();
        (problem, mirror.downloaded())
    };
    // The page says another digest than the recipe: nothing but the page came.
    let (problem, came) = refused("pypi:one/one-2.tar.gz", b"file");
    assert!(matches!(problem, FetchProblem::WrongDigest { .. }), "{problem}");
    assert_eq!(came, page().len() as u64);
    // The page and the recipe agree, the file does not.
    let (problem, _) = refused("pypi:one/one-2.tar.gz", b"other");
    assert!(matches!(problem, FetchProblem::Unreachable { .. }), "{problem}");
    for missing in ["pypi:one/one-9.tar.gz", "pypi:nothing/nothing-1.tar.gz"] {
        let (problem, _) = refused(missing, b"file");
        assert!(matches!(problem, FetchProblem::NotOnMirror { .. }), "{missing}: {problem}");
    }
    for elsewhere in ["pypi:one/one-3.tar.gz", "pypi:one/one-4.tar.gz"] {
        let (problem, _) = refused(elsewhere, b"file");
        assert!(problem.to_string().contains("needed an https URL"), "{elsewhere}: {problem}");
    }
}

#[test]
fn redirects_are_followed_a_few_times_and_only_to_http() {
    let base = server();
    let fetch = |path: &str| {
        let cache = tempfile::tempdir().unwrap();
        let want = Want::pinned(&format!("{base}{path}"), Digest::of(b"file"), 4);
        Mirror::new(&Endpoints::default(), cache.path()).unwrap().fetch(&[want]).pop().unwrap()
    };
    assert_eq!(fetch("/file"), Ok(Digest::of(b"file")));
    assert_eq!(fetch("/moved"), Ok(Digest::of(b"file")));
    for path in ["/down", "/round"] {
        let answer = fetch(path);
        assert!(matches!(answer, Err(FetchProblem::Unreachable { .. })), "{path}: {answer:?}");
    }
}

#[test]
fn what_only_a_digest_could_vouch_for_needs_one_and_an_unknown_scheme_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let mut mirror = Mirror::new(&Endpoints::default(), cache.path()).unwrap();
    let free = |location: &str| Want { location: location.to_owned(), expected: None, limit: 9 };
    for location in ["https://example.invalid/x", "pypi:one/one-1.tar.gz", "npm:x/", "pool/x"] {
        let answer = mirror.fetch(&[free(location)]).pop().unwrap();
        assert!(matches!(answer, Err(FetchProblem::BadLocation { .. })), "{location}: {answer:?}");
    }
}

#[test]
fn a_snapshot_service_gives_what_the_mirrors_have_no_more() {
    let base = server();
    let endpoints = Endpoints::given([format!("{base}/elsewhere")]).with_snapshots([base]);
    let cache = tempfile::tempdir().unwrap();
    let mut mirror = Mirror::new(&endpoints, cache.path()).unwrap();
    let answers = mirror.fetch(&[
        want("pool/main/o/old/old_1.0-1_all.deb", b"binary"),
        want("pool/main/o/old/old_1.0.orig.tar.xz", b"source"),
        want("pool/main/o/old/old_1.0-1.dsc", b"honest"),
        want("pool/main/o/old/old_2.0_all.deb", b"binary"),
    ]);
    let [binary, source, forged, missing] = answers.as_slice() else { unreachable!() };
    assert_eq!(binary, &Ok(Digest::of(b"binary")));
    assert_eq!(source, &Ok(Digest::of(b"source")));
    assert!(matches!(forged, Err(FetchProblem::WrongDigest { .. })), "{forged:?}");
    assert!(matches!(missing, Err(FetchProblem::NotOnMirror { .. })), "{missing:?}");
}

#[test]
fn an_archive_at_a_time_comes_from_services_and_templates() {
    let base = server();
    let at = "snapshot:debian/20250520T000000Z/dists/x";
    let then = Want { location: at.to_owned(), expected: None, limit: 9 };
    for root in [base.clone(), format!("{base}/at/{{timestamp}}/")] {
        let cache = tempfile::tempdir().unwrap();
        let endpoints = Endpoints::default().with_snapshots([root]);
        let answers =
            Mirror::new(&endpoints, cache.path()).unwrap().fetch(std::slice::from_ref(&then));
        assert_eq!(answers, [Ok(Digest::of(b"then"))]);
    }
    let cache = tempfile::tempdir().unwrap();
    let files = Want {
        location: "snapshot:mr/binary/old/1:1.0-1/binfiles".to_owned(),
        expected: None,
        limit: 9999,
    };
    let endpoints = Endpoints::default().with_snapshots([base]);
    let mut mirror = Mirror::new(&endpoints, cache.path()).unwrap();
    let digest = mirror.fetch(std::slice::from_ref(&files)).pop().unwrap().unwrap();
    let answer = Cas::below(cache.path()).unwrap().read(&digest, 9999).unwrap();
    assert_eq!(super::snapshot::files(&answer).unwrap().len(), 3);
    let mut none = Mirror::new(&Endpoints::default(), cache.path()).unwrap();
    let answers = none.fetch(&[then]);
    let [Err(problem)] = answers.as_slice() else { unreachable!() };
    assert!(problem.to_string().contains("archive.snapshot"), "{problem}");
}

#[test]
fn what_no_mirror_has_names_the_key_that_helps() {
    let cache = tempfile::tempdir().unwrap();
    let mut mirror = Mirror::new(&Endpoints::given([server()]), cache.path()).unwrap();
    let problem = mirror.fetch(&[want("pool/main/o/old/old_1.0-1_all.deb", b"binary")]).pop();
    assert!(problem.unwrap().unwrap_err().to_string().contains("archive.snapshot"));
}
