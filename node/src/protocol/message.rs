//! What nodes say to each other, in bincode.

use reattest_attestation::Digest;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::codec::{self, CodecError};
use crate::limits::GOSSIP_BYTES;

/// The version of these messages, in the names of the topic and of the protocol.
pub const VERSION: u32 = 1;

/// The newest head of a log, with the certificate that says whose log it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The operator's certificate of the rebuilder key: a DSSE envelope.
    pub certificate: ByteBuf,
    /// The checkpoint: a C2SP signed note.
    pub checkpoint: ByteBuf,
}

/// A gossiped message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gossip {
    /// A log has a new head.
    Head(Head),
    /// A key signed two histories: both heads prove it to anybody.
    Fork(Box<(Head, Head)>),
}

impl Gossip {
    /// Its bytes on the wire.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(self)
    }

    /// Reads bytes from the wire.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode::<GOSSIP_BYTES, _>(bytes)
    }
}

/// A question to one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Which heads do you hold?
    Heads,
    /// Entries of a log, as many as one answer holds.
    Entries {
        /// The log.
        origin: String,
        /// The first entry.
        from: u64,
        /// The size of the head that the asker wants to reach.
        until: u64,
    },
    /// A recipe or a lock.
    Document(Digest),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// The newest head of each log, and the proofs of forks.
    Heads {
        /// One for each log.
        heads: Vec<Head>,
        /// Two heads of one log that cannot both be true, for each log that has them.
        forks: Vec<(Head, Head)>,
    },
    /// Some entries, from the one asked for; none when there are none.
    Entries(Vec<ByteBuf>),
    /// The document, or nothing.
    Document(Option<ByteBuf>),
}
