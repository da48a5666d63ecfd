//! Who is in a world: keys, operators, and the nodes around them.

use std::collections::BTreeSet;

use reattest::protocol::Identity;
use reattest_attestation::log::WitnessKey;
use reattest_attestation::{NetworkId, PublicKey};

use crate::checkers::{Broken, Invariant, Members};
use crate::clocks::Clock;
use crate::liar::Liar;
use crate::member::Member;
use crate::network::Name;
use crate::odds::Dice;
use crate::signer::{Signer, is_witness, witness};

/// The operators of all nodes, each once, in the order of the nodes.
pub(crate) fn operators(members: &Members) -> Vec<PublicKey> {
    let mut operators = Vec::new();
    for member in members.values() {
        if !operators.contains(&member.signer.operator) {
            operators.push(member.signer.operator);
        }
    }
    operators
}

/// A node that is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) name: Name,
    /// The node whose operator certifies its key: usually itself.
    pub(crate) operator: Name,
    /// So many of a thousand of its answers are lies, where it tells any.
    pub(crate) lies: Option<u64>,
}

impl Seat {
    /// An honest node of an operator of its own.
    pub(crate) fn honest(name: Name) -> Self {
        Self { name, operator: name, lies: None }
    }
}

/// Every node with a key of its own, certified by an operator whom all follow.
pub(crate) fn members(seats: &[Seat], seed: u64) -> Result<Members, Broken> {
    let network: NetworkId = "simulated"
        .parse()
        .map_err(|_| Broken::new(Invariant::SignerWorks, "a network's name".to_owned()))?;
    let signer = |seat: &Seat| {
        Ok((*seat, Signer::new(seat.name, seat.operator, &network, Clock::default().at(0))?))
    };
    let signers: Vec<(Seat, Signer)> = seats.iter().map(signer).collect::<Result<_, Broken>>()?;
    let all: Vec<Name> = seats.iter().map(|seat| seat.name).collect();
    let witnesses = all.iter().filter(|name| is_witness(**name)).map(|name| witness(*name));
    let witnesses: Vec<WitnessKey> = witnesses.collect::<Result<_, _>>()?;
    let operators: BTreeSet<_> = signers.iter().map(|(_, signer)| signer.operator).collect();
    let member = |(Seat { name, lies, .. }, signer): (Seat, Signer)| {
        let identity = Identity {
            network: network.clone(),
            operators: operators.clone(),
            own: Some(signer.public_key()),
            rebuilds: true,
            witnesses: witnesses.clone(),
            cosigns: is_witness(name),
            allowed: None,
        };
        // Dice of its own: whether it lies does not move the faults of the network.
        let lies = lies.map(|lie| Liar::new(Dice::of(!seed), lie));
        (name, Member::new(name, identity, signer, lies))
    };
    Ok(signers.into_iter().map(member).collect())
}
