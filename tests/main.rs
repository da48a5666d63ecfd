//! One binary for every test of the whole system: each module is a claim, shown by running it.

mod tidy;
mod quorum_table;
mod quorum_attacks;
mod quorum_regressions;
mod quorum_properties;
mod bad_evidence;
mod vectors;
mod worlds;
mod exhausted_worlds;
mod exhausted_formulas;
mod exhausted_removals;
mod mutations;
mod exports;
mod summaries;
mod log_attacks;
mod fuzz_corpus;
mod oracles;
mod sandbox_escape;
mod rebuild;
mod reports;
mod demo;
mod emitted;
mod restart;
mod bad_input;
mod bad_carried;
