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

use std::collections::BTreeMap;
use std::path::PathBuf;

use reattest_attestation::bundle::Bundle;
use reattest_attestation::log::{Checkpoint, Origin, SignedCheckpoint};
use reattest_attestation::statement::{Normalizer, Rebuild};
use reattest_attestation::verdict::{Question, Verdict};
use reattest_attestation::{
    Announcement, Certificate, Claim, Completeness, Digest, Envelope, Evidence, HashedFile, Policy,
    PublicKey, SecretKey, Sign, canonical, conclude,
};
use serde_json::{Value, json};

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

fn certificate() -> Vec<u8> {
    let boss = operator('a');
    let certificate = Certificate {
        operator: boss.public_key(),
        rebuilder: key(),
        not_before: at(NOW - 86_400),
        not_after: at(NOW + 86_400),
    };
    Envelope::sign(certificate.to_payload().unwrap(), &boss).unwrap().as_bytes().to_vec()
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

fn accepted() -> Vectors {
    let ssh = rebuilder('a', '1').to_openssh("a test's key, from a fixed seed").unwrap();
    BTreeMap::from([
        ("rebuild-reproduced.json", signed(payload('+'))),
        ("rebuild-differs.json", signed(payload('-'))),
        ("rebuild-unstable.json", signed(payload('~'))),
        ("rebuild-equivalent.json", signed(payload('='))),
        ("build-failure.json", signed(payload('!'))),
        ("announcement.json", announcement()),
        ("certificate.json", certificate()),
        ("unknown-predicate.json", changed('+', |s| s["predicateType"] = json!("urn:other:v1"))),
        (
            "unknown-internal-parameter.json",
            changed('+', |s| {
                s["predicate"]["buildDefinition"]["internalParameters"]["novel"] = json!([1]);
            }),
        ),
        ("checkpoint.txt", head(5).as_bytes().to_vec()),
        ("checkpoint-empty.txt", head(0).as_bytes().to_vec()),
        ("netbase.reattest.jsonl", bundle().to_bytes().unwrap()),
        ("policy.toml", policy_text().into_bytes()),
        ("verdict.json", verdict()),
        ("key.pub", format!("{}\n", key()).into_bytes()),
        ("key", ssh.into_bytes()),
    ])
}

/// Each with a part of the message that refuses it, one a line.
#[rustfmt::skip]
fn refused_envelopes() -> Refused {
    let good = String::from_utf8(signed(payload('+'))).unwrap();
    let external = |s: &mut Value, change: &dyn Fn(&mut Value)| {
        change(&mut s["predicate"]["buildDefinition"]["externalParameters"]);
    };
    BTreeMap::from([
        ("white-space.json", (good.replacen(':', ": ", 1).into_bytes(), "RFC 8785")),
        ("other-order.json", (reordered(&good), "RFC 8785")),
        ("duplicate-key.json", (good.replacen('{', "{\"payload\":\"\",", 1).into_bytes(), "RFC 8785")),
        ("trailing-bytes.json", (format!("{good}\n").into_bytes(), "RFC 8785")),
        ("second-document.json", (format!("{good}{{}}").into_bytes(), "not one JSON document")),
        ("unknown-field.json", (rewrapped(|e| e["note"] = json!("x")), "unknown field")),
        ("two-signatures.json", (rewrapped(|e| {
            let one = e["signatures"][0].clone();
            e["signatures"] = json!([one, one]);
        }), "exactly one")),
        ("no-signature.json", (rewrapped(|e| e["signatures"] = json!([])), "exactly one")),
        ("other-payload-type.json", (rewrapped(|e| e["payloadType"] = json!("application/json")), "payload type")),
        ("url-safe-base64.json", (rewrapped(|e| {
            let sig = e["signatures"][0]["sig"].as_str().unwrap().replace('+', "-").replace('/', "_");
            assert!(sig.contains(['-', '_']));
            e["signatures"][0]["sig"] = json!(sig);
        }), "standard padded base64")),
        ("unpadded-base64.json", (rewrapped(|e| {
            let sig = e["signatures"][0]["sig"].as_str().unwrap().replace('=', "");
            e["signatures"][0]["sig"] = json!(sig);
        }), "standard padded base64")),
        ("other-key-id.json", (rewrapped(|e| e["signatures"][0]["keyid"] = json!("SHA256:x")), "key id")),
        ("changed-payload.json", (rewrapped(|e| {
            let other: Value = serde_json::from_slice(&signed(payload('-'))).unwrap();
            e["payload"] = other["payload"].clone();
        }), "a signature that is not by")),
        ("too-long.json", (signed_unbounded(), "at most 65535")),
        ("payload-white-space.json", (respelled(":", ": "), "RFC 8785")),
        ("payload-duplicate-key.json", (respelled("\"formatVersion\":1", "\"formatVersion\":1,\"formatVersion\":1"), "RFC 8785")),
        ("integer-above-2-53.json", (respelled("\"sourceDateEpoch\":1742000000", "\"sourceDateEpoch\":9007199254740993"), "2^53")),
        ("fraction.json", (respelled("\"sourceDateEpoch\":1742000000", "\"sourceDateEpoch\":1.5"), "2^53")),
        ("unknown-external-parameter.json", (changed('+', |s| external(s, &|e| e["extra"] = json!(1))), "unknown field")),
        ("unknown-artifact-field.json", (changed('+', |s| external(s, &|e| e["artifacts"][0]["extra"] = json!(1))), "unknown field")),
        ("outcome-contradicts-digests.json", (changed('-', |s| external(s, &|e| e["artifacts"][0]["outcome"] = json!("reproduced"))), "needed differs")),
        ("differs-after-one-run.json", (changed('-', |s| external(s, &|e| {
            e["artifacts"][0].as_object_mut().unwrap().remove("again");
        })), "second identical run")),
        ("published-file-as-subject.json", (changed('-', |s| s["subject"][0]["digest"]["sha256"] = json!(file('F'))), "subjects")),
        ("same-purl-twice.json", (changed('+', |s| external(s, &|e| {
            let one = e["artifacts"][0].clone();
            e["artifacts"] = json!([one, one]);
        })), "twice")),
        ("loose-purl.json", (changed('+', |s| external(s, &|e| e["artifacts"][0]["purl"] = json!("pkg:deb/debian/netbase@6.5?distro=trixie&arch=all"))), "canonical form")),
        ("uppercase-digest.json", (changed('+', |s| external(s, &|e| e["recipe"] = json!(Digest::of(b"recipe").to_string().to_uppercase()))), "lowercase")),
        ("other-recipe-among-dependencies.json", (changed('+', |s| external(s, &|e| e["recipe"] = json!(file('Z')))), "\"recipe\"")),
        ("no-lock.json", (changed('+', |s| {
            s["predicate"]["buildDefinition"]["resolvedDependencies"].as_array_mut().unwrap().remove(1);
        }), "\"lock\"")),
        ("builder-of-another-key.json", (changed('+', |s| s["predicate"]["runDetails"]["builder"]["id"] = json!(rebuilder('b', '1').public_key().builder_id())), "builder id")),
        ("time-with-offset.json", (changed('+', |s| s["predicate"]["runDetails"]["metadata"]["startedOn"] = json!("2026-05-31T02:00:00+02:00")), "whole seconds")),
        ("format-version-2.json", (changed('+', |s| s["predicate"]["buildDefinition"]["internalParameters"]["formatVersion"] = json!(2)), "format version")),
        ("failure-that-made-something.json", (changed('+', |s| s["predicateType"] = json!("urn:reattest:build-failure:v1")), "nothing was made")),
    ])
}

/// The same for documents that are no envelopes.
#[rustfmt::skip]
fn refused_others() -> Refused {
    let note = String::from_utf8(head(5).as_bytes().to_vec()).unwrap();
    BTreeMap::from([
        ("checkpoint-extension-line.txt", (note.replacen("\n\n", "\nextension\n\n", 1).into_bytes(), "three lines")),
        ("checkpoint-leading-zero.txt", (note.replacen("\n5\n", "\n05\n", 1).into_bytes(), "plain decimal")),
        ("checkpoint-changed-size.txt", (note.replacen("\n5\n", "\n6\n", 1).into_bytes(), "a signature that is not by")),
        ("checkpoint-no-final-newline.txt", (note.trim_end().as_bytes().to_vec(), "newline")),
        ("checkpoint-carriage-returns.txt", (note.replace('\n', "\r\n").into_bytes(), "control characters")),
        ("checkpoint-other-origin.txt", (note.replacen("reattest/", "other/", 1).into_bytes(), "origin")),
        ("key-rsa.pub", (b"ssh-rsa AAAA\n".to_vec(), "ssh-ed25519")),
        ("policy-unknown-operator.toml", (policy_text().replacen("\"cedar\"]", "\"dogwood\"]", 1).into_bytes(), "line 25, column 25")),
        ("policy-without-expiry.toml", (policy_text().replacen("expires = 2027-01-01T00:00:00Z\n", "", 1).into_bytes(), "expires")),
        ("bundle-cut.jsonl", (cut(bundle().to_bytes().unwrap()), "no JSON object on line")),
    ])
}

fn reordered(good: &str) -> Vec<u8> {
    let (payload, rest) = good.trim_start_matches('{').split_once(',').unwrap();
    let (kind, signatures) = rest.split_once(',').unwrap();
    format!("{{{kind},{payload},{signatures}").into_bytes()
}

fn signed_unbounded() -> Vec<u8> {
    rewrapped(|e| e["payload"] = json!("QUFB".repeat(16_384)))
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 20);
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
    if name == "certificate.json" {
        return Certificate::verify(&envelope).map(drop).map_err(|error| error.to_string());
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
