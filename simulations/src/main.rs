//! `reattest-simulations [SEED] [--canary]`: one seed, one run.

use std::io::{self, Write};
use std::process::ExitCode;

use reattest_simulations::{DEFAULT_SEED, Options, World};

/// What is said about a command line that cannot be read.
const USAGE: &str = "needed: reattest-simulations [SEED] [--canary], where SEED is decimal or \
                     begins with 0x";

fn main() -> ExitCode {
    let ended = match arguments(std::env::args().skip(1)) {
        Some((seed, options)) => simulate(seed, options),
        None => writeln!(io::stderr().lock(), "{USAGE}").map(|()| ExitCode::from(2)),
    };
    // Nobody reads any more: the run says nothing, so it must not say that all is well.
    ended.unwrap_or(ExitCode::FAILURE)
}

fn arguments(given: impl Iterator<Item = String>) -> Option<(u64, Options)> {
    let (mut seed, mut options) = (DEFAULT_SEED, Options::default());
    for argument in given {
        match (argument.as_str(), argument.strip_prefix("0x")) {
            ("--canary", _) => options.canary = true,
            (_, Some(digits)) => seed = u64::from_str_radix(digits, 16).ok()?,
            (digits, None) => seed = digits.parse().ok()?,
        }
    }
    Some((seed, options))
}

fn simulate(seed: u64, options: Options) -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    writeln!(out, "seed       {seed:#x}")?;
    let ended = World::of(seed, options).and_then(|world| {
        // The odds stand there even where the run never ends.
        let _shown = writeln!(out, "{}", world.odds);
        world.run()
    });
    match ended {
        Ok(summary) => {
            writeln!(out, "{summary}")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            let mut err = io::stderr().lock();
            for line in &failure.trace {
                writeln!(err, "{line}")?;
            }
            writeln!(err, "error: {failure}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}
