//! `reattest-simulations SEED`: one seed, one run, with every odd before it begins.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use reattest_simulations::{Canary, DEFAULT_SEED, Failure, Options, World};

use super::{Said, seed};

/// What a run is replayed from.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Decides everything: decimal, or hexadecimal after 0x.
    #[arg(value_name = "SEED", default_value_t = DEFAULT_SEED, value_parser = seed)]
    seed: u64,
    /// Plants a bug, which the run must find.
    #[arg(long, value_name = "NAME")]
    canary: Option<Canary>,
}

impl Replay {
    pub(crate) fn run(&self) -> Said {
        let options = Options { canary: self.canary };
        // Nobody reads any more: the run says nothing, so it must not say that all is well.
        simulate(self.seed, options).map_err(|error| format!("nothing can be printed: {error}"))
    }
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
            show(&failure)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn show(failure: &Failure) -> io::Result<()> {
    let mut err = io::stderr().lock();
    for line in &failure.trace {
        writeln!(err, "{line}")?;
    }
    writeln!(err, "error: {failure}")
}
