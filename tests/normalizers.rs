//! What normalizers are for: a rebuild that is equivalent is accepted where the policy names its normalizer, and nowhere else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;

use reattest_attestation::statement::Normalizer;
use reattest_attestation::{ArtifactOutcome, Bundle, Digest, Envelope, Outcome, Sign as _};
use reattest_rebuilder::normalize;
use reattest_tests::{directory, document, run, said};
use serde_json::Value;

use crate::worlds::{DAY, NOW, P, at, carried, certify, operator, policy_text, rebuild, rebuilder};

/// The file's name in the archive, which says its form.
const NAME: &str = "netbase_6.5_all.deb";

/// Long after these tests are last run.
const LONG: i64 = 10_000 * DAY;

/// A package of two empty archives, made at `time` (Unix seconds, up to 12 digits).
pub(crate) fn package(time: &str) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    let empty = vec![0; 1024];
    for (name, content) in
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar", empty.clone()), ("data.tar", empty)]
    {
        let (ids, size) = ("0     0     ", content.len());
        writeln!(out, "{name:<16}{time:<12}{ids}{:<8}{size:<10}`", "100644").unwrap();
        out.extend(content);
    }
    out
}

/// Two operators say that what they made is equivalent to the published file, as `normalizers` tell.
fn said_equivalent(published: &[u8], produced: &[u8], normalizers: &[Normalizer]) -> Bundle {
    let normalized = normalize::equivalent(NAME, &published.to_vec(), &produced.to_vec());
    let artifact = ArtifactOutcome {
        purl: P.parse().unwrap(),
        published: Digest::of(published),
        produced: Some(Digest::of(produced)),
        again: None,
        normalized: Some(normalized.unwrap().unwrap().digest),
        outcome: Outcome::Equivalent,
    };
    let entry = |letter: char| {
        let key = rebuilder(letter, '1');
        let mut made = rebuild(artifact.clone());
        made.facts.normalizers = normalizers.to_vec();
        let payload = made.to_payload(&key.public_key()).unwrap();
        ((letter, '1'), Envelope::sign(payload, &key).unwrap())
    };
    let mut bundle = carried(['a', 'b'].map(entry));
    let certificate = |letter| certify(&operator(letter), &rebuilder(letter, '1'), -DAY * 60, LONG);
    bundle.certificates = ['a', 'b'].map(certificate).into();
    bundle
}

/// The policy of two of three, with this in the place of what it accepts.
fn policy(accept: &str) -> String {
    let text = policy_text("2/3");
    let expires = text.lines().find(|line| line.starts_with("expires")).unwrap().to_owned();
    text.replace(&expires, &format!("expires = {}", at(NOW + LONG))) + accept
}

fn verify(home: &Path, file: &[u8], accept: &str, bundle: &Bundle) -> (Option<i32>, Value, String) {
    let write = |name: &str, bytes: &[u8]| {
        let path = home.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (file, policy) = (write(NAME, file), write("policy.toml", policy(accept).as_bytes()));
    let bundle = write("bundle", &bundle.to_bytes().unwrap());
    let output =
        run(&["verify", &file, "--as", P, "--policy", &policy, "--bundle", &bundle, "--json"]);
    (output.status.code(), document(&output), said(&output))
}

const DEB: &str = "accept = \"equivalent\"\nnormalizers = [\"deb@1\"]\n";

#[test]
fn an_equivalent_rebuild_counts_where_the_policy_names_its_normalizer_and_nowhere_else() {
    let (published, produced) = (package("1700000000"), package("1800000000"));
    let ours: Vec<Normalizer> = normalize::chain(NAME).iter().map(Normalizer::from).collect();
    let other_code =
        [Normalizer { digest: Digest::of(b"other code"), ..ours.first().unwrap().clone() }];
    // Where a normalizer is not named, two of three can never support the file; where its code is
    // not at hand, they may once it is.
    let table: [(&str, &[Normalizer], &str, i32, &str); 6] = [
        ("by this normalizer", &ours, DEB, 0, "accepted"),
        ("by default", &ours, "", 3, "rejected"),
        ("bit for bit", &ours, "accept = \"bitwise\"\n", 3, "rejected"),
        ("by another normalizer", &ours, &DEB.replace("deb@1", "tar@1"), 3, "rejected"),
        ("by another version", &ours, &DEB.replace("deb@1", "deb@2"), 3, "rejected"),
        ("by other code of that name", &other_code, DEB, 4, "inconclusive"),
    ];
    for (claim, normalizers, accept, code, verdict) in table {
        let home = directory();
        let bundle = said_equivalent(&published, &produced, normalizers);
        let (exit, told, errors) = verify(home.path(), &published, accept, &bundle);
        assert_eq!(exit, Some(code), "{claim}: {told:#} {errors}");
        assert_eq!(told["verdict"], verdict, "{claim}");
        assert_eq!(told["votes"][0]["level"], "equivalent", "{claim}");
    }
}

#[test]
fn another_file_with_the_same_normalized_digest_is_not_the_published_one() {
    let home = directory();
    let (published, produced) = (package("1700000000"), package("1800000000"));
    let ours: Vec<Normalizer> = normalize::chain(NAME).iter().map(Normalizer::from).collect();
    let bundle = said_equivalent(&published, &produced, &ours);
    for other in [produced, package("1")] {
        let (exit, told, _) = verify(home.path(), &other, DEB, &bundle);
        assert_ne!(exit, Some(0), "{told:#}");
    }
}

#[test]
fn a_file_without_a_normalized_form_is_judged_bit_for_bit_and_says_why() {
    let home = directory();
    let (published, produced) = (package("1700000000"), package("1800000000"));
    let ours: Vec<Normalizer> = normalize::chain(NAME).iter().map(Normalizer::from).collect();
    let bundle = said_equivalent(&published, &produced, &ours);
    let hidden = [published, b"hidden".to_vec()].concat();
    let (exit, _, errors) = verify(home.path(), &hidden, DEB, &bundle);
    assert_ne!(exit, Some(0));
    assert!(errors.contains("has no normalized form"), "{errors}");
}
