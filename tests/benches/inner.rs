//! The inner functions of verification, one by one: `cargo bench -p reattest-tests --bench inner`.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench stops at the first surprise; the macros make items without words"
)]

use divan::{Bencher, black_box};
use reattest_attestation::log::{
    InclusionProof, leaf_hash, prove_inclusion, tree, verify_inclusion,
};
use reattest_attestation::{Authentic, Digest, Envelope, PublicKey, Sign as _};

#[allow(
    dead_code,
    unused_imports,
    reason = "the worlds of the tests, of which a bench needs a few"
)]
#[path = "../worlds.rs"]
mod worlds;

fn main() {
    divan::main();
}

/// The envelope of one artifact, as a Debian rebuilder signs it.
fn envelope() -> (Envelope, PublicKey) {
    let envelope = worlds::world("a1+F").envelopes.pop().unwrap();
    (envelope, worlds::rebuilder('a', '1').public_key())
}

fn authentic() -> Authentic {
    let (envelope, key) = envelope();
    envelope.verify(&key).unwrap()
}

/// Canonical JSON is parsed, encoded again and compared.
#[divan::bench]
fn parse_an_envelope(bencher: Bencher<'_, '_>) {
    let (envelope, _) = envelope();
    bencher.bench(|| Envelope::parse(black_box(envelope.as_bytes())).unwrap());
}

/// The pre-authentication encoding is made and the signature checked.
#[divan::bench]
fn verify_an_envelope(bencher: Bencher<'_, '_>) {
    let (envelope, key) = envelope();
    bencher.bench(|| black_box(&envelope).verify(&key).unwrap());
}

/// The statement inside is read, canonical again, and its outcomes derived.
#[divan::bench]
fn read_a_claim(bencher: Bencher<'_, '_>) {
    let authentic = authentic();
    bencher.bench(|| black_box(&authentic).claim().unwrap());
}

#[divan::bench]
fn hash_a_leaf(bencher: Bencher<'_, '_>) {
    let (envelope, _) = envelope();
    bencher.bench(|| leaf_hash(black_box(envelope.as_bytes())));
}

/// In a log of 2^10 entries, and of 2^20.
#[divan::bench(args = [10, 20])]
fn check_an_inclusion_proof(bencher: Bencher<'_, '_>, levels: u32) {
    let leaf = leaf_hash(b"entry");
    let size = 1_u64 << levels;
    let hashes = vec![Digest::of(b"sibling"); usize::try_from(levels).unwrap()];
    let root = hashes.iter().fold(leaf, |hash, sibling| tree::node_hash(hash, *sibling));
    let proof = InclusionProof { index: 0, hashes };
    bencher.bench(|| verify_inclusion(leaf, black_box(&proof), size, root).unwrap());
}

#[divan::bench]
fn make_an_inclusion_proof_among_1024(bencher: Bencher<'_, '_>) {
    let leaves: Vec<Digest> = (0..1_024_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    bencher.bench(|| prove_inclusion(black_box(&leaves), 300).unwrap());
}
