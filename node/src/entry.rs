//! An entry of a log, read as what it is: an envelope that the log's key signed.

use reattest_attestation::{Claim, Digest, Envelope, PublicKey};

/// The claim that an entry makes, where its envelope verifies under the log's key.
///
/// An entry without one is carried, since the log is whole with it, and counts for nothing.
pub fn claim_of(key: &PublicKey, entry: &[u8]) -> Option<Claim> {
    Envelope::parse(entry).ok()?.verify(key).ok()?.claim().ok()
}

/// The documents that a claim names: recipe, lock, and links for other tools.
pub fn documents_of(claim: &Claim) -> Vec<Digest> {
    match claim {
        Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild) => {
            [Some(rebuild.recipe), Some(rebuild.lock), rebuild.links]
                .into_iter()
                .flatten()
                .collect()
        }
        Claim::Announcement(_)
        | Claim::Retraction(_)
        | Claim::Certificate(_)
        | Claim::Revocation(_)
        | Claim::Rotation(_)
        | Claim::Unknown { .. } => Vec::new(),
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
        Some(Claim::Retraction(retraction)) => {
            vec![format!("takes back its support of {}", retraction.purl)]
        }
        Some(Claim::Certificate(certificate)) => {
            vec![format!("certifies {}", certificate.rebuilder.fingerprint())]
        }
        Some(Claim::Revocation(revocation)) => {
            vec![format!("revokes {}", revocation.rebuilder.fingerprint())]
        }
        Some(Claim::Rotation(rotation)) => {
            let (old, new) = (&rotation.revocation.rebuilder, &rotation.certificate.rebuilder);
            vec![format!("replaces {} by {}", old.fingerprint(), new.fingerprint())]
        }
        Some(Claim::Unknown { predicate_type }) => vec![format!("says {predicate_type}")],
        None => vec!["an entry that its key did not sign".to_owned()],
    }
}
