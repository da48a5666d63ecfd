//! Step 7, gossip, carried in memory: who is connected to whom, and what befalls a message on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use reattest::protocol::Peer;
use reattest_attestation::Digest;

use crate::odds::{Dice, Millis, Odds};
use crate::signer::is_witness;

/// A node of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub u8);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl Name {
    /// What the core calls this node.
    pub fn peer(self) -> Peer {
        Peer(self.to_string())
    }

    /// The node that the core means.
    pub fn of(peer: &Peer) -> Option<Self> {
        Some(Self(peer.0.strip_prefix('n')?.parse().ok()?))
    }
}

/// A message, in the bytes of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A gossiped message.
    Gossip(Vec<u8>),
    /// A question, and the asker's number for it.
    Ask(u64, Vec<u8>),
    /// An answer to the question of this number.
    Answer(u64, Vec<u8>),
}

/// A pair of nodes, the lower name first.
pub type Pair = (Name, Name);

fn pair(one: Name, other: Name) -> Pair {
    (one.min(other), one.max(other))
}

/// The links that this world has, and those that are up.
#[derive(Debug, Default)]
pub struct Network {
    links: BTreeSet<Pair>,
    /// Connections that are up, each with a number of its own: what was sent over an older one is
    /// lost with it.
    up: BTreeMap<Pair, u64>,
    sessions: u64,
    /// One side of a partition.
    island: BTreeSet<Name>,
    /// Whether messages are lost, repeated and late.
    pub faulty: bool,
}

impl Network {
    /// A ring of `ring` nodes with chords at the world's odds, and one more that all are linked to.
    pub fn draw(ring: &[Name], everywhere: Name, odds: &Odds, dice: &mut Dice) -> Self {
        let mut links = BTreeSet::new();
        for (one, other) in ring.iter().zip(ring.iter().cycle().skip(1)) {
            links.insert(pair(*one, *other));
        }
        for one in ring {
            links.insert(pair(*one, everywhere));
            // Whoever waits for a witness dials it.
            if let Some(witness) = ring.iter().find(|other| is_witness(**other) && *other < one) {
                links.insert(pair(*witness, *one));
            }
            for other in ring.iter().filter(|other| *other > one) {
                if dice.chance(odds.link) {
                    links.insert(pair(*one, *other));
                }
            }
        }
        Self { links, faulty: true, ..Self::default() }
    }

    /// Everybody is linked to everybody, and nothing befalls a message.
    pub fn mesh(names: &[Name]) -> Self {
        let pairs = names.iter().flat_map(|one| names.iter().map(|other| (*one, *other)));
        let links = pairs.filter(|(one, other)| one < other).collect();
        Self { links, ..Self::default() }
    }

    /// Parts these nodes from the others; the connections across, all of which are cut.
    pub fn part(&mut self, island: BTreeSet<Name>) -> Vec<Pair> {
        self.island = island;
        self.up.keys().filter(|(one, other)| self.is_parted(*one, *other)).copied().collect()
    }

    /// Links that could be up and are not.
    pub fn down(&self) -> Vec<Pair> {
        let down = self.links.iter().filter(|link| !self.up.contains_key(link));
        down.filter(|(one, other)| !self.is_parted(*one, *other)).copied().collect()
    }

    /// Brings a link up.
    pub fn open(&mut self, link: Pair) {
        self.sessions = self.sessions.saturating_add(1);
        self.up.insert(link, self.sessions);
    }

    /// Takes a link down; whether it was up.
    pub fn close(&mut self, one: Name, other: Name) -> bool {
        self.up.remove(&pair(one, other)).is_some()
    }

    /// The nodes that `name` is connected to.
    pub fn connected(&self, name: Name) -> Vec<Name> {
        let ends = self.up.keys().filter_map(|(one, other)| match name {
            name if name == *one => Some(*other),
            name if name == *other => Some(*one),
            _ => None,
        });
        ends.collect()
    }

    /// The number of the connection between two nodes, if there is one.
    pub fn session(&self, one: Name, other: Name) -> Option<u64> {
        self.up.get(&pair(one, other)).copied()
    }

    /// Parts the world in two. Connections across are cut now or only fall silent, as it happens
    /// with machines that lose their route; the cut ones are returned.
    pub fn split(&mut self, names: &[Name], dice: &mut Dice) -> Vec<Pair> {
        self.island = names.iter().copied().filter(|_| dice.chance(500)).collect();
        let across: Vec<Pair> =
            self.up.keys().filter(|(one, other)| self.is_parted(*one, *other)).copied().collect();
        across.into_iter().filter(|_| dice.chance(500)).collect()
    }

    /// Ends the partition.
    pub fn heal(&mut self) {
        self.island.clear();
    }

    /// Whether a partition stands between two nodes.
    pub fn is_parted(&self, one: Name, other: Name) -> bool {
        self.island.contains(&one) != self.island.contains(&other)
    }

    /// How long each copy of a message is on its way; nothing where it is lost.
    pub fn carry(&self, odds: &Odds, dice: &mut Dice) -> Vec<Millis> {
        let copies = match self.faulty {
            true if dice.chance(odds.lose) => 0,
            true if dice.chance(odds.repeat) => 2,
            _ => 1,
        };
        let way = |_| {
            let slow = self.faulty && dice.chance(odds.slow);
            dice.between(1..=if slow { odds.slow_delay } else { odds.delay })
        };
        (0..copies).map(way).collect()
    }
}

impl fmt::Display for Packet {
    /// Its kind, its number and a digest: two runs that differ in one byte differ in their traces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, number, bytes) = match self {
            Self::Gossip(bytes) => ("gossip", 0, bytes),
            Self::Ask(number, bytes) => ("asks", *number, bytes),
            Self::Answer(number, bytes) => ("answers", *number, bytes),
        };
        let digest = Digest::of(bytes).to_string();
        let short: String = digest.chars().take(16).collect();
        write!(f, "{kind} {number:#x}, {} bytes, {short}", bytes.len())
    }
}
