//! What the fuzzers share with `tests/fuzz_corpus.rs`: the properties, and what these are about.
//!
//! The codec and the messages of nodes are included as files: an instrumented build of their crate,
//! with libp2p, would take longer than a fuzzer runs.

#![allow(dead_code, unused_imports, reason = "included files have more in them than is fuzzed")]

#[path = "../../node/src/codec.rs"]
mod codec;
#[path = "../../node/src/limits.rs"]
mod limits;
#[path = "../../node/src/protocol/message.rs"]
mod message;
#[path = "../worlds.rs"]
mod worlds;

/// Where the properties find what is not in `reattest-attestation`.
mod beside {
    pub(crate) use crate::codec::{decode, encode};
    pub(crate) use crate::limits::{REQUEST_BYTES, RESPONSE_BYTES};
    pub(crate) use crate::message::{Gossip, Request, Response};
    pub(crate) use crate::worlds;
    pub(crate) use reattest_rebuilder::{Lock, Recipe, normalize, report};
}

#[path = "properties/mod.rs"]
pub mod properties;
