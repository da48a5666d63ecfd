//! Bad evidence, policies and keys at the command line: one clear line, the right exit code, and never a verdict by accident.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use reattest_attestation::export::{LinkDocument, Reproduced};
use reattest_attestation::log::tree::root_of;
use reattest_attestation::log::{Checkpoint, Origin, leaf_hash, prove_inclusion};
use reattest_attestation::{Bundle, Envelope, LoggedAt, Retraction, Sign};
use reattest_tests::{directory, document, files_below, printed, run, said};

use crate::worlds::{
    NOW, at, certify, file, network, operator, outcome, rebuild, rebuilder, revoke,
};

const NETBASE: &str = "pkg:deb/debian/netbase@6.5?arch=all&distro=trixie";

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/accepted").join(name)
}

/// One error line, with these words, and exit code 1.
fn fails_with(output: &Output, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", printed(output));
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one clear line: {text}");
    for word in words {
        assert!(errors[0].contains(word), "{word:?} is missing in: {}", errors[0]);
    }
    assert!(errors[0].len() < 1_000 && !text.contains("panicked"), "{text}");
    assert_eq!(printed(output), "", "no verdict");
}

/// A file, a policy and a bundle in a directory of their own.
struct Desk {
    home: tempfile::TempDir,
}

impl Desk {
    /// The golden policy and bundle, and the file that they are about.
    fn new() -> Self {
        let desk = Self { home: directory() };
        desk.write("netbase_6.5_all.deb", b"F");
        desk.write("policy.toml", &std::fs::read(vector("policy.toml")).unwrap());
        desk.write("bundle", &std::fs::read(vector("netbase.reattest.jsonl")).unwrap());
        desk
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn ask(&self, words: &[&str]) -> Output {
        let at = |name: &str| self.home.path().join(name).to_str().unwrap().to_owned();
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        all.extend([at("netbase_6.5_all.deb"), "--as".to_owned(), NETBASE.to_owned()]);
        all.extend(["--policy".to_owned(), at("policy.toml"), "--bundle".to_owned(), at("bundle")]);
        run(&all)
    }

    fn verify(&self) -> Output {
        self.ask(&["verify"])
    }
}

/// The golden certificates ended in 2026: expired evidence accepts nothing, and says so.
#[test]
fn expired_evidence_is_inconclusive_and_says_why() {
    let desk = Desk::new();
    let output = desk.ask(&["verify", "--json"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let verdict = document(&output);
    assert_eq!(verdict["verdict"], "inconclusive");
    let reasons = verdict["reasons"].to_string();
    assert!(reasons.contains("without a certificate valid at"), "{reasons}");
}

#[test]
fn a_hundred_thousand_records_are_refused_at_the_bound() {
    let desk = Desk::new();
    let record = std::fs::read(vector("rebuild-reproduced.json")).unwrap();
    let few = [record.as_slice(), b"\n"].concat().repeat(4_000);
    desk.write("bundle", &few);
    assert_eq!(desk.verify().status.code(), Some(4), "as many as a bundle may have");
    desk.write("bundle", &b"{\"payloadType\":\"x\"}\n".repeat(100_000));
    fails_with(&desk.verify(), &["lines", "needed at most 4096", "bundle of one artifact"]);
    desk.write("bundle", &[record.as_slice(), b"\n"].concat().repeat(100_000));
    fails_with(&desk.verify(), &["bytes", "needed at most 16777216"]);
}

#[test]
fn lines_that_are_no_objects_are_named() {
    let desk = Desk::new();
    for (bytes, words) in [
        ("[".repeat(100_000).into_bytes(), ["line 1", "JSON object"]),
        (format!("{{}}\n{}", "{\"a\":".repeat(100_000)).into_bytes(), ["line 2", "JSON object"]),
        (b"{}\n\xff\xfe\n".to_vec(), ["line 2", "JSON object"]),
    ] {
        desk.write("bundle", &bytes);
        fails_with(&desk.verify(), &words);
    }
    desk.write("bundle", b"");
    assert_eq!(desk.verify().status.code(), Some(4), "no evidence is no fault and no acceptance");
}

#[test]
fn a_policy_out_of_force_is_refused_with_its_line() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(vector("policy.toml")).unwrap();
    let policy = desk.write("policy.toml", text.replacen("2027-", "2020-", 1).as_bytes());
    fails_with(&desk.verify(), &["policy line 4, column 11", "expired at 2020-01-01", "expires"]);
    let path = policy.to_str().unwrap();
    fails_with(&run(&["policy", "check", path]), &["policy line 4, column 11", "later"]);
    for (bytes, words) in [
        (b"\xff\xfe".to_vec(), ["policy.toml", "UTF-8"]),
        (vec![b'#'; 2 * 1024 * 1024], ["1048576", "shorten"]),
        (b"[".repeat(10_000), ["line 1", "FORMAT.md"]),
    ] {
        desk.write("policy.toml", &bytes);
        fails_with(&run(&["policy", "check", path]), &words);
    }
}

#[test]
fn a_policy_in_order_says_what_it_asks() {
    let path = vector("policy-with-everything.toml");
    let output = run(&["policy", "check", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(printed(&output).contains("2 of (1 of (alder, birch), cedar)"), "{}", printed(&output));
    let output = run(&["policy", "check", "--json", path.to_str().unwrap()]);
    assert_eq!(document(&output)["fewest"], 2);
}

#[test]
fn exports_of_nothing_and_with_open_keys_write_nothing() {
    let desk = Desk::new();
    let before = files_below(desk.home.path());
    // The golden bundle's attestations name no links.
    let links = desk.ask(&["export", "--format", "rebuilderd"]);
    fails_with(&links, &["nothing of this format", "bit for bit"]);
    let key = desk.write("key", &std::fs::read(vector("key")).unwrap());
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let summary = desk.ask(&["export", "--format", "vsa", "--key", key.to_str().unwrap()]);
    fails_with(&summary, &["can be read by others", "0600", "chmod"]);
    desk.write("netbase_6.5_all.deb", b"another file");
    let nothing = desk.ask(&["export", "--format", "dsse"]);
    fails_with(&nothing, &["no evidence on", "announce"]);
    assert_eq!(files_below(desk.home.path()).len(), before.len() + 1, "only the key is new");
}

/// One vote with links, in a log of one entry, and the retraction after it where one is asked for.
fn linked(retracted: bool) -> Bundle {
    let (boss, key) = (operator('a'), rebuilder('a', '1'));
    let mut vote = rebuild(outcome(NETBASE, file('F'), '+'));
    let links = LinkDocument::sign(&Reproduced::of(&vote), &vote.sources, &key).unwrap();
    vote.links = Some(links.digest());
    let mut payloads = vec![vote.to_payload(&key.public_key()).unwrap()];
    let retraction = Retraction {
        network: network(),
        purl: NETBASE.parse().unwrap(),
        published: file('F'),
        reason: "a test".to_owned(),
        retracted: at(NOW),
    };
    payloads.extend(retracted.then(|| retraction.to_payload().unwrap()));
    let sign = |payload| Envelope::sign(payload, &key).unwrap();
    let envelopes: Vec<Envelope> = payloads.into_iter().map(sign).collect();
    let leaves: Vec<_> = envelopes.iter().map(|one| leaf_hash(one.as_bytes())).collect();
    let origin = Origin::new(&network(), &key.public_key(), 2026);
    let size = leaves.len() as u64;
    let head = Checkpoint { origin: origin.clone(), size, root: root_of(&leaves) };
    let proof = |(index, one): (u64, &Envelope)| {
        let proof = prove_inclusion(&leaves, index).unwrap();
        LoggedAt { envelope: one.digest(), origin: origin.clone(), size, proof }
    };
    Bundle {
        proofs: (0..).zip(&envelopes).map(proof).collect(),
        checkpoints: vec![head.sign(&key).unwrap()],
        certificates: vec![certify(&boss, &key, -1, 1)],
        links: vec![links.as_bytes().to_vec()],
        envelopes,
        ..Bundle::default()
    }
}

/// A link cannot be taken back once it is out.
#[test]
fn links_of_doubtful_keys_are_not_given_out() {
    let desk = Desk::new();
    let export = |bundle: &Bundle, into: &str| {
        desk.write("bundle", &bundle.to_bytes().unwrap());
        let into = desk.home.path().join(into);
        desk.ask(&["export", "--format", "rebuilderd", "-o", into.to_str().unwrap()])
    };
    let good = linked(false);
    let output = export(&good, "good");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(files_below(&desk.home.path().join("good")).len(), 2, "a link and its key");

    let (boss, key) = (operator('a'), rebuilder('a', '1'));
    let mut revoked = good.clone();
    revoked.certificates.push(revoke(&boss, &key, Vec::new()));
    let mut forked = good.clone();
    let head = Checkpoint { root: file('Z'), ..good.checkpoints[0].unverified().clone() };
    forked.checkpoints.push(head.sign(&key).unwrap());
    for (what, bundle) in [("revoked", revoked), ("forked", forked), ("retracted", linked(true))] {
        let output = export(&bundle, what);
        fails_with(&output, &["nothing of this format"]);
        assert!(!desk.home.path().join(what).exists(), "{what}");
    }
}
