//! From a head that a peer gossips to a verdict on another node, while attestations go on coming.

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use reattest::codec;
use reattest::config::Config;
use reattest::protocol::message::VERSION;
use reattest::protocol::{Gossip, Head, Request, Response, protocol_name};
use reattest::query::{Source, judge_package};
use reattest::setup::read_policy;
use reattest::store::Log;
use reattest_attestation::log::tiles::decode_entries;
use reattest_attestation::log::{Checkpoint, Origin};
use reattest_attestation::statement::Certificate;
use reattest_attestation::{Conclusion, Digest, Envelope, Purl, SecretKey, Sign as _, Timestamp};
use serde_bytes::ByteBuf;

use crate::nodes::Node;
use crate::pairs::Pair;
use crate::programs;
use crate::table::Table;
use crate::worlds::{network, outcome, rebuild};

/// Attestations, and how far apart they come: a hundred a second.
const COUNT: u64 = 1_000;
const APART: Duration = Duration::from_millis(10);

/// Who asks at the same time.
const CONSUMERS: usize = 3;

/// An attestation's package, and when its head went out.
type Sent = (Purl, Instant);

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn operator() -> SecretKey {
    SecretKey::from_seed(&[8; 32])
}

/// A signed statement about a package of its own.
fn attestation(number: u64) -> (Purl, Vec<u8>) {
    let purl = format!("pkg:deb/debian/netbase@{number}.5?arch=all&distro=trixie");
    let said = rebuild(outcome(&purl, Digest::of(&number.to_be_bytes()), '+'));
    let payload = said.to_payload(&key().public_key()).unwrap();
    let envelope = Envelope::sign(payload, &key()).unwrap();
    (purl.parse().unwrap(), envelope.as_bytes().to_vec())
}

/// The log of a rebuilder whose node this process plays.
struct Author {
    log: Log,
    certificate: ByteBuf,
    head: Option<Head>,
}

impl Author {
    fn new(home: &Path) -> Self {
        let certificate = Certificate {
            operator: operator().public_key(),
            rebuilder: key().public_key(),
            not_before: Timestamp::from_unix(0),
            not_after: "2100-01-01T00:00:00Z".parse().unwrap(),
        };
        let envelope = Envelope::sign(certificate.to_payload().unwrap(), &operator()).unwrap();
        let origin = Origin::new(&network(), &key().public_key(), 2026);
        let log = Log::open(home, origin).unwrap();
        Self { log, certificate: ByteBuf::from(envelope.as_bytes()), head: None }
    }

    fn log(&mut self, entry: Vec<u8>) -> Vec<u8> {
        self.log.extend(self.log.size(), &[entry]).unwrap();
        let (origin, size) = (self.log.origin().clone(), self.log.size());
        let root = self.log.root(size).unwrap();
        let checkpoint = Checkpoint { origin, size, root }.sign(&key()).unwrap();
        let checkpoint = ByteBuf::from(checkpoint.as_bytes());
        let head = Head { certificate: self.certificate.clone(), checkpoint };
        self.head = Some(head.clone());
        Gossip::Head(head).encode().unwrap()
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        let response = match codec::decode::<1_024, Request>(request).unwrap() {
            Request::Heads { .. } => {
                let heads = self.head.iter().cloned().collect();
                Response::Heads { heads, forks: Vec::new(), words: Vec::new() }
            }
            Request::Entries { from, until, head, .. } => {
                let bundle = self.log.bundle(from, until, 1 << 20).unwrap();
                let count = decode_entries(&bundle).unwrap().len() as u64;
                let proof = self.log.consistency(from + count, head).unwrap().unwrap().hashes;
                Response::Entries { bundle: ByteBuf::from(bundle), proof }
            }
            Request::Document(_) => Response::Document(None),
            _ => Response::Nothing,
        };
        codec::encode(&response).unwrap()
    }
}

#[derive(NetworkBehaviour)]
struct Peer {
    gossip: gossipsub::Behaviour,
    asks: request_response::Behaviour<Raw>,
}

/// Bytes as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

async fn read(io: &mut (impl AsyncRead + Unpin + Send)) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(1 << 22).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> std::io::Result<Vec<u8>> {
        read(io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> std::io::Result<Vec<u8>> {
        read(io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> std::io::Result<()> {
        io.write_all(&bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> std::io::Result<()> {
        io.write_all(&bytes).await
    }
}

fn topic() -> IdentTopic {
    IdentTopic::new(format!("reattest/{}/{VERSION}", network()))
}

fn swarm() -> Swarm<Peer> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .message_id_fn(|message| gossipsub::MessageId::new(Digest::of(&message.data).as_bytes()))
        .build()
        .unwrap();
    let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).unwrap();
    gossip.subscribe(&topic()).unwrap();
    let name = StreamProtocol::try_from_owned(protocol_name(&network())).unwrap();
    let config = request_response::Config::default();
    let asks = request_response::Behaviour::new([(name, ProtocolSupport::Full)], config);
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| Peer { gossip, asks })
        .unwrap()
        .build()
}

/// Plays the rebuilder's node: gossips a head an attestation, and answers what it is asked.
async fn play(at: Multiaddr, mut author: Author, sent: Sender<Sent>) {
    let attestations: Vec<_> = (0..COUNT).map(attestation).collect();
    let mut swarm = swarm();
    swarm.dial(at).unwrap();
    let (mut attestations, mut subscribed) = (attestations.into_iter(), false);
    let mut beat = tokio::time::interval(APART);
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(PeerEvent::Gossip(gossipsub::Event::Subscribed { .. })) => {
                    // The mesh takes a heartbeat to grow.
                    beat.reset_after(Duration::from_secs(2));
                    subscribed = true;
                }
                SwarmEvent::Behaviour(PeerEvent::Asks(request_response::Event::Message {
                    message: request_response::Message::Request { request, channel, .. }, ..
                })) => {
                    let answer = author.answer(&request);
                    let _gone = swarm.behaviour_mut().asks.send_response(channel, answer);
                }
                SwarmEvent::ConnectionClosed { cause, .. } => unreachable!("dropped: {cause:?}"),
                _ => {}
            },
            _ = beat.tick(), if subscribed => {
                let Some((purl, entry)) = attestations.next() else {
                    subscribed = false;
                    continue;
                };
                let head = author.log(entry);
                let now = Instant::now();
                swarm.behaviour_mut().gossip.publish(topic(), head).unwrap();
                if sent.send((purl, now)).is_err() {
                    return;
                }
            }
        }
    }
}

/// Seconds from each head to the verdict on its attestation, as consumers of the node get it: each asks
/// about one attestation until it counts, and then about the next that nobody asks about.
fn verdicts(home: &Path, sent: Receiver<Sent>) -> Vec<f64> {
    let sent = Mutex::new(sent.into_iter().take(usize::try_from(COUNT).unwrap()));
    let ask = || {
        let mut took = Vec::new();
        let config = Config::load(&home.join("config.toml")).unwrap();
        let policy = read_policy(&home.join("policy.toml")).unwrap();
        let source = Source::Node(Box::new(config));
        loop {
            let Some((purl, at)) = sent.lock().unwrap().next() else { return took };
            loop {
                let verdicts = judge_package(&policy, &source, &purl).unwrap();
                if verdicts.iter().any(|verdict| verdict.verdict == Conclusion::Accepted) {
                    break;
                }
                assert!(at.elapsed() < Duration::from_secs(30), "{purl}: {verdicts:?}");
                std::thread::sleep(Duration::from_millis(2));
            }
            took.push(at.elapsed().as_secs_f64());
        }
    };
    let mut took: Vec<f64> = std::thread::scope(|scope| {
        let consumers: Vec<_> = (0..CONSUMERS).map(|_| scope.spawn(ask)).collect();
        consumers.into_iter().flat_map(|consumer| consumer.join().unwrap()).collect()
    });
    took.sort_by(f64::total_cmp);
    took
}

/// Rows about how soon a new attestation counts on another node.
pub(crate) fn rows(table: &mut Table) {
    let Some(program) = programs::reattest() else {
        return table.leave_out("head to verdict", "no release build of reattest");
    };
    let (home, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Node::start(&program, home.path(), &operator().public_key(), &[]);
    let at: Multiaddr = node.address().parse().unwrap();
    let (sender, sent) = channel();
    let author = Author::new(own.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let playing = runtime.spawn(play(at, author, sender));
    let took = verdicts(home.path(), sent);
    playing.abort();
    for (name, place, goal) in
        [("p50", took.len() / 2, None), ("p99", took.len() * 99 / 100, Some(1.0))]
    {
        let what = format!("head to verdict on another node, 100 a second: {name}");
        let pair = Pair { ours: took[place], theirs: 0.1 };
        table.times(&what, "100 ms", pair, goal);
    }
}
