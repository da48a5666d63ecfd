//! Step 3, rebuild: a running job has a lease that the builder's signs of life renew.
//!
//! A lease that runs out counts as a fault of this machine. Its release is not built again before
//! the old job is known to have ended: two builds of one release could both be signed.

use reattest_attestation::{Purl, Timestamp};

use super::Core;
use super::effect::Effect;
use super::event::BuildEnd;
use super::queue::{Class, Row, Wanted};
use crate::limits::{CANCEL_SECONDS, JOB_SECONDS, LEASE_SECONDS};

/// What the node knows of a running job.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) purl: Purl,
    pub(super) class: Class,
    pub(super) begun: Timestamp,
    /// When the builder was last heard of.
    heard: Timestamp,
    /// When it was told to stop, and whether that was given up too.
    cancelled: Option<(Timestamp, bool)>,
}

impl Lease {
    pub(super) fn new(purl: Purl, class: Class, now: Timestamp) -> Self {
        Self { purl, class, begun: now, heard: now, cancelled: None }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.is_some()
    }

    /// Why the lease ran out, where it did.
    fn end(&self, now: Timestamp) -> Option<String> {
        let passed = |since: Timestamp| now.as_unix().saturating_sub(since.as_unix());
        if passed(self.heard) >= LEASE_SECONDS {
            return Some(format!("the builder gave no sign of life for {LEASE_SECONDS} s"));
        }
        (passed(self.begun) >= JOB_SECONDS)
            .then(|| format!("it ran for more than {} hours", JOB_SECONDS / 3600))
    }
}

impl Core {
    /// The builder works on a job; `building` once all inputs are here and the build itself runs.
    pub(super) fn alive(&mut self, job: u64, building: bool, now: Timestamp) {
        let schedule = &mut self.schedule;
        let Some(lease) = schedule.running.get_mut(&job) else {
            return;
        };
        lease.heard = now;
        if !building || self.identity.own.is_none() {
            return;
        }
        // Others learn of a release that this node found by itself when there is no doubt any more
        // that it will have an outcome here: so a whole suite never floods the own log.
        let row = schedule.queue.row(&lease.purl);
        if let Some(row) = row.filter(|row| row.wanted == Wanted::Feed && !row.announced) {
            let row = Row { announced: true, ..row.clone() };
            schedule.after_record.push(Effect::Announce(row.purl.clone()));
            schedule.queue.put(row);
        }
    }

    /// Ends leases that ran out; where the builder does not even stop, all of it is ended.
    pub(super) fn check_leases(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.forgive_sleep(now);
        let mut ended = Vec::new();
        for (job, lease) in &mut self.schedule.running {
            match &mut lease.cancelled {
                None => {
                    if let Some(why) = lease.end(now) {
                        lease.cancelled = Some((now, false));
                        ended.push((*job, lease.purl.clone(), why));
                    }
                }
                Some((since, gave_up)) => {
                    let passed = now.as_unix().saturating_sub(since.as_unix());
                    if passed >= CANCEL_SECONDS && !*gave_up {
                        *gave_up = true;
                        self.schedule.after_record.push(Effect::EndBuilder);
                    }
                }
            }
        }
        for (job, purl, why) in ended {
            self.schedule.after_record.push(Effect::CancelBuild { job });
            self.free(&purl, (BuildEnd::Fault, &why), now, effects);
        }
    }

    /// A machine that slept, or whose clock was set, did not see a silent builder.
    fn forgive_sleep(&mut self, now: Timestamp) {
        let last = self.schedule.last_tick.replace(now);
        let gap = last.map_or(0, |last| now.as_unix().saturating_sub(last.as_unix()));
        if !(0..LEASE_SECONDS / 2).contains(&gap) {
            self.schedule.queue.look_again();
            for lease in self.schedule.running.values_mut() {
                let later = |at: Timestamp| Timestamp::from_unix(at.as_unix().saturating_add(gap));
                lease.heard = later(lease.heard);
                lease.begun = later(lease.begun);
            }
        }
    }
}
