//! A peer that speaks the protocol and lies in it: wrong entries, garbage, a forked head of its own log.

use reattest::protocol::{Head, Response};
use reattest_attestation::Digest;
use reattest_attestation::log::Origin;
use reattest_attestation::log::tiles::{decode_entries, encode_entry};
use serde_bytes::ByteBuf;

use crate::odds::Dice;

/// A second history of the liar's own log.
#[derive(Debug, Clone)]
pub struct Forgery {
    /// The entry that stands last in it.
    pub entry: Vec<u8>,
    /// Its place.
    pub index: u64,
    /// The head over it, of the size of the other history's.
    pub head: Head,
}

/// What makes a node a liar. Its core is honest; its answers go through here.
#[derive(Debug)]
pub struct Liar {
    dice: Dice,
    lie: u64,
    /// The second history, once there is one.
    pub forgery: Option<Forgery>,
    /// Lies told.
    pub lies: u64,
}

impl Liar {
    /// A liar who lies so many times in a thousand.
    pub fn new(dice: Dice, lie: u64) -> Self {
        Self { dice, lie, forgery: None, lies: 0 }
    }

    /// Whether the liar lies this time.
    fn lies_now(&mut self) -> bool {
        let lies = self.dice.chance(self.lie);
        self.lies = self.lies.saturating_add(u64::from(lies));
        lies
    }

    /// What becomes of an answer: `own` is the liar's log, `asked` the log and the first entry where
    /// entries were asked for.
    pub fn twist(
        &mut self,
        own: &Origin,
        asked: Option<(&Origin, u64)>,
        response: Response,
    ) -> Response {
        if !self.lies_now() {
            return response;
        }
        match (response, asked) {
            (Response::Entries { bundle, proof }, Some((origin, from))) if origin == own => {
                Response::Entries { bundle: self.other_history(from, bundle), proof }
            }
            (Response::Entries { bundle, proof }, _) => self.wrong(&bundle, proof),
            (Response::Heads { heads, forks, words }, _) => {
                Response::Heads { heads: self.other_heads(own, heads), forks, words }
            }
            (Response::Consistency { proof, .. }, _) => {
                Response::Consistency { root: Digest::of(b"another root"), proof }
            }
            (Response::Document(_), _) => {
                Response::Document(Some(ByteBuf::from(b"another recipe".to_vec())))
            }
            (Response::Nothing, _) => Response::Nothing,
        }
    }

    /// The entries of the second history: they lead to its head, and to no other.
    fn other_history(&self, from: u64, bundle: ByteBuf) -> ByteBuf {
        let Some(forgery) = &self.forgery else { return bundle };
        let mut entries = entries_of(&bundle);
        let place = forgery.index.checked_sub(from).and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| entries.get_mut(place)) {
            entry.clone_from(&forgery.entry);
        }
        bundle_of(&entries)
    }

    fn other_heads(&self, own: &Origin, heads: Vec<Head>) -> Vec<Head> {
        let Some(forgery) = &self.forgery else {
            return heads;
        };
        let name = own.to_string();
        let is_own = |head: &Head| head.checkpoint.starts_with(name.as_bytes());
        let forged = |head: Head| if is_own(&head) { forgery.head.clone() } else { head };
        heads.into_iter().map(forged).collect()
    }

    /// An entry changed, an entry too many, an entry missing, none at all, or another proof.
    fn wrong(&mut self, bundle: &[u8], mut proof: Vec<Digest>) -> Response {
        let mut entries = entries_of(bundle);
        match self.dice.below(5) {
            0 => {
                if let Some(byte) = entries.last_mut().and_then(|entry| entry.last_mut()) {
                    *byte ^= 1;
                }
            }
            1 => entries.push(b"one too many".to_vec()),
            2 if entries.len() > 1 => drop(entries.remove(0)),
            3 => proof.push(Digest::of(b"a hash too many")),
            _ => entries.clear(),
        }
        Response::Entries { bundle: bundle_of(&entries), proof }
    }
}

fn entries_of(bundle: &[u8]) -> Vec<Vec<u8>> {
    decode_entries(bundle).unwrap_or_default().into_iter().map(<[u8]>::to_vec).collect()
}

fn bundle_of(entries: &[Vec<u8>]) -> ByteBuf {
    let mut bundle = Vec::new();
    for entry in entries {
        // What is too long for an entry is left out: a liar may do that too.
        let _left_out = encode_entry(entry, &mut bundle);
    }
    ByteBuf::from(bundle)
}
