//! A world of one key with two histories, its true messages, and who answers truthfully.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use reattest_attestation::log::tiles::encode_entry;
use reattest_attestation::log::{Checkpoint, Frontier, Origin, leaf_hash, prove_consistency};
use reattest_attestation::{
    Announcement, Certificate, Digest, Envelope, NetworkId, SecretKey, Sign as _, Timestamp,
};
use serde_bytes::ByteBuf;

use super::super::super::beside::encode;
use super::super::super::beside::protocol::{Fork, Gossip, Head, Identity, Request, Response};

/// The moment at which every input begins.
const NOW: i64 = 1_790_000_000;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds)
}

pub(super) struct Stage {
    operator: SecretKey,
    rebuilder: SecretKey,
    certificate: Vec<u8>,
    pub(super) origin: Origin,
    /// The history that honest peers know.
    pub(super) entries: Vec<Vec<u8>>,
    /// Another one, by the same key.
    other: Vec<Vec<u8>>,
    /// The head over the former, signed once.
    newest: Option<Head>,
    pub(super) gossip: Vec<Vec<u8>>,
    pub(super) requests: Vec<Vec<u8>>,
    pub(super) responses: Vec<Vec<u8>>,
}

impl Stage {
    /// The one that all inputs share: signing is the dear part.
    pub(super) fn get() -> &'static Self {
        static STAGE: OnceLock<Stage> = OnceLock::new();
        STAGE.get_or_init(Self::new)
    }

    fn new() -> Self {
        let (operator, rebuilder) =
            (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[101; 32]));
        let network: NetworkId = "test".parse().unwrap();
        let certificate = Certificate {
            operator: operator.public_key(),
            rebuilder: rebuilder.public_key(),
            not_before: at(-1000),
            not_after: at(10_000_000),
        };
        let certificate = Envelope::sign(certificate.to_payload().unwrap(), &operator).unwrap();
        let announce = |number: i64| {
            let purl = "pkg:deb/debian/netbase@6.5?arch=all&distro=trixie".parse().unwrap();
            let announcement =
                Announcement { network: network.clone(), purl, announced: at(number) };
            let payload = announcement.to_payload().unwrap();
            Envelope::sign(payload, &rebuilder).unwrap().as_bytes().to_vec()
        };
        let mut stage = Self {
            origin: Origin::new(&network, &rebuilder.public_key(), 2026),
            entries: (0..6).map(announce).collect(),
            other: [0, 20, 21, 22, 23, 24, 25, 26].map(announce).into(),
            certificate: certificate.as_bytes().to_vec(),
            operator,
            rebuilder,
            newest: None,
            gossip: Vec::new(),
            requests: Vec::new(),
            responses: Vec::new(),
        };
        stage.write_messages();
        stage
    }

    fn write_messages(&mut self) {
        let (head, small) = (self.head(&self.entries), self.head(&self.entries[..3]));
        self.newest = Some(head.clone());
        let (fork, word) = (self.fork(), ByteBuf::from(self.certificate.clone()));
        let gossip = [
            Gossip::Head(head.clone()),
            Gossip::Head(small.clone()),
            Gossip::Head(self.head(&self.other)),
            Gossip::Fork(Box::new(fork.clone())),
            Gossip::Word(word.clone()),
        ];
        let origin = self.origin.to_string();
        let range = |from, until, head| {
            let origin = origin.clone();
            Request::Entries { origin, from, until, head }
        };
        let requests = [
            Request::Heads { after: String::new() },
            range(0, 3, 6),
            Request::Consistency { origin: origin.clone(), old: 2, new: 6 },
            Request::Document(Digest::of(b"x")),
            Request::Cosigned { origin: origin.clone() },
        ];
        let ranges = [range(0, 6, 6), range(2, 6, 6), range(0, 3, 3), range(0, 8, 8)];
        let mut responses: Vec<Response> =
            ranges.iter().filter_map(|range| self.answer(range)).collect();
        let (heads, forks) = (vec![head, small], vec![fork.clone()]);
        responses.extend([
            Response::Heads { heads, forks, words: vec![word] },
            Response::Consistency { root: fork.root, proof: fork.hashes },
            Response::Document(Some(ByteBuf::from(vec![1; 9]))),
            Response::Nothing,
        ]);
        self.gossip = gossip.iter().map(|message| message.encode().unwrap()).collect();
        self.requests = requests.iter().map(|message| encode(message).unwrap()).collect();
        self.responses = responses.iter().map(|message| encode(message).unwrap()).collect();
    }

    pub(super) fn identity(&self) -> Identity {
        Identity {
            network: "test".parse().unwrap(),
            operators: BTreeSet::from([self.operator.public_key()]),
            own: None,
            rebuilds: false,
            witnesses: Vec::new(),
            cosigns: false,
            allowed: None,
        }
    }

    /// Whether the key signed these entries as the beginning of a log.
    pub(super) fn signed(&self, stored: &[Vec<u8>]) -> bool {
        self.entries.starts_with(stored) || self.other.starts_with(stored)
    }

    fn head(&self, entries: &[Vec<u8>]) -> Head {
        let frontier = frontier(entries);
        let (size, root) = (frontier.size(), frontier.root());
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let signed = checkpoint.sign(&self.rebuilder).unwrap();
        Head {
            certificate: ByteBuf::from(self.certificate.clone()),
            checkpoint: ByteBuf::from(signed.as_bytes()),
        }
    }

    /// Two heads that cannot both be true, and the way from one to the other's place.
    fn fork(&self) -> Fork {
        let (small, large) = (self.head(&self.entries[..3]), self.head(&self.other));
        Fork {
            certificate: large.certificate,
            smaller: small.checkpoint,
            larger: large.checkpoint,
            root: frontier(&self.other[..3]).root(),
            hashes: prove_consistency(&leaves(&self.other), 3).unwrap().hashes,
        }
    }

    /// What a holder of both histories answers; the size of the head tells which is meant.
    pub(super) fn answer(&self, question: &Request) -> Option<Response> {
        match question {
            Request::Heads { .. } => {
                let heads = self.newest.iter().cloned().collect();
                Some(Response::Heads { heads, forks: Vec::new(), words: Vec::new() })
            }
            Request::Entries { from, until, head, .. } => {
                let mine = *head <= self.entries.len() as u64;
                let entries = if mine { &self.entries } else { &self.other };
                let entries = entries.get(..usize::try_from(*head).ok()?)?;
                let (from, end) = (usize::try_from(*from).ok()?, usize::try_from(*until).ok()?);
                let mut bundle = Vec::new();
                for entry in entries.get(from..end)? {
                    encode_entry(entry, &mut bundle).unwrap();
                }
                let proof = if end == entries.len() {
                    Vec::new()
                } else {
                    prove_consistency(&leaves(entries), end as u64)?.hashes
                };
                Some(Response::Entries { bundle: ByteBuf::from(bundle), proof })
            }
            Request::Consistency { old, new, .. } => {
                let entries = self.entries.get(..usize::try_from(*new).ok()?)?;
                let proof = prove_consistency(&leaves(entries), *old)?.hashes;
                let before = entries.get(..usize::try_from(*old).ok()?)?;
                Some(Response::Consistency { root: frontier(before).root(), proof })
            }
            Request::Cosigned { .. } | Request::Document(_) => Some(Response::Nothing),
        }
    }
}

fn frontier(entries: &[Vec<u8>]) -> Frontier {
    let mut frontier = Frontier::new();
    for entry in entries {
        frontier.push(leaf_hash(entry));
    }
    frontier
}

fn leaves(entries: &[Vec<u8>]) -> Vec<Digest> {
    entries.iter().map(|entry| leaf_hash(entry)).collect()
}
