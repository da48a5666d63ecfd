//! Scenarios in which keys are the trouble: two histories of one log, and theft.

use std::collections::BTreeSet;

use reattest_attestation::Purl;

use super::{Found, NODES, Scenario, found, names, purl, quorum, words};
use crate::failure::Failure;
use crate::network::Name;
use crate::releases::{Cast, Made, forged, number, sound};
use crate::world::World;

pub(super) const EQUIVOCATION: Scenario = Scenario {
    name: "equivocation",
    set: "All seven operators reproduced the sound file; then the key of one signs a second history of \
          its log and shows it to half of the others. Its votes stop counting with everybody who was \
          shown the proof.",
    run: equivocation,
};

fn equivocation() -> Result<Found, Failure> {
    let cast = Cast {
        colluders: BTreeSet::from([Name(6)]),
        says: |_, _, purl| Made::honestly(purl, sound(purl)),
    };
    let mut world = World::staged(NODES, cast)?;
    let purl = purl(&world, 0)?;
    let policies = [6, 7].map(|need| quorum(&world, need, 0..NODES));
    world.tell(Name(0), &purl)?;
    world.pass(60_000)?;
    let ask = |world: &World, rules| world.ask(Name(0), rules, &purl, sound(&purl));
    let mut rows = Vec::new();
    for rules in &policies {
        rows.push(vec![words(rules), ask(&world, rules)?.to_string()]);
    }
    world.fork()?;
    world.pass(30_000)?;
    let origin = world.members.get(&Name(6)).map(|member| member.signer.origin.clone());
    let knows = names(0..6).into_iter().filter(|name| {
        let disk = world.members.get(name).map(|member| &member.disk);
        let log = disk.zip(origin.as_ref()).and_then(|(disk, origin)| disk.logs.get(origin));
        log.is_some_and(|log| log.fork.is_some())
    });
    let knows = knows.count();
    for (row, rules) in rows.iter_mut().zip(&policies) {
        row.push(ask(&world, rules)?.to_string());
        row.push(format!("{knows} of 6"));
    }
    Ok(found(&["policy", "before", "30 s after", "nodes that hold the proof"], rows))
}

pub(super) const KEY_COMPROMISE: Scenario = Scenario {
    name: "key-compromise",
    set: "Somebody steals four of seven rebuilder keys, after release 0, and signs for a forged file of \
          release 10. Then the four operators revoke those keys with their offline keys, and vouch for \
          their logs as far as they stood before the theft. The policy is 4 of 7.",
    run: compromise,
};

/// What the thief signs for.
const STOLEN: u64 = 10;

fn compromise() -> Result<Found, Failure> {
    let cast = Cast {
        colluders: names(3..NODES).into_iter().collect(),
        says: |cast, name, purl| {
            if cast.colluders.contains(&name) && number(purl) == STOLEN {
                Made::forged(purl)
            } else {
                Made::honestly(purl, sound(purl))
            }
        },
    };
    let mut world = World::staged(NODES, cast)?;
    let (old, new) = (purl(&world, 0)?, purl(&world, STOLEN)?);
    let rules = quorum(&world, 4, 0..NODES);
    let mut rows = Vec::new();
    let row = |world: &World, when: &str| -> Result<Vec<String>, Failure> {
        let ask = |purl: &Purl, file| world.ask(Name(0), &rules, purl, file);
        let verdicts = [ask(&old, sound(&old))?, ask(&new, sound(&new))?, ask(&new, forged(&new))?];
        Ok([when.to_owned()].into_iter().chain(verdicts.map(|v| v.to_string())).collect())
    };
    world.tell(Name(0), &old)?;
    world.pass(60_000)?;
    rows.push(row(&world, "before the theft")?);
    let written = |world: &World, name| world.members.get(&name).map(|m| m.signer.written.len());
    let good: Vec<_> =
        names(3..NODES).into_iter().map(|name| (name, written(&world, name))).collect();
    world.tell(Name(6), &new)?;
    world.pass(60_000)?;
    rows.push(row(&world, "after it")?);
    for (name, good) in good {
        world.revoke(name, good.unwrap_or(0))?;
    }
    world.pass(30_000)?;
    rows.push(row(&world, "after the revocations")?);
    let columns =
        ["", "release 0, sound file", "release 10, sound file", "release 10, forged file"];
    Ok(found(&columns, rows))
}
