//! Who is linked to whom, and how far apart: a random graph of gossip's mesh.

use super::Model;
use crate::odds::Dice;

/// A link's other end, and microseconds to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) to: usize,
    pub(super) way: u64,
}

/// The mesh.
#[derive(Debug)]
pub(super) struct Graph {
    links: Vec<Vec<Link>>,
}

impl Graph {
    /// Every node chooses half its degree, and is chosen as often on average; a ring keeps the
    /// graph whole.
    ///
    /// A choice that is no new link is made again, so that small networks have their links, too: whoever
    /// is linked to everybody chooses nobody.
    pub(super) fn draw(model: &Model, dice: &mut Dice) -> Self {
        let (nodes, ways) = (model.nodes, model.ways);
        let mut graph = Self { links: vec![Vec::new(); nodes] };
        let bound = u64::try_from(nodes).unwrap_or(u64::MAX);
        for node in 0..nodes {
            let next = node.saturating_add(1).checked_rem(nodes).unwrap_or(0);
            graph.link(node, next, dice.between(ways.0..=ways.1));
            for _ in 1..model.degree / 2 {
                while graph.of(node).len() < nodes.saturating_sub(1) {
                    let other = usize::try_from(dice.below(bound)).unwrap_or(0);
                    if graph.link(node, other, dice.between(ways.0..=ways.1)) {
                        break;
                    }
                }
            }
        }
        graph
    }

    /// Links two nodes; false where they are one, or linked already.
    fn link(&mut self, one: usize, other: usize, way: u64) -> bool {
        if one == other || self.of(one).iter().any(|link| link.to == other) {
            return false;
        }
        for (from, to) in [(one, other), (other, one)] {
            if let Some(links) = self.links.get_mut(from) {
                links.push(Link { to, way });
            }
        }
        true
    }

    /// The links of a node.
    pub(super) fn of(&self, node: usize) -> &[Link] {
        self.links.get(node).map_or(&[], Vec::as_slice)
    }

    /// Nodes.
    pub(super) fn nodes(&self) -> usize {
        self.links.len()
    }

    /// Copies of one message that are sent in all: each node passes it on to all but its teller.
    pub(super) fn copies(&self) -> usize {
        let ends: usize = self.links.iter().map(Vec::len).sum();
        ends.saturating_sub(self.nodes()).saturating_add(1)
    }
}
