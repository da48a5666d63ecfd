//! The shell around the protocol core: it performs effects with tokio, libp2p and the store.

pub mod control;
pub mod report;
pub mod roles;
mod node;
mod own_log;
mod transport;

pub use node::run;
