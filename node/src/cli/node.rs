//! `reattest node`: runs a node in the foreground.

use std::path::Path;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Exit, output};
use crate::config::Config;
use crate::fault::Fault;
use crate::shell;
use crate::store::reindex::reindex;

/// Runs a node.
#[derive(Debug, Args)]
pub(super) struct Node {
    /// Tells what happens as lines of JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Reads every log again instead of running: checks each entry against its signed head, writes
    /// lost hashes anew, and makes the index anew.
    #[arg(long)]
    reindex: bool,
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
        if self.reindex {
            return self.reindex(&config);
        }
        let path = std::path::absolute(config_file)
            .map_err(|error| Fault::new(config_file.display().to_string(), error))?;
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(
            event = "started",
            role = "node",
            pid = std::process::id(),
            version,
            "started"
        );
        runtime()?.block_on(shell::run(&path, config, self.json))?;
        Ok(Exit::Fine)
    }

    fn reindex(&self, config: &Config) -> Result<Exit, Fault> {
        let _lock = shell::lock(&config.data)?;
        let bar = ProgressBar::with_draw_target(None, output::bars());
        if let Ok(style) = ProgressStyle::with_template("  {msg} {bar:30} {pos} of {len} entries") {
            bar.set_style(style);
        }
        let found = reindex(&config.data, |reading| {
            bar.set_message(reading.what);
            bar.set_length(reading.total);
            bar.set_position(reading.done);
        });
        bar.finish_and_clear();
        let found = found?;
        if self.json {
            output::json(&found)?;
        } else {
            output::line(&format!(
                "{} entries of {} logs are those that were signed; {} tiles of hashes were mended, and the index is new",
                found.entries, found.logs, found.mended
            ));
        }
        Ok(Exit::Fine)
    }
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Runtime::new().map_err(|error| Fault::new("no threads to run on", error))
}
