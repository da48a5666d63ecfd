//! Networks of sizes that no machine here can hold: a day of them, modelled from production limits and message sizes.
//!
//! Unlike everything else in this crate, gossip is modelled here and not run. Real are the sizes of
//! messages (encoded by the production codec), the limits, the ticks, and the memory of the core;
//! modelled are the graph, its latencies, how heads hop and entries are pulled, and the queues of
//! builders. Not modelled: losses, churn, catching up, documents, and the framing below a message.
//!
//! | what | file |
//! |---|---|
//! | how long real messages are, and what a core of so many logs takes | `sizes` |
//! | who is linked to whom, and how far apart | `graph` |
//! | when rebuilders are done | `builds` |
//! | when each node has an entry | `spread` |
//! | what a day of one network comes to | `day` |
//! | all of it for a growing network, as a table and as a plot | `growth`, `plot` |
//!
//! `make bench BENCH=gossip` puts the model beside real nodes.

mod sizes;
mod graph;
mod builds;
mod spread;
mod day;
mod growth;
mod plot;

pub use day::{Row, day};
pub use growth::{Growth, grow};
pub use plot::svg;
pub use sizes::Sizes;

use reattest::limits::LOGS;
use serde::Serialize;

/// What is modelled.
#[derive(Debug, Clone, Serialize)]
pub struct Model {
    /// Nodes, all of which follow every rebuilder.
    pub nodes: usize,
    /// Those of them that rebuild.
    pub rebuilders: usize,
    /// Releases of a day, spread evenly over it.
    pub artifacts: usize,
    /// Rebuilders that rebuild each release.
    pub copies: usize,
    /// k: so many of them must have reproduced it.
    pub need: usize,
    /// Mesh links of a node, on average: gossipsub aims at 6.
    pub degree: usize,
    /// The shortest and the longest way of a link, in microseconds.
    pub ways: (u64, u64),
    /// Bits a second of each node, each way.
    pub bandwidth: u64,
    /// The longest build in seconds; the shortest takes a tenth of it.
    pub build_seconds: u64,
    /// Releases whose attestations are followed to every node, out of all.
    pub followed: usize,
    /// Decides the graph, the releases and the builds.
    pub seed: u64,
}

impl Model {
    /// Whether it can be computed.
    fn check(&self) -> Result<(), ScaleError> {
        let wrong = |found: String, needed: String| Err(ScaleError::Numbers { found, needed });
        if self.rebuilders > LOGS {
            let found = format!("{} rebuilders", self.rebuilders);
            return wrong(found, format!("at most {LOGS}: no node follows more logs"));
        }
        if self.rebuilders > self.nodes || self.nodes < 3 || self.degree < 2 {
            let found = format!("{} nodes with {} links each", self.nodes, self.degree);
            return wrong(
                found,
                "3 nodes or more, rebuilders among them, 2 links or more".to_owned(),
            );
        }
        if self.need == 0 || self.need > self.copies || self.copies > self.rebuilders {
            let found = format!("{} of {} copies", self.need, self.copies);
            return wrong(
                found,
                "1 or more, at most the copies, at most the rebuilders".to_owned(),
            );
        }
        Ok(())
    }
}

/// The shortest and the longest way of a link, in microseconds: within a country, and around the world.
pub const WAYS: (u64, u64) = (5_000, 150_000);

/// A model that cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum ScaleError {
    /// Numbers that do not fit together.
    #[error("found {found}, needed {needed}")]
    Numbers {
        /// What was asked.
        found: String,
        /// What can be computed.
        needed: String,
    },
    /// A message could not be made: a fault of this program.
    #[error("a message to measure could not be made: {0}; this is a bug of the simulator")]
    Message(String),
    /// The plot could not be drawn.
    #[error("the plot could not be drawn: {0}")]
    Plot(String),
}

/// A count as a float: all counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

/// A length as a count.
fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
