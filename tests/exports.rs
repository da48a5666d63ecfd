//! What other tools are given: made byte for byte, and refused where it says more than was signed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::export::{
    LinkDocument, Reproduced, VsaKind, VsaResult, intoto_jsonl, rebuilderd_pem, rfc8410_pem,
    sigstore_bundle,
};
use reattest_attestation::key::SignError;
use reattest_attestation::limits::DOCUMENT_MAX;
use reattest_attestation::statement::{Material, Rebuild};
use reattest_attestation::{Announcement, Envelope, PublicKey, SecretKey, Sign, canonical};
use serde_json::{Value, json};

use crate::summaries::{inputs, summary};
use crate::vectors::same_as_files;
use crate::worlds::{NOW, P, Q, at, file, network, outcome, rebuild, rebuilder};

const NETBASE: &str = "netbase_6.5_all.deb";

fn secret() -> SecretKey {
    rebuilder('a', '1')
}

fn key() -> PublicKey {
    secret().public_key()
}

/// netbase reproduced, and hostname with the outcome `other`.
fn attested(other: char) -> Rebuild {
    let mut rebuild = rebuild(outcome(P, file('F'), '+'));
    rebuild.artifacts.push(outcome(Q, file('G'), other));
    rebuild
}

fn links(rebuild: &Rebuild) -> LinkDocument {
    LinkDocument::sign(&Reproduced::of(rebuild), &rebuild.sources, &secret()).unwrap()
}

fn announced(purl: &str) -> Envelope {
    let purl = purl.parse().unwrap();
    let hint = Announcement { network: network(), purl, announced: at(NOW) };
    Envelope::sign(hint.to_payload().unwrap(), &secret()).unwrap()
}

#[test]
fn every_export_is_made_byte_for_byte() {
    let rebuild = attested('-');
    let document = links(&rebuild);
    let verified = document.verify(&key(), &rebuild).unwrap();
    let files = verified.of(NETBASE, file('F')).unwrap();
    let envelope = announced(P);
    let vsa = |result, kind| summary(&inputs(result), kind).as_bytes().to_vec();
    let accepted = VsaResult::Passed { supporters: 2, operators: 3 };
    let both = [&announced(Q), &envelope];
    let vectors = BTreeMap::from([
        ("links.json", document.as_bytes().to_vec()),
        ("in-toto.link", files.in_toto().bytes.clone()),
        ("rebuilderd.link", files.rebuilderd().bytes.clone()),
        ("key.pem", rfc8410_pem(&key()).into_bytes()),
        ("key.rebuilderd.pem", rebuilderd_pem(&key()).into_bytes()),
        ("announcement.sigstore.json", sigstore_bundle(&envelope).unwrap()),
        ("announcements.intoto.jsonl", intoto_jsonl(both)),
        ("vsa-conformant.json", vsa(accepted, VsaKind::Conformant)),
        ("vsa-compatible.json", vsa(accepted, VsaKind::Compatible)),
        ("vsa-failed.json", vsa(VsaResult::Failed, VsaKind::Conformant)),
    ]);
    same_as_files("exports", &vectors);
}

#[test]
fn links_read_back_and_have_the_names_that_their_tools_look_for() {
    let rebuild = attested('+');
    let document = links(&rebuild);
    let again = LinkDocument::parse(document.as_bytes()).unwrap();
    assert_eq!(again, document);
    let verified = again.verify(&key(), &rebuild).unwrap();
    let names = verified.all().iter().map(|files| {
        let both = [files.in_toto(), files.rebuilderd()].map(|file| file.name.as_str());
        assert_eq!(both[0].split('.').map(str::len).collect::<Vec<_>>(), [7, 8, 4]);
        (files.product().file_name.as_str(), both[1].split('.').skip(2).count())
    });
    let expected = [("hostname_3.25_amd64.deb", 4), (NETBASE, 4)];
    assert_eq!(names.collect::<Vec<_>>(), expected);
}

#[test]
fn only_what_was_reproduced_gets_a_link() {
    for other in ['-', '~', '!', '='] {
        let rebuild = attested(other);
        let netbase = Reproduced { file_name: NETBASE.to_owned(), sha256: file('F') };
        assert_eq!(Reproduced::of(&rebuild), [netbase], "{other}");
        let verified = links(&rebuild).verify(&key(), &rebuild).unwrap();
        assert_eq!(verified.all().len(), 1);
        assert!(verified.of(NETBASE, file('G')).is_none());
    }
    let nothing = rebuild(outcome(P, file('F'), '-'));
    let refused = LinkDocument::sign(&Reproduced::of(&nothing), &nothing.sources, &secret());
    assert!(refused.unwrap_err().to_string().contains("0 links"));
}

#[test]
fn a_link_of_anything_else_is_refused() {
    let document = links(&attested('+'));
    let refused = |rebuild: &Rebuild, why: &str| {
        let message = document.verify(&key(), rebuild).expect_err(why).to_string();
        assert!(message.contains(why), "{message}");
    };
    // The document links both files; these statements call only one of them reproduced.
    for other in ['-', '~', '!', '='] {
        refused(&attested(other), "found links of 2 files, needed exactly the 1");
    }
    let mut published = attested('+');
    published.artifacts[0] = outcome(P, file('G'), '+');
    refused(&published, "found links of 2 files");
    let mut fewer = attested('+');
    fewer.sources.truncate(1);
    refused(&fewer, "materials");
    let mut changed = attested('+');
    changed.sources[0].digest = file('G');
    refused(&changed, "materials");
    let stranger = rebuilder('b', '1').public_key();
    let message = document.verify(&stranger, &attested('+')).unwrap_err().to_string();
    assert!(message.contains("bad in-toto link"), "{message}");
}

/// The links of both files with the document's JSON changed after signing.
fn changed(change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut document = serde_json::from_slice(links(&attested('+')).as_bytes()).unwrap();
    change(&mut document);
    canonical::to_bytes(&document).unwrap()
}

/// One hexadecimal digit of a text, changed.
fn flip(text: &mut Value) {
    let flipped = match text.as_str().unwrap().strip_prefix('0') {
        Some(rest) => format!("1{rest}"),
        None => format!("0{}", &text.as_str().unwrap()[1..]),
    };
    *text = Value::String(flipped);
}

#[test]
fn a_damaged_document_is_refused_for_its_fault() {
    let good = links(&attested('+')).as_bytes().to_vec();
    let text = String::from_utf8(good.clone()).unwrap();
    let swap = |d: &mut Value| d["links"].as_array_mut().unwrap().swap(0, 1);
    let twice = |d: &mut Value| {
        let first = d["links"][0].clone();
        d["links"].as_array_mut().unwrap().insert(0, first);
    };
    let many = |d: &mut Value| {
        let more = (0..65).map(|n| (format!("source-{n}"), json!(file('F'))));
        d["materials"] = more.collect::<serde_json::Map<_, _>>().into();
    };
    let long = |d: &mut Value| d["materials"][&"x".repeat(DOCUMENT_MAX)] = json!(file('F'));
    let upper = |d: &mut Value| {
        let signature = d["links"][0]["inToto"].as_str().unwrap().to_uppercase();
        d["links"][0]["inToto"] = signature.into();
    };
    for (bytes, why) in [
        ([good.as_slice(), b"\n"].concat(), "canonical"),
        (text.replacen(':', ": ", 1).into_bytes(), "canonical"),
        (text.replacen('{', r#"{"format":"","#, 1).into_bytes(), "canonical"),
        (changed(|d| d["novelty"] = json!(1)), "unknown field"),
        (changed(|d| d["links"][0]["product"]["sha512"] = json!("")), "unknown field"),
        (changed(|d| d["format"] = json!("urn:reattest:links:v2")), "found format"),
        (changed(|d| flip(&mut d["links"][0]["inToto"])), "bad in-toto link"),
        (changed(|d| flip(&mut d["links"][1]["rebuilderd"])), "bad rebuilderd link"),
        (changed(upper), "lowercase"),
        (changed(|d| d["links"][0]["inToto"] = json!("00")), "128"),
        (changed(|d| d["links"] = json!([])), "0 links"),
        (changed(|d| d["materials"] = json!({})), "0 materials"),
        (changed(many), "65 materials"),
        (changed(swap), "out of order"),
        (changed(twice), "out of order"),
        (changed(|d| d["links"][0]["product"]["name"] = json!("a/b")), "without slash"),
        (changed(|d| d["links"][0]["product"]["name"] = json!("..")), "without slash"),
        (changed(long), "1048576"),
    ] {
        let read = LinkDocument::parse(&bytes)
            .and_then(|document| document.verify(&key(), &attested('+')).map(drop));
        let message = read.expect_err(why).to_string();
        assert!(message.contains(why), "{why}: {message}");
    }
}

#[test]
fn names_that_tools_read_differently_get_no_link() {
    let material = |name: &str| Material {
        name: name.to_owned(),
        uri: "pool/x".to_owned(),
        digest: file('F'),
    };
    let product = |name: &str| Reproduced { file_name: name.to_owned(), sha256: file('F') };
    let good = ("netbase_6.5.dsc", NETBASE);
    for bad in ["", "a\\nb", "a\nb", "a\"b", "zürich", "a\u{7f}", &"x".repeat(300)] {
        for (source, name) in [(bad, good.1), (good.0, bad)] {
            let signed = LinkDocument::sign(&[product(name)], &[material(source)], &secret());
            assert!(signed.is_err(), "{source:?} {name:?}");
        }
    }
    let other = Material { digest: file('G'), ..material(good.0) };
    let signed = LinkDocument::sign(&[product(good.1)], &[material(good.0), other], &secret());
    assert!(signed.unwrap_err().to_string().contains("two source files"));
}

#[test]
fn the_order_of_files_and_sources_changes_no_byte() {
    let rebuild = attested('+');
    let reversed = |mut rebuild: Rebuild| {
        rebuild.artifacts.reverse();
        rebuild.sources.reverse();
        rebuild
    };
    let mut files = Reproduced::of(&rebuild);
    files.reverse();
    files.push(files[0].clone());
    let sources = reversed(rebuild.clone()).sources;
    let shuffled = LinkDocument::sign(&files, &sources, &secret()).unwrap();
    assert_eq!(shuffled.as_bytes(), links(&rebuild).as_bytes());
    shuffled.verify(&key(), &reversed(rebuild)).unwrap();
}

#[test]
fn the_largest_document_stays_far_below_its_bound() {
    let name = |n: usize, length| format!("{n:0length$}");
    let files: Vec<_> =
        (0..64).map(|n| Reproduced { file_name: name(n, 200), sha256: file('F') }).collect();
    let sources: Vec<_> = (0..64)
        .map(|n| Material { name: name(n, 256), uri: "x".to_owned(), digest: file('F') })
        .collect();
    let document = LinkDocument::sign(&files, &sources, &secret()).unwrap();
    assert!(document.as_bytes().len() < DOCUMENT_MAX / 10, "{}", document.as_bytes().len());
}

#[test]
fn a_signer_that_answers_nonsense_makes_no_links() {
    struct Broken(SecretKey);
    impl Sign for Broken {
        fn public_key(&self) -> PublicKey {
            self.0.public_key()
        }
        fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
            // Right for the one form, wrong for the other.
            if message.starts_with(b"{") { Ok([0; 64]) } else { self.0.sign(message) }
        }
    }
    let rebuild = attested('+');
    let signed = LinkDocument::sign(&Reproduced::of(&rebuild), &rebuild.sources, &Broken(secret()));
    assert!(signed.unwrap_err().to_string().contains("bad rebuilderd link"));
}

#[test]
fn a_link_in_an_envelope_of_ours_claims_nothing() {
    let rebuild = attested('-');
    let verified = links(&rebuild).verify(&key(), &rebuild).unwrap();
    let link = &verified.all()[0].in_toto().bytes;
    // The key id is outside the signature, so anybody can write the other one.
    let mut envelope: Value = serde_json::from_slice(link).unwrap();
    envelope["signatures"][0]["keyid"] = key().fingerprint().into();
    let envelope = Envelope::parse(&canonical::to_bytes(&envelope).unwrap()).unwrap();
    let message = envelope.verify(&key()).unwrap().claim().unwrap_err().to_string();
    assert!(message.contains("a statement of another shape"), "{message}");
}

#[test]
fn a_bundle_of_envelopes_is_a_set() {
    let (first, second) = (announced(P), announced(Q));
    let bytes = intoto_jsonl([&first, &second]);
    assert_eq!(intoto_jsonl([&second, &first, &second]), bytes);
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let read: BTreeSet<_> = lines.map(|line| Envelope::parse(line).unwrap().digest()).collect();
    assert_eq!(read, BTreeSet::from([first.digest(), second.digest()]));
}
