//! Ed25519 keys as OpenSSH writes them, and the trait that every custody back-end signs through (steps 5 and 6).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::digest::Digest;
use crate::quoted::{quoted, said};

/// The algorithm's name in OpenSSH's encodings.
const SSH_ED25519: &[u8] = b"ssh-ed25519";

/// A key that could not be read, or a signature that does not hold.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// The text is no OpenSSH public key.
    #[error("found {found:?}, needed an OpenSSH line \"ssh-ed25519 AAAA...\": {why}")]
    NotAPublicKey {
        /// The text, shortened.
        found: String,
        /// What the parser said.
        why: String,
    },
    /// The bytes are no usable point of the curve, or one of small order that anyone can forge for.
    #[error(
        "found 32 bytes that are no usable Ed25519 public key; make one with ssh-keygen -t ed25519"
    )]
    WeakKey,
    /// The text is no OpenSSH private key, or it is encrypted.
    #[error("found no readable OpenSSH private key: {why}; needed an unencrypted Ed25519 key file")]
    NotASecretKey {
        /// What the parser said; never the key.
        why: String,
    },
    /// The key is of another algorithm.
    #[error(
        "found a key of algorithm {found}, needed ssh-ed25519; make one with ssh-keygen -t ed25519"
    )]
    OtherAlgorithm {
        /// The algorithm's name.
        found: String,
    },
    /// The public half in the file belongs to another secret half.
    #[error(
        "found a key file whose public half is another key's; restore the file from its backup"
    )]
    HalvesDisagree,
    /// The comment cannot stand in a key file.
    #[error("found no way to write the key with this comment: {why}; needed plain text")]
    NotWritable {
        /// What the encoder said.
        why: String,
    },
    /// The signature is not this key's over these bytes.
    #[error(
        "found a signature that is not by {key} over these bytes; get the bytes again from their source"
    )]
    BadSignature {
        /// Fingerprint of the key that was tried.
        key: String,
    },
}

/// A back-end could not sign.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error("the key {key} did not sign: {why}; check that its key file, agent or token is there")]
pub struct SignError {
    /// Fingerprint of the key.
    pub key: String,
    /// What the back-end said.
    pub why: String,
}

/// An Ed25519 public key that is a usable point of the curve.
///
/// Text is OpenSSH's one line without comment; 32 raw bytes in binary codecs.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Checks that the 32 bytes (RFC 8032 encoding) are a point, and not one of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::WeakKey)?;
        if key.is_weak() { Err(KeyError::WeakKey) } else { Ok(Self(*bytes)) }
    }

    /// The 32 bytes of RFC 8032.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// `SHA256:...` as `ssh-keygen -l` prints it; the `keyid` of our envelopes.
    pub fn fingerprint(&self) -> String {
        let digest = Digest::of(&self.wire());
        format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(digest.as_bytes()))
    }

    /// SHA-256 of the 32 raw bytes: the key's name in origins and builder ids.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// `urn:reattest:builder:<hex>`, the `builder.id` of this key's provenance.
    pub fn builder_id(&self) -> String {
        format!("urn:reattest:builder:{}", self.digest())
    }

    /// Checks a signature strictly: one that another library might refuse must not count here.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), KeyError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::WeakKey)?;
        key.verify_strict(message, &Signature::from_bytes(signature))
            .map_err(|_| KeyError::BadSignature { key: self.fingerprint() })
    }

    /// The key in SSH's wire encoding (RFC 8709): what the fingerprint hashes.
    fn wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(51);
        for field in [SSH_ED25519, &self.0] {
            wire.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            wire.extend_from_slice(field);
        }
        wire
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ssh-ed25519 {}", BASE64_STANDARD.encode(self.wire()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads the line of a `.pub` file; a comment after the key is allowed and dropped.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let key = ssh_key::PublicKey::from_openssh(text.trim())
            .map_err(|error| KeyError::NotAPublicKey { found: quoted(text), why: said(error) })?;
        match key.key_data() {
            ssh_key::public::KeyData::Ed25519(point) => Self::from_bytes(&point.0),
            other => Err(KeyError::OtherAlgorithm { found: other.algorithm().to_string() }),
        }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    /// Signed documents have one spelling, so a comment is refused here.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            let bytes = <[u8; 32]>::deserialize(deserializer)?;
            return Self::from_bytes(&bytes).map_err(D::Error::custom);
        }
        let text = String::deserialize(deserializer)?;
        let key: Self = text.parse().map_err(D::Error::custom)?;
        if key.to_string() == text {
            Ok(key)
        } else {
            Err(D::Error::custom(
                "found a key with a comment, needed \"ssh-ed25519 AAAA...\" alone",
            ))
        }
    }
}

/// Whatever holds a secret key and signs with it: a file, an agent, a token.
pub trait Sign {
    /// The public half.
    fn public_key(&self) -> PublicKey;

    /// The 64 bytes of a pure Ed25519 signature (RFC 8032) over `message`.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// A secret key in memory; wiped when dropped, and never printed.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of a 32-byte seed; the caller brings the randomness.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads an unencrypted OpenSSH private key file.
    pub fn from_openssh(text: &str) -> Result<Self, KeyError> {
        let refuse = |why: String| KeyError::NotASecretKey { why };
        let key = ssh_key::PrivateKey::from_openssh(text).map_err(|e| refuse(said(e)))?;
        match key.key_data() {
            ssh_key::private::KeypairData::Ed25519(pair) => {
                let secret = Self::from_seed(pair.private.as_ref());
                if secret.public_key().to_bytes() == pair.public.0 {
                    Ok(secret)
                } else {
                    Err(KeyError::HalvesDisagree)
                }
            }
            ssh_key::private::KeypairData::Encrypted(_) => {
                Err(refuse("it is encrypted with a passphrase".to_owned()))
            }
            _ => Err(KeyError::OtherAlgorithm { found: key.algorithm().to_string() }),
        }
    }

    /// The text of a key file that `ssh-keygen` and `ssh-add` read. The caller stores it with mode
    /// 0600 and wipes its copy.
    pub fn to_openssh(&self, comment: &str) -> Result<String, KeyError> {
        let refuse = |error: ssh_key::Error| KeyError::NotWritable { why: said(error) };
        let pair = ssh_key::private::Ed25519Keypair {
            public: ssh_key::public::Ed25519PublicKey(self.public_key().to_bytes()),
            private: ssh_key::private::Ed25519PrivateKey::from_bytes(self.0.as_bytes()),
        };
        let key = ssh_key::PrivateKey::new(pair.into(), comment).map_err(refuse)?;
        let text = key.to_openssh(ssh_key::LineEnding::LF).map_err(refuse)?;
        Ok(text.as_str().to_owned())
    }
}

impl Sign for SecretKey {
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public_key().fingerprint())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn a_public_key_reads_back_with_and_without_comment() {
        let key = SecretKey::from_seed(&[7; 32]).public_key();
        assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
        assert_eq!(format!("{key} alice@host\n").parse::<PublicKey>().unwrap(), key);
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), key);
        assert!(serde_json::from_str::<PublicKey>(&json.replace("\"}", " x\"")).is_ok());
        assert!(serde_json::from_str::<PublicKey>(&format!("\"{key} alice\"")).is_err());
    }

    #[test]
    fn a_secret_key_reads_back_and_signs_the_same() {
        let key = SecretKey::from_seed(&[7; 32]);
        let again = SecretKey::from_openssh(&key.to_openssh("alder").unwrap()).unwrap();
        let signature = again.sign(b"hello").unwrap();
        assert_eq!(signature, key.sign(b"hello").unwrap());
        key.public_key().verify(b"hello", &signature).unwrap();
        assert!(key.public_key().verify(b"hullo", &signature).is_err());
        assert!(!format!("{key:?}").contains("07"));
    }

    #[test]
    fn a_point_of_small_order_is_no_key() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(&identity), Err(KeyError::WeakKey));
        assert!("ssh-rsa AAAA".parse::<PublicKey>().is_err());
    }
}
