//! What every reader accepts, made from fixed seeds.

use super::*;
use crate::vectors::operators::{cosigned, full, proof_file, retraction, revocation, rotation};

pub(super) fn accepted() -> Vectors {
    let ssh = rebuilder('a', '1').to_openssh("a test's key, from a fixed seed").unwrap();
    BTreeMap::from([
        ("rebuild-reproduced.json", signed(payload('+'))),
        ("rebuild-differs.json", signed(payload('-'))),
        ("rebuild-unstable.json", signed(payload('~'))),
        ("rebuild-equivalent.json", signed(payload('='))),
        ("build-failure.json", signed(payload('!'))),
        ("announcement.json", announcement()),
        ("rebuild-with-everything.json", signed(full().to_payload(&key()).unwrap())),
        ("retraction.json", signed(retraction().to_payload().unwrap())),
        ("certificate.json", certificate()),
        ("revocation.json", by_operator(revocation().to_payload().unwrap())),
        ("rotation.json", by_operator(rotation().to_payload().unwrap())),
        ("unknown-predicate.json", changed('+', |s| s["predicateType"] = json!("urn:other:v1"))),
        (
            "unknown-internal-parameter.json",
            changed('+', |s| {
                s["predicate"]["buildDefinition"]["internalParameters"]["novel"] = json!([1]);
            }),
        ),
        ("checkpoint.txt", head(5).as_bytes().to_vec()),
        ("checkpoint-empty.txt", head(0).as_bytes().to_vec()),
        ("checkpoint-cosigned.txt", cosigned().as_bytes().to_vec()),
        ("netbase.tlog-proof", proof_file().into_bytes()),
        ("netbase.reattest.jsonl", bundle().to_bytes().unwrap()),
        ("policy.toml", policy_text().into_bytes()),
        ("policy-with-everything.toml", operators::full_policy().into_bytes()),
        ("verdict.json", verdict()),
        ("key.pub", format!("{}\n", key()).into_bytes()),
        ("key", ssh.into_bytes()),
    ])
}
