//! Recipes and locks that attestations name: asked of peers by digest, so that bundles are whole.

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::{Claim, Digest, Timestamp};

use super::Core;
use super::effect::Effect;
use super::message::Request;
use super::peers::{Peer, RequestId};
use super::refusal::Refusal;
use super::sync::is_due;
use crate::entry::documents_of;
use crate::limits::{DOCUMENT_BYTES, DOCUMENTS_ASKED, DOCUMENTS_WANTED, REQUEST_SECONDS};

/// Seconds between two rounds of questions for a document, at most.
const LONGEST_REST: i64 = 4 * REQUEST_SECONDS;

#[derive(Debug, Clone)]
struct Asked {
    peer: Peer,
    request: RequestId,
    at: Timestamp,
}

/// The documents that are looked for. Which ones are held, the store says.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// Named by entries; whether they are on disk is not known yet.
    named: BTreeSet<Digest>,
    wanted: BTreeMap<Digest, Wanted>,
}

/// A document that is looked for.
#[derive(Debug, Default)]
struct Wanted {
    asked: Option<Asked>,
    /// How often it was asked for: each time somebody else is.
    tries: usize,
    /// Since when nobody is asked for it, and for how many seconds.
    rests: Option<(Timestamp, i64)>,
}

impl Wanted {
    /// Everybody was asked once: the next round waits, longer each time.
    fn rest(&mut self, peers: usize, now: Timestamp) {
        let rounds = self.tries.checked_div(peers.max(1)).unwrap_or(0);
        if self.tries.checked_rem(peers.max(1)) == Some(0) {
            let seconds = REQUEST_SECONDS.saturating_mul(1 << rounds.min(2)).min(LONGEST_REST);
            self.rests = Some((now, seconds));
        }
    }
}

impl Documents {
    /// Notes the documents that a claim names and that are not held.
    pub(super) fn want(&mut self, claim: &Claim) {
        for digest in documents_of(claim) {
            self.want_digest(digest);
        }
    }

    pub(super) fn want_digest(&mut self, digest: Digest) {
        let all = self.named.len().saturating_add(self.wanted.len());
        if all < DOCUMENTS_WANTED && !self.wanted.contains_key(&digest) {
            self.named.insert(digest);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.named.len().saturating_add(self.wanted.len())
    }

    /// The document that this request was for.
    fn asked_by(&mut self, peer: &Peer, request: RequestId) -> Option<Digest> {
        let asks = |asked: &Asked| asked.peer == *peer && asked.request == request;
        let (digest, wanted) =
            self.wanted.iter_mut().find(|(_, wanted)| wanted.asked.as_ref().is_some_and(asks))?;
        wanted.asked = None;
        Some(*digest)
    }
}

impl Core {
    /// A document is on disk: the own builder made it, or it was there before.
    pub fn holds_document(&mut self, digest: Digest) {
        self.documents.wanted.remove(&digest);
    }

    /// Looks for a document that somebody asked for and that is not on disk.
    pub fn want_document(&mut self, digest: Digest) {
        self.documents.want_digest(digest);
    }

    /// The store is asked for what entries named since the last event.
    pub(super) fn find_documents(&mut self, effects: &mut Vec<Effect>) {
        let named = std::mem::take(&mut self.documents.named);
        effects.extend(named.into_iter().map(Effect::FindDocument));
    }

    /// The store does not have a document.
    pub(super) fn no_document(
        &mut self,
        digest: Digest,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.documents.wanted.entry(digest).or_default();
        self.ask_for_documents(now, effects);
    }

    /// The disk did not take a document: it is looked for again after as long as one waits that nobody
    /// has.
    pub(super) fn document_not_kept(&mut self, digest: Digest, now: Timestamp) {
        let rests = Some((now, LONGEST_REST));
        self.documents.wanted.insert(digest, Wanted { rests, ..Wanted::default() });
    }

    /// Asks one peer after the other for each document that is looked for, few at a time.
    pub(super) fn ask_for_documents(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let peers = self.peers.names();
        if peers.is_empty() {
            return;
        }
        let waits = |asked: &Asked| !is_due(asked.at, REQUEST_SECONDS, now);
        let out = |wanted: &&Wanted| wanted.asked.as_ref().is_some_and(waits);
        let mut room =
            DOCUMENTS_ASKED.saturating_sub(self.documents.wanted.values().filter(out).count());
        for (digest, wanted) in &mut self.documents.wanted {
            if room == 0 {
                return;
            }
            let rests = wanted.rests.is_some_and(|(since, seconds)| !is_due(since, seconds, now));
            if rests || wanted.asked.as_ref().is_some_and(waits) {
                continue;
            }
            // Documents begin at different peers, and each goes its own round.
            let [first, ..] = digest.as_bytes();
            let turn = usize::from(*first).wrapping_add(wanted.tries);
            let Some(peer) = peers.get(turn.wrapping_rem(peers.len())) else {
                continue;
            };
            if !self.peers.may_ask(peer, now) {
                continue;
            }
            wanted.tries = wanted.tries.wrapping_add(1);
            wanted.rest(peers.len(), now);
            let request = self.peers.new_request();
            wanted.asked = Some(Asked { peer: peer.clone(), request, at: now });
            let question = Request::Document(*digest);
            effects.push(Effect::Ask { peer: peer.clone(), request, question });
            room = room.saturating_sub(1);
        }
    }

    pub(super) fn document_came(
        &mut self,
        from: &Peer,
        request: RequestId,
        document: Option<Vec<u8>>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(digest) = self.documents.asked_by(from, request) else {
            return;
        };
        // A peer that does not have it is no liar; another is asked.
        let Some(document) = document else {
            self.ask_for_documents(now, effects);
            return;
        };
        if document.len() > DOCUMENT_BYTES || Digest::of(&document) != digest {
            self.peers.refuse(from, Refusal::WrongEntries, effects);
            return;
        }
        self.holds_document(digest);
        effects.push(Effect::StoreDocument(document));
        self.ask_for_documents(now, effects);
    }

    pub(super) fn document_did_not_come(&mut self, from: &Peer, request: RequestId) {
        self.documents.asked_by(from, request);
    }
}
