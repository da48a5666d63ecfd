//! When each node has an entry: its head hops over the mesh, and each node pulls from who told it first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use reattest::limits::TICK;

use super::Model;
use super::graph::Graph;
use super::sizes::Sizes;

/// Microseconds in which a node checks a head: two signatures.
const CHECK: u64 = 300;

/// What one entry cost until all nodes had it.
#[derive(Debug)]
pub(super) struct Spread {
    /// By node, the microsecond from which it has the entry.
    pub(super) has: Vec<u64>,
    /// Questions to peers that did not have it yet.
    pub(super) vain: u64,
}

/// Microseconds of a message on a link.
fn sending(bytes: u64, model: &Model) -> u64 {
    let bits = bytes.saturating_mul(8).saturating_mul(1_000_000);
    bits.checked_div(model.bandwidth).unwrap_or(u64::MAX)
}

/// Lets the head of an entry go out from a node at a time.
pub(super) fn spread(model: &Model, graph: &Graph, sizes: &Sizes, from: usize, at: u64) -> Spread {
    let tick = u64::try_from(TICK.as_micros()).unwrap_or(500_000);
    let (head, pull) = (sending(sizes.head, model), sending(sizes.answer, model));
    let mut has = vec![u64::MAX; graph.nodes()];
    let mut vain = 0_u64;
    // When a head comes, to whom, over a link of which way, from a node that has it since when.
    let mut coming = BinaryHeap::from([Reverse((at, from, 0, at))]);
    while let Some(Reverse((heard, node, way, held))) = coming.pop() {
        let Some(own) = has.get_mut(node).filter(|own| **own == u64::MAX) else { continue };
        // Who does not have it yet says so, and is asked again with the next tick.
        let arrives = heard.saturating_add(way);
        let waits = held.saturating_sub(arrives).div_ceil(tick);
        vain = vain.saturating_add(waits);
        let asked = heard.saturating_add(waits.saturating_mul(tick));
        let has_it = asked.saturating_add(way.saturating_mul(2)).saturating_add(pull);
        let has_it = if node == from { at } else { has_it };
        *own = has_it;
        let mut sent = heard.saturating_add(CHECK);
        for link in graph.of(node) {
            sent = sent.saturating_add(head);
            let there = sent.saturating_add(link.way);
            if has.get(link.to) == Some(&u64::MAX) {
                coming.push(Reverse((there, link.to, link.way, has_it)));
            }
        }
    }
    Spread { has, vain }
}
