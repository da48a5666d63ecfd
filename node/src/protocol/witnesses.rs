//! Witnesses: cosignatures that come are kept below their head, and a witness cosigns what it holds.

use std::collections::BTreeMap;

use reattest_attestation::Timestamp;
use reattest_attestation::log::{Origin, SignedCheckpoint};

use super::Core;
use super::effect::Effect;
use super::heads::CheckedHead;
use super::message::{Gossip, Response};
use super::peers::Ticket;
use super::refusal::Refusal;
use super::sync::is_due;
use crate::limits::{COSIGN_AT_ONCE, COSIGN_SECONDS, COSIGN_WAITING, REQUEST_SECONDS};

/// What a witness does for one log.
#[derive(Debug, Default)]
struct Duty {
    /// The size and the time of the last cosignature.
    done: Option<(u64, Timestamp)>,
    /// When the signer was asked, while its answer is out.
    asked: Option<Timestamp>,
    /// Peers that wait for a cosignature.
    waiting: Vec<Ticket>,
}

/// What a witness does.
#[derive(Debug, Default)]
pub(super) struct Duties {
    logs: BTreeMap<Origin, Duty>,
}

impl Core {
    /// A head with the lines of the policy's witnesses that hold, and no others.
    pub(super) fn only_known_witnesses(&self, head: CheckedHead) -> CheckedHead {
        let kept = head.checkpoint().only_cosigned_by(&self.identity.witnesses);
        kept.ok().and_then(|note| head.with_note(&note)).unwrap_or(head)
    }

    /// The same head again: whether it brings a cosignature that is not held yet.
    pub(super) fn merge_cosignatures(
        &mut self,
        known: &CheckedHead,
        head: &CheckedHead,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let (one, other) = (known.checkpoint().signed(), head.checkpoint().signed());
        let both = one.with_signatures_of(other).map_err(|_| Refusal::BadCheckpoint)?;
        let merged = known.with_note(&both).ok_or(Refusal::BadCheckpoint)?;
        let merged = self.only_known_witnesses(merged);
        if merged.head().checkpoint == known.head().checkpoint {
            return Err(Refusal::Stale);
        }
        let Some(log) = self.logs.get_mut(known.origin()) else { return Ok(()) };
        if log.wanted.as_ref().is_some_and(|wanted| wanted.size() == merged.size()) {
            log.wanted = Some(merged.clone());
        }
        if log.stored.as_ref().is_some_and(|stored| stored.size() == merged.size()) {
            log.stored = Some(merged.clone());
            effects.push(Effect::StoreHead { head: merged });
        }
        Ok(())
    }

    /// Lets the signer cosign a log's head, where this node is a witness and that is due.
    pub(super) fn cosign(&mut self, origin: &Origin, now: Timestamp, effects: &mut Vec<Effect>) {
        if !self.identity.cosigns {
            return;
        }
        let Some(log) = self.logs.get(origin).filter(|log| !log.is_forked()) else { return };
        let Some(head) = &log.stored else { return };
        let duty = self.duties.logs.entry(origin.clone()).or_default();
        let fresh = duty
            .done
            .is_some_and(|(size, at)| size == head.size() && !is_due(at, COSIGN_SECONDS, now));
        let out = duty.asked.is_some_and(|at| !is_due(at, REQUEST_SECONDS, now));
        if out || (fresh && duty.waiting.is_empty()) {
            return;
        }
        duty.asked = Some(now);
        effects.push(Effect::Cosign { head: Box::new(head.clone()) });
    }

    /// Cosigns what is due by the clock, a few at a time.
    pub(super) fn cosign_due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if !self.identity.cosigns {
            return;
        }
        let origins: Vec<Origin> = self.logs.keys().cloned().collect();
        let before = effects.len();
        for origin in origins {
            if effects.len().saturating_sub(before) >= COSIGN_AT_ONCE {
                return;
            }
            self.cosign(&origin, now, effects);
        }
    }

    /// The signer cosigned a head: everybody is told, and whoever waited is answered.
    pub(super) fn cosigned(
        &mut self,
        origin: &Origin,
        checkpoint: Option<&[u8]>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let waiting = match self.duties.logs.get_mut(origin) {
            Some(duty) => {
                duty.asked = None;
                std::mem::take(&mut duty.waiting)
            }
            None => Vec::new(),
        };
        let head = checkpoint.and_then(|note| self.take_cosigned(origin, note, now, effects));
        for ticket in waiting {
            let response = match &head {
                Some(head) => Response::Heads {
                    heads: vec![head.head().clone()],
                    forks: Vec::new(),
                    words: Vec::new(),
                },
                None => Response::Nothing,
            };
            effects.push(Effect::Reply { ticket, response });
        }
    }

    fn take_cosigned(
        &mut self,
        origin: &Origin,
        note: &[u8],
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<CheckedHead> {
        let signed = SignedCheckpoint::parse(note).ok()?;
        let stored = self.logs.get(origin)?.stored.clone()?;
        let size = signed.unverified().size;
        if let Some(duty) = self.duties.logs.get_mut(origin) {
            duty.done = Some((size, now));
        }
        // The log may have grown meanwhile: then its newer head is cosigned next.
        let head = stored.with_note(&signed)?;
        let merged = self.merge_cosignatures(&stored, &head, effects);
        let newest = self.logs.get(origin)?.stored.clone()?;
        if merged.is_ok()
            && let Ok(bytes) = Gossip::Head(newest.head().clone()).encode()
        {
            effects.push(Effect::Publish(bytes));
        }
        // Whoever asked gets the very line that was made now.
        Some(head)
    }

    /// A peer asks this witness for a fresh cosignature of a log.
    pub(super) fn cosigned_asked(
        &mut self,
        ticket: Ticket,
        origin: &str,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let held = origin.parse().ok().filter(|origin: &Origin| {
            self.identity.cosigns
                && self.logs.get(origin).is_some_and(|log| log.stored.is_some() && !log.is_forked())
        });
        let Some(origin) = held else {
            effects.push(Effect::Reply { ticket, response: Response::Nothing });
            return;
        };
        let duty = self.duties.logs.entry(origin.clone()).or_default();
        if duty.waiting.len() >= COSIGN_WAITING {
            effects.push(Effect::Reply { ticket, response: Response::Nothing });
            return;
        }
        duty.waiting.push(ticket);
        self.cosign(&origin, now, effects);
    }
}
