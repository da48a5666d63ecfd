//! The signed head of a log: C2SP tlog-checkpoint inside a C2SP signed note (step 6).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::cosignature::WitnessKeyError;
use super::note::{self, NoteSignature};
use crate::artifact::NetworkId;
use crate::digest::Digest;
use crate::key::{KeyError, PublicKey, Sign, SignError};
use crate::limits::{CHECKPOINT_MAX, CHECKPOINT_SIGNATURES_MAX, LOG_SIZE_MAX};
use crate::quoted::quoted;

/// A head that could not be signed, read or verified.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// More bytes or signature lines than a note may have.
    #[error("found a checkpoint of {found} bytes or lines, needed at most {limit}")]
    TooLong {
        /// What it has.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Not a signed note around three lines.
    #[error(
        "found no checkpoint: {why}; needed origin, size and root on a line each, an empty line, and signatures"
    )]
    Malformed {
        /// What is wrong.
        why: &'static str,
    },
    /// The origin is not one of ours.
    #[error("found origin {found:?}, needed reattest/NETWORK/SHA256-OF-KEY/YEAR")]
    Origin {
        /// The origin, shortened.
        found: String,
    },
    /// The log belongs to another key than the one that is asked about.
    #[error("found a log of key sha256:{found}, needed the log of {expected}")]
    OtherKey {
        /// The key's digest in the origin.
        found: Digest,
        /// The fingerprint of the key that was tried.
        expected: String,
    },
    /// No signature line of the log's key, or two.
    #[error("found {found} signatures by the log's own key, needed exactly one")]
    Signatures {
        /// How many there are.
        found: usize,
    },
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] KeyError),
    /// The key's back-end did not sign.
    #[error(transparent)]
    Unsigned(#[from] SignError),
    /// The witness cannot be named in a line.
    #[error(transparent)]
    Witness(#[from] WitnessKeyError),
    /// A witness has a line on this copy already.
    #[error(
        "found a line of witness {witness} already, needed none; sign the log's own copy for a newer time"
    )]
    CosignedAlready {
        /// The witness's name.
        witness: String,
    },
    /// A line with a witness's name and key id is not its cosignature of this head.
    #[error(
        "found a line of witness {witness} that does not hold: {why}; get the head again from another source"
    )]
    Cosignature {
        /// The witness's name.
        witness: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Two signed notes around different texts.
    #[error("found {found}, needed another copy of {expected}; two roots of one size are a fork")]
    OtherHead {
        /// Origin, size and root of the one.
        found: String,
        /// Origin, size and root of the other.
        expected: String,
    },
}

/// The name of one log: `reattest/<network>/<SHA-256 of the key>/<year>`. A key begins a new log
/// each year, so that old ones can be archived whole.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    network: NetworkId,
    key: Digest,
    year: i16,
}

impl Origin {
    /// The log of `key` in `network` for `year`; years outside 1970..=9999 are moved to the
    /// nearer end, as timestamps are.
    pub fn new(network: &NetworkId, key: &PublicKey, year: i16) -> Self {
        Self { network: network.clone(), key: key.digest(), year: year.clamp(1970, 9999) }
    }

    /// SHA-256 of the key's 32 raw bytes.
    pub fn key_digest(&self) -> Digest {
        self.key
    }

    /// The network.
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// The year: a key's logs follow one another in this order.
    pub fn year(&self) -> i16 {
        self.year
    }

    /// The log's own key as other tools are told it (C2SP signed-note's verifier key): this origin,
    /// key id, and base64 of 0x01 and the 32 raw bytes, with a plus between.
    pub fn vkey(&self, key: &PublicKey) -> Result<String, CheckpointError> {
        owned_by(self, key)?;
        Ok(note::vkey(&self.to_string(), note::ED25519, key))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reattest/{}/{}/{:04}", self.network, self.key, self.year)
    }
}

impl FromStr for Origin {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let refuse = || CheckpointError::Origin { found: quoted(text) };
        let mut parts = text.split('/');
        let (Some("reattest"), Some(network), Some(key), Some(year), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refuse());
        };
        let origin = Self {
            network: network.parse().map_err(|_| refuse())?,
            key: key.parse().map_err(|_| refuse())?,
            year: year.parse().map_err(|_| refuse())?,
        };
        let in_range = (1970..=9999).contains(&origin.year);
        if in_range && origin.to_string() == text { Ok(origin) } else { Err(refuse()) }
    }
}

impl TryFrom<String> for Origin {
    type Error = CheckpointError;

    fn try_from(text: String) -> Result<Self, CheckpointError> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

/// A log's state at one size.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Entries; at most 2^48.
    pub size: u64,
    /// The RFC 6962 root over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The three lines that are signed, each with its newline.
    pub fn text(&self) -> String {
        let root = BASE64_STANDARD.encode(self.root.as_bytes());
        format!("{}\n{}\n{root}\n", self.origin, self.size)
    }

    /// Signs this head. The caller has made sure that no other head of this size was signed.
    pub fn sign(&self, key: &dyn Sign) -> Result<SignedCheckpoint, CheckpointError> {
        let public = key.public_key();
        owned_by(&self.origin, &public)?;
        let text = self.text();
        let signature = key.sign(text.as_bytes())?;
        public.verify(text.as_bytes(), &signature)?;
        let name = self.origin.to_string();
        let id = note::key_id(&name, note::ED25519, &public);
        SignedCheckpoint::compose(self, &[NoteSignature::new(&name, id, &signature)])
    }

    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let malformed = |why| CheckpointError::Malformed { why };
        let mut lines = text.split('\n');
        // Extension lines are refused: the specification lets nobody depend on them.
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("its text has not exactly three lines"));
        };
        let root = BASE64_STANDARD.decode(root).ok().and_then(|raw| raw.try_into().ok());
        let checkpoint = Self {
            origin: origin.parse()?,
            size: size.parse().map_err(|_| malformed("its size is no number"))?,
            root: Digest::from_bytes(root.ok_or(malformed("its root is no SHA-256"))?),
        };
        if checkpoint.size > LOG_SIZE_MAX {
            return Err(malformed("its size is beyond 2^48"));
        }
        if checkpoint.text() != text {
            return Err(malformed("its size has another spelling than plain decimal digits"));
        }
        Ok(checkpoint)
    }
}

fn owned_by(origin: &Origin, key: &PublicKey) -> Result<(), CheckpointError> {
    if origin.key_digest() == key.digest() {
        Ok(())
    } else {
        let (found, expected) = (origin.key_digest(), key.fingerprint());
        Err(CheckpointError::OtherKey { found, expected })
    }
}

/// A checkpoint with its signatures, none of them checked yet.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct SignedCheckpoint {
    note: String,
    checkpoint: Checkpoint,
    signatures: Vec<NoteSignature>,
}

impl SignedCheckpoint {
    /// Reads a signed note around a checkpoint; signatures of others stay on it unread.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let malformed = |why| CheckpointError::Malformed { why };
        if bytes.len() > CHECKPOINT_MAX {
            return Err(CheckpointError::TooLong { found: bytes.len(), limit: CHECKPOINT_MAX });
        }
        let note = str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(malformed("it has control characters"));
        }
        let (text, lines) =
            note.split_once("\n\n").ok_or(malformed("it has no empty line before signatures"))?;
        let lines = lines.strip_suffix('\n').ok_or(malformed("it does not end in a newline"))?;
        let signatures: Vec<_> =
            lines.split('\n').map(NoteSignature::parse).collect::<Result<_, _>>()?;
        if signatures.len() > CHECKPOINT_SIGNATURES_MAX {
            let (found, limit) = (signatures.len(), CHECKPOINT_SIGNATURES_MAX);
            return Err(CheckpointError::TooLong { found, limit });
        }
        let checkpoint = Checkpoint::parse(&format!("{text}\n"))?;
        Ok(Self { note: note.to_owned(), checkpoint, signatures })
    }

    /// The note of a head under these lines, within the bounds of every note.
    pub(super) fn compose(
        checkpoint: &Checkpoint,
        lines: &[NoteSignature],
    ) -> Result<Self, CheckpointError> {
        let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
        Self::parse(format!("{}\n{}\n", checkpoint.text(), lines.join("\n")).as_bytes())
    }

    /// The note's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.note.as_bytes()
    }

    /// The note's text: checkpoint, empty line, signature lines.
    pub fn as_str(&self) -> &str {
        &self.note
    }

    /// The lines below the text, in their order.
    pub(super) fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// What the note says, before its signature was checked: for finding the key.
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Checks that `key` is the log's own and signed this head.
    pub fn verify(&self, key: &PublicKey) -> Result<VerifiedCheckpoint, CheckpointError> {
        owned_by(&self.checkpoint.origin, key)?;
        let name = self.checkpoint.origin.to_string();
        let id = note::key_id(&name, note::ED25519, key);
        let own: Vec<_> =
            self.signatures.iter().filter_map(|line| line.payload(&name, id)).collect();
        let [signature] = own.as_slice() else {
            return Err(CheckpointError::Signatures { found: own.len() });
        };
        let signature = <&[u8; 64]>::try_from(*signature)
            .map_err(|_| CheckpointError::Malformed { why: "its signature has not 64 bytes" })?;
        key.verify(self.checkpoint.text().as_bytes(), signature)?;
        Ok(VerifiedCheckpoint { signed: self.clone(), key: *key })
    }
}

/// A head that the log's own key signed; made only by [`SignedCheckpoint::verify`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct VerifiedCheckpoint {
    signed: SignedCheckpoint,
    key: PublicKey,
}

impl VerifiedCheckpoint {
    /// What was signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.signed.checkpoint
    }

    /// The note itself.
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// The log's key.
    pub fn key(&self) -> PublicKey {
        self.key
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;
    use crate::key::SecretKey;

    fn signed() -> (SignedCheckpoint, SecretKey) {
        let key = SecretKey::from_seed(&[3; 32]);
        let origin = Origin::new(&"test".parse().unwrap(), &key.public_key(), 2026);
        let head = Checkpoint { origin, size: 5, root: Digest::of(b"root") };
        (head.sign(&key).unwrap(), key)
    }

    #[test]
    fn a_head_reads_back_and_verifies() {
        let (signed, key) = signed();
        let again = SignedCheckpoint::parse(signed.as_bytes()).unwrap();
        let verified = again.verify(&key.public_key()).unwrap();
        assert_eq!(verified.checkpoint().size, 5);
        assert_eq!(verified.checkpoint().origin.year(), 2026);
    }

    #[test]
    fn a_cosignature_beside_the_signature_is_carried() {
        let (signed, key) = signed();
        let mut note = signed.as_bytes().to_vec();
        note.extend_from_slice("\u{2014} witness.example AAAAAAAA\n".as_bytes());
        SignedCheckpoint::parse(&note).unwrap().verify(&key.public_key()).unwrap();
    }

    #[test]
    fn changed_or_foreign_heads_are_refused() {
        let (signed, key) = signed();
        let text = String::from_utf8(signed.as_bytes().to_vec()).unwrap();
        let grown = SignedCheckpoint::parse(text.replace("\n5\n", "\n6\n").as_bytes()).unwrap();
        assert!(matches!(grown.verify(&key.public_key()), Err(CheckpointError::Signature(_))));
        let stranger = SecretKey::from_seed(&[4; 32]);
        assert!(signed.verify(&stranger.public_key()).is_err());
        assert!(signed.unverified().sign(&stranger).is_err());
        let line = text.lines().last().unwrap().to_owned();
        let twice = SignedCheckpoint::parse(format!("{text}{line}\n").as_bytes()).unwrap();
        assert!(matches!(
            twice.verify(&key.public_key()),
            Err(CheckpointError::Signatures { found: 2 })
        ));
    }

    #[test]
    fn other_spellings_are_refused() {
        let text = String::from_utf8(signed().0.as_bytes().to_vec()).unwrap();
        for broken in [
            String::new(),
            text.trim_end().to_owned(),
            text.replace("\n5\n", "\n05\n"),
            text.replace("\n5\n", "\n+5\n"),
            text.replace("\n5\n", "\n5 \n"),
            text.replace("\n\n", "\nextension\n\n"),
            text.replace("\n\n", "\n"),
            text.replace("reattest/", "reattest//"),
            text.replace("/2026\n", "/26\n"),
            text.replace('\n', "\r\n"),
            text.replace('\u{2014}', "-"),
            text.replace("\u{2014} reattest", "\u{2014} two\u{2003}words"),
            format!("{text}\n"),
            format!("{text}{}", "\u{2014} w AAAAAAAA\n".repeat(64)),
            format!("{text}{}", "x".repeat(17_000)),
        ] {
            assert!(SignedCheckpoint::parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
