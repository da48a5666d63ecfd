//! The node's loop: news from the swarm, the signer, the builder, commands and the clock go into the
//! core; its effects come out and are performed here.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use libp2p::multiaddr::Protocol;
use reattest_attestation::PublicKey;
use reattest_attestation::log::Origin;
use serde_bytes::ByteBuf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval};

use super::control::{self, Answer};
use super::own_log::OwnLog;
use super::report::Report;
use super::roles::Roles;
use super::start::{identity, lock, peer_key, recover};
use super::transport::{News, Transport};
use crate::builder::messages::ToBuilder;
use crate::clock;
use crate::config::{Config, Role};
use crate::fault::Fault;
use crate::limits::{DIAL_SECONDS, RESPONSE_ENTRY_BYTES, TICK};
use crate::protocol::{BuildEnd, CheckedHead, Core, Effect, Event, Identity, Response};
use crate::setup;
use crate::signer::messages::FromSigner;
use crate::store::Store;
use crate::store::index::SledIndex;

/// Runs a node until it is told to stop, or cannot go on.
pub async fn run(path: &Path, config: Config, json: bool) -> Result<(), Fault> {
    // Held until the node ends: one node, one signer, one index for a data directory.
    let _lock = lock(&config.data)?;
    let (signer_said, mut from_signer) = mpsc::channel(64);
    let (builder_said, mut from_builder) = mpsc::channel(64);
    let (calls, mut from_commands) = mpsc::channel(64);
    let roles = if config.has(Role::Rebuild) {
        Some(Roles::start(path, signer_said.clone(), builder_said.clone())?)
    } else {
        None
    };
    // Without roles nobody speaks; the ends held here then keep the channels open.
    let mut hello = None;
    if roles.is_some() {
        drop((signer_said, builder_said));
        hello = Some(from_signer.recv().await.ok_or_else(signer_ended)?);
    }
    let mut node = Node::open(config, roles, hello, json)?;
    control::listen(&node.config.socket(), calls)?;
    let mut beat = interval(TICK);
    let mut stop = Box::pin(stop_signal()?);
    let ended = loop {
        let done = tokio::select! {
            news = node.transport.next() => { node.news(news); Ok(()) }
            Some(call) = from_commands.recv() => { node.answer(call); Ok(()) }
            said = from_signer.recv() => match said {
                Some(message) => node.signer_said(message),
                None => Err(signer_ended()),
            },
            said = from_builder.recv() => match said {
                Some(message) => node.builder_said(message),
                None => Err(Fault::text("the builder ended; its last message says why")),
            },
            fetched = node.fetches.recv() => node.fetched(fetched),
            _ = beat.tick() => { node.beat(); Ok(()) }
            () = &mut stop => break Ok(()),
        };
        if let Err(fault) = done {
            break Err(fault);
        }
    };
    node.close();
    ended
}

pub(super) fn signer_ended() -> Fault {
    Fault::text("the signer ended; its last message says why")
}

/// Completes when the user or the system asks the node to stop.
fn stop_signal() -> Result<impl Future<Output = ()>, Fault> {
    use tokio::signal::unix::{SignalKind, signal};
    let fail = |error| Fault::new("signals cannot be watched", error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A node that runs.
pub(super) struct Node {
    pub(super) config: Config,
    pub(super) json: bool,
    pub(super) identity: Identity,
    /// Operators' names in the policy.
    pub(super) names: BTreeMap<PublicKey, String>,
    pub(super) core: Core,
    pub(super) store: Store,
    pub(super) index: SledIndex,
    pub(super) transport: Transport,
    pub(super) roles: Option<Roles>,
    pub(super) own: Option<OwnLog>,
    pub(super) listening: Vec<String>,
    pub(super) announcing: VecDeque<oneshot::Sender<Answer>>,
    pub(super) fetch_done: mpsc::Sender<ToBuilder>,
    pub(super) fetches: mpsc::Receiver<ToBuilder>,
    pub(super) dialled: Option<Instant>,
}

impl Node {
    fn open(
        config: Config,
        roles: Option<Roles>,
        hello: Option<FromSigner>,
        json: bool,
    ) -> Result<Self, Fault> {
        let policy = setup::read_policy(&config.policy)?;
        let mut store = Store::open(&config.data)?;
        let own = hello.map(|hello| OwnLog::greeted(hello, &mut store)).transpose()?;
        let identity = identity(&config, &policy, own.as_ref());
        let recovered = recover(&store, &identity)?;
        let index = SledIndex::open(&config.data, &store)?;
        let mut transport = Transport::new(&config.network, peer_key(&config.data)?)?;
        for address in &config.listen {
            transport.listen(address)?;
        }
        for address in &config.peers {
            transport.bootstrap(address)?;
        }
        let (fetch_done, fetches) = mpsc::channel(1);
        let names = policy.operators().iter().map(|operator| (operator.key, operator.name.clone()));
        Ok(Self {
            names: names.collect(),
            core: Core::new(identity.clone(), store.documents(), recovered),
            config,
            json,
            identity,
            store,
            index,
            transport,
            roles,
            own,
            listening: Vec::new(),
            announcing: VecDeque::new(),
            fetch_done,
            fetches,
            dialled: None,
        })
    }

    fn close(mut self) {
        if let Some(roles) = self.roles.take() {
            roles.stop();
        }
        self.index.close();
        let _not_there = std::fs::remove_file(self.config.socket());
        let scratch = self.config.data.join("scratch");
        if scratch.exists() {
            reattest_rebuilder::scratch::remove(&scratch);
        }
    }

    fn news(&mut self, news: News) {
        match news {
            News::Event(event) => self.feed(*event),
            News::Listening(address) => {
                let full = address.with(Protocol::P2p(self.transport.peer_id())).to_string();
                self.listening.push(full.clone());
                self.report(&Report::Listening { address: full });
            }
        }
    }

    fn beat(&mut self) {
        let due = |at: Instant| at.elapsed().as_secs() >= u64::try_from(DIAL_SECONDS).unwrap_or(2);
        if self.dialled.is_none_or(due) {
            self.dialled = Some(Instant::now());
            self.transport.dial_bootstrap();
        }
        self.feed(Event::Tick);
    }

    /// One event through the core, and its effects until none are left.
    pub(super) fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.core.handle(event, clock::now()) {
                events.extend(self.perform(effect));
            }
        }
    }

    /// Performs an effect; the event that follows from it at once, if any.
    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Publish(bytes) => self.transport.publish(bytes),
            Effect::Judge { id, from, judgement } => self.transport.judge(&id, &from, judgement),
            Effect::Ask { peer, request, question } => self.transport.ask(&peer, request, question),
            Effect::Reply { ticket, response } => self.transport.reply(ticket, response),
            Effect::Serve { ticket, origin, from, until } => {
                let entries = self.serve(&origin, from, until);
                self.transport.reply(ticket, Response::Entries(entries));
            }
            Effect::ServeDocument { ticket, digest } => {
                let document = self.store.document(digest).map(ByteBuf::from);
                self.transport.reply(ticket, Response::Document(document));
            }
            Effect::Store { head, from, entries } => {
                return Some(self.store(&head, from, &entries));
            }
            Effect::StoreDocument(document) => {
                if let Err(error) = self.store.put_document(&document) {
                    tracing::warn!(%error, "a document was not kept");
                }
            }
            Effect::Build { job, purl } => return self.build(job, purl),
            Effect::Drop(peer) => self.transport.drop_peer(&peer),
            Effect::Notice(notice) => self.notice(notice),
        }
        None
    }

    fn serve(&self, origin: &Origin, from: u64, until: u64) -> Vec<ByteBuf> {
        let log = self.store.log(origin);
        let entries = log.map_or(Ok(Vec::new()), |log| log.read(from, until, RESPONSE_ENTRY_BYTES));
        match entries {
            Ok(entries) => entries.into_iter().map(ByteBuf::from).collect(),
            Err(error) => {
                tracing::warn!(%error, "entries were not served");
                Vec::new()
            }
        }
    }

    fn store(&mut self, head: &CheckedHead, from: u64, entries: &[Vec<u8>]) -> Event {
        let origin = head.origin().clone();
        let stored = self.store.log_mut(&origin).and_then(|log| {
            log.append(from, entries)?;
            log.publish(head.checkpoint().signed().clone(), &head.head().certificate)
        });
        match stored {
            Ok(()) => Event::Stored { origin },
            Err(error) => {
                tracing::error!(%error, "entries were not stored");
                Event::NotStored { origin }
            }
        }
    }

    fn build(&mut self, job: u64, purl: reattest_attestation::Purl) -> Option<Event> {
        self.report(&Report::Rebuilding { purl: purl.to_string() });
        let told =
            self.roles.as_ref().map(|roles| roles.tell_builder(&ToBuilder::Rebuild { job, purl }));
        match told {
            Some(Ok(())) => None,
            _ => Some(Event::BuildEnded { job, end: BuildEnd::Fault }),
        }
    }
}
