//! Scenarios in which what is said is the trouble: lies, collusion, two versions, evil recipes.

use std::collections::BTreeSet;

use super::{NODES, Scenario, by_policy, purl, quorum};
use crate::network::Name;
use crate::odds::Millis;
use crate::rebuilds::STRANGE_ARCHIVE;
use crate::releases::{Cast, Made, forged, sound};
use crate::rules::Rules;
use crate::world::World;

/// Long enough for every build and for every log to be everywhere.
const SETTLED: Millis = 60_000;

/// Colluders support the forged file, the others the sound one.
fn two_sides(from: u8) -> Cast {
    Cast {
        colluders: (from..NODES).map(Name).collect(),
        says: |cast, name, purl| {
            if cast.colluders.contains(&name) {
                Made::forged(purl)
            } else {
                Made::honestly(purl, sound(purl))
            }
        },
    }
}

/// k of seven, as many may dissent as that leaves.
fn each_need(world: &World, needs: std::ops::RangeInclusive<usize>) -> Vec<(&'static str, Rules)> {
    needs.map(|need| ("", quorum(world, need, 0..NODES))).collect()
}

pub(super) const LYING_MINORITY: Scenario = Scenario {
    name: "lying-minority",
    set: "Two of seven operators support a forged file of the same name, five reproduce the sound one.",
    run: || {
        let mut world = World::staged(NODES, two_sides(5))?;
        let purl = purl(&world, 0)?;
        world.tell(Name(0), &purl)?;
        world.pass(SETTLED)?;
        by_policy(&world, Name(0), &each_need(&world, 1..=7), &purl)
    },
};

pub(super) const MAJORITY_COLLUSION: Scenario = Scenario {
    name: "majority-collusion",
    set: "Four of seven operators collude on a forged file. Who asks for four of them believes it; who \
          asks for five believes nothing; who named other operators is not touched.",
    run: || {
        let mut world = World::staged(NODES, two_sides(3))?;
        let purl = purl(&world, 0)?;
        world.tell(Name(0), &purl)?;
        world.pass(SETTLED)?;
        let mut policies = each_need(&world, 3..=6);
        policies.push((", three honest and one of the colluders", quorum(&world, 3, 0..4)));
        policies.push((", two honest and two of the colluders", quorum(&world, 3, 1..5)));
        by_policy(&world, Name(0), &policies, &purl)
    },
};

pub(super) const TWO_VERSIONS: Scenario = Scenario {
    name: "two-versions",
    set: "All seven operators are honest. The registry serves the sound file to four of them and a \
          forged one to three, who cannot reproduce it.",
    run: || {
        let cast = Cast {
            colluders: BTreeSet::new(),
            says: |_, name, purl| {
                Made::honestly(purl, if name.0 < 4 { sound(purl) } else { forged(purl) })
            },
        };
        let mut world = World::staged(NODES, cast)?;
        let purl = purl(&world, 0)?;
        world.tell(Name(0), &purl)?;
        world.pass(SETTLED)?;
        let mut policies = each_need(&world, 3..=5);
        let strict = Rules { max_dissent: Some(0), ..quorum(&world, 4, 0..NODES) };
        policies.push(("", strict));
        by_policy(&world, Name(0), &policies, &purl)
    },
};

pub(super) const EVIL_RECIPES: Scenario = Scenario {
    name: "evil-recipes",
    set: "A colluder announces a release, and four operators, two of them honest and led astray, follow \
          an archive that no policy names: its recipe gives the forged file. Three take the release from \
          the archive that policies name.",
    run: || {
        let cast = Cast {
            colluders: BTreeSet::from([Name(5), Name(6)]),
            says: |_, name, purl| match name.0 {
                0..3 => Made::honestly(purl, sound(purl)),
                _ => Made { archive: STRANGE_ARCHIVE, ..Made::forged(purl) },
            },
        };
        let mut world = World::staged(NODES, cast)?;
        let purl = purl(&world, 0)?;
        world.tell(Name(6), &purl)?;
        world.pass(SETTLED)?;
        by_policy(&world, Name(0), &each_need(&world, 2..=5), &purl)
    },
};
