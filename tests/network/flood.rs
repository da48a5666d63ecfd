//! A peer that speaks the transport's protocols, and throws at a node whatever it can as fast as it can.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, MessageId};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use reattest::protocol::message::VERSION;
use reattest::protocol::protocol_name;

/// Requests that are out at once: more than a node serves to one peer.
const OUT: usize = 64;

/// What came of it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Thrown {
    pub(crate) gossip: u64,
    pub(crate) requests: u64,
    /// Connections that the node ended.
    pub(crate) dropped: u64,
}

#[derive(NetworkBehaviour)]
struct Thrower {
    gossip: gossipsub::Behaviour,
    asks: request_response::Behaviour<Raw>,
}

/// Bytes as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> std::io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        self.read_response(&StreamProtocol::new("/"), io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> std::io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.take(1 << 22).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }
}

fn topic() -> IdentTopic {
    IdentTopic::new(format!("reattest/test/{VERSION}"))
}

fn swarm() -> Swarm<Thrower> {
    // Every message gets a new name, so that the sender's own memory stops no repetition.
    let number = AtomicU64::new(0);
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .message_id_fn(move |_| {
            MessageId::new(&number.fetch_add(1, Ordering::Relaxed).to_be_bytes())
        })
        .max_transmit_size(1 << 20)
        .build()
        .unwrap();
    let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).unwrap();
    gossip.subscribe(&topic()).unwrap();
    let name = StreamProtocol::try_from_owned(protocol_name(&"test".parse().unwrap())).unwrap();
    let asks = request_response::Behaviour::new(
        [(name, ProtocolSupport::Outbound)],
        request_response::Config::default().with_max_concurrent_streams(OUT),
    );
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| Thrower { gossip, asks })
        .unwrap()
        .build()
}

/// Throws until a time: under one name after the other, each for as long as the node bears it.
pub(crate) fn throw(at: &str, gossip: &[Vec<u8>], requests: &[Vec<u8>], until: Instant) -> Thrown {
    let at: Multiaddr = at.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut thrown = Thrown::default();
    while Instant::now() < until {
        let rest = until.saturating_duration_since(Instant::now());
        let one = runtime.block_on(async {
            let mut one = Thrown::default();
            let attack = attack(&at, gossip, requests, &mut one);
            let _in_time = tokio::time::timeout(rest, attack).await;
            one
        });
        thrown.gossip += one.gossip;
        thrown.requests += one.requests;
        thrown.dropped += one.dropped;
    }
    thrown
}

async fn attack(at: &Multiaddr, gossip: &[Vec<u8>], requests: &[Vec<u8>], thrown: &mut Thrown) {
    let mut swarm = swarm();
    swarm.dial(at.clone()).unwrap();
    let (mut peer, mut out) = (None, 0_usize);
    let mut beat = tokio::time::interval(Duration::from_millis(1));
    let (mut messages, mut questions) = (gossip.iter().cycle(), requests.iter().cycle());
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => peer = Some(peer_id),
                SwarmEvent::ConnectionClosed { .. } => {
                    thrown.dropped += 1;
                    return;
                }
                SwarmEvent::OutgoingConnectionError { .. } => return,
                SwarmEvent::Behaviour(ThrowerEvent::Asks(
                    request_response::Event::OutboundFailure { .. }
                    | request_response::Event::Message { .. },
                )) => out = out.saturating_sub(1),
                _ => {}
            },
            _ = beat.tick() => {}
        }
        let Some(peer) = peer else { continue };
        for message in messages.by_ref().take(4) {
            let sent = swarm.behaviour_mut().gossip.publish(topic(), message.clone());
            thrown.gossip += u64::from(sent.is_ok());
        }
        while out < OUT {
            let Some(question) = questions.next() else { break };
            swarm.behaviour_mut().asks.send_request(&peer, question.clone());
            thrown.requests += 1;
            out += 1;
        }
    }
}
