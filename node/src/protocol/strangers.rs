//! Heads of strangers, operators whom the policy does not name: a small share of memory that is fair
//! among the peers that bring them, and expires.
//!
//! Nothing under such a head is pulled, and no verdict ever sees one. They are kept to be shown, and
//! passed on so that nodes with different policies can be neighbours.

use std::collections::BTreeMap;
use std::sync::Arc;

use reattest_attestation::log::Origin;
use reattest_attestation::{Certificate, PublicKey, Timestamp};

use super::Core;
use super::heads::CheckedHead;
use super::message::Head;
use super::peers::Peer;
use super::refusal::Refusal;
use super::sync::is_due;
use crate::limits::{STRANGER_SECONDS, STRANGERS, STRANGERS_PER_PEER};

/// A stranger's log, as somebody showed it.
#[derive(Debug, Clone)]
pub struct Stranger {
    /// Whose key certified the log's key.
    pub operator: PublicKey,
    /// The size of the newest head that was shown.
    pub size: u64,
    /// The peer that showed it first.
    pub from: Peer,
    at: Timestamp,
}

/// The share of strangers.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    logs: BTreeMap<Origin, Stranger>,
}

impl Strangers {
    /// Takes a head in where there is room: a peer that brought much makes room for one that
    /// brought little.
    fn admit(&mut self, origin: Origin, stranger: Stranger) -> Result<(), Refusal> {
        if let Some(known) = self.logs.get_mut(&origin) {
            if stranger.size <= known.size {
                return Err(Refusal::Stale);
            }
            known.size = stranger.size;
            known.at = stranger.at;
            return Ok(());
        }
        let mut counts: BTreeMap<&Peer, usize> = BTreeMap::new();
        for known in self.logs.values() {
            let count = counts.entry(&known.from).or_default();
            *count = count.saturating_add(1);
        }
        let own = counts.get(&stranger.from).copied().unwrap_or(0);
        if own >= STRANGERS_PER_PEER {
            return Err(Refusal::UnknownOperator);
        }
        if self.logs.len() >= STRANGERS {
            let most = counts.into_iter().max_by_key(|(_, count)| *count);
            let Some((loudest, _)) = most.filter(|(_, count)| *count > own.saturating_add(1))
            else {
                return Err(Refusal::UnknownOperator);
            };
            let loudest = loudest.clone();
            let oldest = self
                .logs
                .iter()
                .filter(|(_, known)| known.from == loudest)
                .min_by_key(|(_, known)| known.at)
                .map(|(origin, _)| origin.clone());
            if let Some(oldest) = oldest {
                self.logs.remove(&oldest);
            }
        }
        self.logs.insert(origin, stranger);
        Ok(())
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        self.logs.retain(|_, known| !is_due(known.at, STRANGER_SECONDS, now));
    }
}

impl Core {
    /// Takes in the head of a stranger's log: it must verify all the same.
    pub(super) fn learn_stranger(
        &mut self,
        from: &Peer,
        head: Head,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let head =
            CheckedHead::certified(&self.identity, head, Arc::new(certificate.clone()), now)?;
        let stranger = Stranger {
            operator: certificate.operator,
            size: head.size(),
            from: from.clone(),
            at: now,
        };
        self.strangers.admit(head.origin().clone(), stranger)
    }

    /// Logs of operators whom the policy does not name, as peers showed them lately.
    pub fn strangers(&self) -> impl Iterator<Item = (&Origin, &Stranger)> {
        self.strangers.logs.iter()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use reattest_attestation::{SecretKey, Sign};

    use super::*;

    fn admit(strangers: &mut Strangers, number: u32, from: &str, at: i64) -> Result<(), Refusal> {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let operator = SecretKey::from_seed(&seed).public_key();
        let origin = Origin::new(&"test".parse().unwrap(), &operator, 2026);
        let (from, at) = (Peer(from.to_owned()), Timestamp::from_unix(at));
        strangers.admit(origin, Stranger { operator, size: 1, from, at })
    }

    fn of(strangers: &Strangers, from: &str) -> usize {
        strangers.logs.values().filter(|stranger| stranger.from.0 == from).count()
    }

    #[test]
    fn a_thousand_keys_of_one_peer_take_its_share_and_no_more() {
        let mut strangers = Strangers::default();
        for number in 0..1_000 {
            let _refused = admit(&mut strangers, number, "sybil", 1_000);
        }
        assert_eq!(of(&strangers, "sybil"), STRANGERS_PER_PEER);
        assert_eq!(admit(&mut strangers, 5_000, "other", 1_000), Ok(()));
    }

    #[test]
    fn who_brought_much_makes_room_for_who_brought_little() {
        let mut strangers = Strangers::default();
        let peers = u32::try_from(STRANGERS / STRANGERS_PER_PEER).unwrap();
        for peer in 0..peers {
            for number in 0..1_000 {
                let _refused =
                    admit(&mut strangers, peer * 1_000 + number, &format!("sybil{peer}"), 1_000);
            }
        }
        assert_eq!(strangers.logs.len(), STRANGERS);
        for number in 0..8 {
            assert_eq!(admit(&mut strangers, 90_000 + number, "quiet", 1_000), Ok(()));
        }
        assert_eq!((strangers.logs.len(), of(&strangers, "quiet")), (STRANGERS, 8));
    }

    #[test]
    fn what_nobody_shows_again_expires() {
        let mut strangers = Strangers::default();
        admit(&mut strangers, 1, "peer", 1_000).unwrap();
        strangers.expire(Timestamp::from_unix(1_000 + STRANGER_SECONDS - 1));
        assert_eq!(strangers.logs.len(), 1);
        strangers.expire(Timestamp::from_unix(1_000 + STRANGER_SECONDS));
        assert!(strangers.logs.is_empty());
    }
}
