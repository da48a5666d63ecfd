//! The node's loop: news from the swarm, the signer, the builder, commands and the clock go into the
//! core; its effects come out and are performed here.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::time::SystemTime;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use reattest_attestation::log::WitnessKey;
use reattest_attestation::{Digest, PublicKey};
use serde_bytes::ByteBuf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::interval;

use super::behaviour::Finds;
use super::control::{self, Answer, Call};
use super::cosigning::Cosigning;
use super::feeds::Feed;
use super::http;
use super::logs::Kept;
use super::mirrors::Mirrors;
use super::own_log::OwnLog;
use super::report::Report;
use super::roles::Roles;
use super::start::{identity, lock, peer_key, recover};
use super::transport::{News, Transport, address_of, peer_of};
use crate::builder::messages::ToBuilder;
use crate::clock;
use crate::config::{Config, Role};
use crate::fault::Fault;
use crate::limits::TICK;
use crate::protocol::{Core, Effect, Event, Identity, Queue, Refusal, Response, Source};
use crate::setup;
use crate::signer::messages::FromSigner;
use crate::store::Store;
use crate::store::index::StoredIndex;
use crate::store::queue::QueueFile;
use crate::words::Words;

/// Runs a node until it is told to stop, or cannot go on.
pub async fn run(path: &Path, config: Config, json: bool) -> Result<(), Fault> {
    // Held until the node ends: one node, one signer, one index for a data directory.
    let _lock = lock(&config.data)?;
    let (signer_said, mut from_signer) = mpsc::channel(64);
    let (builder_said, mut from_builder) = mpsc::channel(64);
    let (calls, mut from_commands) = mpsc::channel(64);
    let rebuilds = config.has(Role::Rebuild);
    let roles = if rebuilds || config.has(Role::Witness) {
        let to_node = rebuilds.then(|| builder_said.clone());
        Some(Roles::start(path, signer_said.clone(), to_node)?)
    } else {
        None
    };
    let greeting = match &roles {
        Some(_) => Greeting::hear(&config, &mut from_signer).await?,
        None => Greeting::default(),
    };
    // Without a role nobody speaks; the ends held here then keep the channels open.
    if roles.is_some() {
        drop(signer_said);
    }
    let _nobody_speaks = (!rebuilds).then_some(builder_said);
    let mut node = Node::open(config, roles, greeting, json)?;
    control::listen(&node.config.socket(), calls.clone())?;
    node.open_service(calls.clone()).await?;
    node.open_http(calls).await?;
    let (mirror_said, mut from_mirrors) = mpsc::channel(64);
    node.mirrors = Mirrors::follow(&node.config.mirrors, &node.identity, &mirror_said);
    node.dial_configured()?;
    node.read_words();
    super::calling::begin(&node.config);
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
            Some((mirror, said)) = from_mirrors.recv() => { node.mirror_said(&mirror, said); Ok(()) }
            fetched = node.fetches.recv() => node.fetched(fetched),
            _ = beat.tick() => { node.beat(); Ok(()) }
            () = &mut stop => {
                tracing::info!(event = "stopping", "stopping, as it was asked to");
                break Ok(());
            }
        };
        if let Err(fault) = done.and_then(|()| node.halted.take().map_or(Ok(()), Err)) {
            break Err(fault);
        }
    };
    node.close();
    ended
}

pub(super) fn signer_ended() -> Fault {
    Fault::text("the signer ended; its last message says why")
}

/// What the signer says first: as a witness, and as whose log it keeps.
#[derive(Debug, Default)]
struct Greeting {
    witness: Option<WitnessKey>,
    own: Option<FromSigner>,
}

impl Greeting {
    async fn hear(
        config: &Config,
        from_signer: &mut mpsc::Receiver<FromSigner>,
    ) -> Result<Self, Fault> {
        let mut greeting = Self::default();
        while (config.has(Role::Witness) && greeting.witness.is_none())
            || (config.has(Role::Rebuild) && greeting.own.is_none())
        {
            match from_signer.recv().await.ok_or_else(signer_ended)? {
                FromSigner::Witness { verifier } => {
                    let key = verifier.parse().map_err(|error| {
                        Fault::new("the signer introduced itself as a witness", error)
                    })?;
                    greeting.witness = Some(key);
                }
                FromSigner::Failed(why) => return Err(Fault::text(why)),
                other => greeting.own = Some(other),
            }
        }
        Ok(greeting)
    }
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
    pub(super) index: StoredIndex,
    pub(super) transport: Transport,
    pub(super) roles: Option<Roles>,
    pub(super) own: Option<OwnLog>,
    pub(super) listening: Vec<String>,
    /// Where files and metrics are served over HTTP.
    pub(super) http: Option<SocketAddr>,
    pub(super) mirrors: Mirrors,
    pub(super) announcing: VecDeque<oneshot::Sender<Answer>>,
    pub(super) fetch_done: mpsc::Sender<ToBuilder>,
    pub(super) fetches: mpsc::Receiver<ToBuilder>,
    /// How often something was refused, by cause.
    pub(super) refused: BTreeMap<Refusal, u64>,
    /// What this witness's signer is asked to cosign.
    pub(super) cosigning: Cosigning,
    pub(super) words: Words,
    /// When the directory of words changed last.
    pub(super) words_changed: Option<SystemTime>,
    pub(super) queue_file: QueueFile,
    pub(super) feeds: Vec<Feed>,
    /// Why the node cannot go on; nothing is performed any more.
    pub(super) halted: Option<Fault>,
}

impl Node {
    fn open(
        config: Config,
        roles: Option<Roles>,
        greeting: Greeting,
        json: bool,
    ) -> Result<Self, Fault> {
        let policy = setup::read_policy(&config.policy)?;
        let mut store = Store::open(&config.data)?;
        if let Some(bytes) = &config.store.max_bytes {
            store.limit(bytes.0);
        }
        let own = greeting.own.map(|hello| OwnLog::greeted(hello, &mut store)).transpose()?;
        let identity = identity(&config, &policy, own.as_ref(), greeting.witness.as_ref());
        let words = Words::open(&config.data)
            .map_err(|error| Fault::new("operators' words cannot be read", error))?;
        let recovered = recover(&store, &identity, clock::now())?;
        let index = StoredIndex::open(&config.data, &store)?;
        let finds = Finds { neighbours: config.find.local_network, routes: config.find.peers };
        let mut transport = Transport::new(&identity, peer_key(&config.data)?, finds)?;
        for address in &config.listen {
            transport.listen(address)?;
        }
        let (fetch_done, fetches) = mpsc::channel(1);
        let (queue_file, changes) = QueueFile::open(&config.data)?;
        let feeds = config.follow.iter().map(Feed::new).collect();
        let queue = Queue::replayed(config.build.room(), changes);
        let awaits = own.as_ref().is_some_and(|own| own.awaits);
        let names = policy.operators().iter().map(|operator| (operator.key, operator.name.clone()));
        Ok(Self {
            names: names.collect(),
            core: Core::new(identity.clone(), recovered, queue).awaiting_signer(awaits),
            config,
            json,
            identity,
            store,
            index,
            transport,
            roles,
            own,
            listening: Vec::new(),
            http: None,
            mirrors: Mirrors::default(),
            announcing: VecDeque::new(),
            fetch_done,
            fetches,
            refused: BTreeMap::new(),
            cosigning: Cosigning::default(),
            words,
            words_changed: None,
            queue_file,
            feeds,
            halted: None,
        })
    }

    /// Answers programs of this machine.
    async fn open_service(&mut self, calls: mpsc::Sender<Call>) -> Result<(), Fault> {
        if let Some(address) = crate::doors::open(&self.config, calls).await? {
            self.report(&Report::Listening { address: format!("http://{address}/v1/") });
        }
        Ok(())
    }

    /// Serves files and metrics over HTTP, where the configuration says so.
    async fn open_http(&mut self, calls: mpsc::Sender<Call>) -> Result<(), Fault> {
        let Some(http) = self.config.http else { return Ok(()) };
        let address = http::listen(http, self.config.data.clone(), calls).await?;
        self.http = Some(address);
        self.report(&Report::Listening { address: format!("http://{address}/") });
        Ok(())
    }

    /// The peers that the configuration names are dialled for as long as the node runs.
    fn dial_configured(&mut self) -> Result<(), Fault> {
        for text in self.config.peers.clone() {
            let parsed: Multiaddr = text.parse().map_err(|error| {
                Fault::new(
                    format!(
                        "`peers` has {text:?}, needed a multiaddr such as \
                         /ip4/127.0.0.1/tcp/4101/p2p/PEER"
                    ),
                    format!("{error}"),
                )
            })?;
            let (peer, address) = (peer_of(&parsed), address_of(&parsed));
            self.feed(Event::Discovered { peer, address, source: Source::Configuration });
        }
        Ok(())
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

    fn kept(&mut self) -> Kept<'_> {
        Kept { store: &mut self.store, index: &mut self.index }
    }

    fn beat(&mut self) {
        self.read_words();
        self.feed(Event::Tick);
        self.beat_feeds();
        self.tidy_queue();
    }

    /// One event through the core, and its effects until none are left.
    pub(super) fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.core.handle(event, clock::now()) {
                if self.halted.is_none() {
                    events.extend(self.perform(effect));
                }
            }
        }
    }

    /// Performs an effect; the event that follows from it at once, if any.
    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Publish(bytes) => self.transport.publish(bytes),
            Effect::Judge { id, from, judgement } => self.transport.judge(&id, &from, judgement),
            Effect::Ask { peer, request, question } if self.mirrors.has(&peer) => {
                return self.mirrors.ask(&peer, request, question);
            }
            Effect::Ask { peer, request, question } => self.transport.ask(&peer, request, question),
            Effect::Reply { ticket, response } => self.transport.reply(ticket, response),
            Effect::Serve { ticket, origin, from, until, head } => {
                let response = self.kept().serve(&origin, from, until, head);
                self.transport.reply(ticket, response);
            }
            Effect::ServeConsistency { ticket, origin, old, new } => {
                let response = match self.kept().way(&origin, old, new) {
                    Some((root, proof)) => Response::Consistency { root, proof: proof.hashes },
                    None => Response::Nothing,
                };
                self.transport.reply(ticket, response);
            }
            Effect::ServeDocument { ticket, digest } => {
                let document = self.store.document(digest).map(ByteBuf::from);
                self.transport.reply(ticket, Response::Document(document));
            }
            Effect::Extend(range) => return Some(self.kept().extend(&range)),
            Effect::Rewind { origin, size } => self.kept().rewind(&origin, size),
            Effect::KeepFork { origin, proof } => return self.kept().keep_fork(origin, &proof),
            Effect::StoreHead { head } => return Some(self.kept().store_head(&head)),
            Effect::Compare { head, with } => {
                let held = self.kept().way(head.origin(), head.size(), with);
                return Some(Event::Compared { head, with, held });
            }
            Effect::Cosign { head } => return self.cosign(&head),
            Effect::ShowSigner { checkpoint } => self.show_signer(checkpoint),
            Effect::StoreWord(word) => return self.store_word(&word),
            Effect::Dial { peer, address } => self.transport.dial(peer.as_ref(), &address),
            Effect::FindDocument(digest) => {
                return (!self.store.has_document(digest)).then_some(Event::NoDocument(digest));
            }
            Effect::StoreDocument(document) => {
                if let Err(error) = self.store.put_document(&document) {
                    tracing::warn!(%error, "a document was not kept; it is asked for again");
                    return Some(Event::DocumentNotKept(Digest::of(&document)));
                }
            }
            Effect::Record(changes) => self.record(&changes),
            Effect::Recall(purls) => {
                let own = self.own.as_ref().map(|own| own.key);
                return Some(self.kept().recall(own.as_ref(), purls));
            }
            Effect::Build { job, purl, memory } => return self.build(job, purl, memory),
            Effect::CancelBuild { job } => self.cancel_build(job),
            Effect::EndBuilder => self.end_builder(),
            Effect::Announce(purl) => self.announce(purl),
            Effect::Drop(peer) if self.mirrors.has(&peer) => return self.mirrors.dropped(&peer),
            Effect::Drop(peer) => {
                tracing::info!(event = "dropped", peer = peer.0, "a peer is dropped");
                self.transport.drop_peer(&peer);
            }
            Effect::Notice(notice) => self.notice(notice),
        }
        None
    }
}
