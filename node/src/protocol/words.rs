//! Operators' words: revocations and rotations of keys, carried to everybody.

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::{Digest, Envelope, OperatorWord, PublicKey};
use serde_bytes::ByteBuf;

use super::Core;
use super::effect::{Effect, Notice};
use super::message::Gossip;
use super::refusal::Refusal;
use crate::limits::WORDS_PER_OPERATOR;

/// The words that are held.
#[derive(Debug, Default)]
pub(super) struct Words {
    held: BTreeMap<Digest, Vec<u8>>,
    of: BTreeMap<PublicKey, BTreeSet<Digest>>,
}

impl Words {
    /// The word of this digest.
    pub(super) fn get(&self, digest: &Digest) -> Option<&[u8]> {
        self.held.get(digest).map(Vec::as_slice)
    }
}

/// Reads a word that is worth carrying: a certificate travels with its head.
fn word_of(bytes: &[u8]) -> Result<(PublicKey, Digest), Refusal> {
    let envelope = Envelope::parse(bytes).map_err(|_| Refusal::BadWord)?;
    let word = OperatorWord::verify(&envelope).map_err(|_| Refusal::BadWord)?;
    let revoked = word.revoked().ok_or(Refusal::BadWord)?;
    Ok((revoked.revocation().operator, envelope.digest()))
}

impl Core {
    /// Takes in a word: whether it is new.
    fn take_word(&mut self, bytes: &[u8]) -> Result<Digest, Refusal> {
        let (operator, digest) = word_of(bytes)?;
        if !self.identity.operators.contains(&operator) {
            return Err(Refusal::UnknownOperator);
        }
        if self.words.held.contains_key(&digest) {
            return Err(Refusal::Stale);
        }
        let of = self.words.of.entry(operator).or_default();
        if of.len() >= WORDS_PER_OPERATOR {
            return Err(Refusal::TooManyWords);
        }
        of.insert(digest);
        self.words.held.insert(digest, bytes.to_vec());
        Ok(digest)
    }

    /// Takes in a word from a peer, and keeps it.
    pub(super) fn learn_word(
        &mut self,
        bytes: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let digest = self.take_word(bytes)?;
        effects.push(Effect::StoreWord(bytes.to_vec()));
        effects.push(Effect::Notice(Notice::Word { digest }));
        Ok(())
    }

    /// A word that is on this machine's disk: everybody is told, once.
    pub(super) fn own_word(&mut self, bytes: &[u8], effects: &mut Vec<Effect>) {
        if let Ok(digest) = self.take_word(bytes) {
            if let Ok(message) = Gossip::Word(ByteBuf::from(bytes)).encode() {
                effects.push(Effect::Publish(message));
            }
            effects.push(Effect::Notice(Notice::Word { digest }));
        }
    }

    /// The words that are held, as many as one answer carries.
    pub(super) fn words(&self) -> impl Iterator<Item = ByteBuf> {
        self.words.held.values().cloned().map(ByteBuf::from)
    }
}
