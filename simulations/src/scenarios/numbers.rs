//! Scenarios in which numbers are the trouble: everything at once, and fewer and fewer.

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::Conclusion;

use super::{Found, NODES, Scenario, found, names, purl, quorum, seconds};
use crate::failure::Failure;
use crate::network::Name;
use crate::odds::Millis;
use crate::releases::{Cast, Made, sound};
use crate::world::World;

fn honest() -> Cast {
    Cast { colluders: BTreeSet::new(), says: |_, _, purl| Made::honestly(purl, sound(purl)) }
}

pub(super) const FLASH_CROWD: Scenario = Scenario {
    name: "flash-crowd",
    set: "A security update of twelve packages is announced at once by one node; every node builds two \
          at a time. The policy is 4 of 7; the consumers of nodes 0 and 6 look every two seconds.",
    run: flash_crowd,
};

fn flash_crowd() -> Result<Found, Failure> {
    let mut world = World::staged(NODES, honest())?;
    let rules = quorum(&world, 4, 0..NODES);
    let mut purls = Vec::new();
    for number in 0..12 {
        purls.push(purl(&world, number)?);
    }
    for purl in &purls {
        world.tell(Name(0), purl)?;
    }
    let (begin, looking) = (world.now, [Name(0), Name(6)]);
    let mut accepted: BTreeMap<(Name, usize), Millis> = BTreeMap::new();
    while accepted.len() < 2 * purls.len() && world.now < begin.saturating_add(300_000) {
        world.pass(2_000)?;
        for name in looking {
            for (at, purl) in purls.iter().enumerate() {
                if !accepted.contains_key(&(name, at))
                    && world.ask(name, &rules, purl, sound(purl))? == Conclusion::Accepted
                {
                    accepted.insert((name, at), world.now.saturating_sub(begin));
                }
            }
        }
    }
    let mut rows = Vec::new();
    for name in looking {
        let own = accepted.iter().filter(|((of, _), _)| *of == name);
        let mut times: Vec<Millis> = own.map(|(_, time)| *time).collect();
        times.sort_unstable();
        let at = |place: usize| times.get(place).copied().map_or("never".to_owned(), seconds);
        let (half, all) = (purls.len() / 2, purls.len());
        let places = [0, half.saturating_sub(1), all.saturating_sub(1)];
        rows.push([name.to_string()].into_iter().chain(places.map(at)).collect());
    }
    Ok(found(&["consumer of", "first accepted after", "half of them after", "all after"], rows))
}

pub(super) const SLOW_DECLINE: Scenario = Scenario {
    name: "slow-decline",
    set: "One rebuilder after the other stops for good, and with each number of them a new release is \
          announced. The policy is 4 of 7; node 0's consumer asks a minute later.",
    run: slow_decline,
};

fn slow_decline() -> Result<Found, Failure> {
    let mut world = World::staged(NODES, honest())?;
    let (rules, first) = (quorum(&world, 4, 0..NODES), purl(&world, 0)?);
    let mut rows = Vec::new();
    for (number, left) in (0..).zip((2..=NODES).rev()) {
        for gone in names(left..NODES) {
            world.stop(gone)?;
        }
        let purl = purl(&world, number)?;
        world.tell(Name(0), &purl)?;
        world.pass(60_000)?;
        let ask = |purl| world.ask(Name(0), &rules, purl, sound(purl));
        let (new, old) = (ask(&purl)?, ask(&first)?);
        rows.push(vec![left.to_string(), new.to_string(), old.to_string()]);
    }
    Ok(found(&["rebuilders left", "the new release", "the first release"], rows))
}
