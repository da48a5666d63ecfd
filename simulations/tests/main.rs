//! One binary for every claim about the simulator and what it finds.

mod scale;
mod scenarios;
mod seeds;
mod whatif;
