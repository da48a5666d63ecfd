//! `reattest demo`: the whole way of the data on this machine, told as it happens.

use std::path::PathBuf;

use clap::Args;
use reattest_rebuilder::Reference;

use super::{Exit, node, output};
use crate::demo::{self, Plan};
use crate::fault::Fault;

/// A network on this machine.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// What is rebuilt: a purl, or the short form `deb:NAME[@VERSION]`.
    #[arg(long, default_value = "deb:netbase")]
    artifact: Reference,
    /// Operators, each with a node and keys of its own.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// How many of them sign false outcomes.
    #[arg(long, default_value_t = 0)]
    liars: u8,
    /// Keeps the policy, the artifacts, the bundles and the nodes' data in this new directory.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// One JSON document with every verdict.
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(super) fn run(&self) -> Result<Exit, Fault> {
        if self.liars > self.nodes {
            return Err(Fault::text(format!(
                "{} liars among {} nodes; name fewer liars",
                self.liars, self.nodes
            )));
        }
        let plan = Plan {
            artifact: self.artifact.clone(),
            nodes: usize::from(self.nodes),
            liars: usize::from(self.liars),
            keep: self.keep.clone(),
            quiet: self.json,
        };
        let result = node::runtime()?.block_on(demo::run(&plan))?;
        if self.json {
            output::json(&result)?;
        }
        Ok(if result.held { Exit::Fine } else { Exit::Fault })
    }
}
