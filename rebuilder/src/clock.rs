//! Where a rebuild reads the clock (every step): times for the record, and how long things took.
#![expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the clock")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reattest_attestation::Timestamp;

/// This machine's clock; a claim, as everyone who reads it knows.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Time since it was started, whatever happens to the clock meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago that was.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// The same in seconds.
    pub(crate) fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
