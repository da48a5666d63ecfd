//! The local service: one router, behind a unix socket of this user and, where it is configured, behind HTTP.
//!
//! [`held`] keeps the logs and the policy as they are now, [`verdicts`] answers about files and packages,
//! [`network`] about operators, logs and the queue, [`rebuilds`] about who said what, [`tree`] gives out the logs; [`rebuilderd`] is the API of that name; [`problem`] is the form of every refusal, and [`listen`]
//! bounds whoever connects. Nothing is decided here: each answer is `judge` of `query.rs`.

mod held;
mod problem;
mod verdicts;
mod network;
mod catalog;
mod rebuilds;
mod rebuilderd;
mod tree;
mod router;
mod listen;
pub mod client;

pub use held::Held;
pub(crate) use listen::open;
