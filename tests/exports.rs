//! What other tools are given: made byte for byte, and refused where it says more than was signed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::export::vsa::{BUILD_LEVEL_1, REPRODUCED, quorum_level};
use reattest_attestation::export::{
    Expected, LinkDocument, Reproduced, Vsa, VsaInputs, VsaKind, VsaResult, intoto_jsonl,
    rebuilderd_pem, rfc8410_pem, sigstore_bundle,
};
use reattest_attestation::key::SignError;
use reattest_attestation::limits::{DOCUMENT_MAX, ENVELOPE_MAX};
use reattest_attestation::statement::{Material, Rebuild};
use reattest_attestation::{Announcement, Digest, Envelope, PublicKey, SecretKey, Sign, canonical};
use serde_json::{Value, json};

use crate::vectors::same_as_files;
use crate::worlds::{NOW, P, Q, at, file, network, operator, outcome, rebuild, rebuilder};

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

fn inputs(result: VsaResult) -> VsaInputs {
    VsaInputs {
        file_name: NETBASE.to_owned(),
        sha256: file('F'),
        purl: P.parse().unwrap(),
        policy: Digest::of(b"policy"),
        attestations: ['a', 'b', 'c'].map(file).into(),
        verified_at: at(NOW),
        version: "0.1.0".to_owned(),
        result,
    }
}

fn passed(supporters: usize) -> VsaInputs {
    inputs(VsaResult::Passed { supporters, operators: 3 })
}

/// The consumer's key signs summaries.
fn consumer() -> SecretKey {
    operator('e')
}

fn summary(inputs: &VsaInputs, kind: VsaKind) -> Envelope {
    let payload = inputs.payload(&consumer().public_key(), kind).unwrap();
    Envelope::sign(payload, &consumer()).unwrap()
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
fn a_bundle_of_envelopes_is_a_set() {
    let (first, second) = (announced(P), announced(Q));
    let bytes = intoto_jsonl([&first, &second]);
    assert_eq!(intoto_jsonl([&second, &first, &second]), bytes);
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let read: BTreeSet<_> = lines.map(|line| Envelope::parse(line).unwrap().digest()).collect();
    assert_eq!(read, BTreeSet::from([first.digest(), second.digest()]));
}

#[test]
fn a_summary_derived_again_from_shuffled_evidence_is_the_same() {
    let evidence: Vec<_> = ('a'..='z').map(file).collect();
    let mut shuffled: Vec<_> = evidence.iter().rev().copied().collect();
    shuffled.rotate_left(7);
    shuffled.push(file('k'));
    let derive = |attestations: &[Digest], kind| {
        let attestations = attestations.iter().copied().collect();
        summary(&VsaInputs { attestations, ..passed(2) }, kind)
    };
    for kind in [VsaKind::Conformant, VsaKind::Compatible] {
        assert_eq!(derive(&evidence, kind), derive(&shuffled, kind));
        assert_ne!(derive(&evidence, kind), derive(&evidence[1..], kind));
    }
}

#[test]
fn reproduced_is_said_of_two_operators_and_never_to_slsa_verifier() {
    let quorum = |supporters| quorum_level(supporters, 3);
    let levels = |supporters, kind| passed(supporters).levels(kind);
    assert_eq!(levels(1, VsaKind::Conformant), [quorum(1)]);
    assert_eq!(levels(2, VsaKind::Conformant), [quorum(2), REPRODUCED.to_owned()]);
    assert_eq!(levels(3, VsaKind::Conformant), [quorum(3), REPRODUCED.to_owned()]);
    for supporters in 1..=3 {
        let compatible = levels(supporters, VsaKind::Compatible);
        assert_eq!(compatible, [quorum(supporters), BUILD_LEVEL_1.to_owned()]);
    }
    for kind in [VsaKind::Conformant, VsaKind::Compatible] {
        assert_eq!(inputs(VsaResult::Failed).levels(kind), ["FAILED"]);
    }
}

#[test]
fn a_summary_reads_back_as_what_it_was_made_from() {
    let failed = inputs(VsaResult::Failed);
    for inputs in [passed(1), passed(2), failed] {
        for kind in [VsaKind::Conformant, VsaKind::Compatible] {
            let envelope = summary(&inputs, kind);
            let read = Vsa::read(&envelope, &consumer().public_key()).unwrap();
            assert_eq!(read.inputs(), &inputs);
            assert_eq!(
                read.kind() == kind,
                inputs.result != VsaResult::Failed || kind == VsaKind::Conformant
            );
        }
    }
}

#[test]
fn summaries_of_nothing_and_beyond_their_bounds_are_not_made() {
    let with = |change: fn(&mut VsaInputs)| {
        let mut inputs = passed(2);
        change(&mut inputs);
        inputs.payload(&key(), VsaKind::Conformant).unwrap_err().to_string()
    };
    assert!(
        with(|i| i.result = VsaResult::Passed { supporters: 0, operators: 3 })
            .contains("supporting operators 0")
    );
    assert!(
        with(|i| i.result = VsaResult::Passed { supporters: 4, operators: 3 })
            .contains("needed 1 to 3")
    );
    assert!(
        with(|i| i.result = VsaResult::Passed { supporters: 1, operators: 0 })
            .contains("operators 0")
    );
    // Two operators cannot have supported the file with one envelope.
    assert!(with(|i| i.attestations = [file('a')].into()).contains("needed 2 to 200"));
    assert!(with(|i| i.file_name.clear()).contains("file name 0"));
    assert!(with(|i| i.version.clear()).contains("version 0"));
    let digests = |count: u32| (0..count).map(|n| Digest::of(&n.to_be_bytes())).collect();
    let most = VsaInputs { attestations: digests(200), ..passed(2) };
    assert!(summary(&most, VsaKind::Conformant).as_bytes().len() <= ENVELOPE_MAX);
    let beyond = VsaInputs { attestations: digests(201), ..passed(2) };
    assert!(beyond.payload(&key(), VsaKind::Conformant).is_err());
}

#[test]
fn each_of_slsas_seven_checks_refuses() {
    let verifier = consumer().public_key();
    let (netbase, hostname) = (P.parse().unwrap(), Q.parse().unwrap());
    let expected =
        Expected { verifier: &verifier, sha256: file('F'), purl: &netbase, level: REPRODUCED };
    let envelope = summary(&passed(2), VsaKind::Conformant);
    Vsa::check(&envelope, &expected).unwrap();
    let refused = |envelope: &Envelope, expected: &Expected<'_>, why: &str| {
        let message = Vsa::check(envelope, expected).expect_err(why).to_string();
        assert!(message.contains(why), "{message}");
    };
    let stranger = key();
    refused(&envelope, &Expected { verifier: &stranger, ..expected }, "key id");
    refused(&envelope, &Expected { sha256: file('G'), ..expected }, "summary of sha256:");
    refused(&announced_by_consumer(), &expected, "predicate type");
    let borrowed = passed(2).payload(&stranger, VsaKind::Conformant).unwrap();
    refused(&Envelope::sign(borrowed, &consumer()).unwrap(), &expected, "found verifier");
    refused(&envelope, &Expected { purl: &hostname, ..expected }, "hostname");
    let failed = summary(&inputs(VsaResult::Failed), VsaKind::Conformant);
    refused(&failed, &expected, "FAILED");
    refused(&envelope, &Expected { level: BUILD_LEVEL_1, ..expected }, "levels");
    refused(&summary(&passed(1), VsaKind::Conformant), &expected, "levels");
    refused(&summary(&passed(2), VsaKind::Compatible), &expected, "levels");
}

fn announced_by_consumer() -> Envelope {
    let payload = announced(P).unverified_payload().to_vec();
    Envelope::sign(payload, &consumer()).unwrap()
}

#[test]
fn a_summary_that_does_not_follow_from_its_fields_is_refused() {
    let payload = passed(1).payload(&consumer().public_key(), VsaKind::Conformant).unwrap();
    let refused = |change: fn(&mut Value)| {
        let mut statement: Value = serde_json::from_slice(&payload).unwrap();
        change(&mut statement);
        let payload = canonical::to_bytes(&statement).unwrap();
        let envelope = Envelope::sign(payload, &consumer()).unwrap();
        Vsa::read(&envelope, &consumer().public_key()).unwrap_err();
    };
    // One operator, called reproduced all the same.
    refused(|s| s["predicate"]["verifiedLevels"] = json!([quorum_level(1, 3), REPRODUCED]));
    refused(|s| s["predicate"]["verifiedLevels"] = json!([quorum_level(4, 3)]));
    refused(|s| s["predicate"]["verifiedLevels"] = json!(["REATTEST_QUORUM_01_OF_3"]));
    refused(|s| s["predicate"]["verifiedLevels"] = json!(["FAILED"]));
    refused(|s| s["predicate"]["verifiedLevels"] = json!([]));
    refused(|s| s["predicate"]["verificationResult"] = json!("FAILED"));
    refused(|s| s["predicate"]["slsaVersion"] = json!("1.0"));
    refused(|s| s["predicate"]["policy"]["uri"] = json!("urn:reattest:policy:sha256:00"));
    refused(|s| s["predicate"]["inputAttestations"].as_array_mut().unwrap().reverse());
    refused(|s| s["predicate"]["inputAttestations"] = json!([]));
    refused(|s| s["predicate"]["dependencyLevels"] = json!({}));
    refused(|s| s["predicate"]["verifier"]["version"]["other"] = json!("1"));
    refused(|s| s["_type"] = json!("https://in-toto.io/Statement/v0.1"));
    refused(|s| s["subject"] = json!([]));
    refused(|s| {
        let first = s["subject"][0].clone();
        s["subject"].as_array_mut().unwrap().push(first);
    });
}
