//! The agenda of a world, its virtual clock, and what happens in it one thing after the other.

use std::collections::BTreeSet;

use reattest::limits::{REQUEST_SECONDS, TICK};
use reattest::protocol::{Event, Notice};
use reattest_attestation::{Purl, Timestamp};

use crate::agenda::{Agenda, Happening};
use crate::checkers::{Broken, Checkers, Invariant, Members, missing};
use crate::clocks::Clock;
use crate::cut::Trouble;
use crate::failure::{Failure, Options};
use crate::member::{Halt, Member, Out};
use crate::network::{Name, Network, Packet};
use crate::odds::{Apart, Dice, Millis, Odds};
use crate::releases::{Cast, release};
use crate::roster::{Seat, members, operators};
use crate::rules::Rules;
use crate::trace::{Summary, Trace};

/// Releases that are announced, some of them by several nodes.
const RELEASES: u64 = 12;

/// Milliseconds within which honest nodes come to hold the same once faults stop: a lease that runs
/// out (120 s) and a builder that does not stop (60 s), the longest wait of a build that failed four
/// times (240 s), twelve builds of 8 s one after the other, 54 s for the network, and 30 s in which a
/// document that no neighbour had yet is asked for twice more (seed 0x9A took 573 s).
pub const CONVERGES_WITHIN: Millis = 600_000;

/// A world between two happenings.
#[derive(Debug)]
pub struct World {
    seed: u64,
    /// What the seed drew.
    pub odds: Odds,
    pub(crate) options: Options,
    pub(crate) dice: Dice,
    /// Whether disks fill up, say, does not move the faults of the network.
    pub(crate) apart: Apart,
    pub(crate) now: Millis,
    agenda: Agenda,
    pub(crate) network: Network,
    pub(crate) members: Members,
    pub(crate) liar: Name,
    pub(crate) cast: Cast,
    pub(crate) rules: Vec<Rules>,
    /// Questions of consumers so far.
    pub(crate) asked: u64,
    pub(crate) announced: BTreeSet<Purl>,
    pub(crate) checkers: Checkers,
    pub(crate) trace: Trace,
    pub(crate) summary: Summary,
}

impl World {
    /// The world of a seed, before anything happens.
    pub fn of(seed: u64, options: Options) -> Result<Self, Failure> {
        let mut dice = Dice::of(seed);
        let odds = options.cut.of(Odds::draw(&mut dice));
        // Nothing but what it signs sets the liar's other key apart from honest ones.
        let (liar, twin) = (Name(odds.honest), Name(odds.honest.saturating_add(1)));
        let ring: Vec<Name> = (0..odds.honest).map(Name).chain([twin]).collect();
        let seats = ring.iter().map(|name| {
            if *name == twin {
                Seat { name: twin, operator: liar, lies: None }
            } else {
                Seat::honest(*name)
            }
        });
        let lies = Seat { name: liar, operator: liar, lies: Some(odds.lie) };
        let seats: Vec<Seat> = seats.chain([lies]).collect();
        let network = Network::draw(&ring, liar, &odds, &mut dice);
        let cast = Cast::drawn(BTreeSet::from([liar, twin]));
        let mut world = Self::still(seed, options, (odds, dice), network, (&seats, cast), liar)?;
        let soon = Clock::default().at(world.odds.calm_at / 2);
        world.rules = Rules::drawn(&operators(&world.members), soon);
        world.begin();
        Ok(world)
    }

    /// A world in which nothing is planned yet.
    pub(crate) fn still(
        seed: u64,
        options: Options,
        (odds, dice): (Odds, Dice),
        network: Network,
        (seats, cast): (&[Seat], Cast),
        liar: Name,
    ) -> Result<Self, Failure> {
        let members = members(seats, seed).map_err(|broken| Failure {
            seed,
            at: 0,
            node: liar,
            broken,
            trace: Vec::new(),
            knew: Vec::new(),
            odds: Box::new(odds.clone()),
            releases: RELEASES,
        })?;
        Ok(Self {
            seed,
            odds,
            options,
            dice,
            apart: Apart::of(seed),
            now: 0,
            agenda: Agenda::default(),
            network,
            members,
            liar,
            cast,
            rules: Vec::new(),
            asked: 0,
            announced: BTreeSet::new(),
            checkers: Checkers::default(),
            trace: Trace::default(),
            summary: Summary::default(),
        })
    }

    fn begin(&mut self) {
        let names: Vec<Name> = self.members.keys().copied().collect();
        for name in names {
            let out_of_step = self.dice.below(500);
            self.after(out_of_step, Happening::Start(name));
            self.after(out_of_step, Happening::Tick(name));
            self.after_up_to(self.odds.announce_after, Happening::Announce(name));
        }
        if let Some(canary) = self.options.canary {
            self.members.values_mut().for_each(|member| canary.spoil(member));
        }
        if !self.options.cut.leaves_out(Trouble::Disks) {
            self.begin_wear();
        }
        self.begin_clocks();
        self.begin_operators();
        self.begin_sybils();
        self.after(600, Happening::Dial);
        if !self.options.cut.leaves_out(Trouble::Crashes) {
            self.after_up_to(self.odds.crash_after, Happening::Crash);
        }
        if !self.options.cut.leaves_out(Trouble::Splits) {
            self.after_up_to(self.odds.split_after, Happening::Split);
        }
        let fork = self.dice.between(self.odds.calm_at / 3..=self.odds.calm_at);
        if !self.options.cut.leaves_out(Trouble::Fork) {
            self.after(fork, Happening::Fork);
        }
        self.after(self.odds.calm_at, Happening::Calm);
    }

    /// Runs until all honest nodes hold the same, or an invariant does not hold.
    pub fn run(mut self) -> Result<Summary, Failure> {
        while self.step(Millis::MAX)? {}
        Ok(self.sum_up())
    }

    /// What is next on the agenda happens, if its time comes until then; whether more is to come.
    pub(crate) fn step(&mut self, until: Millis) -> Result<bool, Failure> {
        let Some((at, happening)) = self.agenda.pop(until) else { return Ok(false) };
        self.now = at;
        self.summary.events = self.summary.events.saturating_add(1);
        self.trace.line(at, &happening);
        let dialled = matches!(happening, Happening::Dial);
        self.happen(happening)?;
        if dialled && self.now % 4000 < 2000 {
            self.consume()?;
        }
        Ok(!(dialled && self.has_converged()?))
    }

    fn has_converged(&mut self) -> Result<bool, Failure> {
        if self.now < self.odds.calm_at {
            return Ok(false);
        }
        let mut what = missing(&self.members, &self.announced);
        if what.is_none() {
            what = self.disagreement().map_err(|broken| self.failure(self.liar, broken))?;
        }
        let Some(what) = what else { return Ok(true) };
        self.trace.line(self.now, &format!("still {what}"));
        self.summary.last_missing.clone_from(&what);
        if self.now < self.odds.calm_at.saturating_add(CONVERGES_WITHIN) {
            return Ok(false);
        }
        Err(self.failure(self.liar, Broken::new(Invariant::Converges, what)))
    }

    fn sum_up(mut self) -> Summary {
        let honest = self.members.values().filter(|member| member.liar.is_none());
        self.summary.entries = honest.flat_map(Member::keys).map(|key| key.written.len()).sum();
        let liars = self.members.values().filter_map(|member| member.liar.as_ref());
        self.summary.lies = liars.map(|liar| liar.lies).sum();
        self.summary.lasted = self.now;
        self.summary.converged = self.now.saturating_sub(self.odds.calm_at);
        for (name, member) in &self.members {
            for (origin, log) in &member.disk.logs {
                let head = log.head.as_ref().map(|head| String::from_utf8_lossy(&head.checkpoint));
                self.trace.line(self.now, &format!("{name} {origin} {head:?}"));
            }
        }
        self.summary.digest = Some(self.trace.digest());
        self.summary
    }

    pub(crate) fn failure(&self, node: Name, broken: Broken) -> Failure {
        let (trace, knew) = (self.trace.last(), self.trace.knew());
        let (seed, at, releases) = (self.seed, self.now, self.releases());
        let odds = Box::new(self.odds.clone());
        Failure { seed, at, node, broken, trace, knew, odds, releases }
    }

    /// The time that a node takes it to be: whole seconds.
    pub(crate) fn clock(&self, name: Name) -> Timestamp {
        self.members.get(&name).map(|member| member.clock).unwrap_or_default().at(self.now)
    }

    pub(crate) fn after(&mut self, wait: Millis, happening: Happening) {
        self.agenda.plan(self.now.saturating_add(wait), happening);
    }

    pub(crate) fn after_up_to(&mut self, longest: Millis, happening: Happening) {
        let wait = self.dice.between(1..=longest);
        self.after(wait, happening);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.now >= self.odds.calm_at
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Failure> {
        match happening {
            Happening::Tick(name) => {
                let beat = u64::try_from(TICK.as_millis()).unwrap_or(500);
                self.after(beat, Happening::Tick(name));
                self.feed(name, vec![Event::Tick])
            }
            Happening::Arrive { from, to, session, packet } => {
                self.arrive(from, to, session, packet)
            }
            Happening::TimeOut { node, number } => {
                let transport = self.members.get_mut(&node).and_then(|member| member.life.as_mut());
                let event = transport.and_then(|life| life.transport.time_out(number));
                self.feed(node, event.into_iter().collect())
            }
            Happening::Dial => self.dial(),
            Happening::Announce(name) => self.announce(name),
            Happening::Built { node, life, job, purl } => self.built(node, life, job, &purl),
            Happening::Stopped { node, life, job } => self.stopped(node, life, job),
            Happening::Crash => {
                self.light_a_fuse();
                Ok(())
            }
            Happening::Start(name) => self.start(name),
            Happening::Disk(wear) => self.wear_out(wear),
            Happening::EndKey => self.end_key(),
            Happening::Sybils => self.sybils(),
            Happening::SetClock => {
                self.set_clock();
                Ok(())
            }
            Happening::Split => self.split(),
            Happening::Heal => {
                self.network.heal();
                Ok(())
            }
            Happening::Fork => self.fork(),
            Happening::Calm => {
                self.calm();
                Ok(())
            }
        }
    }

    /// Lets one node work, does what it wants of the world, and checks it.
    pub(crate) fn work(
        &mut self,
        name: Name,
        work: impl FnOnce(&mut Member, Timestamp, &mut Vec<Out>) -> Result<(), Halt>,
    ) -> Result<(), Failure> {
        let (now, mut wishes) = (self.clock(name), Vec::new());
        let Some(member) = self.members.get_mut(&name) else { return Ok(()) };
        let ended = work(member, now, &mut wishes);
        for wish in wishes {
            self.grant(name, wish)?;
        }
        match ended {
            Ok(()) => {}
            Err(Halt::PowerCut) => self.crash(name)?,
            Err(Halt::Stopped(why)) => self.gave_up(name, &why)?,
            Err(Halt::Broken(broken)) => return Err(self.failure(name, broken)),
        }
        if let Some(member) = self.members.get_mut(&name).filter(|member| member.life.is_some()) {
            member.disk.look();
        }
        let checked = self.checkers.check(name, &self.members);
        for news in self.checkers.news() {
            self.trace.knows(self.now, &news);
        }
        checked.map_err(|broken| self.failure(name, broken))
    }

    pub(crate) fn feed(&mut self, name: Name, events: Vec<Event>) -> Result<(), Failure> {
        for event in events {
            let canary = self.options.canary;
            self.work(name, |member, now, out| {
                if let Some(canary) = canary {
                    canary.hear(member, &event);
                }
                member.take(event, now, out)
            })?;
        }
        Ok(())
    }

    fn grant(&mut self, name: Name, wish: Out) -> Result<(), Failure> {
        match wish {
            Out::Send(to, packet) => self.send(name, to, &packet),
            Out::Wait(number) => {
                let wait = u64::try_from(REQUEST_SECONDS).unwrap_or(10).saturating_mul(1000);
                self.after(wait, Happening::TimeOut { node: name, number });
            }
            Out::Build(job, purl) => self.build(name, job, purl),
            Out::Cancel(job) => self.cancel(name, job),
            Out::EndBuilder => self.end_builder(name),
            Out::Drop(peer) => return self.dropped(name, peer),
            Out::Said(notice) => self.said(name, &notice),
        }
        Ok(())
    }

    pub(crate) fn send(&mut self, from: Name, to: Name, packet: &Packet) {
        self.summary.sent = self.summary.sent.saturating_add(1);
        let Some(session) = self.network.session(from, to) else { return };
        for way in self.network.carry(&self.odds, &mut self.dice) {
            let packet = packet.clone();
            self.after(way, Happening::Arrive { from, to, session, packet });
        }
    }

    fn arrive(
        &mut self,
        from: Name,
        to: Name,
        session: u64,
        packet: Packet,
    ) -> Result<(), Failure> {
        // What was sent over a connection that is gone went with it; a partition swallows the rest.
        if self.network.session(from, to) != Some(session) || self.network.is_parted(from, to) {
            return Ok(());
        }
        self.summary.came = self.summary.came.saturating_add(1);
        let life = self.members.get_mut(&to).and_then(|member| member.life.as_mut());
        let event = life.and_then(|life| life.transport.receive(from, packet));
        self.feed(to, event.into_iter().collect())
    }

    fn said(&mut self, name: Name, notice: &Notice) {
        if let Notice::Refused { peer, refusal } = notice
            && name != self.liar
        {
            let whose = if *peer == self.liar.peer() { "the liar" } else { "an honest node" };
            let times = self.summary.refused.entry((whose, refusal.text())).or_default();
            *times = times.saturating_add(1);
        }
        self.trace.line(self.now, &format!("{name} said {notice:?}"));
    }

    pub(crate) fn release(&mut self) -> Option<Purl> {
        let releases = self.releases();
        release(self.dice.below(releases))
    }

    fn releases(&self) -> u64 {
        self.options.cut.releases.map_or(RELEASES, |fewer| fewer.clamp(1, RELEASES))
    }

    fn announce(&mut self, name: Name) -> Result<(), Failure> {
        if self.is_calm() {
            return Ok(());
        }
        self.after_up_to(self.odds.announce_after, Happening::Announce(name));
        let Some(purl) = self.release() else { return Ok(()) };
        let runs = self.members.get(&name).is_some_and(|member| member.life.is_some());
        if !runs || self.has_forked(name) {
            return Ok(());
        }
        let written = |world: &Self| world.members.get(&name).map(|m| m.signer.written.len());
        let before = written(self);
        self.work(name, |member, now, out| member.announce(&purl, now, out))?;
        // A node whose power went before its signer wrote it announced nothing.
        if name != self.liar && written(self) > before {
            self.announced.insert(purl);
        }
        Ok(())
    }
}
