//! Sybils: one peer shows heads of ever new keys, certified by operators whom nobody ever heard of.

use std::collections::BTreeMap;

use reattest::limits::{STRANGERS, STRANGERS_PER_PEER};
use reattest::protocol::{Gossip, Head, Peer};
use reattest_attestation::log::{Checkpoint, Origin};
use reattest_attestation::{Certificate, Digest, Envelope, SecretKey, Sign as _, Timestamp};
use serde_bytes::ByteBuf;

use crate::agenda::Happening;
use crate::checkers::{Broken, Invariant};
use crate::cut::Trouble;
use crate::failure::Failure;
use crate::member::{Member, Out};
use crate::network::Packet;
use crate::odds::Millis;
use crate::world::World;

/// Keys that come at once, at most.
const AT_ONCE: u64 = 40;

/// The longest wait for the next ones.
const NEXT: Millis = 30_000;

impl World {
    pub(crate) fn begin_sybils(&mut self) {
        // In every other world; elsewhere what honest nodes say is not drowned.
        if !self.options.cut.leaves_out(Trouble::Sybils) && self.apart.sybils.chance(500) {
            let wait = self.apart.sybils.between(1..=NEXT);
            self.after(wait, Happening::Sybils);
        }
    }

    /// The liar shows heads of keys that it just made.
    pub(crate) fn sybils(&mut self) -> Result<(), Failure> {
        let (keys, wait) =
            (self.apart.sybils.between(1..=AT_ONCE), self.apart.sybils.between(1..=NEXT));
        if self.is_calm() {
            return Ok(());
        }
        self.after(wait, Happening::Sybils);
        let first = self.summary.sybils;
        self.summary.sybils = first.saturating_add(keys);
        self.work(self.liar, |member, now, out| {
            for number in first..first.saturating_add(keys) {
                let head = sybil(member, number, now)
                    .map_err(|why| Broken::new(Invariant::SignerWorks, why))?;
                let Some(life) = &mut member.life else { break };
                for peer in life.transport.publish(&head)? {
                    out.push(Out::Send(peer, Packet::Gossip(head.clone())));
                }
            }
            Ok(())
        })
    }
}

/// A head of a new key of a new operator, as it is gossiped.
fn sybil(member: &Member, number: u64, now: Timestamp) -> Result<Vec<u8>, String> {
    let seed = |what: &str| *Digest::of(format!("{what} {number}").as_bytes()).as_bytes();
    let (operator, key) =
        (SecretKey::from_seed(&seed("sybil's boss")), SecretKey::from_seed(&seed("sybil")));
    let day = |days: i64| Timestamp::from_unix(now.as_unix().saturating_add(86_400 * days));
    let certificate = Certificate {
        operator: operator.public_key(),
        rebuilder: key.public_key(),
        not_before: day(-1),
        not_after: day(1),
    };
    let said = |error: &dyn ToString| error.to_string();
    let payload = certificate.to_payload().map_err(|error| said(&error))?;
    let certificate = Envelope::sign(payload, &operator).map_err(|error| said(&error))?;
    let origin = Origin::new(&member.identity.network, &key.public_key(), now.year());
    let checkpoint = Checkpoint { origin, size: 1_000, root: Digest::of(b"anything") };
    let note = checkpoint.sign(&key).map_err(|error| said(&error))?;
    let head = Head {
        certificate: ByteBuf::from(certificate.as_bytes()),
        checkpoint: ByteBuf::from(note.as_bytes()),
    };
    Gossip::Head(head).encode().map_err(|error| said(&error))
}

/// Strangers take no more of a node's memory than their share, and those of one peer no more than its own.
pub(crate) fn check_strangers(member: &Member) -> Result<(), Broken> {
    let Some(life) = &member.life else { return Ok(()) };
    let mut by_peer: BTreeMap<&Peer, usize> = BTreeMap::new();
    for (_, stranger) in life.core.strangers() {
        let count = by_peer.entry(&stranger.from).or_default();
        *count = count.saturating_add(1);
    }
    let all: usize = by_peer.values().sum();
    let most = by_peer.values().max().copied().unwrap_or(0);
    if all <= STRANGERS && most <= STRANGERS_PER_PEER {
        return Ok(());
    }
    let found = format!(
        "{all} logs of strangers and {most} of one peer, at most {STRANGERS} and {STRANGERS_PER_PEER} have room"
    );
    Err(Broken::new(Invariant::Bounds, found))
}
