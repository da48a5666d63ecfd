//! Steps 5 to 8 in a world that fits in a seed: the node's own state machines over a lossy network and disks in memory.
//!
//! One `u64` decides everything: the odds, the network's faults, the crashes, what is announced and
//! when. Protocol, signer, store and queue are the node's own and no models of them; what stands here
//! is what a shell does around them. The modules stand in the order of a run:
//!
//! | what | file |
//! |---|---|
//! | the seed's randomness, and the odds drawn from it | [`odds`] |
//! | who is connected, what a message suffers | [`network`] |
//! | a disk that is less than it seems, and what lies on it | `platter`, [`memory`], [`disk`] |
//! | a signer, a transport, and the node around them | [`signer`], [`transport`], [`member`], `effects` |
//! | what is true of a release, and what each node says of it | [`releases`], [`rebuilds`] |
//! | one peer that lies, and another key of its operator | [`liar`] |
//! | what must hold at every step, and once faults stop | [`checkers`] |
//! | what consumers conclude, and whether they may | [`rules`], [`consumers`], `expected` |
//! | bugs planted on purpose, which all of that must catch | [`canary`] |
//! | who is there; what happens, and when | `roster`, `agenda`, `faults`, `wear`, `operators`, `sybils`, [`clocks`], [`world`] |
//! | a failure in a smaller world | [`cut`] |
//! | worlds that are set up by hand, and what they show | `stage`, [`scenarios`] |
//! | what a policy is worth, computed rather than run | [`whatif`] |
//! | networks that no machine here can hold, modelled | [`scale`] |
//!
//! Deliberately absent so far: more than one operator that lies. See
//! `docs/ARCHITECTURE.md` for the wall around the core that makes
//! this possible.

pub mod odds;
pub mod clocks;
pub mod rebuilds;
pub mod releases;
pub mod network;
pub mod signer;
mod platter;
pub mod memory;
pub mod disk;
pub mod transport;
pub mod liar;
pub mod member;
mod effects;
pub mod checkers;
pub mod failure;
pub mod rules;
mod expected;
pub mod consumers;
pub mod canary;
pub mod cut;
pub mod trace;
mod agenda;
mod roster;
mod stage;
pub mod scenarios;
mod builders;
pub mod world;
mod faults;
mod wear;
mod operators;
mod sybils;
pub mod scale;
pub mod whatif;

pub use canary::Canary;
pub use checkers::{Broken, Invariant};
pub use cut::{Cut, minimize};
pub use failure::{Failure, Options};
pub use odds::Odds;
pub use trace::Summary;
pub use world::World;

/// The seed of a run that names none.
pub const DEFAULT_SEED: u64 = 0x5EED;
