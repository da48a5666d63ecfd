//! The swarm: TCP with Noise and Yamux, gossip for heads, request-response for entries.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, OutboundRequestId, ResponseChannel};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm, noise, tcp, yamux};
use reattest_attestation::NetworkId;

use super::behaviour::{Behaviour, BehaviourEvent, behaviour};
use crate::fault::Fault;
use crate::protocol::message::VERSION;
use crate::protocol::{Event, Judgement, MessageId, Peer, Request, RequestId, Response, Ticket};

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
    /// Configured peers, and who was found there.
    bootstrap: BTreeMap<String, (Multiaddr, Option<PeerId>)>,
    asked: BTreeMap<OutboundRequestId, RequestId>,
    tickets: BTreeMap<Ticket, ResponseChannel<Response>>,
    next_ticket: u64,
}

impl Transport {
    pub(super) fn new(network: &NetworkId, keys: Keypair) -> Result<Self, Fault> {
        let fail = |error: String| Fault::new("the network cannot be set up", error);
        let topic = IdentTopic::new(format!("reattest/{network}/{VERSION}"));
        let behaviour_topic = topic.clone();
        let name = format!("/reattest/{network}/{VERSION}");
        let swarm = libp2p::SwarmBuilder::with_existing_identity(keys)
            .with_tokio()
            .with_tcp(
                tcp::Config::default().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )
            .map_err(|error| fail(error.to_string()))?
            .with_behaviour(|keys| behaviour(keys, &behaviour_topic, &name))
            .map_err(|error| fail(error.to_string()))?
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_mins(5)))
            .build();
        Ok(Self {
            swarm,
            topic,
            bootstrap: BTreeMap::new(),
            asked: BTreeMap::new(),
            tickets: BTreeMap::new(),
            next_ticket: 0,
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

    pub(super) fn bootstrap(&mut self, address: &str) -> Result<(), Fault> {
        let parsed: Multiaddr = address.parse().map_err(|error| {
            Fault::new(format!("`peers` has {address:?}, needed a multiaddr such as /ip4/127.0.0.1/tcp/4101/p2p/PEER"), format!("{error}"))
        })?;
        self.bootstrap.insert(address.to_owned(), (parsed, None));
        Ok(())
    }

    /// Dials the configured peers that are not connected.
    pub(super) fn dial_bootstrap(&mut self) {
        for (address, (parsed, found)) in &mut self.bootstrap {
            if found.is_some_and(|peer| self.swarm.is_connected(&peer)) {
                continue;
            }
            if let Err(error) = self.swarm.dial(parsed.clone()) {
                tracing::debug!(address, %error, "not dialled");
            }
        }
    }

    pub(super) fn connected(&self) -> Vec<String> {
        self.swarm.connected_peers().map(ToString::to_string).collect()
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
                if endpoint.is_dialer() {
                    self.found(endpoint.get_remote_address(), peer_id);
                }
                (num_established.get() == 1)
                    .then(|| News::Event(Box::new(Event::Connected(name(peer_id)))))
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                Some(News::Event(Box::new(Event::Disconnected(name(peer_id)))))
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => gossiped(event),
            SwarmEvent::Behaviour(BehaviourEvent::Logs(event)) => self.request_response(event),
            _ => None,
        }
    }

    fn found(&mut self, at: &Multiaddr, peer: PeerId) {
        let at = at.to_string();
        for (address, (_, found)) in &mut self.bootstrap {
            // The remote address may or may not end in the peer's name.
            if at.starts_with(address.as_str()) || address.starts_with(&at) {
                *found = Some(peer);
            }
        }
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
                    Some(News::Event(Box::new(Event::Asked { ticket, request })))
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

fn name(peer: PeerId) -> Peer {
    Peer(peer.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_peer_whose_gossip_is_rejected_loses_its_score() {
        let network = "test".parse().unwrap();
        let mut good = Transport::new(&network, Keypair::generate_ed25519()).unwrap();
        let mut bad = Transport::new(&network, Keypair::generate_ed25519()).unwrap();
        good.listen("/ip4/127.0.0.1/tcp/0").unwrap();
        let mut rejected = 0_u8;
        let shown = async {
            let mut beat = tokio::time::interval(Duration::from_millis(200));
            while rejected < 3 {
                tokio::select! {
                    news = good.next() => match news {
                        News::Listening(address) => bad.bootstrap(&address.to_string()).unwrap(),
                        News::Event(event) => if let Event::Gossiped { from, id, .. } = *event {
                            good.judge(&id, &from, Judgement::Reject);
                            rejected += 1;
                        },
                    },
                    _ = bad.next() => {}
                    _ = beat.tick() => {
                        bad.dial_bootstrap();
                        bad.publish(vec![rejected; 10]);
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(1), shown).await.unwrap();
        let score = good.swarm.behaviour().gossip.peer_score(&bad.peer_id()).unwrap();
        assert!(score <= -80.0, "three rejected messages cost 90 at once: {score}");
    }
}
