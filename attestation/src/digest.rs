//! SHA-256, the one name that bytes have in every step.

use std::fmt;
use std::str::FromStr;

use crate::quoted::quoted;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest; text is 64 lowercase hexadecimal digits, in JSON too, and 32 raw bytes in
/// binary codecs.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes `bytes`, which are in memory already; files go through [`Digester`].
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes the 32 bytes of a digest as they are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a SHA-256 digest.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error("found {found:?}, needed a SHA-256 digest as 64 lowercase hexadecimal digits")]
pub struct DigestError {
    /// The text, shortened to what a terminal line holds.
    pub found: String,
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Uppercase is refused: a digest has one spelling, or two documents would differ in bytes
    /// and not in meaning.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let refuse = || DigestError { found: quoted(text) };
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| refuse())?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            Ok(Self(<[u8; 32]>::deserialize(deserializer)?))
        }
    }
}

/// Hashes while bytes are read, in bounded memory.
#[derive(Clone, Default)]
pub struct Digester(Sha256);

impl Digester {
    /// A digester that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything seen.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digester")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn text_and_stream_agree_with_the_known_answer() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut stream = Digester::new();
        stream.update(b"a");
        stream.update(b"bc");
        assert_eq!(stream.finish(), Digest::of(b"abc"));
        assert_eq!(Digest::of(b"abc").to_string(), known);
        assert_eq!(known.parse::<Digest>().unwrap(), Digest::of(b"abc"));
    }

    #[test]
    fn other_spellings_are_refused() {
        let upper = Digest::of(b"abc").to_string().to_uppercase();
        for text in ["", "ba78", upper.as_str(), "sha256:ba78"] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
