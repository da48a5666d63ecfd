//! Envelopes, Sigstore bundles and summaries, checked by securesystemslib, in-toto-attestation, Sigstore and openssl.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reattest_attestation::export::{intoto_jsonl, rfc8410_pem, sigstore_bundle};
use reattest_attestation::{Envelope, Sign};
use serde_json::Value;
use tempfile::TempDir;

use super::{pae, tools, vector};
use crate::worlds::{file, operator, rebuilder, world};

/// Damage to a bundle.
type Change = fn(&mut Value);

/// Statements of three operators, as the file that `reattest export` writes, and their keys.
struct Emitted {
    home: TempDir,
    envelopes: PathBuf,
    keys: Vec<PathBuf>,
}

fn emitted(line: &str) -> Emitted {
    let home = reattest_tests::directory();
    let envelopes = home.path().join("netbase.intoto.jsonl");
    std::fs::write(&envelopes, intoto_jsonl(&world(line).envelopes)).unwrap();
    let keys = ['a', 'b', 'c'].map(|letter| {
        let key = home.path().join(format!("{letter}.pem"));
        std::fs::write(&key, rfc8410_pem(&rebuilder(letter, '1').public_key())).unwrap();
        key
    });
    Emitted { home, envelopes, keys: keys.to_vec() }
}

#[test]
fn securesystemslib_counts_the_keys_that_reproduced_the_file_and_no_others() {
    let Emitted { home: _home, envelopes, keys } = emitted("a1+F b1+F c1-F");
    let count = |need, letter| tools::dsse(need, &file(letter).to_string(), &envelopes, &keys);
    let Some(two) = count(2, 'F') else { return };
    two.accepted();
    count(3, 'F').unwrap().refused("2 of 3 keys");
    // What c made instead is all that c's statement supports.
    count(1, 'X').unwrap().accepted();
    count(2, 'X').unwrap().refused("1 of 3 keys");
    let fewer = tools::dsse(2, &file('F').to_string(), &envelopes, &keys[1..]).unwrap();
    fewer.refused("1 of 2 keys");
}

#[test]
fn securesystemslib_takes_no_dissent_for_support() {
    for dissent in ["c1-F", "c1~F", "c1=F", "c1!F"] {
        let Emitted { home: _home, envelopes, keys } = emitted(&format!("a1+F b1+F {dissent}"));
        let count = |need| tools::dsse(need, &file('F').to_string(), &envelopes, &keys);
        let Some(two) = count(2) else { return };
        two.accepted();
        count(3).unwrap().refused("2 of 3 keys");
    }
}

#[test]
fn securesystemslib_and_in_totos_schema_accept_every_kind_and_refuse_a_changed_payload() {
    let Emitted { home, keys, .. } = emitted("a1+F");
    let verifier = home.path().join("verifier.pem");
    std::fs::write(&verifier, rfc8410_pem(&operator('e').public_key())).unwrap();
    for (name, key) in [
        ("accepted/rebuild-reproduced.json", &keys[0]),
        ("accepted/rebuild-equivalent.json", &keys[0]),
        ("accepted/rebuild-differs.json", &keys[0]),
        ("accepted/rebuild-unstable.json", &keys[0]),
        ("accepted/build-failure.json", &keys[0]),
        ("accepted/announcement.json", &keys[0]),
        ("exports/vsa-conformant.json", &verifier),
        ("exports/vsa-compatible.json", &verifier),
        ("exports/vsa-failed.json", &verifier),
    ] {
        let path = vector("..").join(name);
        let Some(answer) = tools::dsse(1, "any", &path, std::slice::from_ref(key)) else { return };
        answer.accepted();
        let mut envelope: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let payload = envelope["payload"].as_str().unwrap().replacen('c', "d", 1);
        envelope["payload"] = payload.into();
        let changed = home.path().join("changed.json");
        std::fs::write(&changed, envelope.to_string()).unwrap();
        let answer = tools::dsse(1, "any", &changed, std::slice::from_ref(key)).unwrap();
        answer.refused("VerificationError");
    }
}

#[test]
fn sigstores_libraries_accept_every_bundle_and_refuse_changed_ones() {
    let Emitted { home, keys, .. } = emitted("a1+F");
    let envelope = world("a1+F").envelopes[0].clone();
    let good: Value = serde_json::from_slice(&sigstore_bundle(&envelope).unwrap()).unwrap();
    let write = |name: &str, change: Change| {
        let mut bundle = good.clone();
        change(&mut bundle);
        let path = home.path().join(name);
        std::fs::write(&path, bundle.to_string()).unwrap();
        path
    };
    let bundle = write("good.sigstore.json", |_| {});
    let announced = vector("../exports/announcement.sigstore.json");
    let Some(answer) = tools::sigstore(&keys[0], &[bundle.clone(), announced]) else { return };
    answer.accepted();
    tools::sigstore(&keys[1], &[bundle]).unwrap().refused("key not found");
    let refused: [(&str, Change); 4] = [
        ("SIGNATURE_ERROR", |b| {
            let payload = b["dsseEnvelope"]["payload"].as_str().unwrap().replacen('c', "d", 1);
            b["dsseEnvelope"]["payload"] = payload.into();
        }),
        ("SIGNATURE_ERROR", |b| b["dsseEnvelope"]["payloadType"] = "text/plain".into()),
        ("key not found", |b| b["verificationMaterial"]["publicKey"]["hint"] = "SHA256:".into()),
        ("invalid bundle", |b| {
            let first = b["dsseEnvelope"]["signatures"][0].clone();
            b["dsseEnvelope"]["signatures"].as_array_mut().unwrap().push(first);
        }),
    ];
    for (why, change) in refused {
        let changed = write("changed.sigstore.json", change);
        tools::sigstore(&keys[0], &[changed]).unwrap().refused(why);
    }
}

#[test]
fn openssl_accepts_every_summary_and_refuses_a_changed_one() {
    let home = reattest_tests::directory();
    let key = home.path().join("verifier.pem");
    std::fs::write(&key, rfc8410_pem(&operator('e').public_key())).unwrap();
    for name in ["vsa-conformant", "vsa-compatible", "vsa-failed"] {
        let bytes = std::fs::read(vector(&format!("../exports/{name}.json"))).unwrap();
        Envelope::parse(&bytes).unwrap();
        let envelope: Value = serde_json::from_slice(&bytes).unwrap();
        let signature = envelope["signatures"][0]["sig"].as_str().unwrap();
        let signature = STANDARD.decode(signature).unwrap();
        let mut signed = pae(&envelope);
        let Some(answer) = tools::openssl(&key, &signed, &signature) else { return };
        answer.accepted();
        signed[40] ^= 1;
        tools::openssl(&key, &signed, &signature).unwrap().refused("Verif");
    }
}
