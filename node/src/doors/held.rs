//! The logs and the policy as they were a moment ago, opened once for many questions.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use reattest_attestation::{Bundle, Completeness, Policy, Timestamp};

use crate::clock;
use crate::fault::Fault;
use crate::limits::DOORS_HELD_SECONDS;
use crate::query;
use crate::setup;
use crate::store::Store;
use crate::store::index::{Selector, StoredIndex};

/// A store and its index, as they are on disk; nothing is written through them.
pub struct Held {
    store: Store,
    index: StoredIndex,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl Held {
    /// Opens what is in a data directory, whether a node runs there or not.
    pub fn open(data: &std::path::Path) -> Result<Self, Fault> {
        let store = Store::read_only(data)?;
        let index = StoredIndex::read_only(data, &store)?;
        Ok(Self { store, index })
    }

    /// The evidence on a selector, unverified, and whether a dissent would be in it.
    pub fn evidence(&self, selector: &Selector) -> Result<(Bundle, Completeness), Fault> {
        query::evidence(&self.store, &self.index, selector)
            .map_err(|error| Fault::text(error.to_string()))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

/// What answers are drawn from.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) held: Arc<Held>,
    pub(super) policy: Arc<Policy>,
}

/// Opens logs and policy again when what is held is a moment old.
#[derive(Debug)]
pub(super) struct Grounds {
    data: PathBuf,
    policy: PathBuf,
    ground: Mutex<Option<(Timestamp, Ground)>>,
}

impl Grounds {
    pub(super) fn new(data: PathBuf, policy: PathBuf) -> Self {
        Self { data, policy, ground: Mutex::new(None) }
    }

    /// Where the logs are.
    pub(super) fn data(&self) -> &std::path::Path {
        &self.data
    }

    /// The ground as it is, at most [`DOORS_HELD_SECONDS`] old; blocks while it is read.
    pub(super) fn now(&self) -> Result<Ground, Fault> {
        let now = clock::now();
        // Whoever panicked here had only read.
        let mut ground = self.ground.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read, ground)) = &*ground {
            let age = now.as_unix().saturating_sub(read.as_unix());
            if (0..DOORS_HELD_SECONDS).contains(&age) {
                return Ok(ground.clone());
            }
        }
        // What cannot be read any more must not go on to answer.
        *ground = None;
        let policy = Arc::new(setup::policy_in_force(&self.policy)?);
        let held = Arc::new(Held::open(&self.data)?);
        let new = Ground { held, policy };
        *ground = Some((now, new.clone()));
        Ok(new)
    }
}
