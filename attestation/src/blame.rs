//! Whose fault it is that something is refused: who reads a refusal wants to know whom to ask (steps 5 and 9).

use std::fmt;

/// Who can mend what was refused.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub enum Blame {
    /// The signature holds over something that must not be signed.
    Signer,
    /// No signature covers what is wrong, or none holds: whoever wrote or carried the bytes.
    Carrier,
    /// Nobody: this reader is too old for it, or lacks something to check it with.
    Reader,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signer => "its signer is at fault",
            Self::Carrier => "whoever carried it is at fault",
            Self::Reader => "this reader cannot tell",
        })
    }
}
