//! The same votes as rebuilderd writes them: the links that a rebuilder signs beside its attestation, and its key as PEM.

use reattest_attestation::export::{LinkDocument, Reproduced, rebuilderd_pem};
use reattest_attestation::{Rebuild, SecretKey, Sign as _};

/// What repro-threshold takes for one vote.
pub(crate) struct Link {
    /// `-A`: the link.
    pub(crate) link: Vec<u8>,
    /// `-S`: the key.
    pub(crate) pem: String,
}

/// The vote of this key for the one file that it reproduced.
pub(crate) fn link(key: &SecretKey, rebuild: &Rebuild) -> Link {
    let reproduced = Reproduced::of(rebuild);
    let document = LinkDocument::sign(&reproduced, &rebuild.sources, key).unwrap();
    let verified = document.verify(&key.public_key(), rebuild).unwrap();
    let link = verified.all().first().unwrap().rebuilderd().bytes.clone();
    Link { link, pem: rebuilderd_pem(&key.public_key()) }
}
