//! A rebuilder's node that a bench plays over libp2p: it gossips a head for each attestation, and answers what it is asked.

use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use reattest::codec;
use reattest::protocol::message::VERSION;
use reattest::protocol::{Gossip, Head, Request, Response, protocol_name};
use reattest::store::Log;
use reattest_attestation::log::tiles::decode_entries;
use reattest_attestation::log::{Checkpoint, Origin};
use reattest_attestation::statement::Certificate;
use reattest_attestation::{Digest, Envelope, Purl, SecretKey, Sign as _, Timestamp};
use serde_bytes::ByteBuf;

use crate::worlds::{network, outcome, rebuild};

/// An attestation's package, and when its head went out.
pub(crate) type Sent = (Purl, Instant);

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

pub(crate) fn operator() -> SecretKey {
    SecretKey::from_seed(&[8; 32])
}

/// A signed statement about a package of its own.
pub(crate) fn attestation(number: u64) -> (Purl, Vec<u8>) {
    let purl = format!("pkg:deb/debian/netbase@{number}.5?arch=all&distro=trixie");
    let said = rebuild(outcome(&purl, Digest::of(&number.to_be_bytes()), '+'));
    let payload = said.to_payload(&key().public_key()).unwrap();
    let envelope = Envelope::sign(payload, &key()).unwrap();
    (purl.parse().unwrap(), envelope.as_bytes().to_vec())
}

/// The log of a rebuilder whose node this process plays.
pub(crate) struct Author {
    log: Log,
    certificate: ByteBuf,
    pub(crate) head: Option<Head>,
}

impl Author {
    pub(crate) fn new(home: &Path) -> Self {
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

    pub(crate) fn log(&mut self, entry: Vec<u8>) -> Vec<u8> {
        self.log.extend(self.log.size(), &[entry]).unwrap();
        let (origin, size) = (self.log.origin().clone(), self.log.size());
        let root = self.log.root(size).unwrap();
        let checkpoint = Checkpoint { origin, size, root }.sign(&key()).unwrap();
        let checkpoint = ByteBuf::from(checkpoint.as_bytes());
        let head = Head { certificate: self.certificate.clone(), checkpoint };
        self.head = Some(head.clone());
        Gossip::Head(head).encode().unwrap()
    }

    pub(crate) fn origin(&self) -> &Origin {
        self.log.origin()
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

/// What is played: whom it dials, attestations, how far apart they come, and how long nothing comes
/// before. A mesh takes a heartbeat to grow.
pub(crate) struct Play {
    pub(crate) at: Vec<Multiaddr>,
    pub(crate) count: u64,
    pub(crate) apart: Duration,
    pub(crate) before: Duration,
}

/// Plays the rebuilder's node: gossips a head an attestation, and answers what it is asked.
pub(crate) async fn play(play: Play, mut author: Author, sent: Sender<Sent>) {
    let attestations: Vec<_> = (0..play.count).map(attestation).collect();
    let mut swarm = swarm();
    play.at.into_iter().for_each(|at| swarm.dial(at).unwrap());
    let (mut attestations, mut subscribed) = (attestations.into_iter(), false);
    let mut beat = tokio::time::interval(play.apart);
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(PeerEvent::Gossip(gossipsub::Event::Subscribed { .. })) => {
                    if !subscribed {
                        beat.reset_after(play.before);
                    }
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
