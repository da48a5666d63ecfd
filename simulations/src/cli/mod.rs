//! The command line: a seed to replay, or what is simulated instead.

mod quorum;
mod replay;
mod scale;
mod scenario;
mod seeds;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

/// The node's state machine in a world that one seed decides.
#[derive(Debug, Parser)]
#[command(
    name = "reattest-simulations",
    version,
    about = "The node's state machine in a world that one seed decides",
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    replay: replay::Replay,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What a policy is worth: the chance of a false acceptance and of no verdict, for every k.
    Quorum(quorum::Quorum),
    /// Many seeds, on all cores.
    Seeds(seeds::Seeds),
    /// A day of a network that no machine here can hold, modelled.
    Scale(scale::Scale),
    /// What the network does when it goes wrong in one named way, with verdicts.
    Scenario(scenario::Scenario),
}

/// How a command ended, or why it could not begin.
pub(crate) type Said = Result<ExitCode, String>;

impl Arguments {
    pub(crate) fn run(&self) -> Said {
        match &self.command {
            Some(Command::Quorum(quorum)) => quorum.run(),
            Some(Command::Seeds(seeds)) => seeds.run(),
            Some(Command::Scale(scale)) => scale.run(),
            Some(Command::Scenario(scenario)) => scenario.run(),
            None => self.replay.run(),
        }
    }
}

/// Reads a seed.
fn seed(text: &str) -> Result<u64, String> {
    let read = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    read.map_err(|_| "needed a number, decimal or hexadecimal after 0x".to_owned())
}

/// Prints a result.
fn text(result: &dyn Display) -> Said {
    match writeln!(io::stdout().lock(), "{result}") {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(format!("nothing can be printed: {error}")),
    }
}

/// Prints a document.
fn json<T: Serialize>(document: &T) -> Said {
    let written = serde_json::to_string_pretty(document);
    text(&written.map_err(|error| format!("the result cannot be written as JSON: {error}"))?)
}
