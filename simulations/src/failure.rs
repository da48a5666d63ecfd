//! What a run is asked, and how it fails.

use crate::canary::Canary;
use crate::checkers::Broken;
use crate::cut::Cut;
use crate::network::Name;
use crate::odds::{Millis, Odds};

/// What a run is asked to do besides what its seed says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A bug that is planted: the checkers must see it.
    pub canary: Option<Canary>,
    /// What is left out of the seed's world.
    pub cut: Cut,
}

/// A run that broke an invariant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed:#x} at {}.{:03} s, node {node}: {broken}", at / 1000, at % 1000)]
pub struct Failure {
    /// The seed, which replays it.
    pub seed: u64,
    /// Virtual milliseconds since the beginning.
    pub at: Millis,
    /// The node that was looked at.
    pub node: Name,
    /// The invariant, and what was found.
    pub broken: Broken,
    /// The last lines of the trace.
    pub trace: Vec<String>,
    /// Who knew what when, to the end.
    pub knew: Vec<String>,
    /// The odds of its world.
    pub odds: Box<Odds>,
    /// Releases of its world.
    pub releases: u64,
}
