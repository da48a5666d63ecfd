//! Hostile bytes, kept: the properties of `tests/fuzz` on its corpus, on every vector, and on seeds made here.
//!
//! `REATTEST_BLESS=1` writes the seeds into the corpus, where `make fuzz` begins from them. Beside
//! them stands what the fuzzers found, under its hash; `make fuzz-corpus` adds more of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "a test fails by panicking; the properties are a library where the fuzzers include them"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reattest_attestation::log::{Checkpoint, Origin};
use reattest_attestation::{Digest, Envelope, Sign as _, canonical};
use reattest_tests::files_below;
use serde_json::json;

use crate::worlds::{file, network, rebuilder, world};

/// What the properties need beside `reattest-attestation`.
mod beside {
    pub(crate) use crate::worlds;
    pub(crate) use reattest::apt::message::Message;
    pub(crate) use reattest::apt::transaction::Transaction;
    pub(crate) use reattest::codec::{decode, encode};
    pub(crate) use reattest::limits::{REQUEST_BYTES, RESPONSE_BYTES, STRANGERS};
    pub(crate) use reattest::lockfiles::{Format, Pins};
    pub(crate) use reattest::protocol;
    pub(crate) use reattest::protocol::message::{Gossip, Request, Response};
    pub(crate) use reattest::store::queue::{QueueError, QueueFile};
    pub(crate) use reattest_rebuilder::{Lock, Recipe, normalize, report};
}

#[path = "fuzz/properties/mod.rs"]
mod properties;

/// Target to seeds by name.
type Seeds = BTreeMap<&'static str, Vec<(String, Vec<u8>)>>;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The accepted vectors, whose names end so.
fn vectors(ending: &str) -> Vec<(String, Vec<u8>)> {
    let files = files_below(&top().join("vectors/accepted")).into_iter();
    let named = files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path));
    let chosen = named.filter(|(name, _)| name.ends_with(ending));
    chosen.map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

/// Envelopes reach a fuzzer of statements as payloads: no mutation survives base64.
fn statements() -> Vec<(String, Vec<u8>)> {
    let envelopes = vectors(".json").into_iter();
    let parsed = envelopes.filter_map(|(name, bytes)| Some((name, Envelope::parse(&bytes).ok()?)));
    parsed.map(|(name, envelope)| (name, envelope.unverified_payload().to_vec())).collect()
}

fn named<const N: usize>(seeds: [(&str, Vec<u8>); N]) -> Vec<(String, Vec<u8>)> {
    seeds.map(|(name, bytes)| (name.to_owned(), bytes)).into()
}

fn messages() -> Vec<(String, Vec<u8>)> {
    use beside::{Gossip, Request, Response, encode};
    use reattest::protocol::message::{Fork, Head};
    use serde_bytes::ByteBuf;
    let head = |text: &str| Head {
        certificate: ByteBuf::from(text.as_bytes().to_vec()),
        checkpoint: ByteBuf::from(b"head".to_vec()),
    };
    let origin = Origin::new(&network(), &rebuilder('a', '1').public_key(), 2026).to_string();
    let heads = vec![head("a"), head("b")];
    let fork = Fork {
        certificate: ByteBuf::from(b"a".to_vec()),
        smaller: ByteBuf::from(b"head".to_vec()),
        larger: ByteBuf::from(b"another head".to_vec()),
        root: file('F'),
        hashes: vec![file('F'); 3],
    };
    let (forks, words) = (vec![fork.clone()], vec![ByteBuf::from(b"word".to_vec())]);
    let entries = Request::Entries { origin: origin.clone(), from: 3, until: 200, head: 70_000 };
    let consistency = Request::Consistency { origin: origin.clone(), old: 3, new: 70_000 };
    let (bundle, proof) = (ByteBuf::from(vec![0, 2, 7, 7]), vec![file('F'); 3]);
    let way = Response::Consistency { root: file('F'), proof: proof.clone() };
    named([
        ("head", Gossip::Head(head("a")).encode().unwrap()),
        ("fork", Gossip::Fork(Box::new(fork)).encode().unwrap()),
        ("word", Gossip::Word(ByteBuf::from(b"word".to_vec())).encode().unwrap()),
        ("ask-heads", encode(&Request::Heads { after: origin.clone() }).unwrap()),
        ("ask-entries", encode(&entries).unwrap()),
        ("ask-consistency", encode(&consistency).unwrap()),
        ("ask-cosigned", encode(&Request::Cosigned { origin }).unwrap()),
        ("ask-document", encode(&Request::Document(file('F'))).unwrap()),
        ("heads", encode(&Response::Heads { heads, forks, words }).unwrap()),
        ("entries", encode(&Response::Entries { bundle, proof }).unwrap()),
        ("consistency", encode(&way).unwrap()),
        ("nothing", encode(&Response::Nothing).unwrap()),
        ("document", encode(&Response::Document(Some(ByteBuf::from(vec![b'x'])))).unwrap()),
    ])
}

fn documents() -> Vec<(String, Vec<u8>)> {
    let digest = Digest::of(b"input").to_string();
    let input = json!({"architecture": "all", "location": "debian:pool/a.deb", "name": "a",
        "sha256": digest, "size": 1, "version": "1"});
    let lock = json!({"architecture": "amd64", "format": 1, "packages": [input],
        "suite": "trixie"});
    let source =
        json!({"location": "debian:pool/a.dsc", "name": "a.dsc", "sha256": digest, "size": 1});
    let recipe = json!({
        "environment": {"LANG": "C.UTF-8"}, "files": [source], "format": 1, "hostname": "rebuild",
        "learned": {}, "lock": digest, "outputs": ["a_1_all.deb"],
        "source": "pkg:deb/debian/a@1?arch=source&distro=trixie",
        "steps": [{"command": ["true"], "directory": "/build"}], "user": 1000
    });
    named([
        ("lock", canonical::to_bytes(&lock).unwrap()),
        ("recipe", canonical::to_bytes(&recipe).unwrap()),
    ])
}

/// An archive without entries in each of the two forms that need no compression.
fn archives() -> Vec<(String, Vec<u8>)> {
    named([("tar", vec![0; 1024]), ("deb", crate::normalizers::package("1700000000"))])
}

/// A pair as one file: the length of the first, then both.
fn reports() -> Vec<(String, Vec<u8>)> {
    let pairs = crate::reports::pairs::all().into_iter();
    let joined = pairs.map(|pair| {
        let length = u32::try_from(pair.published.len()).unwrap().to_le_bytes();
        (pair.name.to_owned(), [&length[..], &pair.published, &pair.produced].concat())
    });
    joined.filter(|(_, bytes)| bytes.len() < 12_000).collect()
}

/// What peers do, as the property reads it: a byte for each thing, then what belongs to it.
fn conversations() -> Vec<(String, Vec<u8>)> {
    let head = [3, 0, 0];
    let (honest, tick) = ([6, 0], [8, 11]);
    named([
        ("pulled", [&head[..], &honest, &honest, &honest].concat()),
        ("pulled-late", [&tick[..], &head, &tick, &honest, &honest].concat()),
        ("two-histories", [&head[..], &honest, &honest, &[3, 2, 0], &honest, &honest].concat()),
        ("fork", [&head[..], &honest, &honest, &[3, 3, 0]].concat()),
        ("bent-answer", [&head[..], &[5, 1, 0, 1, 0, 40, 7], &tick, &honest].concat()),
        ("part", [&head[..], &[5, 1, 2, 0], &honest, &honest].concat()),
        ("asks", [[4, 0, 0], [4, 1, 0], [4, 2, 0], [4, 3, 0], [4, 4, 0]].concat()),
        ("comes-and-goes", [&[138, 9][..], &head, &[9, 10], &head, &honest, &tick].concat()),
        ("nonsense", [&[0, 0, 3, 1, 2, 3][..], &[1, 0, 1, 255], &head, &honest, &honest].concat()),
    ])
}

/// A queue's file with every kind of change, and its lines without their checksums.
fn queues() -> Vec<(String, Vec<u8>)> {
    let purl = |name: &str| format!("pkg:deb/debian/{name}@1?arch=all&distro=trixie");
    let origin = Origin::new(&network(), &rebuilder('a', '1').public_key(), 2026).to_string();
    let row = |name: &str, state: serde_json::Value| {
        json!({"is": {
            "purl": purl(name), "wanted": "operator", "by": rebuilder('a', '1').public_key(),
            "since": "2026-01-01T00:00:00Z", "state": state, "faults": 1, "absences": 0,
            "class": "small", "again": false, "announced": true, "why": "the disk is full"
        }})
    };
    let since = "2026-01-01T00:00:00Z";
    let changes = [
        json!([row("a", json!({"waiting": {"not_before": null}}))]),
        json!([row("b", json!({"running": {"job": 7, "since": since}})), {"left": purl("a")}]),
        json!([row("c", json!({"given-up": {"since": since}}))]),
        json!([row("d", json!({"logged": {"since": since}}))]),
        json!([{"learned": {"origin": origin, "size": 70_000}}]),
        json!([{"took": {"package": "pkg:deb/debian/a?arch=all",
            "took": {"at_least": "small", "seconds": 9}}}]),
    ];
    let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let mut all: Vec<(String, Vec<u8>)> = lines
        .iter()
        .enumerate()
        .map(|(number, line)| (format!("line-{number}"), format!("{line}\n").into_bytes()))
        .collect();
    let mut file = "reattest queue v1\n".to_owned();
    for line in &lines {
        let sum: String = Digest::of(line.as_bytes()).to_string().chars().take(16).collect();
        file.extend([sum.as_str(), " ", line, "\n"]);
    }
    let torn = file.as_bytes()[..file.len() - 9].to_vec();
    all.extend(named([
        ("file", file.into_bytes()),
        ("torn", torn),
        ("empty", b"reattest queue v1\n".to_vec()),
        ("lines", format!("{}\n", lines.join("\n")).into_bytes()),
    ]));
    all
}

fn checkpoints() -> Vec<(String, Vec<u8>)> {
    let key = rebuilder('b', '1');
    let origin = Origin::new(&network(), &key.public_key(), 2026);
    let head = Checkpoint { origin, size: 1 << 48, root: file('r') }.sign(&key).unwrap();
    let cosigned = [head.as_bytes(), "\u{2014} witness.example AAAAAAAA\n".as_bytes()].concat();
    let mut all = vectors(".txt");
    all.extend(named([("cosigned", cosigned)]));
    all
}

/// A bundle with documents at both ends of the depth that is read.
fn bundles() -> Vec<(String, Vec<u8>)> {
    let deep = |levels: usize| -> Vec<u8> {
        let document = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let digest = Digest::of(document.as_bytes());
        format!("{{\"document\":{document},\"for\":\"sha256:{digest}\",\"reattest\":\"lock\"}}\n")
            .into_bytes()
    };
    let mut all = vectors(".jsonl");
    all.extend(named([
        ("one-vote", world("a1+F").to_bytes().unwrap()),
        ("others", b"{\"payloadType\":\"x\"}\n\n{\"reattest\":\"novelty\"}\n".to_vec()),
        ("shallow", deep(1)),
        ("deep", deep(16)),
    ]));
    all
}

fn apt_says() -> Vec<(String, Vec<u8>)> {
    named([
        (
            "acquire",
            b"600 URI Acquire\nURI: http://m.example/pool/a_1%3a2_all.deb\nFilename: /p/a_1%3a2_all.deb\nTarget-Type: deb\n\n".to_vec(),
        ),
        (
            "answers",
            b"200 URI Start\nURI: a\nSize: 7\n\n201 URI Done\nURI: a\nSHA256-Hash: 00\n\n400 URI Failure\nURI: b\nMessage: no\n\n".to_vec(),
        ),
        (
            "hook",
            b"VERSION 3\nDir::State::lists=lists/\nReattest::Config=/a%20b\n\na - - none < 1:2-1 all none /c/a.deb\nb 1 amd64 same > - - none **REMOVE**\n".to_vec(),
        ),
    ])
}

/// One of each form, cut to what a mutation can reach, behind the byte that says which it is.
fn lockfiles() -> Vec<(String, Vec<u8>)> {
    let digest = Digest::of(b"a").to_string();
    let file = format!("a-1-py3-none-any.whl\", hash = \"sha256:{digest}");
    let forms = [
        ("cargo", format!("version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"{digest}\"\n")),
        ("npm", r#"{"lockfileVersion":3,"packages":{"node_modules/@a/b":{"version":"1","integrity":"sha512-AAAA"},"":{"name":"c"}}}"#.to_owned()),
        ("requirements", format!("-r x\na==1 ; x \\\n  --hash=sha256:{digest} # y\nb @ http://x\n")),
        ("uv", format!("version = 1\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = {{ registry = \"x\" }}\nwheels = [{{ url = \"x/{file}\" }}]\n")),
        ("poetry", format!("[[package]]\nname = \"a\"\nversion = \"1\"\nfiles = [{{file = \"{file}\"}}]\n[metadata]\nlock-version = \"2.1\"\n")),
        ("pylock", format!("lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"1\"\nsdist = {{ url = \"x/a.tar.gz\", hashes = {{ sha256 = \"{digest}\" }} }}\n")),
        ("cyclonedx", json!({"specVersion": "1.6", "components": [{"type": "library", "name": "a",
            "purl": "pkg:cargo/a@1", "hashes": [{"alg": "SHA-256", "content": digest}], "components": []}]}).to_string()),
        ("spdx", json!({"spdxVersion": "SPDX-2.3", "packages": [{"SPDXID": "b", "name": "a",
            "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
            "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:cargo/a@1"}]}]}).to_string()),
    ];
    let numbered = (0u8..).zip(forms);
    numbered
        .map(|(form, (name, text))| (name.to_owned(), [&[form], text.as_bytes()].concat()))
        .collect()
}

fn seeds() -> Seeds {
    let scripts = (0..6).map(|world| (format!("world-{world}"), vec![world])).collect();
    let proofs = named([
        ("inclusion-first", [[0, 8, 1, 0, 3].as_slice(), &[2, 3, 4]].concat()),
        ("inclusion-last", [[0, 5, 1, 4, 1].as_slice(), &[2]].concat()),
        ("inclusion-large", [[0, 176, 128, 1, 5, 48].as_slice(), &[7; 48]].concat()),
        ("consistency", [[1, 3, 7, 0, 1, 4].as_slice(), &[2, 3, 4, 5]].concat()),
        ("consistency-same", vec![1, 4, 4, 0, 1, 0]),
        ("consistency-empty", vec![1, 0, 4, 0, 1, 0]),
    ]);
    BTreeMap::from([
        ("statement", statements()),
        ("envelope", vectors(".json")),
        ("checkpoint", checkpoints()),
        ("proof", proofs),
        ("bundle", bundles()),
        ("evidence", scripts),
        ("policy", vectors(".toml")),
        ("codec", messages()),
        ("apt", apt_says()),
        ("lockfile", lockfiles()),
        ("document", documents()),
        ("normalize", archives()),
        ("report", reports()),
        ("network", conversations()),
        ("queue", queues()),
    ])
}

fn corpus(target: &str) -> PathBuf {
    top().join("fuzz/corpus").join(target)
}

#[test]
fn every_property_holds_on_the_corpus_the_vectors_and_the_seeds() {
    let seeds = seeds();
    for (target, property) in properties::TARGETS {
        let holds = |name: &str, bytes: &[u8]| {
            let judged = std::panic::catch_unwind(|| property(bytes));
            judged.unwrap_or_else(|_| panic!("the property {target} is broken by {name}"))
        };
        let mut files = files_below(&corpus(target));
        files.extend(files_below(&top().join("vectors")));
        for path in files {
            holds(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
        let accepted = seeds[target].iter().filter(|(name, bytes)| holds(name, bytes)).count();
        assert!(accepted > 0, "{target} accepts none of its seeds: it shows nothing");
    }
}

#[test]
fn the_seeds_are_written_where_they_are_asked_for() {
    if std::env::var_os("REATTEST_BLESS").is_none() {
        return;
    }
    for (target, seeds) in seeds() {
        std::fs::create_dir_all(corpus(target)).unwrap();
        for (name, bytes) in seeds {
            std::fs::write(corpus(target).join(format!("seed-{name}")), bytes).unwrap();
        }
    }
}

#[test]
fn the_corpus_is_small_and_every_target_has_one() {
    let bytes: u64 = files_below(&top().join("fuzz/corpus"))
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert!(bytes < 1_000_000, "{bytes} bytes: merge it with make fuzz-corpus");
    let manifest = std::fs::read_to_string(top().join("fuzz/Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), properties::TARGETS.len());
    for (target, _) in properties::TARGETS {
        assert!(!files_below(&corpus(target)).is_empty(), "no corpus of {target}");
        assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")));
    }
}
