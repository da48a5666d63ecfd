//! Step 1, announce: hints become builds, one at a time, each release once.
//!
//! A hint confers nothing: the builder checks the authority and derives the recipe by itself.

use std::collections::BTreeMap;

use reattest_attestation::{Claim, PublicKey, Purl, Timestamp};

use super::event::{BuildEnd, Effect, Notice};
use super::{Core, Identity};
use crate::limits::{BUILD_ATTEMPTS, BUILD_RETRY_SECONDS, SCHEDULED};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Queued { attempts: u32, not_before: Option<Timestamp> },
    Running { job: u64, attempts: u32 },
    Ended,
}

/// The releases that were announced.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    releases: BTreeMap<Purl, State>,
    next_job: u64,
}

impl Schedule {
    /// Learns from an entry of a followed log.
    pub(super) fn learn(&mut self, identity: &Identity, key: PublicKey, claim: &Claim) {
        let own = identity.own == Some(key);
        let ended = match claim {
            Claim::Announcement(announcement) if identity.rebuilds => {
                if self.releases.len() < SCHEDULED && announcement.network == identity.network {
                    let queued = State::Queued { attempts: 0, not_before: None };
                    self.releases.entry(announcement.purl.clone()).or_insert(queued);
                }
                return;
            }
            Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild) if own => &rebuild.artifacts,
            _ => return,
        };
        for artifact in ended {
            self.releases.insert(artifact.purl.clone(), State::Ended);
        }
    }

    fn running(&self) -> bool {
        self.releases.values().any(|state| matches!(state, State::Running { .. }))
    }

    /// The next release whose time has come.
    fn next(&mut self, now: Timestamp) -> Option<(u64, Purl)> {
        if self.running() {
            return None;
        }
        let (purl, state) = self.releases.iter_mut().find(|(_, state)| {
            matches!(state, State::Queued { not_before, .. } if not_before.is_none_or(|at| at <= now))
        })?;
        let State::Queued { attempts, .. } = *state else {
            return None;
        };
        self.next_job = self.next_job.wrapping_add(1);
        *state = State::Running { job: self.next_job, attempts: attempts.saturating_add(1) };
        Some((self.next_job, purl.clone()))
    }

    /// Ends a job; the release that is given up by it.
    fn end(&mut self, job: u64, end: BuildEnd, now: Timestamp) -> Option<Purl> {
        let (purl, state) = self.releases.iter_mut().find(
            |(_, state)| matches!(state, State::Running { job: running, .. } if *running == job),
        )?;
        let State::Running { attempts, .. } = *state else {
            return None;
        };
        let again = end == BuildEnd::Fault && attempts < BUILD_ATTEMPTS;
        *state = if again {
            let wait = BUILD_RETRY_SECONDS.saturating_mul(i64::from(attempts));
            let not_before = Some(Timestamp::from_unix(now.as_unix().saturating_add(wait)));
            State::Queued { attempts, not_before }
        } else {
            State::Ended
        };
        (!again && end != BuildEnd::Attested).then(|| purl.clone())
    }
}

impl Core {
    pub(super) fn start_builds(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Some((job, purl)) = self.schedule.next(now) {
            effects.push(Effect::Build { job, purl });
        }
    }

    pub(super) fn build_ended(
        &mut self,
        job: u64,
        end: BuildEnd,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(purl) = self.schedule.end(job, end, now) {
            effects.push(Effect::Notice(Notice::GaveUp { purl }));
        }
        self.start_builds(now, effects);
    }
}
