//! Questions that come before their entries: a head is passed on at once, and whoever heard of it here asks for
//! what is still on its way.
//!
//! To answer that there is nothing would send them to nobody: gossip tells each peer of a head once,
//! and they know of no other that has it until they ask for all heads again.

use std::collections::BTreeMap;

use reattest_attestation::Timestamp;
use reattest_attestation::log::Origin;

use super::Core;
use super::effect::Effect;
use super::heads::CheckedHead;
use super::message::Response;
use super::peers::{Peer, Ticket};
use super::sync::is_due;
use crate::limits::{EARLY_QUESTIONS, EARLY_SECONDS, RANGES_PER_PEER};

/// A question for a range below a head that is wanted here, too.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) peer: Peer,
    pub(super) ticket: Ticket,
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) head: u64,
    pub(super) since: Timestamp,
}

/// What waits, by log and in the order in which it came.
pub(super) type EarlyQuestions = BTreeMap<Origin, Vec<Early>>;

impl Core {
    /// Keeps a question until its entries are here, where they are on their way and there is room; else
    /// there is nothing to answer it with.
    pub(super) fn asked_early(&mut self, origin: &str, early: Early, effects: &mut Vec<Effect>) {
        let coming = |log: &super::Followed| {
            let wanted = log.wanted.as_ref().map_or(0, CheckedHead::size);
            !log.is_forked() && wanted >= early.head
        };
        let origin = origin.parse().ok();
        let origin = origin.filter(|origin| self.logs.get(origin).is_some_and(coming));
        let all = || self.early.values().flatten();
        let own = all().filter(|other| other.peer == early.peer).count();
        match origin {
            Some(origin) if all().count() < EARLY_QUESTIONS && own < RANGES_PER_PEER => {
                self.early.entry(origin).or_default().push(early);
            }
            _ => effects.push(nothing(early.ticket)),
        }
    }

    /// A log has grown: who asked for what is here now is answered.
    pub(super) fn answer_early(&mut self, origin: &Origin, effects: &mut Vec<Effect>) {
        let size = self.logs.get(origin).map_or(0, super::Followed::size);
        let Some(waiting) = self.early.get_mut(origin) else { return };
        for Early { ticket, from, until, head, .. } in
            waiting.extract_if(.., |early| early.head <= size)
        {
            effects.push(Effect::Serve { ticket, origin: origin.clone(), from, until, head });
        }
        self.early.retain(|_, waiting| !waiting.is_empty());
    }

    /// Who waited too long may ask somebody else.
    pub(super) fn refuse_early(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.drop_early(|early| is_due(early.since, EARLY_SECONDS, now), effects);
    }

    /// A peer went away; its questions are closed.
    pub(super) fn forget_early(&mut self, peer: &Peer, effects: &mut Vec<Effect>) {
        self.drop_early(|early| early.peer == *peer, effects);
    }

    fn drop_early(&mut self, which: impl Fn(&Early) -> bool, effects: &mut Vec<Effect>) {
        for waiting in self.early.values_mut() {
            let dropped = waiting.extract_if(.., |early| which(early));
            effects.extend(dropped.map(|early| nothing(early.ticket)));
        }
        self.early.retain(|_, waiting| !waiting.is_empty());
    }

    /// Questions that wait for their entries.
    pub fn early_questions(&self) -> usize {
        self.early.values().map(Vec::len).sum()
    }
}

fn nothing(ticket: Ticket) -> Effect {
    Effect::Reply { ticket, response: Response::Nothing }
}
