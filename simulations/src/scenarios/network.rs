//! Scenarios in which the network is the trouble: partitions, floods, heads withheld.

use std::collections::BTreeSet;

use super::{Found, NODES, Scenario, both, found, names, purl, quorum, seconds, words};
use crate::failure::Failure;
use crate::network::{Name, Packet};
use crate::odds::Millis;
use crate::releases::{Cast, Made, forged, sound};
use crate::world::World;

pub(super) const PARTITION: Scenario = Scenario {
    name: "partition",
    set: "Three nodes are cut off from four for a minute, and a release is announced on both sides. \
          The policy is 4 of 7.",
    run: partition,
};

fn partition() -> Result<Found, Failure> {
    let cast =
        Cast { colluders: BTreeSet::new(), says: |_, _, purl| Made::honestly(purl, sound(purl)) };
    let mut world = World::staged(NODES, cast)?;
    let (purl, rules) = (purl(&world, 0)?, quorum(&world, 4, 0..NODES));
    world.part(names(0..3).into_iter().collect())?;
    world.tell(Name(0), &purl)?;
    world.tell(Name(3), &purl)?;
    world.pass(60_000)?;
    let mut rows = Vec::new();
    for (side, node) in [("three nodes", Name(0)), ("four nodes", Name(3))] {
        let during = world.ask(node, &rules, &purl, sound(&purl))?;
        rows.push(vec![side.to_owned(), during.to_string()]);
    }
    world.network.heal();
    let accepted = world.acceptances(&names(0..NODES), &rules, (&purl, sound(&purl)), 60_000)?;
    for (row, side) in rows.iter_mut().zip([0..3, 3..NODES]) {
        let times: Vec<Millis> =
            side.clone().filter_map(|name| accepted.get(&Name(name)).copied()).collect();
        let slowest = times.iter().max().copied().unwrap_or(0);
        row.push(format!("{} of {}", times.len(), side.len()));
        row.push(seconds(slowest));
    }
    Ok(found(&["side", "verdict in it", "accept after it", "the last of them after"], rows))
}

pub(super) const FLOOD: Scenario = Scenario {
    name: "flood",
    set: "One node sends 50 messages of rubbish to each of the six others ten times a second, for 30 \
          seconds, while a release is announced. The policy is 4 of 7.",
    run: flood,
};

/// Any node but the last.
const OTHERS: u8 = NODES - 1;

fn flood() -> Result<Found, Failure> {
    let mut rows = Vec::new();
    for (what, each) in [("no flood", 0), ("a flood", 50)] {
        let cast = Cast {
            colluders: BTreeSet::from([Name(OTHERS)]),
            says: |_, _, purl| Made::honestly(purl, sound(purl)),
        };
        let mut world = World::staged(NODES, cast)?;
        let (purl, rules) = (purl(&world, 0)?, quorum(&world, 4, 0..NODES));
        let mut sent = 0_u64;
        world.tell(Name(0), &purl)?;
        let (begin, mut last) = (world.now, None);
        for round in 0..300_u64 {
            for to in world.network.connected(Name(OTHERS)) {
                for one in 0..each {
                    let rubbish = format!("rubbish {round} {one} for {to}").into_bytes();
                    world.send(Name(OTHERS), to, &Packet::Gossip(rubbish));
                    sent = sent.saturating_add(1);
                }
            }
            world.pass(100)?;
            if round % 10 == 9 && last.is_none() && all_accept(&world, &rules, &purl)? {
                last = Some(world.now.saturating_sub(begin));
            }
        }
        let still = world.network.connected(Name(OTHERS)).len();
        let last = last.map_or("not within 30 s".to_owned(), seconds);
        rows.push(vec![what.to_owned(), sent.to_string(), last, format!("{still} of {OTHERS}")]);
    }
    let columns =
        ["", "messages sent", "all six others accept after", "still connected to the flooder"];
    Ok(found(&columns, rows))
}

fn all_accept(
    world: &World,
    rules: &crate::rules::Rules,
    purl: &reattest_attestation::Purl,
) -> Result<bool, Failure> {
    use reattest_attestation::Conclusion::Accepted;
    for name in names(0..OTHERS) {
        if world.ask(name, rules, purl, sound(purl))? != Accepted {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) const WITHHELD_HEADS: Scenario = Scenario {
    name: "withheld-heads",
    set: "The archive has the forged file. Two operators collude and support it, five dissent; node 0 \
          dissents too, and sees only the colluders, who withhold everybody else's heads. What hiding \
          dissent can gain is what a policy accepts of so few operators, until it sees the others.",
    run: withheld,
};

fn withheld() -> Result<Found, Failure> {
    let cast = Cast {
        colluders: BTreeSet::from([Name(5), Name(6)]),
        says: |cast, name, purl| {
            if cast.colluders.contains(&name) {
                Made::forged(purl)
            } else {
                Made::honestly(purl, forged(purl))
            }
        },
    };
    let mut world = World::staged(NODES, cast)?;
    let purl = purl(&world, 0)?;
    let mut strict = quorum(&world, 2, 0..NODES);
    strict.max_dissent = Some(1);
    let policies = [strict, quorum(&world, 2, 0..NODES), quorum(&world, 4, 0..NODES)];
    world.part([0, 5, 6].map(Name).into_iter().collect())?;
    for name in [Name(5), Name(1)] {
        world.tell(name, &purl)?;
    }
    world.pass(60_000)?;
    let mut rows = Vec::new();
    for rules in &policies {
        let verdicts = [Name(0), Name(1)].map(|name| both(&world, name, rules, &purl));
        let mut row = vec![words(rules)];
        for verdict in verdicts {
            let [_, forged] = verdict?;
            row.push(forged.to_string());
        }
        rows.push(row);
    }
    world.network.heal();
    world.pass(60_000)?;
    for (row, rules) in rows.iter_mut().zip(&policies) {
        let [_, forged] = both(&world, Name(0), rules, &purl)?;
        row.push(forged.to_string());
    }
    let columns =
        ["policy", "forged file at node 0", "at the others", "at node 0, once it sees them"];
    Ok(found(&columns, rows))
}
