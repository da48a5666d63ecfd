//! Links of several rebuilders, counted by in-toto-verify and repro-threshold, and their signatures by openssl.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reattest_attestation::export::{LinkDocument, Reproduced, rebuilderd_pem, rfc8410_pem};
use reattest_attestation::{Digest, Sign};
use serde_json::Value;
use tempfile::TempDir;

use super::{pae, tools};
use crate::worlds::{P, file, outcome, rebuild, rebuilder};

const NETBASE: &str = "netbase_6.5_all.deb";

/// What one network emitted about netbase: links in two directories, keys in two forms, and the
/// published file, whose content is the letter F.
struct Emitted {
    home: TempDir,
}

impl Emitted {
    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.home.path().join(name)
    }

    fn published(&self) -> PathBuf {
        self.path(NETBASE)
    }

    fn keys(&self, letters: &str, end: &str) -> Vec<PathBuf> {
        letters.chars().map(|letter| self.path(format!("{letter}.{end}"))).collect()
    }

    /// The link files of a directory.
    fn links(&self, directory: &str) -> Vec<PathBuf> {
        reattest_tests::files_below(&self.path(directory))
    }
}

/// Each of the words is a rebuilder and the letter of the file that it reproduced as netbase.
fn emitted(words: &str) -> Emitted {
    let emitted = Emitted { home: reattest_tests::directory() };
    std::fs::write(emitted.published(), "F").unwrap();
    for directory in ["in-toto", "rebuilderd"] {
        std::fs::create_dir(emitted.path(directory)).unwrap();
    }
    for letter in ['a', 'b', 'c'] {
        let key = rebuilder(letter, '1').public_key();
        std::fs::write(emitted.path(format!("{letter}.pem")), rfc8410_pem(&key)).unwrap();
        std::fs::write(emitted.path(format!("{letter}.null.pem")), rebuilderd_pem(&key)).unwrap();
    }
    for word in words.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        let (key, made) = (rebuilder(letters[0], '1'), file(letters[1]));
        let rebuild = rebuild(outcome(P, made, '+'));
        let document =
            LinkDocument::sign(&Reproduced::of(&rebuild), &rebuild.sources, &key).unwrap();
        let verified = document.verify(&key.public_key(), &rebuild).unwrap();
        let files = verified.of(NETBASE, made).unwrap();
        for (directory, link) in [("in-toto", files.in_toto()), ("rebuilderd", files.rebuilderd())]
        {
            std::fs::write(emitted.path(directory).join(&link.name), &link.bytes).unwrap();
        }
    }
    emitted
}

/// Changes one digit of the product's digest in a link that was signed.
fn tamper(link: &Path) {
    let bytes = std::fs::read(link).unwrap();
    let mut document: Value = serde_json::from_slice(&bytes).unwrap();
    let (from, to) = (file('F').to_string(), Digest::of(b"forged").to_string());
    if let Some(payload) = document["payload"].as_str() {
        let text = String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap();
        document["payload"] = STANDARD.encode(text.replace(&from, &to)).into();
    } else {
        let text = document["signed"].to_string().replace(&from, &to);
        document["signed"] = serde_json::from_str(&text).unwrap();
    }
    let changed = document.to_string().into_bytes();
    assert_ne!(changed, bytes);
    std::fs::write(link, changed).unwrap();
}

#[test]
fn in_toto_verify_accepts_agreeing_links_and_refuses_too_few_or_another_file() {
    let emitted = emitted("aF bF");
    let keys = emitted.keys("abc", "pem");
    let (links, published) = (emitted.path("in-toto"), emitted.published());
    let verify = |need| tools::in_toto(need, &links, &published, &keys);
    let Some(two) = verify(2) else { return };
    two.accepted();
    verify(3).unwrap().refused("LinkNotFoundError");
    let strangers = emitted.keys("ac", "pem");
    tools::in_toto(2, &links, &published, &strangers).unwrap().refused("LinkNotFoundError");
    std::fs::write(&published, "G").unwrap();
    verify(2).unwrap().refused("RuleVerificationError");
}

#[test]
fn in_toto_verify_refuses_a_forged_link_and_an_operator_who_made_another_file() {
    let forged = emitted("aF bF");
    tamper(&forged.links("in-toto")[0]);
    let verify = |emitted: &Emitted| {
        let keys = emitted.keys("abc", "pem");
        tools::in_toto(2, &emitted.path("in-toto"), &emitted.published(), &keys)
    };
    let Some(answer) = verify(&forged) else { return };
    answer.refused("ThresholdVerificationError");
    verify(&emitted("aF bF cF")).unwrap().accepted();
    verify(&emitted("aF bF cG")).unwrap().refused("ThresholdVerificationError");
    verify(&emitted("aG bG")).unwrap().refused("RuleVerificationError");
}

#[test]
fn repro_threshold_accepts_agreeing_links_and_refuses_too_few_or_another_file() {
    let emitted = emitted("aF bF cG");
    let (keys, links) = (emitted.keys("abc", "null.pem"), emitted.links("rebuilderd"));
    let published = emitted.published();
    let verify = |need| tools::repro_threshold(need, &links, &published, &keys);
    let Some(two) = verify(2) else { return };
    two.accepted();
    verify(3).unwrap().refused("only 2/3 required");
    let one = [keys[0].clone()];
    tools::repro_threshold(2, &links, &published, &one).unwrap().refused("only 1/2 required");
    let repeated = [links.clone(), links.clone()].concat();
    tools::repro_threshold(3, &repeated, &published, &keys).unwrap().refused("only 2/3 required");
    std::fs::write(&published, "H").unwrap();
    tools::repro_threshold(1, &links, &published, &keys).unwrap().refused("only 0/1 required");
}

#[test]
fn repro_threshold_refuses_a_forged_link() {
    let emitted = emitted("aF bF");
    let keys = emitted.keys("abc", "null.pem");
    let verify = || {
        let links = emitted.links("rebuilderd");
        tools::repro_threshold(2, &links, &emitted.published(), &keys)
    };
    let Some(answer) = verify() else { return };
    answer.accepted();
    tamper(&emitted.links("rebuilderd")[0]);
    verify().unwrap().refused("only 1/2 required");
}

#[test]
fn each_tool_reads_the_key_in_its_own_form_only() {
    let emitted = emitted("aF");
    let (rfc, null) = (emitted.keys("a", "pem"), emitted.keys("a", "null.pem"));
    let signature = rebuilder('a', '1').sign(b"signed").unwrap();
    if let Some(answer) = tools::openssl(&rfc[0], b"signed", &signature) {
        answer.accepted();
        tools::openssl(&null[0], b"signed", &signature).unwrap().refused("key");
    }
    let links = emitted.links("rebuilderd");
    let published = emitted.published();
    if let Some(answer) = tools::repro_threshold(1, &links, &published, &null) {
        answer.accepted();
        tools::repro_threshold(1, &links, &published, &rfc).unwrap().refused("only 0/1 required");
    }
}

#[test]
fn openssl_accepts_both_signatures_of_a_link_and_refuses_changed_ones() {
    let emitted = emitted("aF");
    let key = emitted.path("a.pem");
    let read = |directory: &str| -> Value {
        serde_json::from_slice(&std::fs::read(&emitted.links(directory)[0]).unwrap()).unwrap()
    };
    let (dsse, metablock) = (read("in-toto"), read("rebuilderd"));
    let base64 = dsse["signatures"][0]["sig"].as_str().unwrap();
    let hex = metablock["signatures"][0]["sig"].as_str().unwrap();
    let digits = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
    // serde_json orders keys and adds no white space: canonical, for texts as plain as these.
    for (signed, signature) in [
        (pae(&dsse), STANDARD.decode(base64).unwrap()),
        (metablock["signed"].to_string().into_bytes(), (0..128).step_by(2).map(digits).collect()),
    ] {
        let Some(answer) = tools::openssl(&key, &signed, &signature) else { return };
        answer.accepted();
        let mut changed = signed.clone();
        changed[20] ^= 1;
        tools::openssl(&key, &changed, &signature).unwrap().refused("Verif");
    }
}
