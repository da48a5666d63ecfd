//! What builders do with their jobs: they work, fail, hang, and stop when they are told to, mostly.

use reattest_attestation::Purl;

use crate::agenda::Happening;
use crate::failure::Failure;
use crate::network::Name;
use crate::world::World;

impl World {
    /// A builder that hangs says nothing until it is told to stop, and then not always.
    pub(crate) fn build(&mut self, node: Name, job: u64, purl: Purl) {
        let hang = if self.is_calm() { 0 } else { self.odds.build_hang };
        if !self.apart.hangs.chance(hang) {
            let life = self.life_of(node);
            self.after_up_to(self.odds.build_for, Happening::Built { node, life, job, purl });
        }
    }

    pub(crate) fn cancel(&mut self, node: Name, job: u64) {
        if self.apart.hangs.chance(500) {
            let (life, wait) = (self.life_of(node), self.apart.hangs.between(1..=1000));
            self.after(wait, Happening::Stopped { node, life, job });
        }
    }

    pub(crate) fn end_builder(&mut self, node: Name) {
        let member = self.members.get(&node).and_then(|member| member.life.as_ref());
        let jobs: Vec<u64> =
            member.map(|life| life.jobs.keys().copied().collect()).unwrap_or_default();
        let life = self.life_of(node);
        for job in jobs {
            self.after(1, Happening::Stopped { node, life, job });
        }
    }

    fn life_of(&self, node: Name) -> u32 {
        self.members.get(&node).map_or(0, |member| member.lives)
    }

    pub(crate) fn built(
        &mut self,
        node: Name,
        life: u32,
        job: u64,
        purl: &Purl,
    ) -> Result<(), Failure> {
        // A key that has shown two histories goes on with neither.
        let fault = self.dice.chance(self.odds.build_fault) || self.has_forked(node);
        if fault {
            return self.stopped(node, life, job);
        }
        if !self.lives(node, life) {
            return Ok(());
        }
        let made = self.cast.says(node, purl);
        self.work(node, |member, now, out| member.built(job, purl, made, now, out))
    }

    pub(crate) fn stopped(&mut self, node: Name, life: u32, job: u64) -> Result<(), Failure> {
        if !self.lives(node, life) {
            return Ok(());
        }
        self.work(node, |member, now, out| member.fault(job, now, out))
    }

    /// Whether a node is the liar, and its log is forked.
    pub(crate) fn has_forked(&self, node: Name) -> bool {
        let liar = self.members.get(&node).and_then(|member| member.liar.as_ref());
        liar.is_some_and(|liar| liar.forgery.is_some())
    }

    /// Whether a node still is in this life.
    fn lives(&self, node: Name, life: u32) -> bool {
        let member = self.members.get(&node);
        member.is_some_and(|member| member.life.is_some() && member.lives == life)
    }
}
