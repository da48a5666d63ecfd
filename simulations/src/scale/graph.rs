//! Who is linked to whom, and how far apart: a random graph of gossip's mesh.

use crate::odds::Dice;

/// The shortest and the longest way of a link, in microseconds: within a country, and around the world.
const WAY: std::ops::RangeInclusive<u64> = 5_000..=150_000;

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
    pub(super) fn draw(nodes: usize, degree: usize, dice: &mut Dice) -> Self {
        let mut graph = Self { links: vec![Vec::new(); nodes] };
        for node in 0..nodes {
            graph.link(node, node.saturating_add(1).checked_rem(nodes).unwrap_or(0), dice);
            for _ in 1..degree / 2 {
                let bound = u64::try_from(nodes).unwrap_or(u64::MAX);
                let other = usize::try_from(dice.below(bound)).unwrap_or(0);
                graph.link(node, other, dice);
            }
        }
        graph
    }

    fn link(&mut self, one: usize, other: usize, dice: &mut Dice) {
        let way = dice.between(WAY);
        let known = self.links.get(one).is_none_or(|links| links.iter().any(|l| l.to == other));
        if one == other || known {
            return;
        }
        for (from, to) in [(one, other), (other, one)] {
            if let Some(links) = self.links.get_mut(from) {
                links.push(Link { to, way });
            }
        }
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
