//! How much one peer may send: a bucket of tokens for each kind of message, filled by time.

use reattest_attestation::Timestamp;

use crate::limits::{GOSSIP_BURST, GOSSIP_PER_SECOND, REQUEST_BURST, REQUESTS_PER_SECOND};

/// Tokens of one kind.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: u32,
    per_second: u32,
    burst: u32,
    filled: Option<Timestamp>,
}

impl Bucket {
    const fn new(per_second: u32, burst: u32) -> Self {
        Self { tokens: burst, per_second, burst, filled: None }
    }

    /// Takes one token, where there is one.
    fn take(&mut self, now: Timestamp) -> bool {
        let since = self.filled.map_or(0, |at| now.as_unix().saturating_sub(at.as_unix()));
        // A clock that jumped back gives nothing and takes nothing.
        let seconds = u32::try_from(since.max(0)).unwrap_or(u32::MAX);
        if seconds > 0 || self.filled.is_none() || since < 0 {
            self.filled = Some(now);
        }
        let gained = self.per_second.saturating_mul(seconds);
        self.tokens = self.tokens.saturating_add(gained).min(self.burst);
        let has = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        has
    }
}

/// What one peer may still send now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    gossip: Bucket,
    requests: Bucket,
    asked: Bucket,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            gossip: Bucket::new(GOSSIP_PER_SECOND, GOSSIP_BURST),
            requests: Bucket::new(REQUESTS_PER_SECOND, REQUEST_BURST),
            // Half of what the other side allows: its clock may beat against ours.
            asked: Bucket::new(REQUESTS_PER_SECOND / 2, REQUEST_BURST / 2),
        }
    }
}

impl Rates {
    /// Whether the peer may gossip one more message.
    pub(super) fn may_gossip(&mut self, now: Timestamp) -> bool {
        self.gossip.take(now)
    }

    /// Whether the peer may ask once more.
    pub(super) fn may_request(&mut self, now: Timestamp) -> bool {
        self.requests.take(now)
    }

    /// Whether we may ask the peer once more.
    pub(super) fn may_ask(&mut self, now: Timestamp) -> bool {
        self.asked.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, tries: u32, at: i64) -> usize {
        (0..tries).filter(|_| bucket.take(Timestamp::from_unix(at))).count()
    }

    #[test]
    fn a_burst_passes_and_a_flood_is_held_to_its_rate() {
        let mut bucket = Bucket::new(10, 30);
        assert_eq!(taken(&mut bucket, 100, 1_000), 30);
        assert_eq!(taken(&mut bucket, 100, 1_000), 0);
        assert_eq!(taken(&mut bucket, 100, 1_001), 10);
        assert_eq!(taken(&mut bucket, 100, 2_000_000), 30, "an idle peer saves up one burst");
    }

    #[test]
    fn a_clock_that_jumps_back_neither_fills_nor_blocks() {
        let mut bucket = Bucket::new(10, 30);
        assert_eq!(taken(&mut bucket, 100, 1_000), 30);
        assert_eq!(taken(&mut bucket, 100, 10), 0);
        assert_eq!(taken(&mut bucket, 100, 11), 10);
    }
}
