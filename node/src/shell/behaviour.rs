//! The protocols of the swarm and their settings: gossip for heads, request-response for entries.

use std::time::Duration;

use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, TopicScoreParams};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{PeerId, StreamProtocol, identify, kad, mdns, memory_connection_limits, ping};
use reattest_attestation::Digest;

use super::stream::LogCodec;
use crate::limits::{GOSSIP_BYTES, MEMORY_BYTES, PEERS, REQUEST_SECONDS};
use crate::protocol::Identity;

/// What a peer of this network speaks.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) limits: connection_limits::Behaviour,
    pub(super) memory: memory_connection_limits::Behaviour,
    pub(super) allowed: Toggle<allow_block_list::Behaviour<AllowedPeers>>,
    pub(super) gossip: gossipsub::Behaviour,
    pub(super) logs: request_response::Behaviour<LogCodec>,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) neighbours: Toggle<mdns::tokio::Behaviour>,
    pub(super) routes: Toggle<kad::Behaviour<kad::store::MemoryStore>>,
}

/// How peers are found besides those of the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finds {
    /// On the local network, by mDNS.
    pub(super) neighbours: bool,
    /// By asking other peers, with Kademlia.
    pub(super) routes: bool,
}

impl Finds {
    /// Nobody but the configured peers.
    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self { neighbours: false, routes: false }
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Sets everything up. `name` is the protocol's, with the network and the version in it.
pub(super) fn behaviour(
    keys: &Keypair,
    topic: &IdentTopic,
    name: &str,
    identity: &Identity,
    finds: Finds,
) -> Result<Behaviour, Failed> {
    let own = keys.public().to_peer_id();
    let protocol = StreamProtocol::try_from_owned(name.to_owned())?;
    let timeout = Duration::from_secs(u64::try_from(REQUEST_SECONDS)?);
    let limits = ConnectionLimits::default()
        .with_max_established(Some(u32::try_from(PEERS)?))
        .with_max_established_per_peer(Some(2))
        .with_max_pending_incoming(Some(32));
    let neighbours = if finds.neighbours {
        Some(mdns::tokio::Behaviour::new(mdns::Config::default(), own)?)
    } else {
        None
    };
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        memory: memory_connection_limits::Behaviour::with_max_bytes(MEMORY_BYTES),
        allowed: allowed(identity)?.into(),
        gossip: gossip(topic)?,
        logs: request_response::Behaviour::new(
            [(protocol, ProtocolSupport::Full)],
            request_response::Config::default()
                .with_request_timeout(timeout)
                .with_max_concurrent_streams(32),
        ),
        identify: identify::Behaviour::new(identify::Config::new(name.to_owned(), keys.public())),
        ping: ping::Behaviour::default(),
        neighbours: neighbours.into(),
        routes: finds.routes.then(|| routes(own, name)).transpose()?.into(),
    })
}

fn gossip(topic: &IdentTopic) -> Result<gossipsub::Behaviour, Failed> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        // The same head is the same message, whoever sends it.
        .message_id_fn(|message| gossipsub::MessageId::new(Digest::of(&message.data).as_bytes()))
        .max_transmit_size(GOSSIP_BYTES)
        .build()?;
    // A head carries the signature that counts; the name of the peer that sent it first adds nothing.
    let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config)?;
    gossip.with_peer_score(peer_score(topic), gossipsub::PeerScoreThresholds::default())?;
    gossip.subscribe(topic)?;
    Ok(gossip)
}

/// The list of a private network: nobody else gets further than the handshake.
fn allowed(
    identity: &Identity,
) -> Result<Option<allow_block_list::Behaviour<AllowedPeers>>, Failed> {
    let Some(peers) = &identity.allowed else { return Ok(None) };
    let mut allowed = allow_block_list::Behaviour::default();
    for peer in peers {
        let parsed = peer.0.parse().map_err(|error| {
            format!(
                "`allowed_peers` has {:?}, needed a peer's name as `status` shows it: {error}",
                peer.0
            )
        })?;
        allowed.allow_peer(parsed);
    }
    Ok(Some(allowed))
}

/// Kademlia only tells who is where: nothing is stored in it.
fn routes(own: PeerId, name: &str) -> Result<kad::Behaviour<kad::store::MemoryStore>, Failed> {
    let protocol = StreamProtocol::try_from_owned(format!("{name}/kad"))?;
    let mut config = kad::Config::new(protocol);
    config.set_record_filtering(kad::StoreInserts::FilterBoth);
    let mut routes = kad::Behaviour::with_config(own, kad::store::MemoryStore::new(own), config);
    routes.set_mode(Some(kad::Mode::Server));
    Ok(routes)
}

/// Scores that let only one thing count: messages that were rejected. The defaults score no topic
/// at all, and default topic parameters reward a bad peer more than they punish it.
fn peer_score(topic: &IdentTopic) -> gossipsub::PeerScoreParams {
    let rejected = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // Squared: one costs 10, three cost 90 and pass the graylist threshold of the defaults.
        invalid_message_deliveries_weight: -10.0,
        invalid_message_deliveries_decay: 0.99,
        ..TopicScoreParams::default()
    };
    gossipsub::PeerScoreParams {
        topics: [(topic.hash(), rejected)].into(),
        // Several nodes of one machine or one network share an address.
        ip_colocation_factor_weight: 0.0,
        ..gossipsub::PeerScoreParams::default()
    }
}
