//! `reattest log`: where the own log goes on after its signer's state was damaged or lost.

use clap::{Args, Subcommand};
use reattest_attestation::log::Origin;

use super::{Exit, output};
use crate::config::Config;
use crate::fault::Fault;
use crate::signer::resume::{self, At};

/// Puts the own log's state right after a loss.
#[derive(Debug, Args)]
pub(super) struct Log {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Writes a new state for a signer whose own is damaged, lost or old, when the log on this disk
    /// leads there. The node must be stopped.
    Resume {
        /// Where the log stands, as its witnesses or peers show it: entries, and the root in hex.
        #[arg(long, value_name = "SIZE:ROOT")]
        at: At,
        /// Which log; without it, this year's, or the one for which the signer stopped.
        #[arg(long, value_name = "ORIGIN")]
        log: Option<Origin>,
    },
}

impl Log {
    pub(super) fn run(&self, config: &Config) -> Result<Exit, Fault> {
        let Action::Resume { at, log } = &self.action;
        let resumed = resume::resume(config, *at, log.clone())?;
        output::line(&format!("log      {}", resumed.origin));
        output::line(&format!("resumed  at {at}"));
        if resumed.unfinished {
            output::line("         one entry beyond it has no head yet; the next start signs it");
        }
        Ok(Exit::Fine)
    }
}
