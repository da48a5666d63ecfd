//! Recipes and locks that attestations name: asked of peers by digest, so that bundles are whole.

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::{Claim, Digest, Timestamp};

use super::Core;
use super::event::Effect;
use super::message::Request;
use super::peers::{Peer, RequestId};
use super::refusal::Refusal;
use super::sync::is_due;
use crate::entry::documents_of;
use crate::limits::{DOCUMENT_BYTES, DOCUMENTS_WANTED, REQUEST_SECONDS};

#[derive(Debug, Clone)]
struct Asked {
    peer: Peer,
    request: RequestId,
    at: Timestamp,
}

/// The documents that are held, and those that are looked for.
#[derive(Debug, Default)]
pub(super) struct Documents {
    held: BTreeSet<Digest>,
    wanted: BTreeMap<Digest, Wanted>,
}

/// A document that is looked for.
#[derive(Debug, Default)]
struct Wanted {
    asked: Option<Asked>,
    /// How often it was asked for: each time somebody else is.
    tries: usize,
}

impl Documents {
    pub(super) fn holding(held: BTreeSet<Digest>) -> Self {
        Self { held, ..Self::default() }
    }

    /// Notes the documents that a claim names.
    pub(super) fn want(&mut self, claim: &Claim) {
        for digest in documents_of(claim) {
            self.want_digest(digest);
        }
    }

    pub(super) fn want_digest(&mut self, digest: Digest) {
        if !self.held.contains(&digest) && self.wanted.len() < DOCUMENTS_WANTED {
            self.wanted.entry(digest).or_default();
        }
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
    /// The own builder made this document.
    pub fn holds_document(&mut self, digest: Digest) {
        self.documents.wanted.remove(&digest);
        self.documents.held.insert(digest);
    }

    /// Asks one peer after the other for each document that is looked for.
    pub(super) fn ask_for_documents(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let peers = self.peers.names();
        if peers.is_empty() {
            return;
        }
        for (digest, wanted) in &mut self.documents.wanted {
            let waits = |asked: &Asked| !is_due(asked.at, REQUEST_SECONDS, now);
            if wanted.asked.as_ref().is_some_and(waits) {
                continue;
            }
            // Documents begin at different peers, and each goes its own round.
            let [first, ..] = digest.as_bytes();
            let turn = usize::from(*first).wrapping_add(wanted.tries);
            let Some(peer) = peers.get(turn.wrapping_rem(peers.len())) else {
                continue;
            };
            wanted.tries = wanted.tries.wrapping_add(1);
            let request = self.peers.new_request();
            wanted.asked = Some(Asked { peer: peer.clone(), request, at: now });
            let question = Request::Document(*digest);
            effects.push(Effect::Ask { peer: peer.clone(), request, question });
        }
    }

    pub(super) fn document_came(
        &mut self,
        from: &Peer,
        request: RequestId,
        document: Option<Vec<u8>>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(digest) = self.documents.asked_by(from, request) else {
            return;
        };
        // A peer that does not have it is no liar; another is asked at the next tick.
        let Some(document) = document else { return };
        if document.len() > DOCUMENT_BYTES || Digest::of(&document) != digest {
            self.peers.refuse(from, Refusal::WrongEntries, effects);
            return;
        }
        self.holds_document(digest);
        effects.push(Effect::StoreDocument(document));
    }

    pub(super) fn document_did_not_come(&mut self, from: &Peer, request: RequestId) {
        self.documents.asked_by(from, request);
    }
}
