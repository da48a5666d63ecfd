//! How the node is, as `reattest status`, `reattest peers` and the metrics tell it.

use std::path::Path;
use std::time::SystemTime;

use reattest_attestation::Timestamp;
use reattest_attestation::log::Origin;

use super::control::{LogStatus, PeerStatus, QueueCounts, Status};
use super::node::Node;
use crate::limits::PENALTY_LIMIT;
use crate::protocol::PeerView;

impl Node {
    pub(super) fn status(&self) -> Status {
        let (waiting, running, given_up) = self.queue_counts();
        let peers: Vec<PeerView> = self.core.peers().collect();
        let of = |dialled: bool| {
            let connections = peers.iter().filter(|peer| !is_mirror(peer));
            connections.filter(|peer| peer.dialled == dialled).count() as u64
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network: self.config.network.to_string(),
            roles: self.config.roles.clone(),
            listening: self.listening.clone(),
            http: self.http.map(|address| format!("http://{address}")),
            inbound: of(false),
            outbound: of(true),
            peers: peers.into_iter().map(|peer| peer.peer.0).collect(),
            mirrors: self.mirrors.status(),
            logs: self.core.logs().map(|log| self.log_status(log)).collect(),
            own: self.own.as_ref().map(|own| own.origin.to_string()),
            signer_awaits: self.core.signer_awaits(),
            strangers: self.core.strangers().count() as u64,
            refused: self.refused.iter().map(|(why, n)| (why.name().to_owned(), *n)).collect(),
            queue: QueueCounts { running, waiting, given_up },
            stored_bytes: self.store.taken(),
        }
    }

    fn log_status(&self, (origin, size): (&Origin, u64)) -> LogStatus {
        LogStatus {
            origin: origin.to_string(),
            operator: self.operator_of(origin),
            size,
            head_stored: changed(&self.config.data.join("logs").join(origin.to_string())),
            forked: self.core.is_forked(origin),
        }
    }

    pub(super) fn peers(&self) -> Vec<PeerStatus> {
        let shown = |peer: PeerView| {
            let direction = match peer.dialled {
                _ if is_mirror(&peer) => "mirror",
                true => "outbound",
                false => "inbound",
            };
            PeerStatus {
                peer: peer.peer.0,
                address: peer.address,
                direction: direction.to_owned(),
                penalty: peer.penalty,
                limit: PENALTY_LIMIT,
            }
        };
        self.core.peers().map(shown).collect()
    }
}

fn is_mirror(peer: &PeerView) -> bool {
    peer.peer.0.starts_with(super::mirrors::PREFIX)
}

/// When a log's checkpoint was written last.
fn changed(log: &Path) -> Option<Timestamp> {
    let at = std::fs::metadata(log.join("checkpoint")).ok()?.modified().ok()?;
    let since = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix(i64::try_from(since.as_secs()).ok()?))
}
