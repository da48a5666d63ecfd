//! What others vouch for: cosignatures of witnesses, and operators' words about keys.

use reattest_attestation::Envelope;
use reattest_attestation::log::Origin;
use serde_bytes::ByteBuf;

use super::cosigning::Cosigned;
use super::node::Node;
use crate::fault::Fault;
use crate::protocol::{CheckedHead, Event};
use crate::signer::messages::{NotCosigned, ToSigner};
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
        let Some(roles) = &self.roles else { return Ok(false) };
        let question = self.cosigning.question(&self.store, origin)?;
        if let Some(question) = &question {
            roles.tell_signer(question)?;
        }
        Ok(question.is_some())
    }

    /// The signer cosigned a head, or did not.
    pub(super) fn cosigned(&mut self, origin: &str, answer: Result<ByteBuf, NotCosigned>) {
        let Ok(origin) = origin.parse::<Origin>() else { return };
        let checkpoint = match self.cosigning.answered(&origin, answer) {
            Cosigned::Note(note) => Some(note),
            Cosigned::AskAgain if matches!(self.ask_to_cosign(&origin), Ok(true)) => return,
            Cosigned::AskAgain | Cosigned::Nothing => None,
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
    pub(super) fn store_word(&mut self, word: &[u8]) -> Option<Event> {
        let envelope = Envelope::parse(word).ok()?;
        let Err(error) = self.words.put(&envelope) else { return None };
        tracing::error!(%error, "an operator's word was not kept; it is tried again");
        Some(Event::WordNotKept(envelope.digest()))
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
