//! The one binary: every command, and every process of a node.

use std::process::ExitCode;

fn main() -> ExitCode {
    reattest::cli::run()
}
