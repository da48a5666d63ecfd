//! What goes wrong: connections, power cuts, partitions, a forked log, and the end of it all.

use reattest::limits::DIAL_SECONDS;
use reattest::protocol::{Address, Event, Head};
use serde_bytes::ByteBuf;

use crate::agenda::Happening;
use crate::checkers::{Broken, Invariant};
use crate::failure::Failure;
use crate::liar::Forgery;
use crate::member::Member;
use crate::network::Name;
use crate::world::World;

impl World {
    pub(crate) fn dial(&mut self) -> Result<(), Failure> {
        self.after(u64::try_from(DIAL_SECONDS).unwrap_or(2).saturating_mul(1000), Happening::Dial);
        for (one, other) in self.network.down() {
            let is_up = |name| self.members.get(&name).is_some_and(|member| member.life.is_some());
            if !is_up(one) || !is_up(other) {
                continue;
            }
            self.network.open((one, other));
            for (name, peer) in [(one, other), (other, one)] {
                let life = self.members.get_mut(&name).and_then(|member| member.life.as_mut());
                let _new = life.is_some_and(|life| life.transport.connected.insert(peer));
                let address = Address { text: format!("/memory/{peer}"), ip: None };
                let dialled = name < peer;
                let connected = Event::Connected { peer: peer.peer(), address, dialled };
                self.feed(name, vec![connected])?;
            }
        }
        Ok(())
    }

    pub(crate) fn hang_up(&mut self, one: Name, other: Name) -> Result<(), Failure> {
        if !self.network.close(one, other) {
            return Ok(());
        }
        for (name, peer) in [(one, other), (other, one)] {
            let life = self.members.get_mut(&name).and_then(|member| member.life.as_mut());
            let events = life.map(|life| life.transport.disconnect(peer)).unwrap_or_default();
            self.feed(name, events)?;
        }
        Ok(())
    }

    pub(crate) fn dropped(&mut self, name: Name, peer: Name) -> Result<(), Failure> {
        if name != self.liar && peer != self.liar {
            let broken = Broken::new(Invariant::HonestPeersKept, format!("it dropped {peer}"));
            return Err(self.failure(name, broken));
        }
        self.hang_up(name, peer)
    }

    /// The liar signs a second head of the size of its newest, and shows it around.
    pub(crate) fn fork(&mut self) -> Result<(), Failure> {
        let Some(purl) = self.release() else { return Ok(()) };
        self.work(self.liar, |member, now, out| {
            let Some(index) = member.signer.written.len().checked_sub(1) else { return Ok(()) };
            let (entry, checkpoint) = member.signer.fork(&purl, now)?;
            let head = Head {
                certificate: ByteBuf::from(member.signer.certificate.clone()),
                checkpoint: ByteBuf::from(checkpoint),
            };
            let index = u64::try_from(index).unwrap_or(u64::MAX);
            let forgery = Forgery { entry, index, head: head.clone() };
            if let Some(liar) = &mut member.liar {
                liar.forgery = Some(forgery);
            }
            Ok(member.send_forgery(head, out)?)
        })
    }

    /// Some honest node loses its power within its next changes of its disk.
    pub(crate) fn light_a_fuse(&mut self) {
        if self.is_calm() {
            return;
        }
        self.after_up_to(self.odds.crash_after, Happening::Crash);
        let victim = u8::try_from(self.dice.below(u64::from(self.odds.honest))).unwrap_or(0);
        let steps = u32::try_from(self.dice.below(120)).unwrap_or(0);
        if let Some(member) = self.members.get_mut(&Name(victim)) {
            member.disk.memory.light(member.life.as_ref().map(|_| steps));
        }
    }

    pub(crate) fn crash(&mut self, name: Name) -> Result<(), Failure> {
        self.summary.crashes = self.summary.crashes.saturating_add(1);
        self.go_down(name, "lost its power")
    }

    pub(crate) fn start(&mut self, name: Name) -> Result<(), Failure> {
        // It may have been stopped twice before it came this far.
        match self.members.get(&name) {
            Some(member) if member.life.is_none() => self.work(name, Member::start),
            _ => Ok(()),
        }
    }

    /// A node's process ended; it is started again after a while.
    pub(crate) fn go_down(&mut self, name: Name, why: &str) -> Result<(), Failure> {
        self.trace.line(self.now, &format!("{name} {why}"));
        self.trace.knows(self.now, &format!("{name} {why}"));
        if let Some(member) = self.members.get_mut(&name) {
            member.life = None;
        }
        for peer in self.network.connected(name) {
            self.hang_up(name, peer)?;
        }
        self.after_up_to(self.odds.down_for, Happening::Start(name));
        Ok(())
    }

    pub(crate) fn split(&mut self) -> Result<(), Failure> {
        if self.is_calm() {
            return Ok(());
        }
        self.summary.splits = self.summary.splits.saturating_add(1);
        self.trace.knows(self.now, &"the network falls apart");
        let names: Vec<Name> = self.members.keys().copied().collect();
        for (one, other) in self.network.split(&names, &mut self.dice) {
            self.hang_up(one, other)?;
        }
        self.after_up_to(self.odds.split_for, Happening::Heal);
        let next = self.odds.split_for.saturating_add(self.odds.split_after);
        self.after_up_to(next, Happening::Split);
        Ok(())
    }

    /// Faults stop: what is down starts when its time has come, and nothing else breaks.
    pub(crate) fn calm(&mut self) {
        self.right_clocks();
        self.network.heal();
        self.network.faulty = false;
        self.odds.build_fault = 0;
        for member in self.members.values_mut() {
            member.disk.memory.light(None);
            member.disk.memory.limit(None);
        }
    }
}
