//! Addresses of peers: whom to dial so that no one range of addresses is all that this node knows.

use core::net::IpAddr;
use std::collections::BTreeMap;

use reattest_attestation::Timestamp;

use super::Core;
use super::effect::Effect;
use super::peers::Peer;
use super::sync::is_due;
use crate::limits::{
    DIAL_SECONDS, INBOUND_PER_RANGE, KNOWN_ADDRESSES, OUTBOUND, OUTBOUND_PER_RANGE,
};

/// Where a peer is: a multiaddr in text, and the IP address in it, where it has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The multiaddr.
    pub text: String,
    /// Its IP address.
    pub ip: Option<IpAddr>,
}

/// Who says that a peer is at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The configuration: always dialled, whatever else is connected.
    Configuration,
    /// A peer on the local network, by mDNS.
    LocalNetwork,
    /// Other peers, by Kademlia.
    Peers,
}

/// A range of addresses that one owner may have whole: an IPv4 /16, an IPv6 /32. Nothing where the
/// address is of this machine, or is not known.
pub(super) fn range_of(address: &Address) -> Option<[u8; 4]> {
    match address.ip? {
        ip if ip.is_loopback() => None,
        IpAddr::V4(ip) => {
            let [a, b, _, _] = ip.octets();
            Some([4, 0, a, b])
        }
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) if ip.is_loopback() => None,
            Some(ip) => {
                let [a, b, _, _] = ip.octets();
                Some([4, 0, a, b])
            }
            None => {
                let [a, b, c, d, ..] = ip.octets();
                Some([a, b, c, d])
            }
        },
    }
}

#[derive(Debug, Clone)]
struct Known {
    peer: Option<Peer>,
    source: Source,
    tried: Option<Timestamp>,
    failures: u32,
}

/// The addresses that this node may dial.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: BTreeMap<Address, Known>,
}

impl Addresses {
    /// Takes an address in; of one range only so many that others find room.
    fn learn(&mut self, peer: Option<Peer>, address: Address, source: Source) {
        if let Some(known) = self.known.get_mut(&address) {
            known.source = known.source.min(source);
            known.peer = peer.or_else(|| known.peer.take());
            return;
        }
        let range = range_of(&address);
        let of_range = self.known.keys().filter(|known| range_of(known) == range).count();
        let full = self.known.len() >= KNOWN_ADDRESSES || of_range >= INBOUND_PER_RANGE;
        if full && source != Source::Configuration {
            return;
        }
        self.known.insert(address, Known { peer, source, tried: None, failures: 0 });
    }

    /// The connection to a peer stands: its address is a good one.
    pub(super) fn reached(&mut self, peer: &Peer, address: &Address) {
        if let Some(known) = self.known.get_mut(address) {
            known.peer = Some(peer.clone());
            known.failures = 0;
        }
    }
}

/// Seconds until an address that did not answer is dialled again: twice as long each time.
fn wait(known: &Known) -> i64 {
    match known.source {
        // Configured peers and neighbours come back any moment.
        Source::Configuration | Source::LocalNetwork => DIAL_SECONDS,
        Source::Peers => DIAL_SECONDS.saturating_mul(1 << known.failures.min(10)),
    }
}

impl Core {
    pub(super) fn discovered(
        &mut self,
        peer: Option<Peer>,
        address: Address,
        source: Source,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.addresses.learn(peer, address, source);
        self.dial(now, effects);
    }

    /// Dials every configured peer that is not connected, and others until there are enough, few of
    /// one range.
    pub(super) fn dial(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let mut outbound = self.peers.outbound();
        let mut ranges: BTreeMap<[u8; 4], usize> = BTreeMap::new();
        for range in self.peers.outbound_ranges() {
            let count = ranges.entry(range).or_default();
            *count = count.saturating_add(1);
        }
        let mut due: Vec<(&Address, &mut Known)> = self
            .addresses
            .known
            .iter_mut()
            .filter(|(_, known)| {
                let connected =
                    known.peer.as_ref().is_some_and(|peer| self.peers.is_connected(peer));
                !connected && known.tried.is_none_or(|at| is_due(at, wait(known), now))
            })
            .collect();
        // The configuration first, and then those that failed least.
        due.sort_by_key(|(_, known)| (known.source, known.failures));
        for (address, known) in due {
            let range = range_of(address);
            if known.source != Source::Configuration {
                let of_range = range.and_then(|range| ranges.get(&range)).copied().unwrap_or(0);
                if outbound >= OUTBOUND || of_range >= OUTBOUND_PER_RANGE {
                    continue;
                }
            }
            outbound = outbound.saturating_add(1);
            if let Some(range) = range {
                let count = ranges.entry(range).or_default();
                *count = count.saturating_add(1);
            }
            known.tried = Some(now);
            known.failures = known.failures.saturating_add(1);
            effects.push(Effect::Dial { peer: known.peer.clone(), address: address.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn address(ip: &str) -> Address {
        Address { text: format!("/ip4/{ip}/tcp/1"), ip: Some(ip.parse().unwrap()) }
    }

    #[test]
    fn one_range_cannot_fill_what_is_known() {
        let mut addresses = Addresses::default();
        for host in 0..=255 {
            addresses.learn(None, address(&format!("10.1.0.{host}")), Source::Peers);
        }
        assert_eq!(addresses.known.len(), INBOUND_PER_RANGE);
        addresses.learn(None, address("10.2.0.1"), Source::Peers);
        assert_eq!(addresses.known.len(), INBOUND_PER_RANGE + 1);
        addresses.learn(None, address("10.1.9.9"), Source::Configuration);
        assert_eq!(addresses.known.len(), INBOUND_PER_RANGE + 2, "the operator's word counts more");
    }

    #[test]
    fn ranges_are_what_one_owner_may_have() {
        let range = |ip: &str| range_of(&Address { text: String::new(), ip: ip.parse().ok() });
        assert_eq!(range("10.1.2.3"), range("10.1.200.3"));
        assert_ne!(range("10.1.2.3"), range("10.2.2.3"));
        assert_eq!(range("::ffff:10.1.2.3"), range("10.1.9.9"));
        assert_eq!(range("2001:db8:1::1"), range("2001:db8:2::1"));
        assert_eq!(range("127.0.0.1"), None);
        assert_eq!(range("::1"), None);
    }
}
