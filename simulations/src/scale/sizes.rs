//! How long real messages are, and what a real core takes in memory.

use std::collections::BTreeSet;

use reattest::protocol::queue::Room;
use reattest::protocol::{
    CheckedHead, Core, Gossip, Head, Identity, Queue, Recovered, Request, Response,
};
use reattest_attestation::log::tiles::encode_entry;
use reattest_attestation::log::{Checkpoint, Frontier, Origin, leaf_hash};
use reattest_attestation::{
    Certificate, Digest, Envelope, NetworkId, Purl, SecretKey, Sign as _, Timestamp,
};
use serde::Serialize;
use serde_bytes::ByteBuf;

use super::{ScaleError, count};
use crate::rebuilds::{ARCHIVE, Said};

/// 2026-06-01T00:00:00Z.
const NOW: i64 = 1_780_272_000;

/// Lengths of messages in bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sizes {
    /// An attestation: the lower bound of what a follower must receive.
    pub(super) attestation: u64,
    /// A gossiped head, with its certificate.
    pub(super) head: u64,
    /// A question for a range of entries.
    pub(super) question: u64,
    /// Its answer, with one entry.
    pub(super) answer: u64,
    /// A question for heads.
    pub(super) heads_question: u64,
    /// A head among others in an answer.
    pub(super) listed_head: u64,
}

fn sound<T, E: ToString>(made: Result<T, E>) -> Result<T, ScaleError> {
    made.map_err(|error| ScaleError::Message(error.to_string()))
}

/// A log of one entry.
struct Log {
    origin: Origin,
    operator: SecretKey,
    head: Head,
    entry: Vec<u8>,
}

fn network() -> Result<NetworkId, ScaleError> {
    sound("simulated".parse())
}

fn log(number: usize) -> Result<Log, ScaleError> {
    let (network, now) = (network()?, Timestamp::from_unix(NOW));
    let [operator, key] = ["operator", "rebuilder"]
        .map(|what| Digest::of(format!("{what} {number}").as_bytes()))
        .map(|seed| SecretKey::from_seed(seed.as_bytes()));
    let certificate = Certificate {
        operator: operator.public_key(),
        rebuilder: key.public_key(),
        not_before: now,
        not_after: Timestamp::from_unix(NOW.saturating_add(86_400 * 365)),
    };
    let certificate = sound(Envelope::sign(sound(certificate.to_payload())?, &operator))?;
    let qualifiers = [("arch", "amd64"), ("distro", "trixie")];
    let purl =
        sound(Purl::new("deb", Some("debian"), "libexample-dev", Some("1.24.0-2"), &qualifiers))?;
    let file = Digest::of(b"file");
    let documents = [Digest::of(b"recipe"), Digest::of(b"lock")];
    let said = Said {
        network: &network,
        purl: &purl,
        published: file,
        produced: file,
        archive: ARCHIVE,
        documents,
        finished: now,
    };
    let payload = sound(sound(said.rebuild())?.to_payload(&key.public_key()))?;
    let entry = sound(Envelope::sign(payload, &key))?.as_bytes().to_vec();
    let origin = Origin::new(&network, &key.public_key(), now.year());
    let mut frontier = Frontier::new();
    frontier.push(leaf_hash(&entry));
    let head = Checkpoint { origin: origin.clone(), size: 1, root: frontier.root() };
    let head = Head {
        certificate: ByteBuf::from(certificate.as_bytes().to_vec()),
        checkpoint: ByteBuf::from(sound(head.sign(&key))?.as_bytes().to_vec()),
    };
    Ok(Log { origin, operator, head, entry })
}

fn length<T: Serialize>(message: &T) -> Result<u64, ScaleError> {
    Ok(count(sound(reattest::codec::encode(message))?.len()))
}

impl Sizes {
    /// Of messages about a head and an entry below it.
    pub fn of(head: &Head, entry: &[u8], origin: &Origin) -> Result<Self, ScaleError> {
        let mut bundle = Vec::new();
        sound(encode_entry(entry, &mut bundle))?;
        let answer = Response::Entries { bundle: ByteBuf::from(bundle), proof: Vec::new() };
        let origin = origin.to_string();
        let question =
            Request::Entries { origin: origin.clone(), from: 400, until: 401, head: 401 };
        Ok(Self {
            attestation: count(entry.len()),
            head: length(&Gossip::Head(head.clone()))?,
            question: length(&question)?,
            answer: length(&answer)?,
            heads_question: length(&Request::Heads { after: origin })?,
            listed_head: length(head)?,
        })
    }

    /// Of messages about an attestation of a rebuilder like any other.
    pub(super) fn of_samples() -> Result<Self, ScaleError> {
        let Log { origin, head, entry, .. } = log(0)?;
        Self::of(&head, &entry, &origin)
    }
}

/// Bytes that a core which follows so many logs takes, heads, certificates and one recent entry of
/// each included, as the machine counts them: the queue, the store and its index come on top. Nothing
/// where the machine does not tell. Ask before much else was allocated and freed.
pub(super) fn core_bytes(logs: usize) -> Result<Option<u64>, ScaleError> {
    let before = resident();
    let logs: Vec<Log> = (0..logs).map(log).collect::<Result<_, _>>()?;
    let operators: BTreeSet<_> = logs.iter().map(|log| log.operator.public_key()).collect();
    let identity = Identity {
        network: network()?,
        operators,
        own: None,
        rebuilds: false,
        witnesses: Vec::new(),
        cosigns: false,
        allowed: None,
    };
    let recovered = logs.into_iter().map(|log| {
        let head = CheckedHead::check(&identity, log.head, Timestamp::from_unix(NOW))
            .map_err(|refusal| ScaleError::Message(refusal.text().to_owned()))?;
        let mut frontier = Frontier::new();
        frontier.push(leaf_hash(&log.entry));
        let extended = frontier.clone();
        Ok(Recovered { head, frontier, extended, forked: None, recent: vec![log.entry] })
    });
    let recovered = recovered.collect::<Result<Vec<_>, ScaleError>>()?;
    let room = Room { jobs: 2, memory: 2 << 30 };
    let core = Core::new(identity, recovered, Queue::replayed(room, std::iter::empty()));
    let after = resident();
    drop(core);
    Ok(before.zip(after).map(|(before, after)| after.saturating_sub(before)))
}

/// Bytes of this process in memory.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(4096))
}
