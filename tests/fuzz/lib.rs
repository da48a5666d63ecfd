//! What the fuzzers share with `tests/fuzz_corpus.rs`: the properties, and what these are about.
//!
//! The codec, the protocol's state machine and the queue's file are included as files: an instrumented
//! build of their crate, with libp2p, would take longer than a fuzzer runs.

#![allow(dead_code, unused_imports, reason = "included files have more in them than is fuzzed")]

#[path = "../../node/src/apt/message.rs"]
mod message;
#[path = "../../node/src/apt/transaction.rs"]
mod transaction;
#[path = "../../node/src/codec.rs"]
mod codec;
#[path = "../../node/src/disk.rs"]
mod disk;
#[path = "../../node/src/entry.rs"]
mod entry;
#[path = "../../node/src/limits.rs"]
mod limits;
#[path = "../../node/src/lockfiles/mod.rs"]
mod lockfiles;
#[path = "../../node/src/protocol/mod.rs"]
mod protocol;
mod store;
#[path = "../worlds.rs"]
mod worlds;

/// Where the properties find what is not in `reattest-attestation`.
mod beside {
    pub(crate) use crate::codec::{decode, encode};
    pub(crate) use crate::limits::{REQUEST_BYTES, RESPONSE_BYTES, STRANGERS};
    pub(crate) use crate::lockfiles::{Format, Pins};
    pub(crate) use crate::message::Message;
    pub(crate) use crate::protocol;
    pub(crate) use crate::protocol::message::{Gossip, Request, Response};
    pub(crate) use crate::store::queue::{QueueError, QueueFile};
    pub(crate) use crate::transaction::Transaction;
    pub(crate) use crate::worlds;
    pub(crate) use reattest_rebuilder::{Lock, Recipe, normalize, report};
}

#[path = "properties/mod.rs"]
pub mod properties;
