//! When each node has an entry: its head hops over the mesh, and each node pulls from who told it first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Model;
use super::graph::Graph;
use super::sizes::Sizes;

/// Microseconds in which a node checks a head: two signatures.
const CHECK: u64 = 300;

/// Microseconds until an entry and its head are on a node's disk, each synced. Nobody is given an entry
/// before that.
const STORE: u64 = 10_000;

/// Microseconds of a message on a link.
fn sending(bytes: u64, model: &Model) -> u64 {
    let bits = bytes.saturating_mul(8).saturating_mul(1_000_000);
    bits.checked_div(model.bandwidth).unwrap_or(u64::MAX)
}

/// Lets the head of an entry go out from a node at a time: by node, the microsecond from which it has
/// the entry.
pub(super) fn spread(
    model: &Model,
    graph: &Graph,
    sizes: &Sizes,
    from: usize,
    at: u64,
) -> Vec<u64> {
    let (head, pull) = (sending(sizes.head, model), sending(sizes.answer, model));
    let mut has = vec![u64::MAX; graph.nodes()];
    // When a head comes, to whom, over a link of which way, from a node that has it since when.
    let mut coming = BinaryHeap::from([Reverse((at, from, 0, at))]);
    while let Some(Reverse((heard, node, way, held))) = coming.pop() {
        let Some(own) = has.get_mut(node).filter(|own| **own == u64::MAX) else { continue };
        // Who does not have it yet answers once it has.
        let answered = heard.saturating_add(way).max(held);
        let has_it = answered.saturating_add(way).saturating_add(pull).saturating_add(STORE);
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
    has
}
