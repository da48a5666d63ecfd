//! A second, naive reader of bundles, which shares no code with the real one: who really signed support of a file?

use std::collections::BTreeSet;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signature, VerifyingKey};
use reattest_attestation::{Digest, Sign as _};
use serde_json::Value;

use super::super::beside::worlds::operator;

/// The operators a to c for which a line certifies a key, a line is a head that this key signed,
/// and a line is a statement of this key that it produced `file`, published as `purl`.
pub(super) fn supporters(bytes: &[u8], file: Digest, purl: &str) -> BTreeSet<char> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines: Vec<Value> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let supports = |letter: &char| {
        let keys = lines.iter().flat_map(|line| owned(line, *letter));
        keys.into_iter().any(|key| {
            lines.iter().any(|line| heads(line, &key) || vouches(line, *letter, &key))
                && lines.iter().any(|line| says(line, &key, &file.to_string(), purl))
        })
    };
    ('a'..='c').filter(supports).collect()
}

/// The payload of an envelope that this key signed.
fn signed(envelope: &Value, key: &[u8; 32]) -> Option<Value> {
    let payload = BASE64_STANDARD.decode(envelope["payload"].as_str()?).ok()?;
    let signature = envelope["signatures"][0]["sig"].as_str()?;
    let kind = envelope["payloadType"].as_str()?;
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(&payload);
    holds(key, &message, &BASE64_STANDARD.decode(signature).ok()?)?;
    serde_json::from_slice(&payload).ok()
}

fn holds(key: &[u8; 32], message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = Signature::from_bytes(signature.try_into().ok()?);
    VerifyingKey::from_bytes(key).ok()?.verify_strict(message, &signature).ok()
}

/// The raw key of an OpenSSH line: its last 32 bytes.
fn raw(key: &Value) -> Option<[u8; 32]> {
    let wire = BASE64_STANDARD.decode(key.as_str()?.strip_prefix("ssh-ed25519 ")?).ok()?;
    wire.last_chunk().copied()
}

/// What the operator of this letter says in this line about keys: the parts of a certificate, a
/// revocation, or both.
fn words(line: &Value, letter: char) -> Vec<Value> {
    let boss = operator(letter).public_key().to_bytes();
    let Some(statement) = signed(&line["envelope"], &boss) else {
        return Vec::new();
    };
    let said = &statement["predicate"];
    let parts = match statement["predicateType"].as_str() {
        Some("urn:reattest:certificate:v1" | "urn:reattest:revocation:v1") => vec![said],
        Some("urn:reattest:rotation:v1") => vec![&said["certificate"], &said["revocation"]],
        _ => Vec::new(),
    };
    parts.into_iter().filter(|part| raw(&part["operator"]) == Some(boss)).cloned().collect()
}

/// The keys that this line calls the operator's own.
fn owned(line: &Value, letter: char) -> Vec<[u8; 32]> {
    words(line, letter).iter().filter_map(|word| raw(&word["rebuilder"])).collect()
}

/// Whether this line is the operator's word on a last good head of this key.
fn vouches(line: &Value, letter: char, key: &[u8; 32]) -> bool {
    let heads = |word: &Value| word["lastGood"].as_array().is_some_and(|heads| !heads.is_empty());
    words(line, letter).iter().any(|word| raw(&word["rebuilder"]) == Some(*key) && heads(word))
}

/// Whether this line is a head of this key's own log, signed by it.
fn heads(line: &Value, key: &[u8; 32]) -> bool {
    let head = || {
        let (text, signatures) = line["note"].as_str()?.split_once("\n\n")?;
        let log = Digest::of(key).to_string();
        let mut origin = text.lines().next()?.split('/');
        origin.next().filter(|name| *name == "reattest")?;
        (origin.nth(1)? == log).then_some(())?;
        signatures.lines().find_map(|line| {
            let blob = BASE64_STANDARD.decode(line.rsplit(' ').next()?).ok()?;
            holds(key, format!("{text}\n").as_bytes(), blob.get(4..)?)
        })
    };
    head().is_some()
}

/// Whether this line is a statement of this key that it reproduced the file.
fn says(line: &Value, key: &[u8; 32], file: &str, purl: &str) -> bool {
    let Some(statement) = signed(line, key) else {
        return false;
    };
    let parameters = &statement["predicate"]["buildDefinition"]["externalParameters"];
    let own = statement["predicateType"] == "https://slsa.dev/provenance/v1"
        && parameters["network"] == "test";
    let supports = |artifact: &Value| {
        artifact["purl"] == purl
            && artifact["published"] == file
            && artifact["produced"] == file
            && artifact.get("again").is_none_or(|again| again.is_null() || again == file)
    };
    own && parameters["artifacts"].as_array().is_some_and(|all| all.iter().any(supports))
}
