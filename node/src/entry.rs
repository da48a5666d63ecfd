//! An entry of a log, read as what it is: an envelope that the log's key signed.

use reattest_attestation::{Claim, Digest, Envelope, PublicKey};

/// The claim that an entry makes, where its envelope verifies under the log's key.
///
/// An entry without one is carried, since the log is whole with it, and counts for nothing.
pub fn claim_of(key: &PublicKey, entry: &[u8]) -> Option<Claim> {
    Envelope::parse(entry).ok()?.verify(key).ok()?.claim().ok()
}

/// The recipe and the lock that a claim names.
pub fn documents_of(claim: &Claim) -> Vec<Digest> {
    match claim {
        Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild) => {
            vec![rebuild.recipe, rebuild.lock]
        }
        Claim::Announcement(_) | Claim::Certificate(_) | Claim::Unknown { .. } => Vec::new(),
    }
}

/// What a claim says, in words.
pub fn in_words(claim: Option<&Claim>) -> Vec<String> {
    match claim {
        Some(Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild)) => rebuild
            .artifacts
            .iter()
            .map(|artifact| format!("{} of {}", artifact.outcome, artifact.purl))
            .collect(),
        Some(Claim::Announcement(announcement)) => vec![format!("announces {}", announcement.purl)],
        Some(Claim::Certificate(certificate)) => {
            vec![format!("certifies {}", certificate.rebuilder.fingerprint())]
        }
        Some(Claim::Unknown { predicate_type }) => vec![format!("says {predicate_type}")],
        None => vec!["an entry that its key did not sign".to_owned()],
    }
}
