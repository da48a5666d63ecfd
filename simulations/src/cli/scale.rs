//! `reattest-simulations scale`: a day of a network that no machine here can hold.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use reattest_simulations::DEFAULT_SEED;
use reattest_simulations::scale::{Model, WAYS, grow, svg};

use super::{Said, json, seed, text};

/// A day of a growing network: time from release to quorum, bytes against the lower bound, memory.
///
/// Gossip is modelled here, with the sizes of real messages and the limits of production.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// Nodes of the largest network; all follow every rebuilder.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    nodes: usize,
    /// Those of them that rebuild.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    rebuilders: usize,
    /// Releases of the day.
    #[arg(long, value_name = "N", default_value_t = 60_000)]
    artifacts: usize,
    /// Rebuilders of each release.
    #[arg(long, value_name = "N", default_value_t = 7)]
    copies: usize,
    /// How many of them must have reproduced it.
    #[arg(long, value_name = "K", default_value_t = 4)]
    need: usize,
    /// Mesh links of a node; gossipsub aims at 6.
    #[arg(long, value_name = "D", default_value_t = 6)]
    degree: usize,
    /// Mbit/s of each node, each way.
    #[arg(long, value_name = "MBIT", default_value_t = 20)]
    bandwidth: u64,
    /// The longest build in seconds; the shortest takes a tenth of it.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    build_seconds: u64,
    /// Releases that are followed to every node.
    #[arg(long, value_name = "N", default_value_t = 100)]
    followed: usize,
    /// Decides graph, releases and builds.
    #[arg(long, value_name = "SEED", default_value_t = DEFAULT_SEED, value_parser = seed)]
    seed: u64,
    /// Writes the plot there.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Prints one JSON document.
    #[arg(long)]
    json: bool,
}

impl Scale {
    pub(crate) fn run(&self) -> Said {
        let model = Model {
            nodes: self.nodes,
            rebuilders: self.rebuilders,
            artifacts: self.artifacts,
            copies: self.copies,
            need: self.need,
            degree: self.degree,
            ways: WAYS,
            bandwidth: self.bandwidth.saturating_mul(1_000_000),
            build_seconds: self.build_seconds,
            followed: self.followed,
            seed: self.seed,
        };
        let growth = grow(&model, |row| {
            let _closed = writeln!(io::stderr().lock(), "{} nodes: done", row.nodes);
        });
        let growth = growth.map_err(|error| error.to_string())?;
        if let Some(file) = &self.svg {
            let plot = svg(&growth).map_err(|error| error.to_string())?;
            std::fs::write(file, plot)
                .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        }
        if self.json { json(&growth) } else { text(&growth) }
    }
}
