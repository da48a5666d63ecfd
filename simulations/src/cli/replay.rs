//! `reattest-simulations SEED`: one seed, one run, with every odd before it begins.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum as _};
use reattest_simulations::{Canary, Cut, DEFAULT_SEED, Failure, Options, World, minimize};

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
    /// Looks for a smaller world that fails in the same way, and prints how to run it.
    #[arg(long)]
    minimize: bool,
    #[command(flatten)]
    cut: Cut,
}

impl Replay {
    pub(crate) fn run(&self) -> Said {
        // Nobody reads any more: the run says nothing, so it must not say that all is well.
        self.simulate().map_err(|error| format!("nothing can be printed: {error}"))
    }

    fn simulate(&self) -> io::Result<ExitCode> {
        let mut out = io::stdout().lock();
        writeln!(out, "seed       {:#x}", self.seed)?;
        let options = Options { canary: self.canary, cut: self.cut.clone() };
        let ended = World::of(self.seed, options.clone()).and_then(|world| {
            // The odds stand there even where the run never ends.
            let _shown = writeln!(out, "{}", world.odds);
            world.run()
        });
        match ended {
            Ok(summary) => {
                writeln!(out, "{summary}")?;
                Ok(ExitCode::SUCCESS)
            }
            Err(failure) if self.minimize => {
                let tried = |cut: &Cut, fails| {
                    let how = if fails { "fails too" } else { "does not" };
                    let _closed = writeln!(io::stderr().lock(), "{cut}: {how}");
                };
                let (cut, smaller) = minimize(self.seed, &options, failure, tried);
                show(&smaller)?;
                writeln!(out, "smallest   {}", self.command(&cut))?;
                Ok(ExitCode::FAILURE)
            }
            Err(failure) => {
                show(&failure)?;
                Ok(ExitCode::FAILURE)
            }
        }
    }

    /// The command that runs this seed with less in its world.
    fn command(&self, cut: &Cut) -> String {
        let canary = self.canary.and_then(|canary| canary.to_possible_value());
        let canary = canary.map_or(String::new(), |name| format!(" --canary {}", name.get_name()));
        format!("reattest-simulations {:#x}{canary}{cut}", self.seed)
    }
}

/// The last that happened, who knew what when, and what is wrong.
fn show(failure: &Failure) -> io::Result<()> {
    let mut err = io::stderr().lock();
    for line in &failure.trace {
        writeln!(err, "{line}")?;
    }
    writeln!(err, "who knew what when, at last:")?;
    for line in &failure.knew {
        writeln!(err, "{line}")?;
    }
    writeln!(err, "error: {failure}")
}
