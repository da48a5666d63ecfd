//! C2SP signed-note: the lines that sign a text, and the texts that name their keys (step 6).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::checkpoint::CheckpointError;
use crate::digest::Digest;
use crate::key::PublicKey;

/// Signature type of plain Ed25519 over the text: a log's own line.
pub(super) const ED25519: u8 = 0x01;

/// Signature type of a witness's Ed25519 line with a time (C2SP tlog-cosignature).
pub(super) const ED25519_COSIGNATURE: u8 = 0x04;

/// What a line begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// The first four bytes of SHA-256 over name, newline, signature type and key. With the name it
/// tells which key made a line; it is too short to be trusted for more.
pub(super) fn key_id(name: &str, kind: u8, key: &PublicKey) -> [u8; 4] {
    let bytes = [name.as_bytes(), b"\n", &[kind], &key.to_bytes()].concat();
    Digest::of(&bytes).as_bytes().first_chunk().copied().unwrap_or_default()
}

/// A key as other tools are told it: name, key id in hexadecimal, and base64 of signature type and
/// key, with a plus between.
pub(super) fn vkey(name: &str, kind: u8, key: &PublicKey) -> String {
    let id = hex::encode(key_id(name, kind, key));
    let raw = BASE64_STANDARD.encode([[kind].as_slice(), &key.to_bytes()].concat());
    format!("{name}+{id}+{raw}")
}

/// Whether a line may be under this name: not empty, no Unicode space, no plus, no control
/// character.
pub(super) fn is_name(name: &str) -> bool {
    let refused = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(refused)
}

/// One line; nothing in it is checked against a key yet.
#[derive(Clone, Eq, PartialEq, Debug)]
pub(super) struct NoteSignature {
    pub(super) name: String,
    /// The key id and what the key made; at least 5 bytes.
    pub(super) blob: Vec<u8>,
}

impl NoteSignature {
    /// A line of the key with this id.
    pub(super) fn new(name: &str, id: [u8; 4], payload: &[u8]) -> Self {
        Self { name: name.to_owned(), blob: [&id, payload].concat() }
    }

    /// Reads a line without its newline.
    pub(super) fn parse(line: &str) -> Result<Self, CheckpointError> {
        let malformed =
            CheckpointError::Malformed { why: "a signature line is not \"\u{2014} NAME BASE64\"" };
        let parts = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' '));
        let Some((name, blob)) = parts.filter(|(name, _)| is_name(name)) else {
            return Err(malformed);
        };
        match BASE64_STANDARD.decode(blob) {
            Ok(blob) if blob.len() > 4 => Ok(Self { name: name.to_owned(), blob }),
            _ => Err(malformed),
        }
    }

    /// What the key of this name and id made, where this is its line.
    pub(super) fn payload(&self, name: &str, id: [u8; 4]) -> Option<&[u8]> {
        if self.name == name { self.blob.strip_prefix(id.as_slice()) } else { None }
    }
}

impl fmt::Display for NoteSignature {
    /// The line without its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DASH}{} {}", self.name, BASE64_STANDARD.encode(&self.blob))
    }
}
