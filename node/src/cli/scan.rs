//! `reattest scan`: everything that dpkg has installed before your policy.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Exit;
use super::pinned::{Judging, Named};
use crate::fault::Fault;
use crate::lockfiles::Pins;

/// The verdict of your policy on everything that is installed.
#[derive(Debug, Args)]
#[command(
    after_help = "apt's signed lists say by which bytes each installed version is published: run \
    `apt-get update` first.\nFiles that were changed after their installation are not found here; \
    `dpkg --verify` finds them.\nExamples:\n  reattest scan\n  reattest scan --root /mnt/image --json\n  \
    reattest scan --init"
)]
pub(super) struct Scan {
    /// The system's root directory.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    #[command(flatten)]
    judging: Judging,
}

impl Scan {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let pins = Pins::installed(&self.root)?;
        let file = self.root.join("var/lib/dpkg/status").display().to_string();
        self.judging.run(config, vec![Named { file, pins }])
    }
}
