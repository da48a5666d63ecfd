//! `reattest node`: runs a node in the foreground.

use std::path::Path;

use clap::Args;

use super::Exit;
use crate::config::Config;
use crate::fault::Fault;
use crate::shell;

/// Runs a node.
#[derive(Debug, Args)]
pub(super) struct Node {
    /// Tells what happens as lines of JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Ends when the process that started it ends.
    #[arg(long, hide = true)]
    die_with_parent: bool,
}

impl Node {
    pub(super) fn run(&self, config_file: &Path) -> Result<Exit, Fault> {
        if self.die_with_parent {
            super::role::die_with_parent()?;
        }
        let config = Config::load(config_file)?;
        let path = std::path::absolute(config_file)
            .map_err(|error| Fault::new(config_file.display().to_string(), error))?;
        runtime()?.block_on(shell::run(&path, config, self.json))?;
        Ok(Exit::Fine)
    }
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Runtime::new().map_err(|error| Fault::new("no threads to run on", error))
}
