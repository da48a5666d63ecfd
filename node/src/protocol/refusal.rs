//! Why something from a peer was refused, and what that costs the peer.

use super::event::Judgement;

/// Why something from a peer was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Not a message of this protocol.
    Malformed,
    /// A certificate whose signature or form is wrong.
    BadCertificate,
    /// A certificate that is not valid now: clocks differ, certificates end.
    CertificateNotValidNow,
    /// A checkpoint whose signature, form or origin is wrong.
    BadCheckpoint,
    /// A log of another network.
    OtherNetwork,
    /// A log of an operator whom the policy does not name.
    UnknownOperator,
    /// More logs than are followed.
    TooManyLogs,
    /// Two heads of one log that cannot both be true.
    Fork,
    /// Two heads that are said to be a fork, and can both be true.
    NoFork,
    /// Entries that do not lead to the head that they were asked for.
    WrongEntries,
    /// Entries that do not continue the log as it is held here: the peer lies, or the log's key
    /// signed two histories and the peer holds the other one.
    OtherHistory,
    /// No entries from a peer that showed a head above them.
    Withheld,
}

impl Refusal {
    /// Points that it costs the peer; at [`PENALTY_LIMIT`](crate::limits::PENALTY_LIMIT) it is
    /// dropped.
    pub fn penalty(self) -> u32 {
        match self {
            // Nobody who speaks the protocol sends these.
            Self::Malformed
            | Self::BadCertificate
            | Self::BadCheckpoint
            | Self::NoFork
            | Self::WrongEntries => 50,
            // The peer carries what others signed, and a head travels faster than its entries:
            // honest peers do all of these. They are passed over, and asked again later.
            Self::Withheld
            | Self::OtherHistory
            | Self::CertificateNotValidNow
            | Self::OtherNetwork
            | Self::UnknownOperator
            | Self::TooManyLogs
            | Self::Fork => 0,
        }
    }

    /// What becomes of a gossiped message that was refused for this.
    pub fn judgement(self) -> Judgement {
        if self.penalty() > 0 { Judgement::Reject } else { Judgement::Ignore }
    }

    /// In words, for logs.
    pub fn text(self) -> &'static str {
        match self {
            Self::Malformed => "a message that is not of this protocol",
            Self::BadCertificate => "a certificate that its operator did not sign",
            Self::CertificateNotValidNow => "a certificate that is not valid now",
            Self::BadCheckpoint => "a checkpoint that the log's key did not sign",
            Self::OtherNetwork => "a log of another network",
            Self::UnknownOperator => "a log of an operator whom the policy does not name",
            Self::TooManyLogs => "one log more than this node follows",
            Self::Fork => "two heads of one log that cannot both be true",
            Self::NoFork => "two heads that prove no fork",
            Self::WrongEntries => "entries that do not lead to the head they were asked for",
            Self::OtherHistory => "entries that do not continue the log as it is held here",
            Self::Withheld => "a head, but not the entries under it",
        }
    }
}
