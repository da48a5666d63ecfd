//! Operators that end the keys of their nodes: a key is revoked, or rotated to a new one.

use reattest::protocol::Event;
use reattest_attestation::log::tree::root_of;
use reattest_attestation::log::{Checkpoint, leaf_hash};
use reattest_attestation::statement::Rotation;
use reattest_attestation::{Digest, Envelope, PublicKey, Revocation, SecretKey, Timestamp};

use crate::agenda::Happening;
use crate::checkers::{Broken, Invariant};
use crate::cut::Trouble;
use crate::expected::under;
use crate::failure::Failure;
use crate::network::Name;
use crate::signer::Signer;
use crate::world::World;

/// Keys that are ended in a world, at most.
const ENDED: u64 = 2;

impl World {
    pub(crate) fn begin_operators(&mut self) {
        if self.options.cut.leaves_out(Trouble::Keys) {
            return;
        }
        for _ in 0..self.apart.keys.between(0..=ENDED) {
            let at = self.apart.keys.between(self.odds.calm_at / 4..=self.odds.calm_at);
            self.after(at, Happening::EndKey);
        }
    }

    /// The operator of some honest node rotates its key, or revokes it and everything after a place.
    pub(crate) fn end_key(&mut self) -> Result<(), Failure> {
        let name =
            Name(u8::try_from(self.apart.keys.below(u64::from(self.odds.honest))).unwrap_or(0));
        let (rotate, part) = (self.apart.keys.chance(500), self.apart.keys.below(1_000));
        let Some(member) = self.members.get(&name) else { return Ok(()) };
        let written = member.signer.written.len();
        let held = member.disk.logs.get(&member.signer.origin).map_or(0, |log| under(log).len());
        // An operator looks at a node that runs, over its newest disk, and has nothing under way.
        let quiet = member.life.is_some() && member.newer.is_none() && !member.disk.memory.is_off();
        if !quiet || written == 0 || held != written || !member.former.is_empty() {
            return Ok(());
        }
        self.summary.keys = self.summary.keys.saturating_add(1);
        if rotate {
            self.trace.knows(self.now, &format!("{name} gets a new key"));
            return self.rotate(name);
        }
        let good = written.saturating_mul(usize::try_from(part).unwrap_or(0)) / 1_000;
        self.trace.knows(self.now, &format!("{name}'s key is revoked after entry {good}"));
        self.revoke(name, good)
    }

    /// The operator of a node.
    pub(crate) fn operator(&self, name: Name) -> Option<PublicKey> {
        self.members.get(&name).map(|member| member.signer.operator)
    }

    /// The operator of a node revokes its key: only the first `good` entries still count.
    pub(crate) fn revoke(&mut self, name: Name, good: usize) -> Result<(), Failure> {
        let now = self.clock(name);
        let Some(member) = self.members.get(&name) else { return Ok(()) };
        let boss = SecretKey::from_seed(&[name.0; 32]);
        let payload = revocation(&member.signer, good, now).to_payload();
        let signed = payload.map_err(|error| error.to_string());
        let signed = signed.and_then(|payload| said(payload, &boss));
        self.hear_operator(name, signed)
    }

    /// The operator of a node certifies a new key and closes the old one where its log ends; the node
    /// is started again with it.
    fn rotate(&mut self, name: Name) -> Result<(), Failure> {
        let now = self.clock(name);
        let Some(member) = self.members.get(&name) else { return Ok(()) };
        let next = member.signer.next(name, now).map_err(|broken| self.failure(name, broken))?;
        let (boss, old) = (SecretKey::from_seed(&[name.0; 32]), &member.signer);
        let revocation = revocation(old, old.written.len(), now);
        let rotation = Rotation { certificate: next.certified(now), revocation };
        let signed = rotation.to_payload().map_err(|error| error.to_string());
        let signed = signed.and_then(|payload| said(payload, &boss));
        self.hear_operator(name, signed)?;
        let Some(member) = self.members.get_mut(&name) else { return Ok(()) };
        // The word may have cost the node its power; then it is not rotated.
        if member.life.is_none() {
            return Ok(());
        }
        member.identity.own = Some(next.public_key());
        member.copy = None;
        let old = std::mem::replace(&mut member.signer, next);
        member.former.push(old);
        self.go_down(name, "is stopped, and starts with a new key")
    }

    fn hear_operator(&mut self, name: Name, word: Result<Envelope, String>) -> Result<(), Failure> {
        match word {
            Ok(word) => {
                // The command writes it beside the node, which finds it there.
                let life = self.members.get_mut(&name).and_then(|member| member.life.as_mut());
                let kept = life.map(|life| life.words.put(&word));
                match kept {
                    Some(Ok(_)) => self.feed(name, vec![Event::Word(word.as_bytes().to_vec())]),
                    _ => Ok(()),
                }
            }
            Err(why) => Err(self.failure(name, Broken::new(Invariant::SignerWorks, why))),
        }
    }
}

fn revocation(signer: &Signer, good: usize, revoked: Timestamp) -> Revocation {
    let under = signer.written.get(..good).unwrap_or_default();
    let leaves: Vec<Digest> = under.iter().map(|entry| leaf_hash(entry)).collect();
    let (origin, size) = (signer.origin.clone(), u64::try_from(good).unwrap_or(0));
    Revocation {
        operator: signer.operator,
        rebuilder: signer.public_key(),
        last_good: vec![Checkpoint { origin, size, root: root_of(&leaves) }],
        reason: "stolen".to_owned(),
        revoked,
    }
}

fn said(payload: Vec<u8>, operator: &SecretKey) -> Result<Envelope, String> {
    Envelope::sign(payload, operator).map_err(|error| error.to_string())
}
