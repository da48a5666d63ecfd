//! One node of the world: the production core, store and signer over a disk in memory.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::path::Path;

use reattest::disk::SharedDisk;
use reattest::fault::Fault;
use reattest::protocol::queue::Room;
use reattest::protocol::{BuildEnd, Core, Event, Head, Identity, Notice, Queue};
use reattest::query;
use reattest::shell::cosigning::Cosigning;
use reattest::shell::own_log::OwnLog;
use reattest::shell::recover;
use reattest::signer::messages::{FromSigner, Receipt, ToSigner};
use reattest::signer::{Mail, Reply};
use reattest::store::index::{Selector, StoredIndex};
use reattest::store::queue::QueueFile;
use reattest::store::{LogError, Store};
use reattest::words::Words;
use reattest_attestation::log::Origin;
use reattest_attestation::{Bundle, Completeness, Digest, Purl, Timestamp};

use crate::checkers::{Broken, Invariant};
use crate::clocks::Clock;
use crate::disk::{DATA, Disk};
use crate::liar::Liar;
use crate::memory::Backup;
use crate::network::{Name, Packet};
use crate::odds::Dice;
use crate::releases::Made;
use crate::signer::{Signer, result};
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
    /// Its process ended by itself, as it must: its disk is full, or behind its log.
    Stopped(String),
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
    /// Its logs.
    pub store: Store,
    /// Their index; it is in memory alone.
    pub index: StoredIndex,
    /// What operators say about keys.
    pub words: Words,
    /// The queue's file.
    pub queue_file: QueueFile,
    /// The own log.
    pub own: OwnLog,
    /// The process that signs; it dies with the node's.
    pub signer: reattest::signer::Signer,
    /// What its signer cosigns, where it is a witness.
    pub cosigning: Cosigning,
    /// What the builder was told of its last result.
    pub receipt: Option<Receipt>,
    /// Its transport.
    pub transport: Transport,
    /// Jobs that its builder works on.
    pub jobs: BTreeMap<u64, Purl>,
}

/// One node.
#[derive(Debug)]
pub struct Member {
    pub(crate) name: Name,
    pub(crate) identity: Identity,
    /// What outlives a crash.
    pub disk: Disk,
    /// Its key, and all that was ever signed with it into its log.
    pub signer: Signer,
    /// The keys that it had before.
    pub former: Vec<Signer>,
    /// What it takes for the time.
    pub clock: Clock,
    /// A copy of its disk, to be put back when it is old.
    pub copy: Option<Backup>,
    /// The newer disk, while it runs over an old copy, and how many entries were signed then.
    pub newer: Option<(Backup, usize)>,
    /// What makes it a liar.
    pub liar: Option<Liar>,
    /// Its life, while it runs.
    pub life: Option<Life>,
    /// Lives so far.
    pub lives: u32,
}

impl Member {
    /// A node that does not run yet.
    pub fn new(name: Name, identity: Identity, signer: Signer, liar: Option<Liar>) -> Self {
        let disk = Disk::new(Dice::of(u64::from(name.0)));
        let (copy, newer, life, lives) = (None, None, None, 0);
        let clock = Clock::default();
        let former = Vec::new();
        Self { name, identity, disk, signer, former, clock, copy, newer, liar, life, lives }
    }

    /// All keys that it ever had.
    pub fn keys(&self) -> impl Iterator<Item = &Signer> {
        self.former.iter().chain([&self.signer])
    }

    /// Its key whose log this is.
    pub fn author_of(&self, origin: &Origin) -> Option<&Signer> {
        self.keys().find(|signer| signer.origin == *origin)
    }

    /// Starts from what is on disk; what a crash interrupted is finished with the same bytes.
    pub fn start(&mut self, now: Timestamp, out: &mut Vec<Out>) -> Result<(), Halt> {
        if self.disk.memory.is_off() {
            self.disk.memory.come_back(&mut self.disk.dice);
        }
        if self.disk.loses_entries {
            self.disk.memory.forget();
        }
        let opened = self.open(now).map_err(|fault| self.halt(Invariant::StartsAgain, &fault))?;
        let (life, replies) = opened;
        let words: Vec<Vec<u8>> = life.words.all().map(|word| word.as_bytes().to_vec()).collect();
        self.life = Some(life);
        for word in words {
            self.take(Event::Word(word), now, out)?;
        }
        self.hear(replies, now, out)
    }

    /// What a node does before its first event, and what its signer said besides its greeting.
    fn open(&mut self, now: Timestamp) -> Result<(Life, Vec<Reply>), Fault> {
        let (disk, data): (SharedDisk, _) = (self.disk.memory.clone(), Path::new(DATA));
        let mut signer =
            self.signer.open(disk.clone(), (self.name, &self.identity.witnesses), now)?;
        let mut replies = signer.begin()?;
        let hello = |reply: &Reply| matches!(reply, Reply::Node(FromSigner::Hello { .. }));
        let Some(Reply::Node(hello)) = replies.iter().position(hello).map(|at| replies.remove(at))
        else {
            return Err(Fault::text("the signer did not say whose log it keeps"));
        };
        let mut store = Store::open_on(disk.clone(), data)?;
        let own = OwnLog::greeted(hello, &mut store)?;
        let recovered = recover(&store, &self.identity, now)?;
        let mut index = StoredIndex::in_memory();
        index.catch_up(&store)?;
        let words =
            Words::open_on(disk.clone(), data).map_err(|error| Fault::text(error.to_string()))?;
        let (queue_file, changes) = QueueFile::open_on(disk, data)?;
        let core = Core::new(self.identity.clone(), recovered, Queue::replayed(ROOM, changes))
            .awaiting_signer(own.awaits);
        self.lives = self.lives.saturating_add(1);
        let (transport, receipt) = (Transport::of_life(self.lives), None);
        let cosigning = Cosigning::default();
        let jobs = BTreeMap::new();
        let life = Life {
            core,
            store,
            index,
            words,
            queue_file,
            own,
            signer,
            cosigning,
            receipt,
            transport,
            jobs,
        };
        Ok((life, replies))
    }

    /// One event through the core, and its effects until none are left.
    pub fn take(&mut self, event: Event, now: Timestamp, out: &mut Vec<Out>) -> Result<(), Halt> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Some(life) = &mut self.life else { break };
            for effect in life.core.handle(event, now) {
                events.extend(self.perform(effect, now, out)?);
                self.powered()?;
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
        self.mail(Mail::Node(ToSigner::Announce(purl.clone())), now, out)
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
        let [recipe, lock] = self.documents(purl);
        let digests = [Digest::of(&recipe), Digest::of(&lock)];
        for document in [recipe, lock] {
            let Some(life) = &mut self.life else { return Ok(()) };
            match life.store.put_document(&document) {
                Ok(digest) => life.core.holds_document(digest),
                Err(error) => return Err(self.halt(Invariant::SignerWorks, &error)),
            }
        }
        let mail = result(&self.identity.network, purl, made, digests, now)?;
        self.mail(mail, now, out)?;
        let receipt = self.life.as_mut().and_then(|life| life.receipt.take());
        match receipt {
            None => Ok(()),
            Some(Receipt(Ok(_))) => {
                let (end, why) = (BuildEnd::Attested, String::new());
                self.take(Event::BuildEnded { job, end, why }, now, out)
            }
            Some(Receipt(Err(why))) => Err(self.halt(Invariant::SignerWorks, &why)),
        }
    }

    /// A recipe is each rebuilder's own; a lock is shared. Whoever lies may name any bytes.
    fn documents(&self, purl: &Purl) -> [Vec<u8>; 2] {
        let name = self.name;
        let recipe = match self.liar {
            None => format!("{{\"recipe\":\"{purl} by {name}\"}}"),
            Some(_) => format!("{{\"recipe\": \"{purl}\"\n"),
        };
        [recipe.into_bytes(), format!("{{\"lock\":\"{purl}\"}}").into_bytes()]
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

    /// What the running node answers on a package or a file; nothing where it does not run.
    pub(crate) fn evidence(
        &self,
        selector: &Selector,
    ) -> Result<Option<(Bundle, Completeness)>, Broken> {
        let Some(life) = &self.life else { return Ok(None) };
        evidence_of(&life.store, &life.index, selector).map(Some)
    }

    /// What a command reads off the disk beside the node.
    pub(crate) fn evidence_offline(
        &self,
        selector: &Selector,
    ) -> Result<Option<(Bundle, Completeness)>, Broken> {
        if self.disk.memory.is_off() {
            return Ok(None);
        }
        let broken = |error: LogError| Broken::new(Invariant::StartsAgain, error.to_string());
        let store =
            Store::read_only_on(self.disk.memory.clone(), Path::new(DATA)).map_err(broken)?;
        let mut index = StoredIndex::in_memory();
        index.catch_up(&store).map_err(broken)?;
        evidence_of(&store, &index, selector).map(Some)
    }

    /// What production code could not do: the power went, the disk is full, or an invariant does not
    /// hold.
    pub(crate) fn halt(&self, invariant: Invariant, error: &dyn Display) -> Halt {
        if self.disk.memory.is_off() {
            Halt::PowerCut
        } else if self.disk.memory.is_limited() || self.newer.is_some() {
            Halt::Stopped(error.to_string())
        } else {
            Halt::Broken(Broken::new(invariant, error.to_string()))
        }
    }

    /// Whatever production code made of it, a node without power does nothing more.
    pub(crate) fn powered(&self) -> Result<(), Halt> {
        if self.disk.memory.is_off() { Err(Halt::PowerCut) } else { Ok(()) }
    }
}

fn evidence_of(
    store: &Store,
    index: &StoredIndex,
    selector: &Selector,
) -> Result<(Bundle, Completeness), Broken> {
    query::evidence(store, index, selector)
        .map_err(|error| Broken::new(Invariant::Verdicts, error.to_string()))
}
