//! A world that a scenario sets up and moves by hand: no dice are thrown but for the ways of messages.

use std::collections::{BTreeMap, BTreeSet};

use reattest::store::index::Selector;
use reattest_attestation::{Conclusion, Digest, Purl};

use crate::agenda::Happening;
use crate::canary::Asked;
use crate::consumers::{Consumer, verdicts};
use crate::failure::{Failure, Options};
use crate::network::{Name, Network};
use crate::odds::{Dice, Millis, Odds};
use crate::releases::Cast;
use crate::roster::Seat;
use crate::rules::Rules;
use crate::world::World;

/// The seed of every scenario: it decides how long messages are on their way.
const SEED: u64 = 0x5CE2;

/// Milliseconds between two looks at consumers: what is measured is as coarse as this.
const LOOK: Millis = 1_000;

/// Messages take up to 100 ms, builds up to 8 s, and nothing goes wrong by itself.
fn quiet() -> Odds {
    Odds {
        honest: 0,
        link: 1000,
        delay: 100,
        slow: 0,
        slow_delay: 0,
        lose: 0,
        repeat: 0,
        split_after: 0,
        split_for: 0,
        crash_after: 0,
        down_for: 5_000,
        announce_after: 1,
        build_for: 8_000,
        build_fault: 0,
        build_hang: 0,
        lie: 0,
        calm_at: Millis::MAX,
    }
}

impl World {
    /// So many nodes, each of an operator of its own and linked to all others, of which the last
    /// ones collude; the last of all may sign two histories.
    pub(crate) fn staged(nodes: u8, cast: Cast) -> Result<Self, Failure> {
        let names: Vec<Name> = (0..nodes).map(Name).collect();
        let mut seats: Vec<Seat> = names.iter().copied().map(Seat::honest).collect();
        let liar = names.last().copied().filter(|last| cast.colluders.contains(last));
        if let Some(last) = seats.last_mut().filter(|_| liar.is_some()) {
            last.lies = Some(0);
        }
        let (liar, network) = (liar.unwrap_or(Name(u8::MAX)), Network::mesh(&names));
        let dice = Dice::of(SEED);
        let (odds, options) = (quiet(), Options::default());
        let mut world = Self::still(SEED, options, (odds, dice), network, (&seats, cast), liar)?;
        for name in names {
            world.after(u64::from(name.0), Happening::Start(name));
            world.after(u64::from(name.0), Happening::Tick(name));
        }
        world.after(600, Happening::Dial);
        world.until(5_000)?;
        Ok(world)
    }

    /// Lets the world go on until a time.
    pub(crate) fn until(&mut self, at: Millis) -> Result<(), Failure> {
        while self.step(at)? {}
        self.now = at;
        Ok(())
    }

    /// Lets the world go on for a while.
    pub(crate) fn pass(&mut self, wait: Millis) -> Result<(), Failure> {
        self.until(self.now.saturating_add(wait))
    }

    /// A node announces a release.
    pub(crate) fn tell(&mut self, name: Name, purl: &Purl) -> Result<(), Failure> {
        self.announced.insert(purl.clone());
        self.work(name, |member, now, out| member.announce(purl, now, out))
    }

    /// Cuts these nodes off from the others.
    pub(crate) fn part(&mut self, island: BTreeSet<Name>) -> Result<(), Failure> {
        for (one, other) in self.network.part(island) {
            self.hang_up(one, other)?;
        }
        Ok(())
    }

    /// Ends a node's life, for good.
    pub(crate) fn stop(&mut self, name: Name) -> Result<(), Failure> {
        for peer in self.network.connected(name) {
            self.hang_up(name, peer)?;
        }
        if let Some(member) = self.members.get_mut(&name) {
            member.life = None;
        }
        Ok(())
    }

    /// What the consumer of a node concludes now. It is checked that it may.
    pub(crate) fn ask(
        &self,
        name: Name,
        rules: &Rules,
        purl: &Purl,
        file: Digest,
    ) -> Result<Conclusion, Failure> {
        let Some(member) = self.members.get(&name) else { return Ok(Conclusion::Inconclusive) };
        let (members, checkers, cast, now) =
            (&self.members, &self.checkers, &self.cast, self.clock(name));
        let consumer = Consumer { name, members, checkers, cast, rules, canary: None };
        let evidence = member.evidence(&Selector::Package(purl.clone()));
        let Some((bundle, completeness)) = evidence.map_err(|broken| self.failure(name, broken))?
        else {
            return Ok(Conclusion::Inconclusive);
        };
        let asked = Asked { rules: rules.clone(), bundle, completeness, now };
        let judged = verdicts(&asked, purl, &[file]).and_then(|verdicts| {
            verdicts.iter().try_for_each(|v| consumer.check_ground(v, purl, file, now))?;
            Ok(verdicts.first().map_or(Conclusion::Inconclusive, |verdict| verdict.verdict))
        });
        judged.map_err(|broken| self.failure(name, broken))
    }

    /// Milliseconds from now until each of these consumers first accepts a file; those who have
    /// not within `longest` are missing.
    pub(crate) fn acceptances(
        &mut self,
        names: &[Name],
        rules: &Rules,
        (purl, file): (&Purl, Digest),
        longest: Millis,
    ) -> Result<BTreeMap<Name, Millis>, Failure> {
        let (begin, mut accepted) = (self.now, BTreeMap::new());
        while accepted.len() < names.len() && self.now < begin.saturating_add(longest) {
            self.pass(LOOK)?;
            for name in names {
                if !accepted.contains_key(name)
                    && self.ask(*name, rules, purl, file)? == Conclusion::Accepted
                {
                    accepted.insert(*name, self.now.saturating_sub(begin));
                }
            }
        }
        Ok(accepted)
    }
}
