//! The swarm: TCP with Noise and Yamux, QUIC beside it, gossip for heads, request-response for
//! entries.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, InboundFailure, OutboundRequestId, ResponseChannel};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm, identify, kad, mdns, noise, tcp, yamux};

use super::behaviour::{Behaviour, BehaviourEvent, Finds, behaviour};
use crate::fault::Fault;
use crate::limits::ADDRESSES_PER_PEER;
use crate::protocol::message::VERSION;
use crate::protocol::{
    Address, Event, Identity, Judgement, MessageId, Peer, Request, RequestId, Response, Source,
    Ticket, protocol_name,
};

/// What the swarm has to say.
pub(super) enum News {
    /// For the protocol core.
    Event(Box<Event>),
    /// This node can be reached here.
    Listening(Multiaddr),
}

/// The node's connections.
pub(super) struct Transport {
    swarm: Swarm<Behaviour>,
    topic: IdentTopic,
    asked: BTreeMap<OutboundRequestId, RequestId>,
    tickets: BTreeMap<Ticket, ResponseChannel<Response>>,
    next_ticket: u64,
    /// What one event of the swarm says besides the first thing.
    later: VecDeque<News>,
}

impl Transport {
    pub(super) fn new(identity: &Identity, keys: Keypair, finds: Finds) -> Result<Self, Fault> {
        let fail = |error: String| Fault::new("the network cannot be set up", error);
        let topic = IdentTopic::new(format!("reattest/{}/{VERSION}", identity.network));
        let behaviour_topic = topic.clone();
        let name = protocol_name(&identity.network);
        let builder = libp2p::SwarmBuilder::with_existing_identity(keys)
            .with_tokio()
            .with_tcp(
                tcp::Config::default().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )
            .map_err(|error| fail(error.to_string()))?;
        #[cfg(feature = "quic")]
        let builder = builder.with_quic();
        let swarm = builder
            .with_behaviour(|keys| behaviour(keys, &behaviour_topic, &name, identity, finds))
            .map_err(|error| fail(error.to_string()))?
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_mins(5)))
            .build();
        Ok(Self {
            swarm,
            topic,
            asked: BTreeMap::new(),
            tickets: BTreeMap::new(),
            next_ticket: 0,
            later: VecDeque::new(),
        })
    }

    pub(super) fn peer_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    pub(super) fn listen(&mut self, address: &str) -> Result<(), Fault> {
        let parsed: Multiaddr = address.parse().map_err(|error| {
            Fault::new(
                format!(
                    "`listen` has {address:?}, needed a multiaddr such as /ip4/127.0.0.1/tcp/4101"
                ),
                format!("{error}"),
            )
        })?;
        self.swarm.listen_on(parsed).map(drop).map_err(|error| {
            Fault::new(
                format!(
                    "cannot listen at {address}; is the port in use? choose another, or 0 for any"
                ),
                error.to_string(),
            )
        })
    }

    /// Opens a connection. Whether it comes about, an event tells.
    pub(super) fn dial(&mut self, peer: Option<&Peer>, address: &Address) {
        let Ok(multiaddr) = address.text.parse::<Multiaddr>() else { return };
        let peer = peer.and_then(|peer| peer.0.parse::<PeerId>().ok());
        if peer.is_some_and(|peer| self.swarm.is_connected(&peer) || peer == self.peer_id()) {
            return;
        }
        if let Err(error) = self.swarm.dial(multiaddr) {
            tracing::debug!(address = address.text, %error, "not dialled");
        }
    }

    #[cfg(test)]
    fn connected(&self) -> Vec<PeerId> {
        self.swarm.connected_peers().copied().collect()
    }

    pub(super) fn publish(&mut self, bytes: Vec<u8>) {
        // Without a peer there is nobody to tell; heads are asked for when one comes.
        if let Err(error) = self.swarm.behaviour_mut().gossip.publish(self.topic.clone(), bytes) {
            tracing::debug!(%error, "not published");
        }
    }

    pub(super) fn judge(&mut self, id: &MessageId, from: &Peer, judgement: Judgement) {
        let Ok(from) = from.0.parse() else { return };
        let acceptance = match judgement {
            Judgement::Accept => MessageAcceptance::Accept,
            Judgement::Ignore => MessageAcceptance::Ignore,
            Judgement::Reject => MessageAcceptance::Reject,
        };
        let id = gossipsub::MessageId::new(&id.0);
        self.swarm.behaviour_mut().gossip.report_message_validation_result(&id, &from, acceptance);
    }

    pub(super) fn ask(&mut self, peer: &Peer, request: RequestId, question: Request) {
        let Ok(peer) = peer.0.parse() else { return };
        let id = self.swarm.behaviour_mut().logs.send_request(&peer, question);
        self.asked.insert(id, request);
    }

    pub(super) fn reply(&mut self, ticket: Ticket, response: Response) {
        if let Some(channel) = self.tickets.remove(&ticket) {
            // A peer that went away needs no answer.
            let _gone = self.swarm.behaviour_mut().logs.send_response(channel, response);
        }
    }

    pub(super) fn drop_peer(&mut self, peer: &Peer) {
        if let Ok(peer) = peer.0.parse() {
            let _was_gone = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// Waits for what happens next.
    pub(super) async fn next(&mut self) -> News {
        loop {
            if let Some(news) = self.later.pop_front() {
                return news;
            }
            let event = self.swarm.select_next_some().await;
            if let Some(news) = self.translate(event) {
                return news;
            }
        }
    }

    fn translate(&mut self, event: SwarmEvent<BehaviourEvent>) -> Option<News> {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => Some(News::Listening(address)),
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, num_established, .. } => {
                let dialled = endpoint.is_dialer();
                let address = address_of(endpoint.get_remote_address());
                let peer = name(peer_id);
                let event = if num_established.get() == 1 {
                    Event::Connected { peer, address, dialled }
                } else if dialled {
                    // It was connected from its side: now it is known who is at this address.
                    Event::Discovered { peer: Some(peer), address, source: Source::Peers }
                } else {
                    return None;
                };
                Some(News::Event(Box::new(event)))
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                Some(News::Event(Box::new(Event::Disconnected(name(peer_id)))))
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => gossiped(event),
            SwarmEvent::Behaviour(BehaviourEvent::Logs(event)) => self.request_response(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.identified(event),
            SwarmEvent::Behaviour(BehaviourEvent::Neighbours(mdns::Event::Discovered(found))) => {
                for (peer, address) in found {
                    self.discovered(peer, &address, Source::LocalNetwork);
                }
                self.later.pop_front()
            }
            SwarmEvent::Behaviour(BehaviourEvent::Routes(kad::Event::RoutingUpdated {
                peer,
                addresses,
                ..
            })) => {
                for address in addresses.iter() {
                    self.discovered(peer, address, Source::Peers);
                }
                self.later.pop_front()
            }
            _ => None,
        }
    }

    /// Others say that a peer is at an address.
    fn discovered(&mut self, peer: PeerId, at: &Multiaddr, source: Source) {
        if peer == self.peer_id() {
            return;
        }
        let (peer, address) = (Some(name(peer)), address_of(at));
        let event = Event::Discovered { peer, address, source };
        self.later.push_back(News::Event(Box::new(event)));
    }

    /// A peer says what it speaks and where it listens.
    fn identified(&mut self, event: identify::Event) -> Option<News> {
        let identify::Event::Received { peer_id, info, .. } = event else { return None };
        if let Some(routes) = self.swarm.behaviour_mut().routes.as_mut() {
            // An address of this machine alone leads other machines nowhere.
            for address in info.listen_addrs.into_iter().take(ADDRESSES_PER_PEER) {
                routes.add_address(&peer_id, address);
            }
        }
        let (peer, protocol) = (name(peer_id), info.protocol_version);
        Some(News::Event(Box::new(Event::Identified { peer, protocol })))
    }

    fn request_response(
        &mut self,
        event: request_response::Event<Request, Response>,
    ) -> Option<News> {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request { request, channel, .. } => {
                    self.next_ticket = self.next_ticket.wrapping_add(1);
                    let ticket = Ticket(self.next_ticket);
                    self.tickets.insert(ticket, channel);
                    let from = name(peer);
                    Some(News::Event(Box::new(Event::Asked { from, ticket, request })))
                }
                request_response::Message::Response { request_id, response } => {
                    let request = self.asked.remove(&request_id)?;
                    Some(News::Event(Box::new(Event::Answered {
                        from: name(peer),
                        request,
                        response,
                    })))
                }
            },
            request_response::Event::OutboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "no answer");
                let request = self.asked.remove(&request_id)?;
                Some(News::Event(Box::new(Event::Unanswered { from: name(peer), request })))
            }
            // What was cut off by a lost connection is empty or torn in another way, and costs nothing.
            request_response::Event::InboundFailure {
                peer,
                error: InboundFailure::Io(error),
                ..
            } if error.kind() == ErrorKind::InvalidData => {
                Some(News::Event(Box::new(Event::Garbled(name(peer)))))
            }
            _ => None,
        }
    }
}

fn gossiped(event: gossipsub::Event) -> Option<News> {
    let gossipsub::Event::Message { propagation_source, message_id, message } = event else {
        return None;
    };
    Some(News::Event(Box::new(Event::Gossiped {
        from: name(propagation_source),
        id: MessageId(message_id.0),
        bytes: message.data,
    })))
}

/// An address as the core knows it, without the peer's name at its end.
pub(super) fn address_of(multiaddr: &Multiaddr) -> Address {
    let parts = multiaddr.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
    let ip = multiaddr.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    });
    Address { text: parts.collect::<Multiaddr>().to_string(), ip }
}

/// The peer that a multiaddr ends with.
pub(super) fn peer_of(multiaddr: &Multiaddr) -> Option<Peer> {
    match multiaddr.iter().last()? {
        Protocol::P2p(peer) => Some(name(peer)),
        _ => None,
    }
}

fn name(peer: PeerId) -> Peer {
    Peer(peer.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;
    use std::time::Duration;

    use libp2p::memory_connection_limits;

    use super::*;

    fn transport() -> Transport {
        transport_with(None, Finds::nobody())
    }

    fn transport_with(allowed: Option<BTreeSet<Peer>>, finds: Finds) -> Transport {
        let identity = Identity {
            network: "test".parse().unwrap(),
            operators: BTreeSet::new(),
            own: None,
            rebuilds: false,
            witnesses: Vec::new(),
            cosigns: false,
            allowed,
        };
        Transport::new(&identity, Keypair::generate_ed25519(), finds).unwrap()
    }

    async fn listening(transport: &mut Transport, at: &str) -> Address {
        transport.listen(at).unwrap();
        loop {
            if let News::Listening(address) = transport.next().await {
                return address_of(&address);
            }
        }
    }

    /// Whether `dialler` reaches `listener` within some seconds.
    async fn meets(dialler: &mut Transport, listener: &mut Transport, at: &Address) -> bool {
        dialler.dial(None, at);
        let met = async {
            loop {
                tokio::select! {
                    news = dialler.next() => if let News::Event(event) = news
                        && matches!(*event, Event::Connected { dialled: true, .. }) {
                            return;
                        },
                    _ = listener.next() => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), met).await.is_ok()
    }

    #[cfg(feature = "quic")]
    #[tokio::test]
    async fn peers_meet_over_quic_as_over_tcp() {
        for at in ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"] {
            let (mut one, mut other) = (transport(), transport());
            let address = listening(&mut one, at).await;
            assert!(meets(&mut other, &mut one, &address).await, "{at}");
        }
    }

    #[tokio::test]
    async fn a_private_network_does_not_let_strangers_through_the_handshake() {
        let (mut friend, mut stranger) = (transport(), transport());
        let allowed = Some(BTreeSet::from([name(friend.peer_id())]));
        let mut private = transport_with(allowed, Finds::nobody());
        let address = listening(&mut private, "/ip4/127.0.0.1/tcp/0").await;
        assert!(meets(&mut friend, &mut private, &address).await);
        // The stranger's own side may see a connection that is closed at once; the private one never.
        let unwanted = name(stranger.peer_id());
        stranger.dial(None, &address);
        let seen = async {
            loop {
                tokio::select! {
                    _ = stranger.next() => {}
                    news = private.next() => if let News::Event(event) = news
                        && let Event::Connected { peer, .. } = *event
                        && peer == unwanted {
                            return;
                        },
                }
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(3), seen).await.is_err());
    }

    #[tokio::test]
    async fn a_node_that_runs_out_of_memory_lets_nobody_in() {
        let (mut full, mut other) = (transport(), transport());
        full.swarm.behaviour_mut().memory = memory_connection_limits::Behaviour::with_max_bytes(1);
        let at = listening(&mut full, "/ip4/127.0.0.1/tcp/0").await;
        other.dial(None, &at);
        let connected = async {
            loop {
                tokio::select! {
                    news = full.next() => if let News::Event(event) = news
                        && let Event::Connected { .. } = *event {
                            return;
                        },
                    _ = other.next() => {}
                }
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(3), connected).await.is_err());
    }

    #[tokio::test]
    async fn routes_lead_to_peers_that_others_know() {
        let routes = || transport_with(None, Finds { neighbours: false, routes: true });
        let (mut one, mut middle, mut other) = (routes(), routes(), routes());
        let sought = name(other.peer_id());
        let at = listening(&mut middle, "/ip4/127.0.0.1/tcp/0").await;
        listening(&mut other, "/ip4/127.0.0.1/tcp/0").await;
        listening(&mut one, "/ip4/127.0.0.1/tcp/0").await;
        one.dial(None, &at);
        other.dial(None, &at);
        let found = async {
            loop {
                tokio::select! {
                    news = one.next() => if let News::Event(event) = news
                        && let Event::Discovered { peer: Some(peer), .. } | Event::Connected { peer, .. } = *event
                        && peer == sought {
                            return;
                        },
                    _ = middle.next() => {}
                    _ = other.next() => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_whose_gossip_is_rejected_loses_its_score() {
        let (mut good, mut bad) = (transport(), transport());
        good.listen("/ip4/127.0.0.1/tcp/0").unwrap();
        let mut rejected = 0_u8;
        let mut at = None;
        let shown = async {
            let mut beat = tokio::time::interval(Duration::from_millis(200));
            while rejected < 3 {
                tokio::select! {
                    news = good.next() => match news {
                        News::Listening(address) => at = Some(address_of(&address)),
                        News::Event(event) => if let Event::Gossiped { from, id, .. } = *event {
                            good.judge(&id, &from, Judgement::Reject);
                            rejected += 1;
                        },
                    },
                    _ = bad.next() => {}
                    _ = beat.tick() => {
                        if let Some(at) = at.as_ref().filter(|_| bad.connected().is_empty()) {
                            bad.dial(None, at);
                        }
                        bad.publish(vec![rejected; 10]);
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(1), shown).await.unwrap();
        let score = good.swarm.behaviour().gossip.peer_score(&bad.peer_id()).unwrap();
        assert!(score <= -80.0, "three rejected messages cost 90 at once: {score}");
    }

    #[test]
    fn an_address_is_known_by_its_ip_and_without_the_peers_name() {
        let peer = PeerId::random();
        let multiaddr: Multiaddr = format!("/ip4/192.0.2.1/tcp/4101/p2p/{peer}").parse().unwrap();
        let address = address_of(&multiaddr);
        assert_eq!(address.text, "/ip4/192.0.2.1/tcp/4101");
        assert_eq!(address.ip, "192.0.2.1".parse().ok());
        assert_eq!(peer_of(&multiaddr), Some(name(peer)));
    }
}
