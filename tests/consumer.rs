//! A consumer whose logs on disk hold what three operators say: whole, signed, and under heads.
#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a consumer that cannot be made is a broken test"
)]

use std::path::Path;

use reattest::store::Store;
use reattest::words::Words;
use reattest_attestation::export::{LinkDocument, Reproduced};
use reattest_attestation::log::{Checkpoint, Origin};
use reattest_attestation::statement::{Certificate, Retraction};
use reattest_attestation::{Digest, Envelope, PublicKey, Rebuild, SecretKey, Sign as _, Timestamp};
use reattest_tests::network::Member;

use crate::worlds::{ARCHIVE, network, outcome, rebuild, revoke};

/// Operators, each with one rebuilder.
const OPERATORS: u8 = 3;

/// A consumer with a configuration, a policy (2 of 3) and logs; no node of it runs.
pub(crate) struct Consumer {
    pub(crate) member: Member,
}

fn keys(number: u8) -> [SecretKey; 2] {
    [1, 2].map(|kind| SecretKey::from_seed(&[number * 16 + kind; 32]))
}

impl Consumer {
    pub(crate) fn new(parent: &Path) -> Self {
        let consumer = Self { member: Member::init(parent, "consumer") };
        consumer.member.configure(&[("roles", "[\"consume\"]".to_owned())]);
        consumer.policy("");
        consumer
    }

    /// Writes the policy, with these lines at its end.
    pub(crate) fn policy(&self, more: &str) {
        let mut text =
            "version = 1\nnetwork = \"test\"\nexpires = 2100-01-01T00:00:00Z\n".to_owned();
        for number in 0..OPERATORS {
            let [operator, _] = keys(number);
            let key = operator.public_key();
            text.push_str(&format!("[[operator]]\nname = \"o{number}\"\nkey = \"{key}\"\n"));
        }
        text.push_str(&format!(
            "[[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = [\"{ARCHIVE}\"]\n\
             [quorum]\nneed = 2\nof = [\"o0\", \"o1\", \"o2\"]\n{more}"
        ));
        std::fs::write(self.member.home.join("policy.toml"), text).unwrap();
    }

    /// All operators say that they reproduced this file of a package.
    pub(crate) fn reproduced(&self, purl: &str, sha256: Digest) {
        (0..OPERATORS).for_each(|number| self.say(number, purl, sha256, '+'));
    }

    /// One operator says that this file came out so (`+`, `-` and so on, as in worlds).
    pub(crate) fn say(&self, number: u8, purl: &str, sha256: Digest, how: char) {
        self.log(number, &rebuild(outcome(purl, sha256, how)));
    }

    /// One operator says that this file was reproduced, with links for other tools.
    pub(crate) fn say_with_links(&self, number: u8, purl: &str, sha256: Digest) {
        let [_, key] = keys(number);
        let said = rebuild(outcome(purl, sha256, '+'));
        let links = LinkDocument::sign(&Reproduced::of(&said), &said.sources, &key).unwrap();
        let store = Store::open(&self.member.home.join("data")).unwrap();
        store.put_document(links.as_bytes()).unwrap();
        drop(store);
        self.log(number, &Rebuild { links: Some(links.digest()), ..said });
    }

    /// The key of an operator's rebuilder.
    pub(crate) fn key(number: u8) -> PublicKey {
        let [_, key] = keys(number);
        key.public_key()
    }

    fn log(&self, number: u8, said: &Rebuild) {
        let [_, key] = keys(number);
        let payload = said.to_payload(&key.public_key()).unwrap();
        self.append(number, &Envelope::sign(payload, &key).unwrap());
    }

    /// One operator's rebuilder takes back what it said of a file.
    pub(crate) fn retract(&self, number: u8, purl: &str, published: Digest) {
        let [_, key] = keys(number);
        let retraction = Retraction {
            network: network(),
            purl: purl.parse().unwrap(),
            published,
            reason: "a wrong toolchain".to_owned(),
            retracted: Timestamp::from_unix(1_780_000_000),
        };
        let payload = retraction.to_payload().unwrap();
        self.append(number, &Envelope::sign(payload, &key).unwrap());
    }

    /// One operator revokes its rebuilder's key.
    pub(crate) fn revoke(&self, number: u8) {
        let [operator, key] = keys(number);
        let word = revoke(&operator, &key, Vec::new());
        let mut words = Words::open(&self.member.home.join("data")).unwrap();
        assert!(words.put(&word).unwrap());
    }

    fn append(&self, number: u8, entry: &Envelope) {
        let [operator, key] = keys(number);
        let certificate = Certificate {
            operator: operator.public_key(),
            rebuilder: key.public_key(),
            not_before: Timestamp::from_unix(0),
            not_after: "2100-01-01T00:00:00Z".parse().unwrap(),
        };
        let certificate = Envelope::sign(certificate.to_payload().unwrap(), &operator).unwrap();
        let origin = Origin::new(&network(), &key.public_key(), 2026);
        let mut store = Store::open(&self.member.home.join("data")).unwrap();
        let log = store.log_mut(&origin).unwrap();
        log.append(log.size(), &[entry.as_bytes()]).unwrap();
        let (size, root) = (log.size(), log.root(log.size()).unwrap());
        let head = Checkpoint { origin, size, root }.sign(&key).unwrap();
        log.publish(head, certificate.as_bytes()).unwrap();
    }
}
