//! One node of the world: the production core, and around it what its shell does, in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use reattest::protocol::queue::Room;
use reattest::protocol::{
    BuildEnd, Change, CheckedHead, Core, Effect, Event, Head, Identity, Notice, Queue, Request,
    RequestId, Response, Ticket,
};
use reattest_attestation::log::{Frontier, Origin};
use reattest_attestation::{Digest, Purl, Timestamp};
use serde_bytes::ByteBuf;

use crate::checkers::{Broken, Invariant};
use crate::disk::{Disk, frontier_over};
use crate::liar::Liar;
use crate::network::{Name, Packet};
use crate::releases::Made;
use crate::signer::Signer;
use crate::transport::Transport;

/// Every node builds two at a time.
const ROOM: Room = Room { jobs: 2, memory: 2 << 30 };

/// What a node wants of the world.
#[derive(Debug)]
pub enum Out {
    /// A message for a connected node.
    Send(Name, Packet),
    /// The request of this number is to be given up after a while.
    Wait(u64),
    /// A build begins.
    Build(u64, Purl),
    /// A build is to stop.
    Cancel(u64),
    /// All builds are to be torn off.
    EndBuilder,
    /// A connection is to be closed.
    Drop(Name),
    /// Something that an operator wants to know.
    Said(Notice),
}

/// Why a node stopped in the middle of its work.
#[derive(Debug)]
pub enum Halt {
    /// Its power was cut: what it stored and sent so far stands.
    PowerCut,
    /// An invariant does not hold.
    Broken(Broken),
}

impl From<Broken> for Halt {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// What a crash ends.
#[derive(Debug)]
pub struct Life {
    /// The state machine under test.
    pub core: Core,
    /// Its transport.
    pub transport: Transport,
    /// Jobs that its builder works on.
    pub jobs: BTreeMap<u64, Purl>,
}

/// One node.
#[derive(Debug)]
pub struct Member {
    name: Name,
    identity: Identity,
    /// What outlives a crash.
    pub disk: Disk,
    /// What outlives a crash, too.
    pub signer: Signer,
    /// What makes it a liar.
    pub liar: Option<Liar>,
    /// Steps until the power is cut.
    pub fuse: Option<u32>,
    /// Its life, while it runs.
    pub life: Option<Life>,
    /// Lives so far.
    pub lives: u32,
}

impl Member {
    /// A node that does not run yet.
    pub fn new(name: Name, identity: Identity, signer: Signer, liar: Option<Liar>) -> Self {
        let disk = Disk::default();
        Self { name, identity, disk, signer, liar, fuse: None, life: None, lives: 0 }
    }

    /// Starts from what is on disk; what a crash interrupted is finished with the same bytes.
    pub fn start(&mut self, now: Timestamp, out: &mut Vec<Out>) -> Result<(), Halt> {
        if let Some(note) = self.signer.checkpoint.clone() {
            self.disk.publish(&self.signer.origin, head_of(&self.signer, note));
        }
        let recovered = self.disk.recover(&self.identity, now)?;
        let queue = Queue::replayed(ROOM, self.disk.queue.iter().cloned());
        // A file that is written anew says the same.
        self.disk.queue = queue.snapshot();
        self.lives = self.lives.saturating_add(1);
        self.life = Some(Life {
            core: Core::new(self.identity.clone(), recovered, queue),
            transport: Transport::of_life(self.lives),
            jobs: BTreeMap::new(),
        });
        match self.signer.pending.clone() {
            Some((index, envelope)) => self.publish(index, envelope, now, out),
            None => Ok(()),
        }
    }

    /// One event through the core, and its effects until none are left.
    pub fn take(&mut self, event: Event, now: Timestamp, out: &mut Vec<Out>) -> Result<(), Halt> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Some(life) = &mut self.life else { break };
            for effect in life.core.handle(event, now) {
                self.spend()?;
                events.extend(self.perform(effect, out)?);
            }
        }
        Ok(())
    }

    /// Signs and logs a hint.
    pub fn announce(
        &mut self,
        purl: &Purl,
        now: Timestamp,
        out: &mut Vec<Out>,
    ) -> Result<(), Halt> {
        self.take(Event::Wanted { purl: purl.clone(), again: false }, now, out)?;
        let payload = self.signer.announcement(purl, now)?;
        self.log(payload, now, out)
    }

    /// The machine's own fault ended a job.
    pub fn fault(&mut self, job: u64, now: Timestamp, out: &mut Vec<Out>) -> Result<(), Halt> {
        let ours = self.life.as_mut().and_then(|life| life.jobs.remove(&job));
        if ours.is_none() {
            return Ok(());
        }
        let (end, why) = (BuildEnd::Fault, "no space left".to_owned());
        self.take(Event::BuildEnded { job, end, why }, now, out)
    }

    /// The builder is done: its documents are kept, its outcome is signed and logged.
    pub fn built(
        &mut self,
        job: u64,
        purl: &Purl,
        made: Made,
        now: Timestamp,
        out: &mut Vec<Out>,
    ) -> Result<(), Halt> {
        let ours = self.life.as_mut().and_then(|life| life.jobs.remove(&job));
        if ours.is_none() {
            return Ok(());
        }
        // A recipe is each rebuilder's own; a lock is shared.
        let recipe = format!("recipe of {purl} by {}", self.name).into_bytes();
        let lock = format!("lock of {purl}").into_bytes();
        let mut digests = [Digest::of(&recipe), Digest::of(&lock)];
        for (digest, document) in digests.iter_mut().zip([recipe, lock]) {
            self.disk.documents.insert(*digest, document);
            self.spend()?;
            if let Some(life) = &mut self.life {
                life.core.holds_document(*digest);
            }
        }
        let payload = self.signer.rebuild(purl, made, digests, now)?;
        self.log(payload, now, out)?;
        let (end, why) = (BuildEnd::Attested, String::new());
        self.take(Event::BuildEnded { job, end, why }, now, out)
    }

    /// The liar shows a second history of its own log to half of those it knows.
    pub fn send_forgery(&mut self, head: Head, out: &mut Vec<Out>) -> Result<(), Broken> {
        let message = reattest::protocol::Gossip::Head(head).encode();
        let bytes =
            message.map_err(|error| Broken::new(Invariant::SignerWorks, error.to_string()))?;
        let Some(life) = &mut self.life else { return Ok(()) };
        let half = life.transport.publish(&bytes)?.into_iter().step_by(2);
        out.extend(half.map(|peer| Out::Send(peer, Packet::Gossip(bytes.clone()))));
        Ok(())
    }

    /// One step of work; the power may go at any.
    fn spend(&mut self) -> Result<(), Halt> {
        match &mut self.fuse {
            Some(0) => Err(Halt::PowerCut),
            Some(left) => {
                *left = left.saturating_sub(1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn log(&mut self, payload: Vec<u8>, now: Timestamp, out: &mut Vec<Out>) -> Result<(), Halt> {
        let (index, envelope) = self.signer.begin(payload)?;
        self.publish(index, envelope, now, out)
    }

    /// Node's disk, then head, then everybody: in this order.
    fn publish(
        &mut self,
        index: u64,
        envelope: Vec<u8>,
        now: Timestamp,
        out: &mut Vec<Out>,
    ) -> Result<(), Halt> {
        let origin = self.signer.origin.clone();
        self.spend()?;
        if !self.disk.append(&origin, index, std::slice::from_ref(&envelope)) {
            let found = format!("entry {index} of the own log was refused by the disk");
            return Err(Broken::new(Invariant::SignerWorks, found).into());
        }
        self.spend()?;
        let Some(note) = self.signer.commit()? else { return Ok(()) };
        self.spend()?;
        let head = head_of(&self.signer, note);
        self.disk.publish(&origin, head.clone());
        let head = CheckedHead::check(&self.identity, head, now).map_err(|refusal| {
            Broken::new(Invariant::SignerWorks, format!("an own head: {}", refusal.text()))
        })?;
        let frontier = self.frontier(&origin);
        let event = Event::OwnHead { head: Box::new(head), frontier, entries: vec![envelope] };
        self.take(event, now, out)
    }

    fn frontier(&self, origin: &Origin) -> Frontier {
        self.disk.logs.get(origin).map(|log| frontier_over(&log.entries)).unwrap_or_default()
    }

    /// Performs an effect; the event that follows from it at once, if any.
    fn perform(&mut self, effect: Effect, out: &mut Vec<Out>) -> Result<Option<Event>, Halt> {
        match effect {
            Effect::Publish(bytes) => self.gossip(&bytes, out)?,
            Effect::Judge { id, from, judgement } => {
                let judged = self
                    .life
                    .as_mut()
                    .zip(Name::of(&from))
                    .and_then(|(life, from)| life.transport.judge(&id, from, judgement));
                let (bytes, peers) = judged.unwrap_or_default();
                out.extend(
                    peers.into_iter().map(|to| Out::Send(to, Packet::Gossip(bytes.clone()))),
                );
            }
            Effect::Ask { peer, request, question } => {
                self.ask(Name::of(&peer), request, &question, out)?;
            }
            Effect::Reply { ticket, response } => self.reply(ticket, None, response, out)?,
            Effect::Serve { ticket, origin, from, until, head } => {
                let entries = self.disk.serve(&origin, from, until, head);
                self.reply(ticket, Some((&origin, from)), entries, out)?;
            }
            Effect::ServeConsistency { ticket, origin, old, new } => {
                let response = match self.disk.way(&origin, old, new) {
                    Some((root, proof)) => Response::Consistency { root, proof: proof.hashes },
                    None => Response::Nothing,
                };
                self.reply(ticket, None, response, out)?;
            }
            Effect::ServeDocument { ticket, digest } => {
                let document = self.disk.documents.get(&digest).cloned().map(ByteBuf::from);
                self.reply(ticket, None, Response::Document(document), out)?;
            }
            Effect::Extend(range) => {
                self.spend()?;
                let origin = range.origin().clone();
                let written = self.disk.extend(&origin, range.from(), &range.entries());
                let done =
                    if written { Event::Extended { origin } } else { Event::NotStored { origin } };
                return Ok(Some(done));
            }
            Effect::Rewind { origin, size } => self.disk.rewind(&origin, size),
            Effect::StoreHead { head } => {
                self.spend()?;
                let origin = head.origin().clone();
                self.disk.publish(&origin, head.head().clone());
                return Ok(Some(Event::Stored { origin, size: head.size() }));
            }
            Effect::Compare { head, with } => {
                let held = self.disk.way(head.origin(), head.size(), with);
                return Ok(Some(Event::Compared { head, with, held }));
            }
            Effect::FindDocument(digest) => {
                let held = self.disk.documents.contains_key(&digest);
                return Ok((!held).then_some(Event::NoDocument(digest)));
            }
            Effect::StoreDocument(document) => {
                self.disk.documents.insert(Digest::of(&document), document);
            }
            Effect::Record(changes) => self.record(changes)?,
            Effect::Recall(purls) => {
                let attested: BTreeSet<Purl> = self.signer.attested().into_iter().collect();
                let built = purls.into_iter().filter(|purl| attested.contains(purl)).collect();
                return Ok(Some(Event::Recalled { built }));
            }
            Effect::Build { job, purl, .. } => {
                if let Some(life) = &mut self.life {
                    life.jobs.insert(job, purl.clone());
                }
                out.push(Out::Build(job, purl));
            }
            Effect::CancelBuild { job } => out.push(Out::Cancel(job)),
            Effect::EndBuilder => out.push(Out::EndBuilder),
            Effect::StoreWord(word) => self.disk.words.push(word),
            // Nobody here follows a registry, is a witness, or dials by itself.
            Effect::Announce(_)
            | Effect::Cosign { .. }
            | Effect::ShowSigner { .. }
            | Effect::Dial { .. } => {}
            Effect::Drop(peer) => out.extend(Name::of(&peer).map(Out::Drop)),
            Effect::Notice(notice) => self.notice(notice, out),
        }
        Ok(None)
    }

    /// One line after the other; the power may go between any two.
    fn record(&mut self, changes: Vec<Change>) -> Result<(), Halt> {
        for change in changes {
            self.spend()?;
            self.disk.queue.push(change);
        }
        self.spend()
    }

    fn gossip(&mut self, bytes: &[u8], out: &mut Vec<Out>) -> Result<(), Broken> {
        let Some(life) = &mut self.life else { return Ok(()) };
        let peers = life.transport.publish(bytes)?;
        out.extend(peers.into_iter().map(|to| Out::Send(to, Packet::Gossip(bytes.to_vec()))));
        Ok(())
    }

    fn ask(
        &mut self,
        peer: Option<Name>,
        request: RequestId,
        question: &Request,
        out: &mut Vec<Out>,
    ) -> Result<(), Broken> {
        let Some((life, peer)) = self.life.as_mut().zip(peer) else { return Ok(()) };
        let (number, packet) = life.transport.ask(peer, request, question)?;
        out.extend([Out::Send(peer, packet), Out::Wait(number)]);
        Ok(())
    }

    fn reply(
        &mut self,
        ticket: Ticket,
        asked: Option<(&Origin, u64)>,
        response: Response,
        out: &mut Vec<Out>,
    ) -> Result<(), Broken> {
        let response = match &mut self.liar {
            Some(liar) => liar.twist(&self.signer.origin, asked, response),
            None => response,
        };
        let Some(life) = &mut self.life else { return Ok(()) };
        let (peer, packet) = life.transport.reply(ticket, &response)?;
        out.push(Out::Send(peer, packet));
        Ok(())
    }

    fn notice(&mut self, notice: Notice, out: &mut Vec<Out>) {
        if let Notice::Forked { origin, proof } = &notice {
            self.disk.logs.entry(origin.clone()).or_default().fork = Some(proof.clone());
        }
        out.push(Out::Said(notice));
    }
}

fn head_of(signer: &Signer, checkpoint: Vec<u8>) -> Head {
    Head {
        certificate: ByteBuf::from(signer.certificate.clone()),
        checkpoint: ByteBuf::from(checkpoint),
    }
}
