//! `check` beside a running node: it asks that node, in batches, and believes no odd answer.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use reattest_attestation::Digest;
use reattest_tests::{document, printed, said};
use serde_json::{Value, json};

use crate::pins::{World, crate_pin};

fn lockfile(world: &World) -> String {
    let path = world.parent.path().join("Cargo.lock");
    let [good, other] = [b"good".as_slice(), b"other"].map(|bytes| Digest::of(bytes).to_string());
    let text = format!("version = 4\n{}{}", crate_pin("good", &good), crate_pin("other", &other));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_running_node_says_the_same_as_its_logs() {
    let mut world = World::new();
    world.consumer.reproduced("pkg:cargo/good@1.0.0", Digest::of(b"good"));
    world.consumer.reproduced("pkg:cargo/other@1.0.0", Digest::of(b"swapped"));
    let file = lockfile(&world);
    let offline = world.run(&[&file, "--offline", "--json"]);
    world.consumer.member.start(&[]);
    let asked = world.run(&[&file, "--json"]);
    assert_eq!(asked.status.code(), Some(3), "{}", said(&asked));
    // Only the time of drawing differs.
    let told = |output| {
        let mut told = document(output);
        for pin in told["files"][0]["pins"].as_array_mut().unwrap() {
            for verdict in pin["verdicts"].as_array_mut().unwrap() {
                verdict.as_object_mut().unwrap().remove("time");
            }
        }
        told
    };
    assert_eq!(told(&asked), told(&offline));
}

/// Answers one request at the socket of the node's service with this body, and gives the request.
fn answering(socket: PathBuf, body: &str) -> std::thread::JoinHandle<Value> {
    let listener = UnixListener::bind(socket).unwrap();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut request = vec![0; length];
        reader.read_exact(&mut request).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        serde_json::from_slice(&request).unwrap()
    })
}

#[test]
fn every_pin_goes_to_the_node_with_its_name_and_an_odd_answer_is_an_error() {
    let world = World::new();
    world.consumer.reproduced("pkg:cargo/good@1.0.0", Digest::of(b"good"));
    let file = lockfile(&world);
    let whole = document(&world.run(&[&file, "--offline", "--json"]));
    let verdict = |place: usize| whole["files"][0]["pins"][place]["verdicts"][0].clone();
    let socket = world.consumer.member.home.join("data/service.sock");
    let told = |verdicts: Value| {
        let node = answering(socket.clone(), &json!({ "verdicts": verdicts }).to_string());
        let told = world.run(&[&file, "--json"]);
        let request = node.join().unwrap();
        std::fs::remove_file(&socket).unwrap();
        (told, request)
    };
    let (right, request) = told(json!([verdict(0), verdict(1)]));
    assert_eq!(right.status.code(), Some(4), "{}", said(&right));
    assert_eq!(document(&right)["files"][0]["accepted"], 1);
    let asked: Vec<&Value> =
        request["questions"].as_array().unwrap().iter().map(|one| &one["as"]).collect();
    assert_eq!(asked, ["pkg:cargo/good@1.0.0", "pkg:cargo/other@1.0.0"]);
    let odd = [
        (json!([verdict(0)]), "found 1 verdicts, needed 2"),
        (json!([verdict(0), verdict(0)]), "another file"),
        (json!([verdict(0), {"verdict": "accepted"}]), "missing field"),
        (json!({}), "invalid type"),
    ];
    for (answer, why) in odd {
        let (told, _) = told(answer);
        assert_eq!((told.status.code(), printed(&told).as_str()), (Some(1), ""), "{}", said(&told));
        assert!(said(&told).contains(why), "{}", said(&told));
    }
}
