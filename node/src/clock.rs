//! The wall clock, read in one place.
#![expect(clippy::disallowed_methods, reason = "the one place where the shell reads the clock")]

use std::time::SystemTime;

use reattest_attestation::Timestamp;

/// Now, by this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
