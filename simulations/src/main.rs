//! `reattest-simulations`: runs a seed again, or computes and stages what no test on one machine can.

mod cli;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Arguments::parse().run() {
        Ok(code) => code,
        Err(why) => {
            let _closed = writeln!(io::stderr().lock(), "error: {why}");
            ExitCode::FAILURE
        }
    }
}
