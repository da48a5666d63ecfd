//! Fixtures: any number of operators who all reproduced one file, from fixed seeds.

use std::fmt::Write as _;

use reattest_attestation::log::{Checkpoint, Frontier, Origin, leaf_hash, prove_inclusion};
use reattest_attestation::statement::Certificate;
use reattest_attestation::{
    Bundle, Digest, Envelope, LoggedAt, Rebuild, SecretKey, Sign as _, Timestamp,
};

use crate::worlds::{ARCHIVE, P, network, outcome, rebuild};

/// Entries of each log: a proof of ten hashes, as in the log of a small rebuilder.
const LOG_ENTRIES: u32 = 1_000;

/// Operators who all say that they reproduced one file.
pub(crate) struct Votes {
    /// The evidence, with a log proof for each vote.
    pub(crate) bundle: Bundle,
    /// A policy that asks for a majority of them.
    pub(crate) policy: String,
    /// The rebuilders' keys.
    pub(crate) rebuilders: Vec<SecretKey>,
    /// What each rebuilder said.
    pub(crate) rebuilds: Vec<Rebuild>,
}

/// The key of one operator, or of its rebuilder.
fn key(number: u16, kind: u8) -> SecretKey {
    let mut seed = [kind; 32];
    let [high, low] = number.to_be_bytes();
    seed[0] = high;
    seed[1] = low;
    SecretKey::from_seed(&seed)
}

/// Votes of `operators` operators for this file; certificates and policy hold at any hour at which
/// a bench can run.
pub(crate) fn votes(operators: u16, published: Digest) -> Votes {
    let mut bundle = Bundle::default();
    let (mut policy, mut names) = (String::new(), Vec::new());
    let (mut rebuilders, mut rebuilds) = (Vec::new(), Vec::new());
    for number in 0..operators {
        let (operator, rebuilder) = (key(number, 1), key(number, 2));
        rebuilds.push(add(&mut bundle, number, &operator, &rebuilder, published));
        let public = operator.public_key();
        write!(policy, "[[operator]]\nname = \"o{number}\"\nkey = \"{public}\"\n").unwrap();
        names.push(format!("\"o{number}\""));
        rebuilders.push(rebuilder);
    }
    let policy = format!(
        "version = 1\nnetwork = \"test\"\nexpires = 2100-01-01T00:00:00Z\n{policy}\
         [[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = [\"{ARCHIVE}\"]\n\
         [quorum]\nneed = {}\nof = [{}]\n",
        operators / 2 + 1,
        names.join(", ")
    );
    Votes { bundle, policy, rebuilders, rebuilds }
}

fn add(
    bundle: &mut Bundle,
    number: u16,
    operator: &SecretKey,
    rebuilder: &SecretKey,
    published: Digest,
) -> Rebuild {
    let certificate = Certificate {
        operator: operator.public_key(),
        rebuilder: rebuilder.public_key(),
        not_before: Timestamp::from_unix(0),
        not_after: "2100-01-01T00:00:00Z".parse().unwrap(),
    };
    let certificate = Envelope::sign(certificate.to_payload().unwrap(), operator).unwrap();
    bundle.certificates.push(certificate);
    let mut said = rebuild(outcome(P, published, '+'));
    said.facts.invocation = format!("run of {number}");
    let payload = said.to_payload(&rebuilder.public_key()).unwrap();
    let envelope = Envelope::sign(payload, rebuilder).unwrap();
    let index = u64::from(LOG_ENTRIES / 3);
    let mut leaves: Vec<Digest> =
        (1..LOG_ENTRIES).map(|entry| leaf_hash(&entry.to_be_bytes())).collect();
    leaves.insert(usize::try_from(index).unwrap(), leaf_hash(envelope.as_bytes()));
    let mut frontier = Frontier::new();
    for leaf in &leaves {
        frontier.push(*leaf);
    }
    let origin = Origin::new(&network(), &rebuilder.public_key(), 2026);
    let (size, root) = (frontier.size(), frontier.root());
    let head = Checkpoint { origin: origin.clone(), size, root };
    bundle.checkpoints.push(head.sign(rebuilder).unwrap());
    let proof = prove_inclusion(&leaves, index).unwrap();
    bundle.proofs.push(LoggedAt { envelope: envelope.digest(), origin, size, proof });
    bundle.envelopes.push(envelope);
    said
}
