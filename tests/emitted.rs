//! What a running network emitted, one of its three operators lying, handed to the tools that other people wrote.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::Output;

use reattest_attestation::export::rfc8410_pem;
use reattest_attestation::{Bundle, Digest, Envelope, OperatorWord};
use reattest_rebuilder::Lock;
use reattest_tests::{at_hand, directory, document, files_below, printed, run, said};
use serde_json::Value;

use crate::oracles::tlog::{go_proves, go_reads};
use crate::oracles::tools;

/// A demo that was kept, and the commands that ask about its file.
struct Kept {
    home: tempfile::TempDir,
    result: Value,
}

impl Kept {
    /// Three operators, one of whom signs false outcomes.
    fn with_a_liar() -> Self {
        let home = directory();
        let keep = home.path().join("k");
        let output = run(&["demo", "--json", "--liars", "1", "--keep", keep.to_str().unwrap()]);
        assert!(output.status.success(), "{}", said(&output));
        let result = document(&output);
        Self { home, result }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("k").join(name)
    }

    fn verdict(&self) -> &Value {
        &self.result["verdicts"][0]["verdict"]
    }

    fn file(&self) -> PathBuf {
        self.path("artifacts").join(self.verdict()["artifact"]["name"].as_str().unwrap())
    }

    /// `reattest export` from the bundle alone, into a directory of its own.
    fn export(&self, format: &str, into: &str, more: &[&str]) -> Output {
        let bundle = files_below(&self.path("bundles")).remove(0);
        let (file, policy, out) = (self.file(), self.path("policy.toml"), self.path(into));
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let mut words = vec!["export".to_owned(), "--format".to_owned(), format.to_owned()];
        words.extend([
            text(&file),
            "--as".to_owned(),
            self.result["purl"].as_str().unwrap().to_owned(),
        ]);
        words.extend(["--policy".to_owned(), text(&policy), "--bundle".to_owned(), text(&bundle)]);
        words.extend(["-o".to_owned(), text(&out)]);
        words.extend(more.iter().map(|word| (*word).to_owned()));
        run(&words)
    }

    /// The files that an export wrote, by the end of their names.
    fn exported(&self, format: &str, ends: &str) -> Vec<PathBuf> {
        let into = self.path(format);
        if !into.exists() {
            let output = self.export(format, format, &[]);
            assert!(output.status.success(), "{format}: {}", said(&output));
        }
        files_below(&into).into_iter().filter(|path| named(path).ends_with(ends)).collect()
    }

    /// RFC 8410 keys of all certified rebuilders.
    fn keys(&self) -> Vec<PathBuf> {
        let bytes = std::fs::read(files_below(&self.path("bundles")).remove(0)).unwrap();
        let words = Bundle::parse(&bytes).unwrap().certificates;
        let keys = words.iter().map(|envelope| {
            let certified = OperatorWord::verify(envelope).unwrap().certified().unwrap();
            let key = certified.certificate().rebuilder;
            let path = self.path(&format!("{}.pem", key.digest()));
            std::fs::write(&path, rfc8410_pem(&key)).unwrap();
            path
        });
        keys.collect()
    }
}

fn named(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn other_peoples_tools_take_what_a_network_with_a_liar_emitted() {
    if !at_hand("what a network emitted") {
        return;
    }
    let kept = Kept::with_a_liar();
    assert_eq!(kept.verdict()["verdict"], "accepted");
    every_input_stands_in_the_bundle(&kept);
    envelopes(&kept);
    links(&kept);
    logs(&kept);
    summaries(&kept);
    nothing_is_overwritten(&kept);
}

/// A real envelope is small, and what it leaves out is in the bundle: the digest of every source
/// and of every package of the environment.
fn every_input_stands_in_the_bundle(kept: &Kept) {
    let bytes = std::fs::read(files_below(&kept.path("bundles")).remove(0)).unwrap();
    let bundle = Bundle::parse(&bytes).unwrap();
    assert_eq!((bundle.envelopes.len(), bundle.recipes.len(), bundle.locks.len()), (3, 1, 1));
    let lock = Lock::parse(&bundle.locks[0]).unwrap();
    assert!(lock.packages.len() > 100, "{} packages", lock.packages.len());
    let recipe = String::from_utf8(bundle.recipes[0].clone()).unwrap();
    assert!(recipe.contains(&Digest::of(&bundle.locks[0]).to_string()), "it names the lock");
    for envelope in &bundle.envelopes {
        assert!(envelope.as_bytes().len() < 4_096, "{} bytes", envelope.as_bytes().len());
        let statement: Value = serde_json::from_slice(envelope.unverified_payload()).unwrap();
        let inputs = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
        let digest = |input: &Value| input["digest"]["sha256"].as_str().unwrap().to_owned();
        assert_eq!(digest(&inputs[0]), Digest::of(&bundle.recipes[0]).to_string());
        assert_eq!(digest(&inputs[1]), Digest::of(&bundle.locks[0]).to_string());
        let sources = inputs.as_array().unwrap().iter().filter(|input| input["name"] == "source");
        let sources: Vec<String> = sources.map(digest).collect();
        assert_eq!(sources.len(), 2);
        assert!(sources.iter().all(|source| recipe.contains(source)), "{sources:?}");
    }
}

/// The liar's statement is exported too, and no naive count of digests takes it for support.
fn envelopes(kept: &Kept) {
    let sha256 = kept.verdict()["artifact"]["sha256"].as_str().unwrap();
    let all = kept.exported("intoto-jsonl", ".intoto.jsonl").remove(0);
    assert_eq!(std::fs::read_to_string(&all).unwrap().lines().count(), 3);
    let keys = kept.keys();
    if let Some(answer) = tools::dsse(2, sha256, &all, &keys) {
        answer.accepted();
        tools::dsse(3, sha256, &all, &keys).unwrap().refused("2");
        tools::dsse(3, "any", &all, &keys).unwrap().accepted();
    }
    for bundle in kept.exported("sigstore", ".sigstore.json") {
        let text = std::fs::read_to_string(&bundle).unwrap();
        let hint = serde_json::from_str::<Value>(&text).unwrap();
        assert!(hint["verificationMaterial"]["publicKey"]["hint"].is_string());
        let signs = |key: &&PathBuf| {
            tools::sigstore(key, std::slice::from_ref(&bundle)) == Some(tools::Answer::Accepted)
        };
        let signers = keys.iter().filter(signs).count();
        assert!(signers == 1 || tools::sigstore(&keys[0], &[]).is_none(), "{}", named(&bundle));
    }
}

fn links(kept: &Kept) {
    let (file, forged) = (kept.file(), kept.path("other"));
    std::fs::write(&forged, "another file").unwrap();
    let (links, keys) = (kept.exported("rebuilderd", ".link"), kept.exported("rebuilderd", ".pem"));
    assert_eq!((links.len(), keys.len()), (2, 2), "the liar reproduced nothing");
    if let Some(answer) = tools::repro_threshold(2, &links, &file, &keys) {
        answer.accepted();
        tools::repro_threshold(3, &links, &file, &keys).unwrap().refused("only 2/3");
        tools::repro_threshold(1, &links, &forged, &keys).unwrap().refused("only 0/1");
    }
    let keys = kept.exported("in-toto-link", ".pem");
    let directory = kept.path("in-toto-link");
    if let Some(answer) = tools::in_toto(2, &directory, &file, &keys) {
        answer.accepted();
        let refused = tools::in_toto(2, &directory, &forged, &keys).unwrap();
        assert_ne!(refused, tools::Answer::Accepted);
    }
}

/// The directories of a node are the log as any web server may serve it.
fn logs(kept: &Kept) {
    let mut proofs = 0;
    for proof in kept.exported("tlog-proof", ".tlog-proof") {
        let stem = named(&proof).strip_suffix(".tlog-proof").unwrap().to_owned();
        let vkey = std::fs::read_to_string(proof.with_file_name(format!("{stem}.vkey"))).unwrap();
        let dsse = kept.exported("dsse", ".dsse.json");
        let entry = dsse.iter().find(|path| named(path).starts_with(&stem)).unwrap();
        let (proof, mut entry) = (std::fs::read(&proof).unwrap(), std::fs::read(entry).unwrap());
        let Some(proven) = go_proves(vkey.trim(), &proof, &entry) else { return };
        assert!(proven);
        entry[10] ^= 1;
        assert_eq!(go_proves(vkey.trim(), &proof, &entry), Some(false));
        let origin = vkey.split('+').next().unwrap();
        let log = kept.path("birch").join("logs").join(origin);
        assert_eq!(go_reads(vkey.trim(), &log), Some(true), "{}", log.display());
        proofs += 1;
    }
    assert_eq!(proofs, 3);
}

/// Derived twice at one time: the same bytes; the signature holds for openssl's reading of the key.
fn summaries(kept: &Kept) {
    let key = kept.path("consumer.key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    if !made.is_ok_and(|status| status.success()) {
        tools::missing("verification summaries", "ssh-keygen is not installed");
        return;
    }
    let at = "2099-01-01T00:00:00Z";
    let more = ["--key", key.to_str().unwrap(), "--at", at];
    // By then the policy has expired, so nothing is accepted, and no summary is made.
    let late = kept.export("vsa", "late", &more);
    assert_eq!(late.status.code(), Some(4), "{}", printed(&late));
    assert!(said(&late).contains("policy-expiry") && !kept.path("late").exists());
    let now = kept.verdict()["votes"][0]["attested_at"].as_str().unwrap();
    let more = ["--key", key.to_str().unwrap(), "--at", now];
    for into in ["one", "two"] {
        let output = kept.export("vsa", into, &more);
        assert!(output.status.success(), "{}", said(&output));
    }
    let (one, two) = (files_below(&kept.path("one")), files_below(&kept.path("two")));
    assert_eq!(one.len(), 3);
    for (one, two) in one.iter().zip(&two) {
        assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap(), "{}", named(one));
    }
    let summary = one.iter().find(|path| named(path).ends_with("deb.vsa.json")).unwrap();
    let envelope = Envelope::parse(&std::fs::read(summary).unwrap()).unwrap();
    let text = String::from_utf8(envelope.unverified_payload().to_vec()).unwrap();
    assert!(text.contains("\"SLSA_BUILD_REPRODUCED\"") && text.contains("QUORUM_2_OF_3"), "{text}");
    let pem = one.iter().find(|path| path.extension().is_some_and(|end| end == "pem")).unwrap();
    let sha256 = kept.verdict()["artifact"]["sha256"].as_str().unwrap();
    if let Some(answer) = tools::dsse(1, sha256, summary, std::slice::from_ref(pem)) {
        answer.accepted();
    }
}

fn nothing_is_overwritten(kept: &Kept) {
    let again = kept.export("dsse", "dsse", &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("not overwritten"), "{}", said(&again));
}
