//! What every reader refuses, each with a part of the message that says why.

use super::*;
use crate::vectors::operators::{full, retraction, revocation, rotation};

/// Each with a part of the message that refuses it, one a line.
#[rustfmt::skip]
pub(super) fn refused_envelopes() -> Refused {
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
        ("signature-as-a-list.json", (rewrapped(|e| {
            let one = &e["signatures"][0];
            e["signatures"] = json!([[one["keyid"], one["sig"]]]);
        }), "expected an object")),
        ("artifact-as-a-list.json", (changed('-', |s| external(s, &|e| {
            let one = &e["artifacts"][0];
            e["artifacts"] = json!([[one["again"], null, "differs", one["produced"], one["published"], one["purl"]]]);
        })), "expected an object")),
        ("digest-as-a-list.json", (changed('+', |s| s["subject"][0]["digest"] = json!([file('F')])), "expected an object")),
        ("null-for-a-field-left-out.json", (changed('+', |s| external(s, &|e| e["artifacts"][0]["again"] = Value::Null)), "null")),
        ("produced-left-out.json", (changed('!', |s| external(s, &|e| {
            e["artifacts"][0].as_object_mut().unwrap().remove("produced");
        })), "missing field `produced`")),
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
        ("sha1-only.json", (changed('+', |s| s["subject"][0]["digest"] = json!({"sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709"})), "sha256")),
        ("links-of-nothing.json", (changed('-', |s| {
            let link = json!({"digest": {"sha256": file('L')}, "name": "links"});
            s["predicate"]["runDetails"]["byproducts"].as_array_mut().unwrap().push(link);
        }), "counts as support")),
        ("unknown-kind-of-signer.json", (changed('+', |s| {
            s["predicate"]["buildDefinition"]["resolvedDependencies"][2]["annotations"]["signers"] = json!(["x509:abc"]);
        }), "openpgp:")),
        ("lock-authority-without-signers.json", (changed_full(|s| {
            s["predicate"]["buildDefinition"]["resolvedDependencies"][3]["annotations"]["signers"] = json!([]);
        }), "authority signers")),
        ("two-diffs.json", (changed_full(|s| {
            let byproducts = s["predicate"]["runDetails"]["byproducts"].as_array_mut().unwrap();
            byproducts.push(byproducts[1].clone());
        }), "\"diff\"")),
        ("retraction-without-reason.json", (signed(altered(&retraction().to_payload().unwrap(), |s| s["predicate"]["reason"] = json!(""))), "reason")),
        ("retraction-of-the-file.json", (signed(altered(&retraction().to_payload().unwrap(), |s| s["subject"][0]["digest"]["sha256"] = json!(file('F')))), "subjects")),
        ("failure-that-made-something.json", (changed('+', |s| s["predicateType"] = json!("urn:reattest:build-failure:v1")), "nothing was made")),
    ])
}

/// The same for documents that are no envelopes.
#[rustfmt::skip]
pub(super) fn refused_others() -> Refused {
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

/// The words that only an operator's key may say, each with a fault.
#[rustfmt::skip]
pub(super) fn refused_operators() -> Refused {
    let revocation = || revocation().to_payload().unwrap();
    let rotation = || rotation().to_payload().unwrap();
    let changed = |payload: Vec<u8>, change: &dyn Fn(&mut Value)| by_operator(altered(&payload, change));
    BTreeMap::from([
        ("revocation-by-the-online-key.json", (signed(revocation()), "key id")),
        ("revocation-of-another-log.json", (changed(revocation(), &|s| {
            let other = rebuilder('b', '1').public_key();
            s["predicate"]["lastGood"][0]["origin"] = json!(Origin::new(&network(), &other, 2026));
        }), "another key's log")),
        ("revocation-out-of-order.json", (changed(revocation(), &|s| {
            s["predicate"]["lastGood"].as_array_mut().unwrap().reverse();
        }), "out of order")),
        ("revocation-unknown-field-of-a-head.json", (changed(revocation(), &|s| s["predicate"]["lastGood"][0]["time"] = json!(1)), "unknown field")),
        ("rotation-by-the-online-key.json", (signed(rotation()), "key id")),
        ("rotation-to-itself.json", (changed(rotation(), &|s| {
            let old = s["predicate"]["revocation"]["rebuilder"].clone();
            s["predicate"]["certificate"]["rebuilder"] = old;
            s["subject"][0] = s["subject"][1].clone();
        }), "from a key to itself")),
        ("rotation-of-two-operators.json", (changed(rotation(), &|s| {
            s["predicate"]["revocation"]["operator"] = json!(operator('b').public_key());
        }), "two operators")),
        ("certificate-that-ends-before-it-begins.json", (by_operator(altered(&certificate_payload(), |s| {
            s["predicate"]["notAfter"] = json!("2026-01-01T00:00:00Z");
        })), "before it begins")),
    ])
}

fn changed_full(change: impl Fn(&mut Value)) -> Vec<u8> {
    signed(altered(&full().to_payload(&key()).unwrap(), change))
}

/// A payload with something changed in it before it is signed.
fn altered(payload: &[u8], change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut statement: Value = serde_json::from_slice(payload).unwrap();
    change(&mut statement);
    canonical::to_bytes(&statement).unwrap()
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
