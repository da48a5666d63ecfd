//! The door to apt: what it downloads is kept back until it is judged, and what dpkg installs is judged again.
//!
//! apt starts [`method`] in the place of its own method for a scheme, and the method starts apt's. Every
//! message passes through [`relay`]; a package is copied to where apt looks for it by [`withhold`], but for
//! its last bytes, which follow when [`door`] has an answer. Before dpkg runs, apt tells [`hook`] the files
//! ([`transaction`]). Names come from apt's own lists ([`lists`]), never from the file.

pub mod message;
pub mod transaction;
pub mod relay;
pub mod withhold;
pub mod lists;
pub mod door;
pub mod method;
pub mod hook;
pub mod enable;

pub use door::hashed;
pub use lists::{Lists, Names, Published, Release};
