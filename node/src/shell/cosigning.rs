//! The node's half of a witness: what its signer is asked to cosign, and what is made of the answer.

use std::collections::BTreeMap;

use reattest_attestation::Digest;
use reattest_attestation::log::{Origin, SignedCheckpoint};
use serde_bytes::ByteBuf;

use crate::signer::messages::{NotCosigned, ToSigner};
use crate::store::{LogError, Store};

/// Where the signer stands in each log that it cosigned, as far as this process was told.
#[derive(Debug, Default)]
pub struct Cosigning(BTreeMap<Origin, u64>);

/// What follows from a signer's answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Cosigned {
    /// The note with the witness's line.
    Note(Vec<u8>),
    /// It stands elsewhere than the node said: it is asked once more, from there.
    AskAgain,
    /// There is none.
    Nothing,
}

impl Cosigning {
    /// The question about the stored head of a log, with the way from the last one that was cosigned;
    /// nothing where the log has no head, or one that is behind that.
    pub fn question(&self, store: &Store, origin: &Origin) -> Result<Option<ToSigner>, LogError> {
        let Some(log) = store.log(origin) else { return Ok(None) };
        let (Some(note), Some(key)) = (log.checkpoint(), log.key()) else { return Ok(None) };
        let old = self.0.get(origin).copied().unwrap_or(0);
        let new = note.unverified().size;
        if old > new {
            tracing::warn!(%origin, old, new, "this witness cosigned more than is on its disk");
            return Ok(None);
        }
        let proof = way(store, origin, old, new)?;
        let checkpoint = ByteBuf::from(note.as_bytes());
        Ok(Some(ToSigner::Cosign { checkpoint, key, old, proof }))
    }

    /// Takes the signer's answer.
    pub fn answered(&mut self, origin: &Origin, answer: Result<ByteBuf, NotCosigned>) -> Cosigned {
        match answer {
            Ok(note) => {
                let note = note.into_vec();
                if let Ok(head) = SignedCheckpoint::parse(&note) {
                    self.0.insert(origin.clone(), head.unverified().size);
                }
                Cosigned::Note(note)
            }
            // After a start only the signer knows where it stands.
            Err(NotCosigned::Elsewhere { size }) => match self.0.insert(origin.clone(), size) {
                Some(known) if known == size => Cosigned::Nothing,
                _ => Cosigned::AskAgain,
            },
            Err(NotCosigned::Refused(why)) => {
                tracing::warn!(%origin, why, "the signer does not cosign a head");
                Cosigned::Nothing
            }
        }
    }
}

fn way(store: &Store, origin: &Origin, old: u64, new: u64) -> Result<Vec<Digest>, LogError> {
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let log = store.log(origin).ok_or_else(|| LogError::Unknown(origin.clone()))?;
    Ok(log.consistency(old, new)?.map_or_else(Vec::new, |proof| proof.hashes))
}
