//! What counts against a key and could not be written when it was learned: it is written as soon as the disk takes it.

use std::collections::BTreeSet;

use reattest_attestation::Digest;
use reattest_attestation::log::Origin;

use super::Core;
use super::effect::Effect;
use super::heads::Followed;

/// Proofs of forks and operators' words that are known and not on disk. Verdicts are drawn from the
/// disk, so until then a forked or revoked key keeps its votes here.
#[derive(Debug, Default)]
pub(super) struct Unkept {
    forks: BTreeSet<Origin>,
    words: BTreeSet<Digest>,
}

impl Core {
    /// The disk took no proof of this fork.
    pub(super) fn fork_not_kept(&mut self, origin: Origin) {
        if self.is_forked(&origin) {
            self.unkept.forks.insert(origin);
        }
    }

    /// The disk took no word of this digest.
    pub(super) fn word_not_kept(&mut self, digest: Digest) {
        if self.words.get(&digest).is_some() {
            self.unkept.words.insert(digest);
        }
    }

    /// Asks the disk again.
    pub(super) fn keep_again(&mut self, effects: &mut Vec<Effect>) {
        for origin in std::mem::take(&mut self.unkept.forks) {
            let forked = self.logs.get(&origin).and_then(Followed::fork);
            if let Some(proof) = forked.cloned().map(Box::new) {
                effects.push(Effect::KeepFork { origin, proof });
            }
        }
        for digest in std::mem::take(&mut self.unkept.words) {
            let word = self.words.get(&digest).map(<[u8]>::to_vec);
            effects.extend(word.map(Effect::StoreWord));
        }
    }
}
