//! What goes wrong with disks: full for a while, and back from an old copy, whole or in part.

use crate::agenda::Happening;
use crate::expected::under;
use crate::failure::Failure;
use crate::memory::{Backup, Part};
use crate::network::Name;
use crate::odds::{Dice, Millis};
use crate::signer::is_witness;
use crate::world::World;

/// The longest wait for the next full disk.
const FILL_AFTER: Millis = 60_000;

/// The longest time for which a disk is full.
const FULL_FOR: Millis = 15_000;

/// Bytes that a disk which is about to be full still has room for, at most: some entries.
const ROOM_LEFT: u64 = 40_000;

/// The longest time from a copy of a disk until it is put back.
const COPY_IS_OLD: Millis = 40_000;

/// The time that an operator takes to find the newer disk.
const FOUND_AFTER: Millis = 20_000;

/// What happens to a disk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wear {
    /// Some disk is about to be full.
    Fill,
    /// A disk has room again.
    Empty(Name),
    /// A disk is copied, to be put back when the copy is old.
    BackUp,
    /// A node comes back with an old copy of its disk, or of a part of it.
    Restore(Name),
    /// Its operator puts the newer disk back.
    PutBack(Name),
}

impl World {
    pub(crate) fn wear_out(&mut self, wear: Wear) -> Result<(), Failure> {
        match wear {
            Wear::Fill => self.fill(),
            Wear::Empty(name) => self.empty(name),
            Wear::BackUp => self.back_up(),
            Wear::Restore(name) => return self.restore(name),
            Wear::PutBack(name) => return self.put_back(name),
        }
        Ok(())
    }

    pub(crate) fn begin_wear(&mut self) {
        let (fill, copy) =
            (self.apart.disks.between(1..=FILL_AFTER), self.apart.disks.between(1..=COPY_IS_OLD));
        self.after(fill, Happening::Disk(Wear::Fill));
        self.after(copy, Happening::Disk(Wear::BackUp));
        for member in self.members.values_mut() {
            member.disk.dice = Dice::of(self.apart.disks.between(0..=u64::MAX));
        }
    }

    fn some_honest(&mut self) -> Name {
        Name(u8::try_from(self.apart.disks.below(u64::from(self.odds.honest))).unwrap_or(0))
    }

    /// A copy of a node's disk.
    pub(crate) fn copy_disk(&self, name: Name) -> Option<Backup> {
        self.members.get(&name).map(|member| member.disk.memory.backup())
    }

    /// A node is stopped, and starts over this copy of its disk.
    pub(crate) fn replace_disk(&mut self, name: Name, copy: Option<Backup>) -> Result<(), Failure> {
        let Some((member, copy)) = self.members.get_mut(&name).zip(copy) else { return Ok(()) };
        member.newer = Some((member.disk.memory.backup(), member.signer.written.len()));
        member.disk.memory.restore(&copy, Part::All);
        member.disk.look();
        self.checkers.forget(name);
        self.go_down(name, "came back with an old disk")
    }

    /// The disk of some honest node has little room left.
    fn fill(&mut self) {
        let (next, long) =
            (self.apart.disks.between(1..=FILL_AFTER), self.apart.disks.between(1..=FULL_FOR));
        if self.is_calm() {
            return;
        }
        self.after(next, Happening::Disk(Wear::Fill));
        let (name, left) = (self.some_honest(), self.apart.disks.below(ROOM_LEFT));
        if let Some(member) = self.members.get_mut(&name) {
            let left = usize::try_from(left).unwrap_or(0);
            member.disk.memory.limit(Some(member.disk.memory.used().saturating_add(left)));
            self.summary.full = self.summary.full.saturating_add(1);
            self.after(long, Happening::Disk(Wear::Empty(name)));
        }
    }

    fn empty(&mut self, name: Name) {
        if let Some(member) = self.members.get_mut(&name) {
            member.disk.memory.limit(None);
        }
    }

    /// Copies the disk of an honest node that runs.
    fn back_up(&mut self) {
        let (name, old) = (self.some_honest(), self.apart.disks.between(1..=COPY_IS_OLD));
        if let Some(member) = self.members.get_mut(&name).filter(|member| member.life.is_some()) {
            member.copy = Some(member.disk.memory.backup());
            self.after(old, Happening::Disk(Wear::Restore(name)));
        }
    }

    /// A node is stopped, and starts over an old copy: of all, of its signer's state, or of its logs.
    fn restore(&mut self, name: Name) -> Result<(), Failure> {
        let part = match self.apart.disks.below(3) {
            0 => Part::All,
            1 => Part::Below("/signer"),
            _ => Part::Below("/logs"),
        };
        let next = self.apart.disks.between(1..=COPY_IS_OLD);
        if self.is_calm() {
            return Ok(());
        }
        self.after(next, Happening::Disk(Wear::BackUp));
        let seen = self.is_witnessed(name);
        let Some(member) = self.members.get_mut(&name) else { return Ok(()) };
        let Some(copy) = member.copy.take() else { return Ok(()) };
        // A disk that is about to lose its power, or has lost it, is another fault; and nobody can tell
        // that a disk is old from a head that no witness has seen.
        if member.life.is_none() || member.disk.memory.is_off() || !seen {
            return Ok(());
        }
        member.disk.memory.light(None);
        member.disk.memory.limit(None);
        member.newer = Some((member.disk.memory.backup(), member.signer.written.len()));
        member.disk.memory.restore(&copy, part);
        member.disk.look();
        self.summary.restored = self.summary.restored.saturating_add(1);
        self.checkers.forget(name);
        self.go_down(name, "came back with an old disk")?;
        self.after(FOUND_AFTER, Happening::Disk(Wear::PutBack(name)));
        Ok(())
    }

    /// Whether every witness, but the node itself, holds the newest head of the node's log.
    fn is_witnessed(&self, name: Name) -> bool {
        let Some(member) = self.members.get(&name) else { return false };
        let (origin, size) = (&member.signer.origin, member.signer.written.len());
        let others = self.members.iter().filter(|(of, _)| is_witness(**of) && **of != name);
        let mut all = others.chain([(&name, member)]).map(|(_, member)| member);
        all.all(|one| {
            let log = one.disk.logs.get(origin).filter(|_| one.life.is_some());
            log.is_some_and(|log| under(log).len() == size) || size == 0
        })
    }

    /// The newer disk is put back, unless the node went on over the old one: then witnesses told it
    /// that the old one is as new.
    pub(crate) fn put_back(&mut self, name: Name) -> Result<(), Failure> {
        let Some(member) = self.members.get_mut(&name) else { return Ok(()) };
        let Some((newer, written)) = member.newer.take() else { return Ok(()) };
        if member.signer.written.len() > written {
            return Ok(());
        }
        member.disk.memory.restore(&newer, Part::All);
        member.disk.look();
        self.checkers.forget(name);
        self.go_down(name, "has its newer disk again")
    }

    /// A node's process ended by itself.
    pub(crate) fn gave_up(&mut self, name: Name, why: &str) -> Result<(), Failure> {
        let behind = self.members.get(&name).is_some_and(|member| member.newer.is_some());
        self.summary.held = self.summary.held.saturating_add(u64::from(behind));
        self.go_down(name, &format!("stopped: {why}"))
    }
}
