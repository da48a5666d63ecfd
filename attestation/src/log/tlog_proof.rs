//! C2SP tlog-proof v1: one text that shows offline that an entry is in a log (step 6).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::checkpoint::{CheckpointError, SignedCheckpoint, VerifiedCheckpoint};
use super::proof::{InclusionProof, ProofError, verify_inclusion};
use super::tree::leaf_hash;
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::limits::{PROOF_HASHES_MAX, TLOG_PROOF_MAX};

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof that could not be made, read or verified.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum TlogProofError {
    /// More bytes or hashes than any proof has.
    #[error("found a proof of {found} bytes or hashes, needed at most {limit}")]
    TooLong {
        /// What it has.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Not the text of a proof.
    #[error(
        "found no tlog-proof: {why}; needed \"c2sp.org/tlog-proof@v1\", \"index N\", a hash a line, an empty line, and a checkpoint"
    )]
    Malformed {
        /// What is wrong.
        why: &'static str,
    },
    /// An optional line of the format that says nothing here.
    #[error(
        "found an \"extra\" line, needed none; nothing signs it: take the line away and the proof stays whole"
    )]
    Extra,
    /// The checkpoint cannot be read, or is not signed by its log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The hashes do not lead from the entry to the checkpoint.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// An entry's audit path and the signed head that it leads to; nothing is verified yet. Files of
/// this text end in `.tlog-proof`.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct TlogProof {
    inclusion: InclusionProof,
    head: SignedCheckpoint,
}

impl TlogProof {
    /// Puts both together; the place must be before the head's end, and the path one that a log
    /// may have.
    pub fn new(inclusion: InclusionProof, head: SignedCheckpoint) -> Result<Self, TlogProofError> {
        let (index, size) = (inclusion.index, head.unverified().size);
        if index >= size {
            return Err(ProofError::OutOfRange { index, size }.into());
        }
        let found = inclusion.hashes.len();
        if found > PROOF_HASHES_MAX {
            return Err(TlogProofError::TooLong { found, limit: PROOF_HASHES_MAX });
        }
        Ok(Self { inclusion, head })
    }

    /// The place and the path.
    pub fn inclusion(&self) -> &InclusionProof {
        &self.inclusion
    }

    /// The head, before its signature was checked: for finding the key.
    pub fn head(&self) -> &SignedCheckpoint {
        &self.head
    }

    /// The text. It has no `extra` line.
    pub fn to_text(&self) -> String {
        let hashes = self.inclusion.hashes.iter();
        let hashes: String =
            hashes.map(|hash| BASE64_STANDARD.encode(hash.as_bytes()) + "\n").collect();
        let index = self.inclusion.index;
        format!("{HEADER}\nindex {index}\n{hashes}\n{}", self.head.as_str())
    }

    /// Reads the text in its one spelling.
    ///
    /// An `extra` line, which the format allows, is refused: no signature covers it, no reader of
    /// ours has a use for it, and a proof that carried it could say anything beside what it proves.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        let malformed = |why| TlogProofError::Malformed { why };
        if bytes.len() > TLOG_PROOF_MAX {
            return Err(TlogProofError::TooLong { found: bytes.len(), limit: TLOG_PROOF_MAX });
        }
        let text = str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (path, head) =
            text.split_once("\n\n").ok_or(malformed("it has no empty line before the head"))?;
        let mut lines = path.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed("its first line is another"));
        }
        let second = lines.next().unwrap_or_default();
        if second.starts_with("extra ") {
            return Err(TlogProofError::Extra);
        }
        let index = second.strip_prefix("index ").and_then(|number| number.parse().ok());
        let index = index.ok_or(malformed("its second line is no \"index N\""))?;
        let hashes = lines.map(hash).collect::<Option<_>>();
        let hashes = hashes.ok_or(malformed("a line of its path is no SHA-256 in base64"))?;
        let head = SignedCheckpoint::parse(head.as_bytes())?;
        let proof = Self::new(InclusionProof { index, hashes }, head)?;
        if proof.to_text() == text {
            Ok(proof)
        } else {
            Err(malformed("its index has another spelling than plain decimal digits"))
        }
    }

    /// Checks that `key` is the log's own, that it signed the head, and that `entry` stands at the
    /// index below it. The answer can be asked for witnesses.
    pub fn verify(
        &self,
        entry: &[u8],
        key: &PublicKey,
    ) -> Result<VerifiedCheckpoint, TlogProofError> {
        let verified = self.head.verify(key)?;
        let head = verified.checkpoint();
        verify_inclusion(leaf_hash(entry), &self.inclusion, head.size, head.root)?;
        Ok(verified)
    }
}

fn hash(line: &str) -> Option<Digest> {
    let raw = BASE64_STANDARD.decode(line).ok()?;
    Some(Digest::from_bytes(raw.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;
    use crate::key::{SecretKey, Sign};
    use crate::log::tree::root_of;
    use crate::log::{Checkpoint, Origin, prove_inclusion};

    fn key() -> SecretKey {
        SecretKey::from_seed(&[3; 32])
    }

    /// The proof of one entry of a log whose entries are single bytes.
    fn proof(index: u8, size: u8) -> TlogProof {
        let leaves: Vec<_> = (0..size).map(|n| leaf_hash(&[n])).collect();
        let origin = Origin::new(&"test".parse().unwrap(), &key().public_key(), 2026);
        let head = Checkpoint { origin, size: size.into(), root: root_of(&leaves) };
        let inclusion = prove_inclusion(&leaves, index.into()).unwrap();
        TlogProof::new(inclusion, head.sign(&key()).unwrap()).unwrap()
    }

    #[test]
    fn a_proof_reads_back_and_holds_for_its_entry_alone() {
        for (index, size) in [(0, 1), (0, 2), (6, 7), (199, 200)] {
            let text = proof(index, size).to_text();
            let read = TlogProof::parse(text.as_bytes()).unwrap();
            assert_eq!(read, proof(index, size));
            read.verify(&[index], &key().public_key()).unwrap();
            let other = read.verify(&[index + 1], &key().public_key());
            assert!(matches!(other, Err(TlogProofError::Proof(_))));
            let stranger = SecretKey::from_seed(&[4; 32]).public_key();
            let foreign = read.verify(&[index], &stranger);
            assert!(matches!(foreign, Err(TlogProofError::Checkpoint(_))));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let text = proof(6, 7).to_text();
        let line = text.lines().nth(2).unwrap().to_owned();
        for broken in [
            String::new(),
            text.replace("@v1", "@v2"),
            text.replace("index 6", "index 06"),
            text.replace("index 6", "index +6"),
            text.replace("index 6", "index 6 "),
            text.replace("index 6", "index  6"),
            text.replace("index 6\n", ""),
            text.replace("index 6", "index 18446744073709551616"),
            text.replace('\n', "\r\n"),
            text.replace("index 6\n", "index 6\n\n"),
            text.replace(&line, &format!("{line}=")),
            text.replace(&line, &format!(" {line}")),
            text.replace(&line, "AAAA"),
            text.replace("\n\nreattest", "\n\n\nreattest"),
            text.replace("\n\nreattest", "\nreattest"),
            text.replace("index 6\n", &format!("index 6\n{}", format!("{line}\n").repeat(63))),
            format!("{text}\n"),
            format!("{text}{}", "x".repeat(TLOG_PROOF_MAX)),
        ] {
            assert!(TlogProof::parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn an_extra_line_is_refused_by_name_and_a_place_beyond_the_end_too() {
        let text = proof(6, 7).to_text();
        let extra = text.replace("index 6", "extra AAAA\nindex 6");
        assert_eq!(TlogProof::parse(extra.as_bytes()), Err(TlogProofError::Extra));
        let beyond = text.replace("index 6", "index 7");
        assert!(matches!(
            TlogProof::parse(beyond.as_bytes()),
            Err(TlogProofError::Proof(ProofError::OutOfRange { index: 7, size: 7 }))
        ));
    }
}
