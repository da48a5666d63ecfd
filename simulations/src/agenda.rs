//! What is going to happen, in the order of the virtual clock.

use std::collections::BTreeMap;
use std::fmt;

use reattest_attestation::Purl;

use crate::network::{Name, Packet};
use crate::odds::Millis;
use crate::wear::Wear;

/// Something on the agenda.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// A node's clock beats.
    Tick(Name),
    /// A message comes over the connection of this number.
    Arrive { from: Name, to: Name, session: u64, packet: Packet },
    /// A request of this number was waited for long enough.
    TimeOut { node: Name, number: u64 },
    /// Links that are down are dialled.
    Dial,
    /// A node hears of a release.
    Announce(Name),
    /// A builder is done, if its node still lives the same life.
    Built { node: Name, life: u32, job: u64, purl: Purl },
    /// A job ends without an outcome.
    Stopped {
        /// Whose.
        node: Name,
        /// In which of its lives.
        life: u32,
        /// The job.
        job: u64,
    },
    /// Some node is about to lose its power.
    Crash,
    /// A node starts.
    Start(Name),
    /// An operator revokes a key, or rotates it.
    EndKey,
    /// Keys that nobody ever heard of are shown around.
    Sybils,
    /// Somebody sets a clock, forth or back.
    SetClock,
    /// Something happens to a disk.
    Disk(Wear),
    /// A partition begins.
    Split,
    /// It ends.
    Heal,
    /// The liar forks its log.
    Fork,
    /// All faults stop.
    Calm,
}

/// What is going to happen, by its time; what is planned for one time happens in the order of planning.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    planned: BTreeMap<(Millis, u64), Happening>,
    count: u64,
}

impl Agenda {
    /// Plans something.
    pub(crate) fn plan(&mut self, at: Millis, happening: Happening) {
        self.count = self.count.saturating_add(1);
        self.planned.insert((at, self.count), happening);
    }

    /// What happens next until a time, and when.
    pub(crate) fn pop(&mut self, until: Millis) -> Option<(Millis, Happening)> {
        let next = self.planned.first_entry().filter(|next| next.key().0 <= until)?;
        let ((at, _), happening) = next.remove_entry();
        Some((at, happening))
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrive { from, to, session, packet } => {
                write!(f, "{from} -> {to} over {session}: {packet}")
            }
            Self::Built { node, job, purl, .. } => write!(f, "{node} ends job {job}, {purl}"),
            other => write!(f, "{other:?}"),
        }
    }
}
