//! A mirror on loopback that serves what the cache holds, and can be made to do wrong.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use crate::cache;

/// What the mirror does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing.
    Nothing,
    /// One byte of the signed index is another.
    TamperedIndex,
    /// One byte of every package list is another.
    TamperedLists,
    /// It gives the signed index in the place of every package list.
    SwappedLists,
    /// It has no source.
    NoSources,
}

/// A mirror; it serves as long as the process lives.
pub struct Mirror {
    /// Its base URI.
    pub base: String,
}

impl Mirror {
    /// Starts one. The cache must hold what it serves.
    pub fn start(wrong: Wrong) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/debian", listener.local_addr().unwrap());
        let index = Arc::new(signed_index());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let index = Arc::clone(&index);
                std::thread::spawn(move || serve(stream, &index, wrong));
            }
        });
        Self { base }
    }
}

/// The signed index that the cache remembers.
fn signed_index() -> Vec<u8> {
    for head in crate::files_below(&cache().join("heads")) {
        let Ok(head) = serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(
            &std::fs::read(head).unwrap(),
        ) else {
            continue;
        };
        let text =
            |key: &str| head.get(key).and_then(|value| value.as_str()).unwrap_or("").to_owned();
        if text("url").ends_with("dists/trixie/InRelease") {
            return blob(&text("digest")).unwrap();
        }
    }
    panic!("the cache remembers no signed index");
}

fn blob(digest: &str) -> Option<Vec<u8>> {
    std::fs::read(cache().join("blobs/sha256").join(digest.get(..2)?).join(digest)).ok()
}

fn serve(stream: TcpStream, index: &[u8], wrong: Wrong) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    if reader.read_line(&mut request).is_err() {
        return;
    }
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("");
    let body = answer(path, index, wrong);
    let (status, body) = match &body {
        Some(body) => ("200 OK", body.as_slice()),
        None => ("404 Not Found", b"".as_slice()),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn answer(path: &str, index: &[u8], wrong: Wrong) -> Option<Vec<u8>> {
    if path.ends_with("/InRelease") {
        let mut bytes = index.to_vec();
        if wrong == Wrong::TamperedIndex {
            let text = String::from_utf8_lossy(index);
            let at = text.find("Suite: ").unwrap() + "Suite: ".len();
            bytes[at] ^= 1;
        }
        return Some(bytes);
    }
    let (_, digest) = path.split_once("/by-hash/SHA256/")?;
    let mut bytes = blob(digest)?;
    if wrong == Wrong::SwappedLists {
        bytes = index.to_vec();
    }
    if wrong == Wrong::TamperedLists {
        bytes[100] ^= 1;
    }
    Some(bytes)
}
