//! The environment of a build (step 3): resolved by apt, unpacked natively, configured in the sandbox.
//!
//! Nothing here needs root, subordinate ids or a Debian host. What comes out is named by its lock's
//! digest and never changes again.

mod closure;
mod solve;
mod deb;
mod unpack;
mod database;
mod configure;
mod freeze;
mod clock;

pub(crate) use clock::clock;
pub(crate) use configure::environment;
pub use deb::DebError;
pub(crate) use solve::lock;
