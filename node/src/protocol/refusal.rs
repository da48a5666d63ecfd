//! Why something from a peer was refused, and what that costs the peer.

use super::effect::Judgement;

/// Why something from a peer was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Not a message of this protocol.
    Malformed,
    /// A request that no node has a use for: an empty or huge range, a range behind its end.
    SenselessRequest,
    /// More messages or requests than one peer may send.
    TooFast,
    /// Another version of the protocol, or another network.
    OtherProtocol,
    /// A peer that is not on the list of a private network.
    NotAllowed,
    /// A peer that was dropped for what it did, and came back too soon.
    Banned,
    /// More connections than this node keeps, or more from one range of addresses.
    NoRoom,
    /// A certificate whose signature or form is wrong.
    BadCertificate,
    /// A certificate that is not valid now: clocks differ, certificates end.
    CertificateNotValidNow,
    /// A checkpoint whose signature, form or origin is wrong.
    BadCheckpoint,
    /// An operator's word that is not signed by that operator, or of another kind.
    BadWord,
    /// A log of another network.
    OtherNetwork,
    /// A log of an operator whom the policy does not name, beyond the share of strangers.
    UnknownOperator,
    /// More logs than are followed.
    TooManyLogs,
    /// More words than an operator may have.
    TooManyWords,
    /// A head that is known already, or is older than the one that is held.
    Stale,
    /// Two heads of one log that cannot both be true.
    Fork,
    /// Two heads that are said to be a fork, and are not proven to be one.
    NoFork,
    /// Entries, a proof or a document that are not what was asked for.
    WrongEntries,
    /// No entries from a peer that showed a head above them.
    Withheld,
    /// No answer in time.
    Silent,
}

impl Refusal {
    /// Every refusal, for counters.
    pub const ALL: [Self; 21] = [
        Self::Malformed,
        Self::SenselessRequest,
        Self::TooFast,
        Self::OtherProtocol,
        Self::NotAllowed,
        Self::Banned,
        Self::NoRoom,
        Self::BadCertificate,
        Self::CertificateNotValidNow,
        Self::BadCheckpoint,
        Self::BadWord,
        Self::OtherNetwork,
        Self::UnknownOperator,
        Self::TooManyLogs,
        Self::TooManyWords,
        Self::Stale,
        Self::Fork,
        Self::NoFork,
        Self::WrongEntries,
        Self::Withheld,
        Self::Silent,
    ];

    /// Points that it costs the peer; at [`PENALTY_LIMIT`](crate::limits::PENALTY_LIMIT) it is
    /// dropped and stays out for a while.
    pub fn penalty(self) -> u32 {
        match self {
            // Nobody who speaks the protocol sends these.
            Self::Malformed
            | Self::BadCertificate
            | Self::BadCheckpoint
            | Self::BadWord
            | Self::NoFork
            | Self::WrongEntries => 50,
            Self::SenselessRequest => 20,
            // A burst passes; a flood does not.
            Self::TooFast => 1,
            // The peer carries what others signed, and a head travels faster than its entries:
            // honest peers do all of these. They are passed over, and asked again later.
            Self::Withheld
            | Self::Silent
            | Self::CertificateNotValidNow
            | Self::OtherNetwork
            | Self::UnknownOperator
            | Self::TooManyLogs
            | Self::TooManyWords
            | Self::Stale
            | Self::Fork
            // These end the connection by themselves.
            | Self::OtherProtocol
            | Self::NotAllowed
            | Self::Banned
            | Self::NoRoom => 0,
        }
    }

    /// What becomes of a gossiped message that was refused for this.
    pub fn judgement(self) -> Judgement {
        match self {
            // The message may be good: it is not the message that is punished.
            Self::TooFast => Judgement::Ignore,
            refusal if refusal.penalty() > 0 => Judgement::Reject,
            _ => Judgement::Ignore,
        }
    }

    /// Whether it is everyday life among honest nodes, and not worth a line.
    pub fn is_everyday(self) -> bool {
        matches!(self, Self::Stale | Self::UnknownOperator | Self::Silent | Self::Withheld)
    }

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::SenselessRequest => "senseless-request",
            Self::TooFast => "too-fast",
            Self::OtherProtocol => "other-protocol",
            Self::NotAllowed => "not-allowed",
            Self::Banned => "banned",
            Self::NoRoom => "no-room",
            Self::BadCertificate => "bad-certificate",
            Self::CertificateNotValidNow => "certificate-not-valid-now",
            Self::BadCheckpoint => "bad-checkpoint",
            Self::BadWord => "bad-word",
            Self::OtherNetwork => "other-network",
            Self::UnknownOperator => "unknown-operator",
            Self::TooManyLogs => "too-many-logs",
            Self::TooManyWords => "too-many-words",
            Self::Stale => "stale",
            Self::Fork => "fork",
            Self::NoFork => "no-fork",
            Self::WrongEntries => "wrong-entries",
            Self::Withheld => "withheld",
            Self::Silent => "silent",
        }
    }

    /// In words, for logs.
    pub fn text(self) -> &'static str {
        match self {
            Self::Malformed => "a message that is not of this protocol",
            Self::SenselessRequest => "a request for an empty, huge or reversed range",
            Self::TooFast => "more messages or requests than one peer may send",
            Self::OtherProtocol => "another version of the protocol, or another network",
            Self::NotAllowed => "a peer that is not on this private network's list",
            Self::Banned => "a peer that was dropped for what it did, and came back too soon",
            Self::NoRoom => "one connection more than there is room for",
            Self::BadCertificate => "a certificate that its operator did not sign",
            Self::CertificateNotValidNow => "a certificate that is not valid now",
            Self::BadCheckpoint => "a checkpoint that the log's key did not sign",
            Self::BadWord => "an operator's word that the operator did not sign",
            Self::OtherNetwork => "a log of another network",
            Self::UnknownOperator => "a log of an operator whom the policy does not name",
            Self::TooManyLogs => "one log more than this node follows",
            Self::TooManyWords => "one word more than an operator may have",
            Self::Stale => "a head that is known, or older than the one that is held",
            Self::Fork => "two heads of one log that cannot both be true",
            Self::NoFork => "two heads that prove no fork",
            Self::WrongEntries => "entries, a proof or a document that are not what was asked for",
            Self::Withheld => "a head, but not the entries under it",
            Self::Silent => "no answer in time",
        }
    }
}
