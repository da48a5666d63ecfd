//! What a rebuild tells while it runs, and how it is stopped (every step).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reattest_attestation::{Digest, Outcome};
use serde::{Deserialize, Serialize};

/// A flag that ends a rebuild soon and cleanly: no process, mount or half-written file stays.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    raised: Arc<AtomicBool>,
    /// Raised for this one and others.
    above: Option<Arc<AtomicBool>>,
}

impl Cancel {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag of its own for one of several rebuilds, which is raised with this one too.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { raised: Arc::default(), above: Some(Arc::clone(&self.raised)) }
    }

    /// Ends every rebuild that holds a clone of this flag, or a child of it.
    pub fn cancel(&self) {
        self.raised.store(true, Ordering::SeqCst);
    }

    /// Whether the flag is raised.
    pub fn is_cancelled(&self) -> bool {
        let above = self.above.as_ref().is_some_and(|above| above.load(Ordering::SeqCst));
        above || self.raised.load(Ordering::SeqCst)
    }
}

/// One thing that happened; it crosses the link between builder and node, so it owns its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Progress {
    /// The archive's signed index held: signature, suite and age.
    IndexVerified {
        /// The codename that the index states.
        suite: String,
        /// The index's own date, RFC 5322 as it stands there.
        date: String,
        /// `openpgp:` and the primary-key fingerprint of every valid signature.
        signers: Vec<String>,
    },
    /// The release was found under that index.
    Found {
        /// The source package's purl.
        source: String,
        /// File names of the published artifacts that will be compared.
        published: Vec<String>,
    },
    /// apt resolves the build dependencies; a few seconds, and only once for a source and an index.
    Solving,
    /// Every input is named by digest.
    Pinned {
        /// Packages of the environment and source files together.
        inputs: usize,
        /// Their size in bytes.
        bytes: u64,
        /// The recipe's digest.
        recipe: Digest,
        /// The lock's digest.
        lock: Digest,
    },
    /// Inputs come into the cache; `done` counts those that were there already.
    Fetching {
        /// Files at hand.
        done: usize,
        /// Files needed.
        total: usize,
        /// Bytes at hand.
        bytes: u64,
        /// Bytes needed.
        total_bytes: u64,
    },
    /// The environment is being made from its packages.
    EnvironmentBuilding {
        /// How many packages.
        packages: usize,
    },
    /// The environment stands.
    EnvironmentReady {
        /// The lock's digest, which names it.
        digest: Digest,
        /// Whether an earlier run had made it.
        cached: bool,
        /// Seconds it took.
        seconds: f64,
    },
    /// A build runs in the sandbox.
    Building {
        /// 1, or 2 for the repetition that a difference asks for.
        run: u8,
    },
    /// That build ended.
    Built {
        /// Which run.
        run: u8,
        /// Seconds it took.
        seconds: f64,
        /// Whether it made the announced outputs.
        succeeded: bool,
    },
    /// One artifact was compared.
    Compared {
        /// Its purl.
        purl: String,
        /// The digest that the archive published.
        published: Digest,
        /// The digest of what came out here.
        produced: Option<Digest>,
        /// What that means.
        outcome: Outcome,
    },
}
