//! One binary for every test of the whole system.

mod quorum_table;
mod vectors;
mod worlds;
mod sandbox_escape;
