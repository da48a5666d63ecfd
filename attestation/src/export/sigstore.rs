//! An envelope as a Sigstore bundle v0.3 (step 10), `FILE.sigstore.json`: signed with a named key, in no public log.

use serde_json::{Value, json};

use crate::canonical::{self, CanonicalError};
use crate::envelope::Envelope;
use crate::limits::ENVELOPE_MAX;

/// The media type of bundles v0.3.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// One envelope as one bundle, in canonical JSON.
///
/// The hint is the envelope's own key id, as the format asks. `tlogEntries` stays empty: the format
/// holds Rekor's entries only, and Rekor takes no pure Ed25519 signatures any more; the place in
/// our log goes beside the bundle.
pub fn sigstore_bundle(envelope: &Envelope) -> Result<Vec<u8>, CanonicalError> {
    let dsse: Value =
        canonical::value_from_bytes(envelope.as_bytes(), "an envelope", ENVELOPE_MAX)?;
    canonical::to_bytes(&json!({
        "dsseEnvelope": dsse,
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {
            "publicKey": {"hint": envelope.keyid()},
            "tlogEntries": [],
        },
    }))
}
