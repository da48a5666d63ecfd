//! What nodes say to each other, in bincode.

use reattest_attestation::Digest;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::codec::{self, CodecError};
use crate::limits::GOSSIP_BYTES;

/// The version of these messages, in the names of the topic and of the protocol.
pub const VERSION: u32 = 2;

/// The newest head of a log, with the certificate that says whose log it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The operator's certificate of the rebuilder key: a DSSE envelope.
    pub certificate: ByteBuf,
    /// The checkpoint: a C2SP signed note.
    pub checkpoint: ByteBuf,
}

/// Two heads of one log that cannot both be true, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The operator's certificate of the log's key: a DSSE envelope.
    pub certificate: ByteBuf,
    /// The head of the smaller size: a C2SP signed note.
    pub smaller: ByteBuf,
    /// The head of the larger size, or of the same: a C2SP signed note.
    pub larger: ByteBuf,
    /// The root that the larger head's first entries have, up to the size of the smaller one.
    pub root: Digest,
    /// The consistency proof from that root to the larger head (RFC 6962, 2.1.2).
    pub hashes: Vec<Digest>,
}

/// A gossiped message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gossip {
    /// A log has a new head, or its head has a new cosignature.
    Head(Head),
    /// A key signed two histories: this proves it to anybody.
    Fork(Box<Fork>),
    /// An operator's revocation or rotation of a key: a DSSE envelope.
    Word(ByteBuf),
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
    Heads {
        /// Only logs whose origins come after this one; every log after the empty text.
        after: String,
    },
    /// Entries of a log, from `from` on and before `until`, as many as one answer holds.
    Entries {
        /// The log.
        origin: String,
        /// The first entry.
        from: u64,
        /// The first entry that is not asked for; at most a tile's entries after `from`.
        until: u64,
        /// The size of the head that the answer is to be proven under.
        head: u64,
    },
    /// Which root do the first `old` entries have under your head of size `new`?
    Consistency {
        /// The log.
        origin: String,
        /// The smaller size.
        old: u64,
        /// The size of a head.
        new: u64,
    },
    /// A recipe or a lock.
    Document(Digest),
    /// The head of a log that you cosigned last, cosigned anew: asked of witnesses.
    Cosigned {
        /// The log.
        origin: String,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// The newest head of each log, by origin, and what else everybody should know.
    Heads {
        /// One for each log.
        heads: Vec<Head>,
        /// The proof of a fork, for each log that has one.
        forks: Vec<Fork>,
        /// Revocations and rotations by operators, with the first page only: DSSE envelopes.
        words: Vec<ByteBuf>,
    },
    /// Some entries, from the one asked for.
    Entries {
        /// At least one, in the encoding of a C2SP entry bundle: two bytes of length, big-endian,
        /// and the entry.
        bundle: ByteBuf,
        /// The consistency proof from the tree that ends with the last of them to the head that was
        /// asked for; empty where they end with that head.
        proof: Vec<Digest>,
    },
    /// The root of a smaller tree, and the way from it to the head that was asked for.
    Consistency {
        /// The root.
        root: Digest,
        /// The consistency proof.
        proof: Vec<Digest>,
    },
    /// The document, or nothing.
    Document(Option<ByteBuf>),
    /// The peer does not have it, or has no time for it now.
    Nothing,
}
