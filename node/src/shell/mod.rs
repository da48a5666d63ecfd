//! The shell around the protocol core: it performs effects with tokio, libp2p and the store.

pub mod control;
pub mod jobs;
pub mod report;
pub mod roles;
mod start;
mod node;
mod conversation;
mod feeds;
pub mod own_log;
pub mod cosigning;
pub mod logs;
mod vouching;
mod notices;
mod calling;
mod standing;
mod mirrors;
pub mod http;
mod transport;
mod behaviour;
mod stream;

pub use node::run;
pub use start::{lock, recover};
