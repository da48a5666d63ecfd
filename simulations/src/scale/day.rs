//! A day of one network: time to quorum at its consumers, and bytes.

use std::fmt;

use reattest::limits::{HEADS_PER_RESPONSE, OUTBOUND};
use reattest::protocol::heads_wait;
use serde::Serialize;

use super::builds::{Release, releases};
use super::graph::Graph;
use super::sizes::Sizes;
use super::spread::spread;
use super::{Model, ScaleError, count, float};
use crate::odds::Dice;

/// Bytes of one message id told to one peer that is not in the mesh: a SHA-256 and its framing.
const TOLD: u64 = 34;

/// Peers outside the mesh that gossipsub tells of a message in each heartbeat, if there are as many, and
/// in how many heartbeats.
const TOLD_PEERS: usize = 6;
const TOLD_TIMES: usize = 3;

/// What one size gives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Nodes.
    pub nodes: usize,
    /// Rebuilders, whose logs all nodes follow.
    pub rebuilders: usize,
    /// Seconds from a release until a consumer that did not rebuild it sees the quorum, builds included:
    /// half of all consumers and releases see it sooner.
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

/// Microseconds as seconds.
fn seconds(micros: u64) -> f64 {
    float(micros) / 1e6
}

/// Computes the day of a network in which messages are of these sizes.
pub fn day(model: &Model, sizes: &Sizes) -> Result<Row, ScaleError> {
    model.check()?;
    let mut dice = Dice::of(model.seed);
    let graph = Graph::draw(model, &mut dice);
    let releases = releases(model, &mut dice);
    let every = releases.len().checked_div(model.followed.max(1)).unwrap_or(1).max(1);
    let mut seen = Seen::default();
    for release in releases.iter().step_by(every).take(model.followed) {
        seen.follow(model, &graph, sizes, release, &mut dice);
    }
    let copies = float(count(graph.copies())) / float(count(model.nodes));
    let outside = peers(model).saturating_sub(model.degree);
    let told = outside.min(TOLD_PEERS).saturating_mul(TOLD_TIMES);
    let asked = float(sizes.question.saturating_add(sizes.answer));
    let bytes = copies * float(sizes.head) + asked + float(TOLD.saturating_mul(count(told)));
    let attestations = float(count(model.artifacts.saturating_mul(model.copies)));
    let [quorum_p50, quorum_p99] = quantiles(&mut seen.quorum);
    let [network_p50, network_p99] = quantiles(&mut seen.network);
    Ok(Row {
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
    })
}

/// Peers of a node: those that it dials, and as many that dial it.
fn peers(model: &Model) -> usize {
    OUTBOUND.saturating_mul(2).min(model.nodes.saturating_sub(1))
}

/// Every peer is asked for every head, page after page, as often as production asks.
fn polls(model: &Model, sizes: &Sizes) -> f64 {
    let peers = count(peers(model));
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
            let late = heard.get(*rebuilder).copied().unwrap_or(0);
            ends.push((*rebuilder, done.saturating_add(late)));
        }
        let place = model.need.saturating_sub(1);
        let mut times: Vec<u64> = ends.iter().map(|(_, end)| *end).collect();
        times.sort_unstable();
        let complete = times.get(place).copied().unwrap_or(0);
        let arrivals = ends.iter().map(|(from, end)| spread(model, graph, sizes, *from, *end));
        let arrivals: Vec<Vec<u64>> = arrivals.collect();
        let rebuilds = |node| ends.iter().any(|(rebuilder, _)| *rebuilder == node);
        for node in (0..model.nodes).filter(|node| !rebuilds(*node)) {
            let mut times: Vec<u64> =
                arrivals.iter().filter_map(|has| has.get(node).copied()).collect();
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
