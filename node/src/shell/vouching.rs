//! What others vouch for: cosignatures of witnesses, and operators' words about keys.

use reattest_attestation::log::Origin;
use reattest_attestation::{Digest, Envelope};
use serde_bytes::ByteBuf;

use super::node::Node;
use crate::fault::Fault;
use crate::protocol::{CheckedHead, Event};
use crate::signer::messages::{NotCosigned, ToSigner};
use crate::store::LogError;
use crate::words::Words;

impl Node {
    /// Asks the signer to cosign the stored head of a log, with the way from the last one that it
    /// cosigned.
    pub(super) fn cosign(&mut self, head: &CheckedHead) -> Option<Event> {
        let origin = head.origin().clone();
        match self.ask_to_cosign(&origin) {
            Ok(true) => None,
            Ok(false) => Some(Event::Cosigned { origin, checkpoint: None }),
            Err(fault) => {
                tracing::warn!(%fault, "a head was not cosigned");
                Some(Event::Cosigned { origin, checkpoint: None })
            }
        }
    }

    /// Whether the signer was asked.
    fn ask_to_cosign(&mut self, origin: &Origin) -> Result<bool, Fault> {
        let (Some(roles), Some(log)) = (&self.roles, self.store.log(origin)) else {
            return Ok(false);
        };
        let (Some(note), Some(key)) = (log.checkpoint(), log.key()) else { return Ok(false) };
        let old = self.cosigned.get(origin).copied().unwrap_or(0);
        let new = note.unverified().size;
        if old > new {
            tracing::warn!(%origin, old, new, "this witness cosigned more than is on its disk");
            return Ok(false);
        }
        let proof = self.way_of(origin, old, new)?;
        let checkpoint = ByteBuf::from(note.as_bytes());
        roles.tell_signer(&ToSigner::Cosign { checkpoint, key, old, proof })?;
        Ok(true)
    }

    fn way_of(&self, origin: &Origin, old: u64, new: u64) -> Result<Vec<Digest>, LogError> {
        if old == 0 || old == new {
            return Ok(Vec::new());
        }
        let log = self.store.log(origin).ok_or_else(|| LogError::Unknown(origin.clone()))?;
        Ok(log.consistency(old, new)?.map_or_else(Vec::new, |proof| proof.hashes))
    }

    /// The signer cosigned a head, or did not.
    pub(super) fn cosigned(&mut self, origin: &str, cosigned: Result<ByteBuf, NotCosigned>) {
        let Ok(origin) = origin.parse::<Origin>() else { return };
        let checkpoint = match cosigned {
            Ok(note) => {
                let note = note.into_vec();
                if let Ok(head) = reattest_attestation::log::SignedCheckpoint::parse(&note) {
                    self.cosigned.insert(origin.clone(), head.unverified().size);
                }
                Some(note)
            }
            Err(NotCosigned::Elsewhere { size }) => {
                // After a start only the signer knows where it stands; it is asked once more.
                let known = self.cosigned.insert(origin.clone(), size);
                if known != Some(size) && matches!(self.ask_to_cosign(&origin), Ok(true)) {
                    return;
                }
                None
            }
            Err(NotCosigned::Refused(why)) => {
                tracing::warn!(%origin, why, "the signer does not cosign a head");
                None
            }
        };
        self.feed(Event::Cosigned { origin, checkpoint });
    }

    /// Shows the signer a head of its own log.
    pub(super) fn show_signer(&mut self, checkpoint: Vec<u8>) {
        let checkpoint = ByteBuf::from(checkpoint);
        let told =
            self.roles.as_ref().map(|roles| roles.tell_signer(&ToSigner::Seen { checkpoint }));
        if let Some(Err(fault)) = told {
            tracing::warn!(%fault, "the signer was not shown a head of its log");
        }
    }

    /// Keeps a word that peers brought.
    pub(super) fn store_word(&mut self, word: &[u8]) {
        let Ok(envelope) = Envelope::parse(word) else { return };
        if let Err(error) = self.words.put(&envelope) {
            tracing::warn!(%error, "an operator's word was not kept");
        }
    }

    /// Takes in the words on disk: those of a former life, and those that commands left since.
    pub(super) fn read_words(&mut self) {
        let changed = std::fs::metadata(self.config.data.join("words"))
            .and_then(|directory| directory.modified())
            .ok();
        if changed.is_none() || changed == self.words_changed {
            return;
        }
        self.words_changed = changed;
        match Words::open(&self.config.data) {
            Ok(words) => self.words = words,
            Err(error) => return tracing::warn!(%error, "operators' words were not read"),
        }
        let words: Vec<Vec<u8>> =
            self.words.all().map(|envelope| envelope.as_bytes().to_vec()).collect();
        for word in words {
            self.feed(Event::Word(word));
        }
    }
}
