//! Scenarios in which somebody lives in the past: heads that stand still, and a disk that is put back old.

use std::collections::BTreeSet;

use super::{Found, NODES, Scenario, found, purl, quorum, words};
use crate::failure::Failure;
use crate::network::Name;
use crate::odds::Millis;
use crate::releases::{Cast, Made, sound};
use crate::rules::Fresh;
use crate::world::World;

fn honest() -> Cast {
    Cast { colluders: BTreeSet::new(), says: |_, _, purl| Made::honestly(purl, sound(purl)) }
}

pub(super) const FROZEN_HEADS: Scenario = Scenario {
    name: "frozen-heads",
    set: "Everybody reproduced the file. Then node 6 is cut off for 75 minutes: it still serves its \
          consumer what it holds, and whatever was revoked or contradicted meanwhile it does not know. \
          Two nodes are witnesses, and cosign each head again every hour. A policy with `max_head_age` \
          sees that the heads stand still.",
    run: frozen,
};

/// For how long node 6 is cut off.
const CUT_OFF: Millis = 75 * 60_000;

fn frozen() -> Result<Found, Failure> {
    let mut world = World::staged(NODES, honest())?;
    let (purl, lax) = (purl(&world, 0)?, quorum(&world, 4, 0..NODES));
    let fresh = Some(Fresh { witnesses: 1, max_head_age: "70m" });
    let strict = crate::rules::Rules { fresh, ..lax.clone() };
    world.tell(Name(0), &purl)?;
    world.pass(60_000)?;
    let policies =
        [(words(&lax), &lax), (format!("{}, heads of 70 minutes", words(&lax)), &strict)];
    let ask = |world: &World, name, rules| world.ask(name, rules, &purl, sound(&purl));
    let mut rows = Vec::new();
    for (words, rules) in &policies {
        rows.push(vec![words.clone(), ask(&world, Name(6), rules)?.to_string()]);
    }
    world.part(BTreeSet::from([Name(6)]))?;
    world.pass(CUT_OFF)?;
    for (row, (_, rules)) in rows.iter_mut().zip(&policies) {
        row.push(ask(&world, Name(6), rules)?.to_string());
        row.push(ask(&world, Name(3), rules)?.to_string());
    }
    world.network.heal();
    world.pass(30_000)?;
    for (row, (_, rules)) in rows.iter_mut().zip(&policies) {
        row.push(ask(&world, Name(6), rules)?.to_string());
    }
    let columns =
        ["policy", "before", "cut off for 75 minutes", "at node 3 meanwhile", "connected again"];
    Ok(found(&columns, rows))
}

pub(super) const OLD_BACKUP: Scenario = Scenario {
    name: "old-backup",
    set: "Node 3 signs for release 0, its disk is copied, and it signs for release 1. Then its disk is \
          replaced by the copy, and release 2 is announced: whatever it signs now would be a second \
          history of its log. In the second row it is cut off from everybody, witnesses and all, while \
          it runs over the copy. After two minutes the newer disk is put back.",
    run: backup,
};

fn backup() -> Result<Found, Failure> {
    let rows = [("connected", false), ("cut off", true)];
    let rows = rows.map(|(how, cut_off)| one_backup(how, cut_off));
    let columns = [
        "node 3 over the old copy",
        "entries signed before",
        "signed over the copy",
        "its signer",
        "nodes that see a fork",
        "entries once the newer disk is back",
    ];
    Ok(found(&columns, rows.into_iter().collect::<Result<_, _>>()?))
}

fn one_backup(how: &str, cut_off: bool) -> Result<Vec<String>, Failure> {
    let (mut world, three) = (World::staged(NODES, honest())?, Name(3));
    let [first, second, third] = [0, 1, 2].map(|number| purl(&world, number));
    world.tell(Name(0), &first?)?;
    world.pass(60_000)?;
    let old = world.copy_disk(three);
    world.tell(Name(0), &second?)?;
    world.pass(60_000)?;
    let written =
        |world: &World| world.members.get(&three).map_or(0, |member| member.signer.written.len());
    let before = written(&world);
    if cut_off {
        world.part(BTreeSet::from([three]))?;
    }
    world.replace_disk(three, old)?;
    world.tell(Name(0), &third?)?;
    world.pass(120_000)?;
    let over_copy = written(&world).saturating_sub(before);
    let member = world.members.get(&three);
    let signer = match member.and_then(|member| member.life.as_ref()) {
        Some(life) if life.core.signer_awaits() => "waits for a witness",
        Some(_) => "signs",
        None => "stopped for good: shown a newer head of its own log",
    };
    let origin = member.map(|member| member.signer.origin.clone());
    let forked = world.members.values().filter(|member| {
        let log = origin.as_ref().and_then(|origin| member.disk.logs.get(origin));
        log.is_some_and(|log| log.fork.is_some())
    });
    let forked = forked.count();
    world.network.heal();
    world.put_back(three)?;
    world.pass(60_000)?;
    let cells = [before, over_copy].map(|number| number.to_string());
    let [before, over_copy] = cells;
    let (forked, after) = (forked.to_string(), written(&world).to_string());
    Ok(vec![how.to_owned(), before, over_copy, signer.to_owned(), forked, after])
}
