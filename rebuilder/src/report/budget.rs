//! Unpacks within bounds (step 4, pure): what a bomb is made of is paid from one account a side.

use std::io::Read;

use super::Limits;

/// What may still be unpacked and looked at on one side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    bytes: u64,
    ratio: u64,
    members: usize,
}

/// Small files compress without bound and harm nobody: the ratio counts from here.
const RATIO_FREE_BYTES: u64 = 1 << 20;

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { bytes: limits.unpacked_bytes, ratio: limits.ratio, members: limits.members }
    }

    /// Everything that a decoder gives, or why not. `packed` is how many bytes it was given.
    pub(super) fn unpack(&mut self, packed: u64, decoder: impl Read) -> Result<Vec<u8>, String> {
        let by_ratio = packed.saturating_mul(self.ratio).max(RATIO_FREE_BYTES);
        let limit = self.bytes.min(by_ratio);
        let mut unpacked = Vec::new();
        let read = decoder.take(limit.saturating_add(1)).read_to_end(&mut unpacked);
        // What was unpacked in vain was work all the same.
        self.bytes = self.bytes.saturating_sub(unpacked.len() as u64);
        read.map_err(|error| error.to_string())?;
        if unpacked.len() as u64 <= limit {
            return Ok(unpacked);
        }
        Err(if limit == by_ratio {
            format!("it unpacks to more than {} times its size", self.ratio)
        } else {
            "this report has unpacked as much as it may".to_owned()
        })
    }

    /// One more member.
    pub(super) fn member(&mut self) -> Result<(), String> {
        self.members = self
            .members
            .checked_sub(1)
            .ok_or_else(|| "there are more members than a report may look at".to_owned())?;
        Ok(())
    }
}
