//! A day of a network that grows: time to quorum, bytes and memory, a row for each size.

use std::fmt;

use serde::Serialize;

use super::day::{Row, day};
use super::sizes::{Sizes, core_bytes};
use super::{Model, ScaleError, count, float};

/// The table.
#[derive(Debug, Clone, Serialize)]
pub struct Growth {
    /// The largest network.
    pub model: Model,
    /// Bytes of an attestation.
    pub attestation: u64,
    /// Bytes of a gossiped head.
    pub head: u64,
    /// From the smallest network to the largest.
    pub rows: Vec<Row>,
}

/// Computes a day for networks from a hundredth of the model's size on; rebuilders grow with the
/// nodes, and the day's releases with the rebuilders, so that each has the same work.
pub fn grow(model: &Model, mut done: impl FnMut(&Row)) -> Result<Growth, ScaleError> {
    model.check()?;
    let memory = core_bytes(model.rebuilders)?;
    let of_log = memory.map(|bytes| float(bytes) / float(count(model.rebuilders)) / 1_048_576.0);
    let sizes = Sizes::of_samples()?;
    let mut rows = Vec::new();
    for part in [100, 30, 10, 3, 1] {
        let smaller = Model {
            nodes: model.nodes / part,
            rebuilders: model.rebuilders / part,
            artifacts: (model.artifacts / part).max(1),
            ..model.clone()
        };
        if smaller.rebuilders >= smaller.copies {
            let mut row = day(&smaller, &sizes)?;
            row.core_mebibytes = of_log.map(|of_log| of_log * float(count(smaller.rebuilders)));
            done(&row);
            rows.push(row);
        }
    }
    let (attestation, head) = (sizes.attestation, sizes.head);
    Ok(Growth { model: model.clone(), attestation, head, rows })
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Model { copies, need, degree, bandwidth, build_seconds, followed, .. } = self.model;
        writeln!(
            f,
            "{need} of {copies} rebuilders for each release, builds of up to {build_seconds} s, {degree} \
             mesh links of {} Mbit/s, {followed} releases followed to every node",
            bandwidth / 1_000_000
        )?;
        writeln!(
            f,
            "an attestation is {} bytes, a head {}; bytes are those received\n",
            self.attestation, self.head
        )?;
        writeln!(
            f,
            "{:>6} {:>10} {:>11} {:>11} {:>12} {:>12} {:>10} {:>8} {:>9} {:>9} {:>8}",
            "nodes",
            "rebuilders",
            "quorum p50",
            "quorum p99",
            "network p50",
            "network p99",
            "bytes/att.",
            "x bound",
            "GB/day",
            "polls GB",
            "core MiB"
        )?;
        let rows: Vec<String> = self.rows.iter().map(Row::to_string).collect();
        f.write_str(&rows.join("\n"))
    }
}
