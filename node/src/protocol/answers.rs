//! Questions of peers, and their answers to ours.

use reattest_attestation::Timestamp;
use reattest_attestation::log::Origin;
use serde_bytes::ByteBuf;

use super::Core;
use super::early::Early;
use super::effect::{Effect, Notice};
use super::message::{Head, Request, Response};
use super::peers::{Peer, RequestId, Ticket};
use super::refusal::Refusal;
use crate::limits::{HEADS_PER_RESPONSE, RANGE_ENTRIES};

impl Core {
    pub(super) fn asked(
        &mut self,
        from: &Peer,
        ticket: Ticket,
        request: Request,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let answered = if self.peers.may_request(from, now) {
            self.answer(from, ticket, request, now, effects)
        } else {
            Err(Refusal::TooFast)
        };
        if let Err(refusal) = answered {
            effects.push(Effect::Reply { ticket, response: Response::Nothing });
            self.peers.refuse(from, refusal, effects);
        }
    }

    fn answer(
        &mut self,
        peer: &Peer,
        ticket: Ticket,
        request: Request,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        match request {
            Request::Heads { after } => {
                let heads = self.heads_after(&after).take(HEADS_PER_RESPONSE).collect();
                let first = after.is_empty();
                let forks = self.forks().take(if first { HEADS_PER_RESPONSE } else { 0 });
                let words = self.words().take(if first { HEADS_PER_RESPONSE } else { 0 });
                let response =
                    Response::Heads { heads, forks: forks.collect(), words: words.collect() };
                effects.push(Effect::Reply { ticket, response });
            }
            Request::Entries { origin, from, until, head } => {
                let asked = until.checked_sub(from).filter(|count| *count > 0);
                if asked.is_none_or(|count| count > RANGE_ENTRIES) || until > head {
                    return Err(Refusal::SenselessRequest);
                }
                if let Some(origin) = self.holding(&origin, head) {
                    effects.push(Effect::Serve { ticket, origin, from, until, head });
                } else {
                    let (peer, since) = (peer.clone(), now);
                    let early = Early { peer, ticket, from, until, head, since };
                    self.asked_early(&origin, early, effects);
                }
            }
            Request::Consistency { origin, old, new } => {
                if old == 0 || old > new {
                    return Err(Refusal::SenselessRequest);
                }
                effects.push(match self.holding(&origin, new) {
                    Some(origin) => Effect::ServeConsistency { ticket, origin, old, new },
                    None => Effect::Reply { ticket, response: Response::Nothing },
                });
            }
            Request::Document(digest) => effects.push(Effect::ServeDocument { ticket, digest }),
            Request::Cosigned { origin } => self.cosigned_asked(ticket, &origin, now, effects),
        }
        Ok(())
    }

    /// The log of this name, where so many of its entries are on disk.
    fn holding(&self, origin: &str, size: u64) -> Option<Origin> {
        let origin = origin.parse().ok()?;
        self.logs.get(&origin).filter(|log| log.size() >= size).map(|_| origin)
    }

    pub(super) fn answered(
        &mut self,
        from: &Peer,
        request: RequestId,
        response: Response,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        match response {
            Response::Heads { heads, forks, words } => {
                let cosigned = self.cosigning.get(&request).is_some_and(|asked| asked == from);
                if cosigned {
                    self.cosigning.remove(&request);
                    self.heads_came(from, heads, None, now, effects);
                } else if let Some(after) = self.peers.heads_ended(from, request) {
                    self.heads_came(from, heads, Some(&after), now, effects);
                } else {
                    // A late answer to a question that was given up is nobody's fault.
                    return;
                }
                for fork in forks.into_iter().take(HEADS_PER_RESPONSE) {
                    let learned = self.learn_fork(fork, effects);
                    self.note_refusal(from, learned, effects);
                }
                for word in words.into_iter().take(HEADS_PER_RESPONSE) {
                    let learned = self.learn_word(&word, effects);
                    self.note_refusal(from, learned, effects);
                }
            }
            Response::Entries { bundle, proof } => {
                let answer = Some((bundle.into_vec(), proof));
                self.pulled(from, request, answer, now, effects);
            }
            Response::Consistency { root, proof } => {
                self.doubt_answered(from, request, root, proof, effects);
            }
            Response::Document(document) => {
                self.document_came(from, request, document.map(ByteBuf::into_vec), now, effects);
            }
            Response::Nothing => {
                self.pulled(from, request, None, now, effects);
                self.document_came(from, request, None, now, effects);
                self.no_answer(from, request);
            }
        }
    }

    /// Heads came: a page of all that the peer holds after an origin, or one that it cosigned.
    fn heads_came(
        &mut self,
        from: &Peer,
        heads: Vec<Head>,
        after: Option<&str>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let full = heads.len() >= HEADS_PER_RESPONSE;
        let mut last = String::new();
        for head in heads.into_iter().take(HEADS_PER_RESPONSE) {
            let shown = super::heads::claimed(&head);
            let learned = self.learn_head(from, head, now, effects);
            if let Some((origin, size)) = shown.filter(|_| after.is_some()) {
                self.note_rollback(from, &origin, size, effects);
                last = origin.to_string();
            }
            self.note_refusal(from, learned, effects);
        }
        // A page that does not go on where it was asked to would be followed by itself for ever.
        if full && after.is_some_and(|after| *last > *after) {
            self.peers.ask_heads(from, last, now, effects);
        }
    }

    /// A peer that held more of a log before, by its own word, lost it or hides it.
    fn note_rollback(
        &mut self,
        from: &Peer,
        origin: &Origin,
        shown: u64,
        effects: &mut Vec<Effect>,
    ) {
        if !self.logs.contains_key(origin) {
            return;
        }
        if let Some(before) = self.peers.says_to_hold(from, origin, shown) {
            let (origin, peer) = (origin.clone(), from.clone());
            effects.push(Effect::Notice(Notice::RolledBack { origin, peer, shown, before }));
        }
    }

    /// What is only known already is no refusal worth a word, where it was asked for.
    fn note_refusal(
        &mut self,
        from: &Peer,
        learned: Result<(), Refusal>,
        effects: &mut Vec<Effect>,
    ) {
        match learned {
            Ok(()) | Err(Refusal::Stale) => {}
            Err(refusal) => self.peers.refuse(from, refusal, effects),
        }
    }
}
