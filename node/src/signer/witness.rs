//! A witness's word: this head continues every head of its log that was cosigned here before.
//!
//! The last head of each log is on disk, synced, before its cosignature leaves this process: so no
//! crash and no compromised node makes this key vouch for two histories. What the line says besides,
//! that nothing newer was shown at its time, is as true as the node's effort to ask.

use std::fmt;
use std::path::{Path, PathBuf};

use reattest_attestation::log::{
    ConsistencyProof, Origin, SignedCheckpoint, WitnessKey, verify_consistency,
};
use reattest_attestation::{Digest, PublicKey, Timestamp};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::custody::{self, Key};
use super::journal;
use super::messages::{FromSigner, NotCosigned};
use crate::config::Config;
use crate::disk::{self, SharedDisk};
use crate::fault::Fault;

/// The last head of one log that was cosigned here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    size: u64,
    root: Digest,
}

/// A witness: its key, its name, and what it remembers.
pub struct Witness {
    key: Key,
    name: String,
    verifier: WitnessKey,
    disk: SharedDisk,
    directory: PathBuf,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Witness {
    /// Opens the configured key, where this node is to be a witness.
    pub(super) fn open(config: &Config) -> Result<Option<Self>, Fault> {
        let Some(witness) = &config.witness else { return Ok(None) };
        let key = custody::reach_for_signer(&witness.key)?;
        Self::new(disk::local(), &config.data, &witness.name, key).map(Some)
    }

    /// A witness of this name, which remembers below a data directory.
    pub fn new(disk: SharedDisk, data: &Path, name: &str, key: Key) -> Result<Self, Fault> {
        let verifier = WitnessKey::new(name, key.public_key())
            .map_err(|error| Fault::text(error.to_string()))?;
        let directory = directory(data);
        Ok(Self { key, name: name.to_owned(), verifier, disk, directory })
    }

    /// Its key.
    pub(super) fn public_key(&self) -> PublicKey {
        self.verifier.key()
    }

    /// How the node, and everybody, names it.
    pub(super) fn greeting(&self) -> FromSigner {
        FromSigner::Witness { verifier: self.verifier.to_string() }
    }

    /// Cosigns a head that the log's own key signed and that continues the last one.
    pub(super) fn cosign(
        &self,
        note: &[u8],
        key: &PublicKey,
        old: u64,
        proof: Vec<Digest>,
        now: Timestamp,
    ) -> Result<FromSigner, Fault> {
        let refuse = |why: String| NotCosigned::Refused(why);
        let head = SignedCheckpoint::parse(note)
            .and_then(|signed| signed.verify(key))
            .map_err(|error| refuse(error.to_string()));
        let head = match head {
            Ok(head) => head,
            Err(why) => return Ok(answer(String::new(), Err(why))),
        };
        let checkpoint = head.checkpoint();
        let origin = checkpoint.origin.to_string();
        let path = self.path(&checkpoint.origin);
        let last = journal::read::<Last>(&*self.disk, &path)?.unwrap_or_else(nothing);
        if last.size != old {
            return Ok(answer(origin, Err(NotCosigned::Elsewhere { size: last.size })));
        }
        let new = Last { size: checkpoint.size, root: checkpoint.root };
        if let Err(why) = continues(last, new, proof) {
            return Ok(answer(origin, Err(refuse(why))));
        }
        if new != last {
            journal::write(&*self.disk, &path, &new)?;
        }
        // On the log's own copy: a witness has one line on a note, and this one is the newest.
        let own = head.only_cosigned_by(&[]);
        let cosigned = own.and_then(|own| own.cosign(&self.name, &*self.key, now));
        let cosigned = cosigned
            .map(|note| ByteBuf::from(note.as_bytes()))
            .map_err(|error| refuse(error.to_string()));
        Ok(answer(origin, cosigned))
    }

    fn path(&self, origin: &Origin) -> PathBuf {
        self.directory.join(origin.to_string())
    }
}

/// No head of the log was cosigned yet.
fn nothing() -> Last {
    Last { size: 0, root: Digest::of(b"") }
}

/// Where a witness keeps what it cosigned last: below the signer's own state.
fn directory(data: &Path) -> PathBuf {
    data.join("signer").join("witness")
}

fn continues(last: Last, new: Last, proof: Vec<Digest>) -> Result<(), String> {
    if last.size == 0 {
        return Ok(());
    }
    if new.size < last.size {
        return Err(format!("it has {} entries, and {} were cosigned", new.size, last.size));
    }
    if new.size == last.size {
        let same = new.root == last.root && proof.is_empty();
        return if same { Ok(()) } else { Err("its log is forked".to_owned()) };
    }
    let proof = ConsistencyProof { hashes: proof };
    verify_consistency((last.size, last.root), (new.size, new.root), &proof)
        .map_err(|error| error.to_string())
}

fn answer(origin: String, cosigned: Result<ByteBuf, NotCosigned>) -> FromSigner {
    FromSigner::Cosigned { origin, cosigned }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test fails by panicking"
    )]
    use reattest_attestation::log::{Checkpoint, Frontier, leaf_hash, prove_consistency};
    use reattest_attestation::{SecretKey, Sign};

    use super::*;
    use crate::clock;

    fn log() -> SecretKey {
        SecretKey::from_seed(&[3; 32])
    }

    fn witness(home: &Path) -> Witness {
        let key = SecretKey::from_seed(&[5; 32]);
        Witness::new(disk::local(), home, "witness", Box::new(key)).unwrap()
    }

    fn leaves(history: &str, count: usize) -> Vec<Digest> {
        (0..count).map(|n| leaf_hash(format!("{history} {n}").as_bytes())).collect()
    }

    fn head(leaves: &[Digest]) -> Vec<u8> {
        let mut frontier = Frontier::new();
        for leaf in leaves {
            frontier.push(*leaf);
        }
        let origin = Origin::new(&"test".parse().unwrap(), &log().public_key(), 2026);
        let checkpoint = Checkpoint { origin, size: frontier.size(), root: frontier.root() };
        checkpoint.sign(&log()).unwrap().as_bytes().to_vec()
    }

    fn ask(
        witness: &Witness,
        all: &[Digest],
        old: u64,
        new: usize,
    ) -> Result<ByteBuf, NotCosigned> {
        let proof = match old {
            0 => Vec::new(),
            old if old == new as u64 => Vec::new(),
            old => prove_consistency(&all[..new], old).map_or(Vec::new(), |proof| proof.hashes),
        };
        let head = head(&all[..new]);
        match witness.cosign(&head, &log().public_key(), old, proof, clock::now()).unwrap() {
            FromSigner::Cosigned { cosigned, .. } => cosigned,
            other => panic!("{other:?}"),
        }
    }

    fn holds(witness: &Witness, note: &[u8]) -> bool {
        let head = SignedCheckpoint::parse(note).unwrap().verify(&log().public_key()).unwrap();
        head.cosigned_by(&witness.verifier).unwrap().len() == 1
    }

    #[test]
    fn what_continues_is_cosigned_and_what_does_not_never_is() {
        let home = tempfile::tempdir().unwrap();
        let (one, other) = (leaves("a", 40), leaves("b", 40));
        let first = witness(home.path());
        assert!(holds(&first, &ask(&first, &one, 0, 3).unwrap()));
        assert!(holds(&first, &ask(&first, &one, 3, 20).unwrap()));
        // The same head at a newer time.
        assert!(holds(&first, &ask(&first, &one, 20, 20).unwrap()));
        // After a start it knows where it stands, whatever the node says.
        let again = witness(home.path());
        assert_eq!(ask(&again, &one, 3, 30), Err(NotCosigned::Elsewhere { size: 20 }));
        assert_eq!(ask(&again, &other, 0, 30), Err(NotCosigned::Elsewhere { size: 20 }));
        for (history, new) in [(&other, 20), (&other, 30), (&one, 10)] {
            let refused = ask(&again, history, 20, new);
            assert!(matches!(refused, Err(NotCosigned::Refused(_))), "{refused:?}");
        }
        assert!(ask(&again, &one, 20, 40).is_ok());
    }

    #[test]
    fn a_head_of_another_key_or_a_torn_one_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let witness = witness(home.path());
        let note = head(&leaves("a", 3));
        let stranger = SecretKey::from_seed(&[9; 32]).public_key();
        for (note, key) in [(&note[..], stranger), (&note[..40], log().public_key())] {
            let said = witness.cosign(note, &key, 0, Vec::new(), clock::now()).unwrap();
            let refused = FromSigner::Cosigned {
                origin: String::new(),
                cosigned: Err(NotCosigned::Refused(String::new())),
            };
            assert_eq!(std::mem::discriminant(&said), std::mem::discriminant(&refused));
            let FromSigner::Cosigned { cosigned, .. } = said else { panic!() };
            assert!(matches!(cosigned, Err(NotCosigned::Refused(_))));
        }
        assert!(!directory(home.path()).exists(), "nothing is remembered of it");
    }

    #[test]
    fn a_damaged_memory_is_a_fault_and_no_new_beginning() {
        let home = tempfile::tempdir().unwrap();
        let one = leaves("a", 5);
        ask(&witness(home.path()), &one, 0, 3).unwrap();
        let origin = Origin::new(&"test".parse().unwrap(), &log().public_key(), 2026);
        let path = witness(home.path()).path(&origin);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[0] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let head = head(&one);
        let asked =
            witness(home.path()).cosign(&head, &log().public_key(), 0, Vec::new(), clock::now());
        assert!(asked.is_err());
    }
}
