//! The log that the tests of the store write: every entry follows from its index.

use reattest::store::Log;
use reattest_attestation::log::{Checkpoint, Origin, SignedCheckpoint};
use reattest_attestation::statement::Certificate;
use reattest_attestation::{ArtifactOutcome, Digest, Envelope, SecretKey, Sign as _, Timestamp};

use crate::worlds::{network, rebuild};

pub(super) fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

pub(super) fn origin() -> Origin {
    Origin::new(&network(), &key().public_key(), 2026)
}

/// Bytes of no envelope, from 20 to 2,000 of them.
pub(super) fn entry(index: u64) -> Vec<u8> {
    let digest = Digest::of(&index.to_be_bytes());
    let length = 20 + usize::from(digest.as_bytes()[0]) * 8;
    digest.as_bytes().iter().copied().cycle().take(length).collect()
}

/// An envelope of a build of package `index` of 20.
pub(super) fn statement(index: u64) -> Vec<u8> {
    let purl = format!("pkg:deb/debian/p{}@1?arch=all&distro=trixie", index % 20);
    let file = Digest::of(&index.to_be_bytes());
    let outcome = ArtifactOutcome::observe(purl.parse().unwrap(), file, Some(file), None).unwrap();
    let payload = rebuild(outcome).to_payload(&key().public_key()).unwrap();
    Envelope::sign(payload, &key()).unwrap().as_bytes().to_vec()
}

/// The head over the first `size` entries of a log.
pub(super) fn signed(log: &Log, size: u64) -> SignedCheckpoint {
    Checkpoint { origin: origin(), size, root: log.root(size).unwrap() }.sign(&key()).unwrap()
}

pub(super) fn certificate() -> Vec<u8> {
    let operator = SecretKey::from_seed(&[8; 32]);
    let certificate = Certificate {
        operator: operator.public_key(),
        rebuilder: key().public_key(),
        not_before: Timestamp::from_unix(0),
        not_after: Timestamp::from_unix(2_000_000_000),
    };
    Envelope::sign(certificate.to_payload().unwrap(), &operator).unwrap().as_bytes().to_vec()
}

pub(super) fn publish(log: &mut Log) {
    log.publish(signed(log, log.size()), &certificate()).unwrap();
}
