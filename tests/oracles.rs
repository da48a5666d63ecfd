//! What we sign, checked by programs that other people wrote.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

pub(crate) mod tools;
mod attestations;
mod links;
pub(crate) mod tlog;

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reattest_attestation::export::rfc8410_pem;
use reattest_tests::directory;
use serde_json::Value;

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/accepted").join(name)
}

/// The signed bytes, composed here from the DSSE specification and not by our own code.
fn pae(envelope: &Value) -> Vec<u8> {
    let kind = envelope["payloadType"].as_str().unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), &payload].concat()
}

#[test]
fn openssl_accepts_every_attestation_and_refuses_a_changed_one() {
    let home = directory();
    let key = home.path().join("key.pem");
    let line = std::fs::read_to_string(vector("key.pub")).unwrap();
    std::fs::write(&key, rfc8410_pem(&line.parse().unwrap())).unwrap();
    let names = [
        "rebuild-reproduced",
        "rebuild-differs",
        "rebuild-unstable",
        "build-failure",
        "announcement",
    ];
    for name in names {
        let bytes = std::fs::read(vector(&format!("{name}.json"))).unwrap();
        let envelope: Value = serde_json::from_slice(&bytes).unwrap();
        let signature =
            STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
        let mut signed = pae(&envelope);
        let Some(answer) = tools::openssl(&key, &signed, &signature) else { return };
        answer.accepted();
        let last = signed.len() - 1;
        signed[last] ^= 1;
        tools::openssl(&key, &signed, &signature).unwrap().refused("Verif");
    }
}

#[test]
fn ssh_keygen_prints_the_fingerprint_that_we_sign_as_key_id() {
    let output = Command::new("ssh-keygen").args(["-l", "-f"]).arg(vector("key.pub")).output();
    let Ok(output) = output else {
        tools::missing("fingerprints checked by ssh-keygen", "it is not installed");
        return;
    };
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let bytes = std::fs::read(vector("rebuild-reproduced.json")).unwrap();
    let envelope: Value = serde_json::from_slice(&bytes).unwrap();
    let keyid = envelope["signatures"][0]["keyid"].as_str().unwrap();
    assert!(printed.contains(keyid), "{printed} has {keyid}");
}
