//! Who is in a world: keys, operators, and the nodes around them.

use std::collections::BTreeSet;

use reattest::protocol::Identity;
use reattest_attestation::{NetworkId, PublicKey};

use crate::checkers::{Broken, Invariant, Members};
use crate::liar::Liar;
use crate::member::Member;
use crate::network::Name;
use crate::odds::{Dice, Odds};
use crate::signer::Signer;
use crate::world::timestamp;

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

/// Every node with a key of its own, certified by an operator of its own whom all follow; but the
/// liar's operator has two.
pub(crate) fn members(
    honest: &[Name],
    [liar, twin]: [Name; 2],
    odds: &Odds,
    seed: u64,
) -> Result<Members, Broken> {
    let network: NetworkId = "simulated"
        .parse()
        .map_err(|_| Broken::new(Invariant::SignerWorks, "a network's name".to_owned()))?;
    let names = honest.iter().copied().chain([liar, twin]);
    let signer = |name| {
        let operator = if name == twin { liar } else { name };
        Ok((name, Signer::new(name, operator, &network, timestamp(0))?))
    };
    let signers = names.map(signer);
    let signers: Vec<(Name, Signer)> = signers.collect::<Result<_, Broken>>()?;
    let operators: BTreeSet<_> = signers.iter().map(|(_, signer)| signer.operator).collect();
    let member = |(name, signer): (Name, Signer)| {
        let identity = Identity {
            network: network.clone(),
            operators: operators.clone(),
            own: Some(signer.public_key()),
            rebuilds: true,
            witnesses: Vec::new(),
            cosigns: false,
            allowed: None,
        };
        // Dice of its own: whether it lies does not move the faults of the network.
        let lies = (name == liar).then(|| Liar::new(Dice::of(!seed), odds.lie));
        (name, Member::new(name, identity, signer, lies))
    };
    Ok(signers.into_iter().map(member).collect())
}
