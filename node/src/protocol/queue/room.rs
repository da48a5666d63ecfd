//! How much of a machine a build gets: size classes, and the room that running builds leave.

use serde::{Deserialize, Serialize};

use super::row::Took;
use crate::limits::{LARGE_BUILD_SECONDS, SMALL_BUILD_SECONDS, SMALL_SOURCE_BYTES};

/// How much of the machine one build gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// An equal part: as many of them run as there are jobs.
    Small,
    /// A half: two of them, or one beside small ones.
    Medium,
    /// All: it runs alone.
    Large,
}

impl Class {
    /// The class of a build of which nothing is known but the size of its source, or not even that.
    pub fn guess(source_bytes: Option<u64>) -> Self {
        match source_bytes {
            Some(bytes) if bytes <= SMALL_SOURCE_BYTES => Self::Small,
            _ => Self::Medium,
        }
    }

    /// The class after what an earlier build of the package took.
    pub fn after(took: Took) -> Self {
        let by_time = match took.seconds {
            0..SMALL_BUILD_SECONDS => Self::Small,
            SMALL_BUILD_SECONDS..LARGE_BUILD_SECONDS => Self::Medium,
            _ => Self::Large,
        };
        by_time.max(took.at_least)
    }

    /// The next larger one.
    pub fn larger(self) -> Option<Self> {
        match self {
            Self::Small => Some(Self::Medium),
            Self::Medium => Some(Self::Large),
            Self::Large => None,
        }
    }
}

/// What a machine has for builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Builds at a time, at least one.
    pub jobs: u32,
    /// Bytes of memory for all of them together.
    pub memory: u64,
}

impl Room {
    /// Bytes that a build of this class may use.
    pub fn memory_of(self, class: Class) -> u64 {
        let jobs = u64::from(self.jobs.max(1));
        let parts = match class {
            Class::Small => jobs,
            Class::Medium => jobs.min(2),
            Class::Large => 1,
        };
        self.memory.checked_div(parts).unwrap_or(self.memory)
    }

    /// Whether one more fits beside those that run.
    pub fn fits(self, running: &[Class], class: Class) -> bool {
        let used = running.iter().map(|one| self.memory_of(*one)).fold(0, u64::saturating_add);
        let count = u32::try_from(running.len()).unwrap_or(u32::MAX);
        count < self.jobs.max(1) && used.saturating_add(self.memory_of(class)) <= self.memory
    }

    /// The next class that gives a build more than this one does.
    pub fn more_than(self, class: Class) -> Option<Class> {
        let larger = class.larger()?;
        if self.memory_of(larger) > self.memory_of(class) {
            return Some(larger);
        }
        self.more_than(larger)
    }
}
