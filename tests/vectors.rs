//! Golden bytes of every format: what is accepted, what is refused and why, made again from fixed seeds and compared.
//!
//! `REATTEST_BLESS=1` writes the files again after a deliberate change of format.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_push_string,
    reason = "a test may stop at the first surprise"
)]

mod accepted;
mod operators;
mod refused;

use std::collections::BTreeMap;
use std::path::PathBuf;

use reattest_attestation::bundle::Bundle;
use reattest_attestation::log::{Checkpoint, Origin, SignedCheckpoint, TlogProof};
use reattest_attestation::statement::{Normalizer, Rebuild};
use reattest_attestation::verdict::{Question, Verdict};
use reattest_attestation::{
    Announcement, Certificate, Claim, Completeness, Digest, Envelope, Evidence, HashedFile,
    OperatorWord, Policy, PublicKey, SecretKey, Sign, canonical, conclude,
};
use serde_json::{Value, json};

use accepted::accepted;
use refused::{refused_envelopes, refused_operators, refused_others};

use crate::worlds::{
    ARCHIVE, NOW, P, at, file, network, operator, outcome, rebuild, rebuilder, world,
};

/// File name to bytes.
type Vectors = BTreeMap<&'static str, Vec<u8>>;

/// File name to bytes, and a part of the message that refuses them.
type Refused = BTreeMap<&'static str, (Vec<u8>, &'static str)>;

fn key() -> PublicKey {
    rebuilder('a', '1').public_key()
}

/// The statement of one rebuild, `what` as in the worlds.
fn attested(what: char) -> Rebuild {
    let mut rebuild = rebuild(outcome(P, file('F'), what));
    if what == '=' {
        let (name, version) = ("strip-nondeterminism".to_owned(), "1.14".to_owned());
        rebuild.facts.normalizers = vec![Normalizer { name, version, digest: file('n') }];
    }
    rebuild
}

fn signed(payload: Vec<u8>) -> Vec<u8> {
    Envelope::sign(payload, &rebuilder('a', '1')).unwrap().as_bytes().to_vec()
}

fn payload(what: char) -> Vec<u8> {
    attested(what).to_payload(&key()).unwrap()
}

/// A well-signed envelope whose payload was changed before signing.
fn changed(what: char, change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut statement: Value = serde_json::from_slice(&payload(what)).unwrap();
    change(&mut statement);
    signed(canonical::to_bytes(&statement).unwrap())
}

/// An envelope whose own JSON was changed after signing.
fn rewrapped(change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut envelope: Value = serde_json::from_slice(&signed(payload('+'))).unwrap();
    change(&mut envelope);
    canonical::to_bytes(&envelope).unwrap()
}

/// A well-signed envelope whose payload is this text with one part replaced.
fn respelled(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(payload('+')).unwrap();
    assert!(text.contains(from));
    signed(text.replacen(from, to, 1).into_bytes())
}

fn head(size: u64) -> SignedCheckpoint {
    let secret = rebuilder('a', '1');
    let origin = Origin::new(&network(), &key(), 2026);
    Checkpoint { origin, size, root: file('r') }.sign(&secret).unwrap()
}

fn plain_certificate() -> Certificate {
    Certificate {
        operator: operator('a').public_key(),
        rebuilder: key(),
        not_before: at(NOW - 86_400),
        not_after: at(NOW + 86_400),
    }
}

fn certificate_payload() -> Vec<u8> {
    plain_certificate().to_payload().unwrap()
}

fn certificate() -> Vec<u8> {
    by_operator(certificate_payload())
}

fn by_operator(payload: Vec<u8>) -> Vec<u8> {
    Envelope::sign(payload, &operator('a')).unwrap().as_bytes().to_vec()
}

fn announcement() -> Vec<u8> {
    let announcement =
        Announcement { network: network(), purl: P.parse().unwrap(), announced: at(NOW) };
    signed(announcement.to_payload().unwrap())
}

fn bundle() -> Bundle {
    let mut bundle = world("a1+F b1+F c1-F");
    bundle.recipes = vec![canonical::to_bytes(&json!({"recipe": "of a test"})).unwrap()];
    bundle.locks = vec![canonical::to_bytes(&json!({"lock": ["of a test"]})).unwrap()];
    bundle
}

fn policy_text() -> String {
    let mut text = String::from(
        "# Two of three operators, and Debian's archive as the authority.\n\
         version = 1\nnetwork = \"test\"\nexpires = 2027-01-01T00:00:00Z\nmode = \"enforce\"\n",
    );
    for (letter, name) in [('a', "alder"), ('b', "birch"), ('c', "cedar")] {
        let key = operator(letter).public_key();
        text += &format!("\n[[operator]]\nname = \"{name}\"\nkey = \"{key}\"\n");
    }
    text += &format!("\n[[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = [\"{ARCHIVE}\"]\n");
    text + "\n[quorum]\nneed = 2\nof = [\"alder\", \"birch\", \"cedar\"]\nmax_dissent = 1\n"
}

fn verdict() -> Vec<u8> {
    let evidence = Evidence::verify(&bundle(), &network(), Completeness::Excerpt);
    let purl = Some(P.parse().unwrap());
    let question = Question::about(HashedFile::elsewhere("netbase_6.5_all.deb", file('F')), purl);
    let policy = Policy::parse(&policy_text()).unwrap();
    let mut bytes =
        serde_json::to_vec_pretty(&conclude(&policy, &evidence, &question, at(NOW))).unwrap();
    bytes.push(b'\n');
    bytes
}

fn directory(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(kind)
}

/// Compares with the files, or writes them where the developer says so.
pub(crate) fn same_as_files(kind: &str, vectors: &Vectors) {
    let directory = directory(kind);
    if std::env::var_os("REATTEST_BLESS").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        for (name, bytes) in vectors {
            std::fs::write(directory.join(name), bytes).unwrap();
        }
    }
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, vectors.keys().copied().collect::<Vec<_>>(), "files in vectors/{kind}");
    for (name, bytes) in vectors {
        let file = std::fs::read(directory.join(name)).unwrap();
        assert!(
            file == *bytes,
            "vectors/{kind}/{name} is not what is made today; if the format was meant to change, run with REATTEST_BLESS=1"
        );
    }
}

/// Reads a vector by the format that its name tells, all the way to its meaning.
fn read(name: &str, bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    match name.split_once('.').map_or("", |(_, kind)| kind) {
        "json" => read_json(name, bytes),
        "pub" => text.parse::<PublicKey>().map(drop).map_err(|error| error.to_string()),
        "toml" => Policy::parse(&text).map(drop).map_err(|error| error.to_string()),
        "txt" => SignedCheckpoint::parse(bytes)
            .and_then(|head| head.verify(&key()).map(drop))
            .map_err(|error| error.to_string()),
        "tlog-proof" => TlogProof::parse(bytes)
            .and_then(|proof| proof.verify(&signed(payload('+')), &key()).map(drop))
            .map_err(|error| error.to_string()),
        "jsonl" | "reattest.jsonl" => {
            Bundle::parse(bytes).map(drop).map_err(|error| error.to_string())
        }
        _ => SecretKey::from_openssh(&text).map(drop).map_err(|error| error.to_string()),
    }
}

fn read_json(name: &str, bytes: &[u8]) -> Result<(), String> {
    if name == "verdict.json" {
        return serde_json::from_slice::<Verdict>(bytes).map(drop).map_err(|e| e.to_string());
    }
    let envelope = Envelope::parse(bytes).map_err(|error| error.to_string())?;
    if ["certificate", "revocation", "rotation"].iter().any(|kind| name.starts_with(kind)) {
        return OperatorWord::verify(&envelope).map(drop).map_err(|error| error.to_string());
    }
    let authentic = envelope.verify(&key()).map_err(|error| error.to_string())?;
    authentic.claim().map(drop).map_err(|error| error.to_string())
}

#[test]
fn accepted_documents_are_made_byte_for_byte_and_read_back() {
    let vectors = accepted();
    same_as_files("accepted", &vectors);
    for (name, bytes) in &vectors {
        assert_eq!(read(name, bytes), Ok(()), "{name}");
    }
}

#[test]
fn refused_documents_are_refused_for_their_fault() {
    let mut vectors = refused_envelopes();
    vectors.extend(refused_others());
    vectors.extend(refused_operators());
    let files: Vectors = vectors.iter().map(|(name, (bytes, _))| (*name, bytes.clone())).collect();
    same_as_files("refused", &files);
    for (name, (bytes, why)) in &vectors {
        let message = read(name, bytes).expect_err(name);
        assert!(message.contains(why), "{name}: {message}");
    }
}

#[test]
fn every_outcome_reads_back_as_what_was_signed() {
    for what in ['+', '-', '~', '=', '!'] {
        let envelope = Envelope::parse(&signed(payload(what))).unwrap();
        let claim = envelope.verify(&key()).unwrap().claim().unwrap();
        let expected = match what {
            '!' => Claim::BuildFailure(attested(what)),
            _ => Claim::Rebuild(attested(what)),
        };
        assert_eq!(claim, expected);
    }
}

#[test]
fn the_envelope_of_one_artifact_stays_under_4_kib() {
    for what in ['+', '-', '~', '!'] {
        let mut full = attested(what);
        // Debian's index carries three signatures, and many sources have a third file.
        let signer = full.authority.signers[0].clone();
        full.authority.signers.extend([signer.clone(), signer]);
        full.sources.push(full.sources[1].clone());
        full.facts.invocation = "d8a86ed3e67554f5631753e7596a4ea4".to_owned();
        full.links = (what == '+').then(|| file('L'));
        full.facts.diff = matches!(what, '-' | '~').then(|| file('D'));
        let bytes = signed(full.to_payload(&key()).unwrap()).len();
        assert!(bytes < 4_096, "{what}: {bytes}");
    }
}

#[test]
fn a_bundle_reads_back_and_ignores_what_is_not_ours() {
    let bytes = bundle().to_bytes().unwrap();
    let again = Bundle::parse(&bytes).unwrap();
    assert_eq!(again, bundle());
    let foreign = b"{\"payloadType\":\"x\"}\n\n{\"reattest\":\"novelty\"}\n";
    let with_foreign = Bundle::parse(&[foreign.as_slice(), &bytes].concat()).unwrap();
    assert_eq!(with_foreign.envelopes, bundle().envelopes);
    assert_eq!(with_foreign.ignored.iter().map(|i| i.line).collect::<Vec<_>>(), [1, 3]);
}

/// Binary provenance, field by field: each stands at its place and says something.
#[test]
fn a_provenance_has_every_field() {
    let statement: Value =
        serde_json::from_slice(&operators::full().to_payload(&key()).unwrap()).unwrap();
    let definition = "/predicate/buildDefinition";
    let details = "/predicate/runDetails";
    for (what, place) in [
        ("authenticity: the key", format!("{details}/builder/id")),
        ("outputs", "/subject/0/digest/sha256".to_owned()),
        (
            "outcome of each artifact",
            format!("{definition}/externalParameters/artifacts/0/outcome"),
        ),
        ("what is built", format!("{definition}/externalParameters/source")),
        ("network", format!("{definition}/externalParameters/network")),
        ("recipe", format!("{definition}/externalParameters/recipe")),
        ("dependencies: the lock", format!("{definition}/resolvedDependencies/1/digest/sha256")),
        (
            "who binds the release",
            format!("{definition}/resolvedDependencies/2/annotations/signers/0"),
        ),
        (
            "who covers the lock",
            format!("{definition}/resolvedDependencies/3/annotations/signers/0"),
        ),
        ("sources: URI", format!("{definition}/resolvedDependencies/5/uri")),
        ("sources: digest", format!("{definition}/resolvedDependencies/5/digest/sha256")),
        ("command, structured", format!("{definition}/internalParameters/command/0")),
        ("environment", format!("{definition}/internalParameters/environment/PATH")),
        ("input metadata: source time", format!("{definition}/internalParameters/sourceDateEpoch")),
        ("learned values", format!("{definition}/internalParameters/learned/build_path")),
        ("debug: kernel", format!("{definition}/internalParameters/kernel")),
        ("debug: CPU", format!("{definition}/internalParameters/cpu")),
        ("debug: architecture", format!("{definition}/internalParameters/architecture")),
        ("versioning: format", format!("{definition}/internalParameters/formatVersion")),
        ("versioning: software", format!("{details}/builder/version/reattest")),
        ("versioning: begin", format!("{details}/metadata/startedOn")),
        ("versioning: end", format!("{details}/metadata/finishedOn")),
        ("this run", format!("{details}/metadata/invocationId")),
        ("log", format!("{details}/byproducts/0/digest/sha256")),
        ("diff", format!("{details}/byproducts/1/digest/sha256")),
        ("links", format!("{details}/byproducts/2/digest/sha256")),
    ] {
        let value =
            statement.pointer(&place).unwrap_or_else(|| panic!("{what}: nothing at {place}"));
        assert!(value.is_number() || value.as_str().is_some_and(|text| !text.is_empty()), "{what}");
    }
}
