//! What we sign, checked by programs that other people wrote.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod tlog;

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reattest_tests::{directory, skip};
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

/// The public key as RFC 8410 has it, from the last 32 bytes of the OpenSSH line.
fn public_key_pem() -> String {
    let line = std::fs::read_to_string(vector("key.pub")).unwrap();
    let blob = STANDARD.decode(line.split_whitespace().nth(1).unwrap()).unwrap();
    let raw = &blob[blob.len() - 32..];
    let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let body = STANDARD.encode([&head, raw].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn openssl_accepts_every_attestation_and_refuses_a_changed_one() {
    if !Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success())
    {
        skip("signatures checked by openssl", "it is not installed");
        return;
    }
    let home = directory();
    let file = |name: &str| home.path().join(name);
    std::fs::write(file("key.pem"), public_key_pem()).unwrap();
    let accepts = |signed: &[u8], signature: &[u8]| {
        std::fs::write(file("pae"), signed).unwrap();
        std::fs::write(file("sig"), signature).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(file("key.pem"));
        openssl.arg("-in").arg(file("pae")).arg("-sigfile").arg(file("sig"));
        openssl.output().unwrap().status.success()
    };
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
        assert!(accepts(&signed, &signature), "{name}");
        let last = signed.len() - 1;
        signed[last] ^= 1;
        assert!(!accepts(&signed, &signature), "{name}, changed");
    }
}

#[test]
fn ssh_keygen_prints_the_fingerprint_that_we_sign_as_key_id() {
    let output = Command::new("ssh-keygen").args(["-l", "-f"]).arg(vector("key.pub")).output();
    let Ok(output) = output else {
        skip("fingerprints checked by ssh-keygen", "it is not installed");
        return;
    };
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let bytes = std::fs::read(vector("rebuild-reproduced.json")).unwrap();
    let envelope: Value = serde_json::from_slice(&bytes).unwrap();
    let keyid = envelope["signatures"][0]["keyid"].as_str().unwrap();
    assert!(printed.contains(keyid), "{printed} has {keyid}");
}
