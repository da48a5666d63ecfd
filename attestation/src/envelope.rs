//! DSSE: the envelope around every claim (step 5), and the first link of the chain of verification.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::blame::Blame;
use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use crate::key::{KeyError, PublicKey, Sign, SignError};
use crate::limits::ENVELOPE_MAX;
use crate::quoted::{quoted, said};
use crate::statement::{Claim, ClaimError};

/// The only payload type: in-toto's, since every verifier of the field reads that one.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An envelope that could not be made, read or verified.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not canonical JSON within the bound, or not the three fields of DSSE.
    #[error(transparent)]
    Document(#[from] CanonicalError),
    /// Another payload type.
    #[error("found payload type {found:?}, needed \"application/vnd.in-toto+json\"")]
    PayloadType {
        /// The type, shortened.
        found: String,
    },
    /// No signature, or several: one statement of one key is one envelope.
    #[error("found {found} signatures, needed exactly one; split the envelope by signer")]
    Signatures {
        /// How many there are.
        found: usize,
    },
    /// Not standard padded base64, or a signature of another length than 64 bytes.
    #[error("found {field} that is not standard padded base64 of the right length: {why}")]
    Base64 {
        /// `payload` or `sig`.
        field: &'static str,
        /// What the decoder said.
        why: String,
    },
    /// The key id belongs to another key than the one that is asked about.
    #[error("found key id {found}, needed {expected}; look the envelope up under its own key")]
    KeyId {
        /// The envelope's.
        found: String,
        /// The key's fingerprint.
        expected: String,
    },
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] KeyError),
    /// The key's back-end did not sign.
    #[error(transparent)]
    Unsigned(#[from] SignError),
}

impl EnvelopeError {
    /// Whose fault it is. The key id and the spelling around a payload are signed by nobody.
    pub fn whose(&self) -> Blame {
        Blame::Carrier
    }
}

/// DSSE's pre-authentication encoding, the bytes that are signed.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wire {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    keyid: String,
    sig: String,
}

impl Wire {
    /// Whether no text has a character that JSON escapes, in one way or another.
    fn is_plain(&self) -> bool {
        let plain = |text: &String| {
            text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\')
        };
        let lines = self.signatures.iter().all(|line| plain(&line.keyid) && plain(&line.sig));
        plain(&self.payload) && plain(&self.payload_type) && lines
    }
}

/// An envelope in the one spelling, its signature not yet checked.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Envelope {
    bytes: Arc<[u8]>,
    payload: Arc<[u8]>,
    keyid: String,
    signature: [u8; 64],
}

impl Envelope {
    /// Signs a payload, and checks what came back: an agent or a token may answer with anything.
    pub fn sign(payload: Vec<u8>, key: &dyn Sign) -> Result<Self, EnvelopeError> {
        let public = key.public_key();
        let message = pae(PAYLOAD_TYPE, &payload);
        let signature = key.sign(&message)?;
        public.verify(&message, &signature)?;
        let keyid = public.fingerprint();
        let bytes = canonical::to_bytes(&Wire {
            payload: BASE64_STANDARD.encode(&payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: vec![WireSignature {
                keyid: keyid.clone(),
                sig: BASE64_STANDARD.encode(signature),
            }],
        })?;
        if bytes.len() > ENVELOPE_MAX {
            let (found, limit) = (bytes.len(), ENVELOPE_MAX);
            return Err(CanonicalError::TooLong { what: "an envelope", found, limit }.into());
        }
        Ok(Self { bytes: bytes.into(), payload: payload.into(), keyid, signature })
    }

    /// Reads an envelope; anything but the one spelling is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let wire: Wire = read(bytes)?;
        if wire.payload_type != PAYLOAD_TYPE {
            let found = quoted(&wire.payload_type);
            return Err(EnvelopeError::PayloadType { found });
        }
        let found = wire.signatures.len();
        let [signature] = <[WireSignature; 1]>::try_from(wire.signatures)
            .map_err(|_| EnvelopeError::Signatures { found })?;
        let payload = decode("payload", &wire.payload)?;
        let raw = decode("sig", &signature.sig)?;
        let signature_bytes = <[u8; 64]>::try_from(raw.as_slice()).map_err(|_| {
            EnvelopeError::Base64 { field: "sig", why: format!("it has {} bytes", raw.len()) }
        })?;
        Ok(Self {
            bytes: bytes.into(),
            payload: payload.into(),
            keyid: signature.keyid,
            signature: signature_bytes,
        })
    }

    /// The canonical bytes: what is logged, sent and stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the canonical bytes: the envelope's name.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The key id: a hint for finding the key, never a reason to trust it.
    pub fn keyid(&self) -> &str {
        &self.keyid
    }

    /// The payload before any signature was checked. Read it to find the key, then use
    /// [`Authentic::payload`].
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// Checks the signature of `key`.
    ///
    /// The key id is outside the signature, so it must be the key's own: otherwise anyone could
    /// make a second envelope, with another digest, of the same statement.
    pub fn verify(&self, key: &PublicKey) -> Result<Authentic, EnvelopeError> {
        let expected = key.fingerprint();
        if self.keyid != expected {
            let found = quoted(&self.keyid);
            return Err(EnvelopeError::KeyId { found, expected });
        }
        key.verify(&pae(PAYLOAD_TYPE, &self.payload), &self.signature)?;
        Ok(Authentic { key: *key, envelope: self.clone() })
    }
}

/// Most envelopes are in order, and cheaper to write again than to take apart: the fields stand in
/// the canonical order, and what an envelope holds needs no escape. Whatever else it is, the
/// reader of canonical JSON says.
fn read(bytes: &[u8]) -> Result<Wire, CanonicalError> {
    if bytes.len() <= ENVELOPE_MAX
        && bytes.starts_with(b"{\"payload\":\"")
        && let Ok(wire) = serde_json::from_slice::<Wire>(bytes)
        && serde_json::to_vec(&wire).is_ok_and(|again| again == bytes)
        && wire.is_plain()
    {
        return Ok(wire);
    }
    canonical::from_bytes(bytes, "an envelope", ENVELOPE_MAX)
}

fn decode(field: &'static str, text: &str) -> Result<Vec<u8>, EnvelopeError> {
    BASE64_STANDARD.decode(text).map_err(|error| EnvelopeError::Base64 { field, why: said(error) })
}

/// An envelope whose signature holds; made only by [`Envelope::verify`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Authentic {
    key: PublicKey,
    envelope: Envelope,
}

impl Authentic {
    /// The key that signed.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The signed payload.
    pub fn payload(&self) -> &[u8] {
        &self.envelope.payload
    }

    /// The envelope's digest.
    pub fn digest(&self) -> Digest {
        self.envelope.digest()
    }

    /// The envelope itself.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What the payload claims, if it is a well-formed Statement of this key.
    pub fn claim(&self) -> Result<Claim, ClaimError> {
        Claim::parse(self.payload(), &self.key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;
    use crate::key::SecretKey;

    fn signed() -> (Envelope, SecretKey) {
        let key = SecretKey::from_seed(&[1; 32]);
        (Envelope::sign(br#"{"a":1}"#.to_vec(), &key).unwrap(), key)
    }

    #[test]
    fn pae_is_the_vector_of_the_specification() {
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), expected);
    }

    #[test]
    fn an_envelope_reads_back_and_verifies() {
        let (envelope, key) = signed();
        let again = Envelope::parse(envelope.as_bytes()).unwrap();
        assert_eq!(again, envelope);
        assert_eq!(again.verify(&key.public_key()).unwrap().payload(), br#"{"a":1}"#);
    }

    #[test]
    fn another_key_or_a_changed_byte_does_not_verify() {
        let (envelope, key) = signed();
        let stranger = SecretKey::from_seed(&[2; 32]).public_key();
        assert!(matches!(envelope.verify(&stranger), Err(EnvelopeError::KeyId { .. })));
        let text = String::from_utf8(envelope.as_bytes().to_vec()).unwrap();
        let payload = BASE64_STANDARD.encode(br#"{"a":1}"#);
        let forged = text.replace(&payload, &BASE64_STANDARD.encode(br#"{"a":2}"#));
        let forged = Envelope::parse(forged.as_bytes()).unwrap();
        assert!(matches!(forged.verify(&key.public_key()), Err(EnvelopeError::Signature(_))));
    }

    #[test]
    fn a_signer_that_answers_nonsense_is_caught() {
        struct Broken(SecretKey);
        impl Sign for Broken {
            fn public_key(&self) -> PublicKey {
                self.0.public_key()
            }
            fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignError> {
                Ok([0; 64])
            }
        }
        let broken = Broken(SecretKey::from_seed(&[1; 32]));
        assert!(Envelope::sign(b"{}".to_vec(), &broken).is_err());
        assert!(Envelope::sign(vec![b'x'; 60_000], &broken.0).is_err());
    }
}
