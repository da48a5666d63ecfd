//! Step 1, announce: what each event does to the queue, and which jobs begin and end.

use std::collections::BTreeSet;

use reattest_attestation::{Purl, Timestamp};

use super::Core;
use super::effect::{Effect, Notice};
use super::event::BuildEnd;
use super::queue::{Class, Queue, State, Wanted};
use super::schedule::{Candidate, Listed, Schedule, is_past, shortened};
use crate::limits::LOGGED_SECONDS;

impl Core {
    /// The queue, to be shown and to be written anew.
    pub fn queue(&self) -> &Queue {
        &self.schedule.queue
    }

    /// A person wants a release; `again` also where it has an outcome already.
    pub(super) fn wanted(&mut self, purl: Purl, again: bool, now: Timestamp) {
        if !self.identity.rebuilds {
            return;
        }
        let candidate = Candidate {
            purl,
            wanted: Wanted::Person,
            by: None,
            announced: true,
            source_bytes: None,
        };
        if again {
            self.schedule.insert(candidate, true, now);
            self.start_builds(now);
        } else {
            self.schedule.heard.candidates.push(candidate);
        }
    }

    /// A followed registry changed.
    pub(super) fn followed(&mut self, new: Vec<Listed>, superseded: &[Purl]) {
        if !self.identity.rebuilds {
            return;
        }
        let queue = &mut self.schedule.queue;
        for purl in superseded {
            let stays = queue.row(purl).is_none_or(|row| {
                row.wanted == Wanted::Person
                    || matches!(row.state, State::Running { .. } | State::Logged { .. })
            });
            if !stays {
                queue.leave(purl);
            }
        }
        let candidate = |listed: Listed| Candidate {
            purl: listed.purl,
            wanted: Wanted::Feed,
            by: None,
            announced: false,
            source_bytes: listed.source_bytes,
        };
        self.schedule.heard.candidates.extend(new.into_iter().map(candidate));
    }

    /// The shell looked into the own log.
    pub(super) fn recalled(&mut self, built: &BTreeSet<Purl>, now: Timestamp) {
        self.schedule.recalled(built, now);
        self.start_builds(now);
    }

    pub(super) fn start_builds(&mut self, now: Timestamp) {
        // What a crash interrupted may be the outcome of what is to be built.
        if self.signer_awaits {
            return;
        }
        let schedule = &mut self.schedule;
        while schedule.resumed {
            let running: Vec<Class> = schedule.running.values().map(|lease| lease.class).collect();
            let busy: BTreeSet<&Purl> =
                schedule.running.values().map(|lease| &lease.purl).collect();
            let Some(row) = schedule.queue.next(&running, &busy, now) else {
                return;
            };
            let (job, purl, memory) = schedule.begin(row, now);
            schedule.after_record.push(Effect::Build { job, purl, memory });
        }
    }

    pub(super) fn build_ended(
        &mut self,
        job: u64,
        (end, why): (BuildEnd, &str),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lease) = self.schedule.running.remove(&job) else {
            return;
        };
        self.schedule.queue.look_again();
        if end == BuildEnd::Attested {
            self.schedule.remember(&lease.purl, lease.begun, now);
        }
        // A job whose lease ran out was counted then; but what it signed after all is signed.
        if !lease.is_cancelled() || end == BuildEnd::Attested {
            self.free(&lease.purl, (end, why), now, effects);
        }
        self.start_builds(now);
    }

    pub(super) fn free(
        &mut self,
        purl: &Purl,
        (end, why): (BuildEnd, &str),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if self.schedule.free(purl, end, why, now) {
            let (purl, why) = (purl.clone(), shortened(why));
            effects.push(Effect::Notice(Notice::GaveUp { purl, why }));
        }
    }

    /// The beat of the queue.
    pub(super) fn beat(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if !self.schedule.resumed {
            for purl in self.schedule.resume(now) {
                let why = "the node ended while it was built, each time".to_owned();
                effects.push(Effect::Notice(Notice::GaveUp { purl, why }));
            }
        }
        self.check_leases(now, effects);
        // An outcome that the own log tells under other names than it was asked by.
        let Schedule { queue, logged, .. } = &mut self.schedule;
        logged.retain(|purl| match queue.row(purl).map(|row| row.state) {
            Some(State::Logged { since }) if is_past(since, LOGGED_SECONDS, now) => {
                queue.leave(purl);
                false
            }
            Some(State::Logged { .. }) => true,
            _ => false,
        });
        self.start_builds(now);
    }

    /// What this event changed goes to disk, then what follows from it is done, then the own log is
    /// asked about what was heard.
    pub(super) fn settle(&mut self, effects: &mut Vec<Effect>) {
        let schedule = &mut self.schedule;
        schedule.note_learned();
        let changes = schedule.queue.changes();
        if !changes.is_empty() {
            effects.push(Effect::Record(changes));
        }
        effects.append(&mut schedule.after_record);
        if schedule.heard.candidates.is_empty() {
            return;
        }
        let heard = std::mem::take(&mut schedule.heard);
        let mut purls: Vec<Purl> =
            heard.candidates.iter().map(|candidate| candidate.purl.clone()).collect();
        purls.sort();
        purls.dedup();
        schedule.asked.push_back(heard);
        effects.push(Effect::Recall(purls));
    }
}
