//! Step 1 and steps 5 to 10 on one machine: announce, attest, log, gossip, store, query.
//!
//! | step | file |
//! |---|---|
//! | 1 announce | [`protocol`]`/schedule.rs`, [`builder`] |
//! | 2 fetch, 3 rebuild, 4 compare | [`builder`], over the crate `reattest-rebuilder` |
//! | 5 attest | [`signer`]`/statement.rs` |
//! | 6 log | [`signer`]`/journal.rs`, [`store`]`/log.rs` |
//! | 7 gossip | [`protocol`] decides, [`shell`] carries |
//! | 8 store | [`store`] |
//! | 9 quorum | the crate `reattest-attestation` |
//! | 10 query | [`query`], [`export`], [`decisions`]; its doors: [`cli`], [`doors`], [`apt`], [`lockfiles`] with [`pins`] |
//!
//! One binary, separate processes: the [`shell`] runs the node, which starts a [`builder`] and a
//! [`signer`]; the builder runs workers in sandboxes. `confine.rs` is the wall around the signer.

pub mod limits;
pub mod codec;
pub mod fault;
pub mod clock;
pub mod disk;
pub mod log_format;
pub mod config;
pub mod follow;
pub mod entry;
pub mod link;
mod confine;
pub mod signals;
pub mod builder;
pub mod signer;
pub mod store;
pub mod protocol;
pub mod query;
pub mod export;
pub mod decisions;
pub mod words;
pub mod operator;
pub mod rotate;
pub mod setup;
pub mod shell;
pub mod demo;
pub mod apt;
pub mod doors;
pub mod lockfiles;
pub mod pins;
pub mod cli;
