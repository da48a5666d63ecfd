//! Alarms that wait are sent again while the node runs: whoever was to hear them may have been down.
#![expect(
    clippy::disallowed_methods,
    reason = "one thread that waits for a webhook or the system's log; ended with the process, it holds nobody up"
)]

use std::thread;

use crate::config::Config;
use crate::decisions::{self, Spool};
use crate::limits::ALARMS_EVERY;

/// Looks at the spool of alarms now and then, as long as this process lives.
pub(super) fn begin(config: &Config) {
    let spool = Spool::beside(&decisions::directory(config), &config.alarms);
    thread::spawn(move || {
        loop {
            // What is not taken is told by the spool, with its reason, each time.
            if let Err(error) = spool.deliver() {
                tracing::error!(event = "alarms_unreadable", "{error}");
            }
            thread::sleep(ALARMS_EVERY);
        }
    });
}
