//! `reattest-simulations seeds`: many seeds, on all cores.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Args;
use reattest_simulations::{Options, World};

use super::{Said, seed, text};

/// Runs many seeds, and names those that broke an invariant.
#[derive(Debug, Args)]
pub(crate) struct Seeds {
    /// How many.
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    count: u64,
    /// The first of them.
    #[arg(long, value_name = "SEED", default_value = "1", value_parser = seed)]
    from: u64,
}

impl Seeds {
    pub(crate) fn run(&self) -> Said {
        let (next, broken) = (AtomicU64::new(0), AtomicU64::new(0));
        let work = || loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= self.count {
                break;
            }
            let seed = self.from.wrapping_add(at);
            if let Err(failure) = World::of(seed, Options::default()).and_then(World::run) {
                broken.fetch_add(1, Ordering::Relaxed);
                // Nobody may read any more; the count says it all the same.
                let _closed = text(&failure);
            }
        };
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(work);
            }
        });
        let broken = broken.into_inner();
        text(&format!("{} seeds from {:#x}, {broken} broke an invariant", self.count, self.from))?;
        Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
