//! The node's loop: news from the swarm, the signer, the builder, commands and the clock go into the
//! core; its effects come out and are performed here.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::path::Path;

use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use reattest_attestation::log::{Origin};
use reattest_attestation::{Envelope, Certificate, Policy, PublicKey};
use reattest_rebuilder::{Cas, Fetch};
use serde_bytes::ByteBuf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval};

use super::control::{self, Answer, Ask, Call, LogStatus, Status};
use super::own_log::{OwnLog, check_root};
use super::report::Report;
use super::roles::Roles;
use super::transport::{News, Transport};
use crate::builder::messages::{End, FromBuilder, ToBuilder};
use crate::builder::workshop;
use crate::clock;
use crate::config::{Config, Role};
use crate::entry::{claim_of, in_words};
use crate::fault::Fault;
use crate::limits::{DIAL_SECONDS, DOCUMENT_BYTES, RESPONSE_ENTRY_BYTES, TICK};
use crate::protocol::{
    BuildEnd, CheckedHead, Core, Effect, Event, Head, Identity, Notice, Recovered, Refusal,
    Response,
};
use crate::query;
use crate::setup;
use crate::signer::messages::{FromSigner, ToSigner};
use crate::store::index::{SledIndex, catch_up};
use crate::store::{Store, durable};

/// Runs a node until it is told to stop, or cannot go on.
pub async fn run(path: &Path, config: Config, json: bool) -> Result<(), Fault> {
    let (signer_said, mut from_signer) = mpsc::channel(64);
    let (builder_said, mut from_builder) = mpsc::channel(64);
    let (calls, mut from_commands) = mpsc::channel(64);
    let roles = if config.has(Role::Rebuild) {
        Some(Roles::start(path, signer_said.clone(), builder_said.clone())?)
    } else {
        None
    };
    let hello = match &roles {
        // Without roles nobody speaks; the ends held here keep the channels open.
        None => None,
        Some(_) => {
            drop((signer_said, builder_said));
            Some(from_signer.recv().await.ok_or_else(signer_ended)?)
        }
    };
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

fn signer_ended() -> Fault {
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

type Fetched = ToBuilder;

struct Node {
    config: Config,
    json: bool,
    identity: Identity,
    /// Operators' names in the policy.
    names: BTreeMap<PublicKey, String>,
    core: Core,
    store: Store,
    index: SledIndex,
    transport: Transport,
    roles: Option<Roles>,
    own: Option<OwnLog>,
    listening: Vec<String>,
    announcing: VecDeque<oneshot::Sender<Answer>>,
    fetch_done: mpsc::Sender<Fetched>,
    fetches: mpsc::Receiver<Fetched>,
    dialled: Option<Instant>,
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
        self.index.flush();
        let _not_there = std::fs::remove_file(self.config.socket());
        reattest_rebuilder::scratch::remove(&self.config.data.join("scratch"));
    }

    fn news(&mut self, news: News) {
        match news {
            News::Event(event) => self.feed(event),
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
    fn feed(&mut self, event: Event) {
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
            Effect::Judge { id, from, judgement } => self.transport.judge(id, &from, judgement),
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
            Effect::Store { head, from, entries } => return Some(self.store(&head, from, &entries)),
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
        let told = self.roles.as_ref().map(|roles| roles.tell_builder(&ToBuilder::Rebuild { job, purl }));
        match told {
            Some(Ok(())) => None,
            _ => Some(Event::BuildEnded { job, end: BuildEnd::Fault }),
        }
    }

    fn signer_said(&mut self, message: FromSigner) -> Result<(), Fault> {
        match message {
            FromSigner::Hello { .. } => {
                self.own = Some(OwnLog::greeted(message, &mut self.store)?);
            }
            FromSigner::Entry { index, envelope } => {
                let Some(own) = &self.own else { return Err(signer_ended()) };
                let size = own.store(&mut self.store, index, &envelope)?;
                if let Some(roles) = &self.roles {
                    roles.tell_signer(&ToSigner::Stored { size })?;
                }
            }
            FromSigner::Head { checkpoint } => {
                let Some(own) = &mut self.own else { return Err(signer_ended()) };
                let event = own.publish(&mut self.store, &self.identity, checkpoint)?;
                self.feed(event);
            }
            FromSigner::Announced(result) => {
                if let Some(reply) = self.announcing.pop_front() {
                    let answer = result.map_or_else(Answer::Failed, Answer::Announced);
                    // Whoever asked may have gone; the announcement is logged all the same.
                    let _gone = reply.send(answer);
                }
            }
        }
        Ok(())
    }

    fn builder_said(&mut self, message: FromBuilder) -> Result<(), Fault> {
        match message {
            FromBuilder::Fetch(wants) => {
                let (workshop, done) = (workshop(&self.config)?, self.fetch_done.clone());
                let roots = self.config.archive.debian.clone();
                tokio::task::spawn_blocking(move || {
                    let fetched = match setup::mirror(&workshop, &roots) {
                        Ok(mut mirror) => mirror.fetch(&wants),
                        Err(problem) => wants.iter().map(|_| Err(problem.clone())).collect(),
                    };
                    let _stopping = done.blocking_send(ToBuilder::Fetched(fetched));
                });
            }
            FromBuilder::Progress { progress, .. } => self.report(&Report::Progress { progress }),
            FromBuilder::Document(digest) => {
                let cas = Cas::below(&workshop(&self.config)?.cache)
                    .map_err(|error| Fault::text(error.to_string()))?;
                match cas.read(&digest, DOCUMENT_BYTES as u64) {
                    Ok(document) => {
                        self.store.put_document(&document)?;
                        self.core.holds_document(digest);
                    }
                    Err(error) => tracing::warn!(%error, "the builder's document was not kept"),
                }
            }
            FromBuilder::Ended { job, end } => {
                let (report, end) = match end {
                    End::Attested { index } => (Report::Attested { index }, BuildEnd::Attested),
                    End::Fault(why) => (Report::Fault { why }, BuildEnd::Fault),
                    End::Hopeless(why) => (Report::Fault { why }, BuildEnd::Hopeless),
                };
                self.report(&report);
                self.feed(Event::BuildEnded { job, end });
            }
        }
        Ok(())
    }

    fn fetched(&mut self, fetched: Option<Fetched>) -> Result<(), Fault> {
        match (&self.roles, fetched) {
            (Some(roles), Some(fetched)) => roles.tell_builder(&fetched),
            _ => Ok(()),
        }
    }

    fn answer(&mut self, (ask, reply): Call) {
        let answer = match ask {
            Ask::Status => Answer::Status(self.status()),
            Ask::Announce(purl) => match &self.roles {
                None => Answer::Failed("this node has no key to announce with; give it the role \"rebuild\"".to_owned()),
                Some(roles) => match roles.tell_signer(&ToSigner::Announce(purl)) {
                    Ok(()) => return self.announcing.push_back(reply),
                    Err(fault) => Answer::Failed(fault.to_string()),
                },
            },
            Ask::Evidence(selector) => {
                let bundle = query::evidence(&self.store, &self.index, &selector);
                let bytes = bundle
                    .map_err(|error| error.to_string())
                    .and_then(|bundle| bundle.to_bytes().map_err(|error| error.to_string()));
                bytes.map_or_else(Answer::Failed, |bytes| Answer::Evidence(ByteBuf::from(bytes)))
            }
        };
        // A command that gave up needs no answer.
        let _gone = reply.send(answer);
    }

    fn status(&self) -> Status {
        let log = |(origin, size): (&Origin, u64)| LogStatus {
            origin: origin.to_string(),
            operator: self.operator_of(origin),
            size,
            forked: self.core.is_forked(origin),
        };
        Status {
            network: self.config.network.to_string(),
            listening: self.listening.clone(),
            peers: self.transport.connected(),
            logs: self.core.logs().map(log).collect(),
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Grew { origin, from, size } => {
                if let Err(error) = catch_up(&mut self.index, &self.store) {
                    tracing::warn!(%error, "the index is behind; it is rebuilt at the next start");
                }
                let said = self.words_of(&origin, from, size);
                self.report(&Report::Grew { operator: self.operator_of(&origin), size, said });
            }
            Notice::Forked { origin, proof } => {
                let (one, other) = *proof;
                let kept = self
                    .store
                    .log_mut(&origin)
                    .and_then(|log| log.keep_fork([&one.checkpoint, &other.checkpoint]));
                if let Err(error) = kept {
                    tracing::error!(%error, "the proof of a fork was not kept");
                }
                self.report(&Report::Forked { operator: self.operator_of(&origin) });
            }
            // Everyday life among nodes with different policies.
            Notice::Refused { peer, refusal } if refusal == Refusal::UnknownOperator => {
                tracing::debug!(peer = peer.0, "{}", refusal.text());
            }
            Notice::Refused { peer, refusal } => {
                self.report(&Report::Refused { peer: peer.0, why: refusal.text().to_owned() });
            }
            Notice::GaveUp { purl } => {
                self.report(&Report::Fault { why: format!("{purl} is given up") });
            }
        }
    }

    fn words_of(&self, origin: &Origin, from: u64, until: u64) -> Vec<String> {
        let Some(log) = self.store.log(origin) else { return Vec::new() };
        let Some(key) = log.key() else { return Vec::new() };
        let entries = log.read(from, until, RESPONSE_ENTRY_BYTES).unwrap_or_default();
        entries.iter().flat_map(|entry| in_words(claim_of(&key, entry).as_ref())).collect()
    }

    fn operator_of(&self, origin: &Origin) -> String {
        let certificate = self.store.log(origin).and_then(|log| log.certificate());
        let envelope = certificate.and_then(|bytes| Envelope::parse(bytes).ok());
        let certified = envelope.and_then(|envelope| Certificate::verify(&envelope).ok());
        let operator = certified.map(|certified| certified.certificate().operator);
        match operator {
            Some(key) => self.names.get(&key).cloned().unwrap_or_else(|| key.fingerprint()),
            None => origin.to_string(),
        }
    }

    fn report(&self, report: &Report) {
        // A reader that went away stops nothing.
        let _gone = if self.json {
            let line = serde_json::to_string(report).unwrap_or_default();
            writeln!(std::io::stdout().lock(), "{line}")
        } else {
            writeln!(std::io::stderr().lock(), "{}", report.line())
        };
    }
}

fn identity(config: &Config, policy: &Policy, own: Option<&OwnLog>) -> Identity {
    let mut operators: std::collections::BTreeSet<PublicKey> =
        policy.operators().iter().map(|operator| operator.key).collect();
    operators.extend(own.map(|own| own.operator));
    Identity {
        network: config.network.clone(),
        operators,
        own: own.map(|own| own.key),
        rebuilds: config.has(Role::Rebuild),
    }
}

/// The logs on disk that are still followed, each checked against its head.
fn recover(store: &Store, identity: &Identity) -> Result<Vec<Recovered>, Fault> {
    let mut recovered = Vec::new();
    for log in store.logs() {
        let (Some(signed), Some(certificate)) = (log.checkpoint(), log.certificate()) else {
            continue;
        };
        let frontier = check_root(log, signed.unverified())?;
        let head = Head {
            certificate: ByteBuf::from(certificate),
            checkpoint: ByteBuf::from(signed.as_bytes()),
        };
        match CheckedHead::check(identity, head, clock::now()) {
            Ok(head) => {
                let entries = log.read(0, head.size(), usize::MAX)?;
                recovered.push(Recovered { head, frontier, entries });
            }
            Err(refusal) => {
                tracing::warn!(log = %log.origin(), "not followed any more: {}", refusal.text());
            }
        }
    }
    Ok(recovered)
}

/// The key that names this node to peers. It signs nothing else.
fn peer_key(data: &Path) -> Result<Keypair, Fault> {
    let path = data.join("peer.key");
    let fail = |error: String| Fault::new(path.display().to_string(), error);
    if path.exists() {
        let bytes = std::fs::read(&path).map_err(|error| fail(error.to_string()))?;
        return Keypair::from_protobuf_encoding(&bytes).map_err(|error| fail(error.to_string()));
    }
    let keys = Keypair::generate_ed25519();
    let bytes = keys.to_protobuf_encoding().map_err(|error| fail(error.to_string()))?;
    durable::write(&path, &bytes).map_err(|error| fail(error.to_string()))?;
    Ok(keys)
}
