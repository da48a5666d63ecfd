//! A day of a network that grows: time to quorum, bytes and memory, a row for each size.

use std::fmt;

use reattest::limits::{HEADS_PER_RESPONSE, LOGS, OUTBOUND};
use reattest::protocol::heads_wait;
use serde::Serialize;

use super::builds::{Release, day};
use super::graph::Graph;
use super::sizes::{Sizes, core_bytes, sizes};
use super::spread::spread;
use super::{Model, ScaleError, count, float};
use crate::odds::Dice;

/// Bytes of one message id told to one peer that is not in the mesh: a SHA-256 and its framing.
const TOLD: u64 = 34;

/// Peers outside the mesh that gossipsub tells of a message, in each of three heartbeats.
const TOLD_TIMES: u64 = 6 * 3;

/// What one size gives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Nodes.
    pub nodes: usize,
    /// Rebuilders, whose logs all nodes follow.
    pub rebuilders: usize,
    /// Seconds from a release until a consumer sees the quorum, builds included: half of all
    /// consumers and releases see it sooner.
    pub quorum_p50: f64,
    /// 99 of 100 see it sooner.
    pub quorum_p99: f64,
    /// Seconds from the end of the build that completes the quorum until a consumer sees it.
    pub network_p50: f64,
    /// 99 of 100 see it sooner.
    pub network_p99: f64,
    /// Bytes that a node receives for each attestation: the head, the entry, and what is asked for.
    pub bytes: f64,
    /// As many times the lower bound: the attestation once.
    pub times_bound: f64,
    /// GB a day that a node receives for attestations.
    pub gigabytes: f64,
    /// GB a day that a node receives because it asks its peers for all their heads now and then.
    pub polls_gigabytes: f64,
    /// MiB of the core that follows all these logs, measured for the largest network and in proportion
    /// for the others; none where the machine does not tell.
    pub core_mebibytes: Option<f64>,
}

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
    check(model)?;
    let memory = core_bytes(model.rebuilders)?;
    let of_log = memory.map(|bytes| float(bytes) / float(count(model.rebuilders)) / 1_048_576.0);
    let sizes = sizes()?;
    let mut rows = Vec::new();
    for part in [100, 30, 10, 3, 1] {
        let smaller = Model {
            nodes: model.nodes / part,
            rebuilders: model.rebuilders / part,
            artifacts: (model.artifacts / part).max(1),
            ..model.clone()
        };
        if smaller.rebuilders >= smaller.copies {
            let mut row = row(&smaller, &sizes);
            row.core_mebibytes = of_log.map(|of_log| of_log * float(count(smaller.rebuilders)));
            done(&row);
            rows.push(row);
        }
    }
    let (attestation, head) = (sizes.attestation, sizes.head);
    Ok(Growth { model: model.clone(), attestation, head, rows })
}

fn check(model: &Model) -> Result<(), ScaleError> {
    let wrong = |found: String, needed: String| Err(ScaleError::Numbers { found, needed });
    if model.rebuilders > LOGS {
        let found = format!("{} rebuilders", model.rebuilders);
        return wrong(found, format!("at most {LOGS}: no node follows more logs"));
    }
    if model.rebuilders > model.nodes || model.nodes < 3 || model.degree < 2 {
        let found = format!("{} nodes with {} links each", model.nodes, model.degree);
        return wrong(found, "3 nodes or more, rebuilders among them, 2 links or more".to_owned());
    }
    if model.need == 0 || model.need > model.copies || model.copies > model.rebuilders {
        let found = format!("{} of {} copies", model.need, model.copies);
        return wrong(found, "1 or more, at most the copies, at most the rebuilders".to_owned());
    }
    Ok(())
}

/// Microseconds as seconds.
fn seconds(micros: u64) -> f64 {
    float(micros) / 1e6
}

fn row(model: &Model, sizes: &Sizes) -> Row {
    let mut dice = Dice::of(model.seed);
    let graph = Graph::draw(model.nodes, model.degree, &mut dice);
    let releases = day(model, &mut dice);
    let every = releases.len().checked_div(model.followed.max(1)).unwrap_or(1).max(1);
    let mut seen = Seen::default();
    for release in releases.iter().step_by(every).take(model.followed) {
        seen.follow(model, &graph, sizes, release, &mut dice);
    }
    let vain = float(seen.vain) / (float(seen.spread) * float(count(model.nodes)));
    let copies = float(count(graph.copies())) / float(count(model.nodes));
    let asked = float(sizes.question.saturating_add(sizes.answer));
    let bytes = copies * float(sizes.head)
        + asked
        + vain * float(sizes.question.saturating_add(sizes.nothing))
        + float(TOLD.saturating_mul(TOLD_TIMES));
    let attestations = float(count(model.artifacts.saturating_mul(model.copies)));
    let [quorum_p50, quorum_p99] = quantiles(&mut seen.quorum);
    let [network_p50, network_p99] = quantiles(&mut seen.network);
    Row {
        nodes: model.nodes,
        rebuilders: model.rebuilders,
        quorum_p50,
        quorum_p99,
        network_p50,
        network_p99,
        bytes,
        times_bound: bytes / float(sizes.attestation),
        gigabytes: bytes * attestations / 1e9,
        polls_gigabytes: polls(model, sizes),
        core_mebibytes: None,
    }
}

/// Every peer is asked for every head, page after page, as often as production asks.
fn polls(model: &Model, sizes: &Sizes) -> f64 {
    let peers = count(OUTBOUND.saturating_mul(2).min(model.nodes.saturating_sub(1)));
    let pages = count(model.rebuilders.div_ceil(HEADS_PER_RESPONSE));
    let listed = count(model.rebuilders).saturating_mul(sizes.listed_head);
    let once = listed.saturating_add(pages.saturating_mul(sizes.heads_question));
    let times = 86_400_u64.checked_div(heads_wait(model.rebuilders).unsigned_abs()).unwrap_or(0);
    float(peers) * float(times) * float(once) / 1e9
}

/// What was measured of the releases that were followed, in microseconds.
#[derive(Debug, Default)]
struct Seen {
    quorum: Vec<u64>,
    network: Vec<u64>,
    /// Entries that were spread, and questions in vain.
    spread: u64,
    vain: u64,
}

impl Seen {
    fn follow(
        &mut self,
        model: &Model,
        graph: &Graph,
        sizes: &Sizes,
        release: &Release,
        dice: &mut Dice,
    ) {
        // Somebody announces it: rebuilders hear of it as of any entry.
        let announcer = usize::try_from(dice.below(count(model.nodes))).unwrap_or(0);
        let heard = spread(model, graph, sizes, announcer, 0);
        let mut ends: Vec<(usize, u64)> = Vec::new();
        for (rebuilder, done) in &release.done {
            let late = heard.has.get(*rebuilder).copied().unwrap_or(0);
            ends.push((*rebuilder, done.saturating_add(late)));
        }
        let place = model.need.saturating_sub(1);
        let mut times: Vec<u64> = ends.iter().map(|(_, end)| *end).collect();
        times.sort_unstable();
        let complete = times.get(place).copied().unwrap_or(0);
        let arrivals = ends.iter().map(|(from, end)| spread(model, graph, sizes, *from, *end));
        let arrivals: Vec<_> = arrivals.collect();
        self.spread = self.spread.saturating_add(count(arrivals.len()));
        self.vain = arrivals.iter().fold(self.vain, |sum, one| sum.saturating_add(one.vain));
        for node in 0..model.nodes {
            let mut times: Vec<u64> =
                arrivals.iter().filter_map(|one| one.has.get(node).copied()).collect();
            times.sort_unstable();
            let Some(quorum) = times.get(place) else { continue };
            self.quorum.push(quorum.saturating_sub(release.at));
            self.network.push(quorum.saturating_sub(complete));
        }
    }
}

/// The median and the 99th of a hundred, in seconds.
fn quantiles(times: &mut [u64]) -> [f64; 2] {
    times.sort_unstable();
    [50, 99].map(|part| {
        let at = times.len().saturating_mul(part) / 100;
        seconds(times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or(0))
    })
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory =
            self.core_mebibytes.map_or("-".to_owned(), |mebibytes| format!("{mebibytes:.1}"));
        write!(
            f,
            "{:>6} {:>10} {:>11.1} {:>11.1} {:>12.2} {:>12.2} {:>10.0} {:>8.1} {:>9.3} {:>9.1} {memory:>8}",
            self.nodes,
            self.rebuilders,
            self.quorum_p50,
            self.quorum_p99,
            self.network_p50,
            self.network_p99,
            self.bytes,
            self.times_bound,
            self.gigabytes,
            self.polls_gigabytes,
        )
    }
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
