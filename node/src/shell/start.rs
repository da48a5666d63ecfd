//! What a node knows before its first event: who it is, whom it follows, and the logs on its disk.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::Path;

use libp2p::identity::Keypair;
use reattest_attestation::log::WitnessKey;
use reattest_attestation::{Policy, PublicKey, Timestamp};
use serde_bytes::ByteBuf;

use super::mirrors;
use super::own_log::{OwnLog, check_root};
use crate::config::{Config, Role};
use crate::disk::FileSystem;
use crate::fault::Fault;
use crate::limits::LEARNED_ENTRIES;
use crate::protocol::{CheckedHead, Fork, Head, Identity, Peer, Recovered};
use crate::store::{Log, Store, durable};

pub(super) fn identity(
    config: &Config,
    policy: &Policy,
    own: Option<&OwnLog>,
    witness: Option<&WitnessKey>,
) -> Identity {
    let mut operators: BTreeSet<PublicKey> =
        policy.operators().iter().map(|operator| operator.key).collect();
    operators.extend(own.map(|own| own.operator));
    let mut witnesses: Vec<WitnessKey> =
        policy.witnesses().iter().map(|witness| witness.key.clone()).collect();
    if let Some(own) = witness.filter(|own| !witnesses.contains(own)) {
        witnesses.push(own.clone());
    }
    Identity {
        network: config.network.clone(),
        operators,
        own: own.map(|own| own.key),
        rebuilds: config.has(Role::Rebuild),
        cosigns: witness.is_some(),
        witnesses,
        allowed: config.allowed_peers.as_ref().map(|peers| {
            // A mirror that is followed was allowed by being named.
            let mirrors = config.mirrors.iter().map(mirrors::name);
            peers.iter().cloned().map(Peer).chain(mirrors).collect()
        }),
    }
}

/// The logs on disk that are still followed, each checked against its head.
pub fn recover(
    store: &Store,
    identity: &Identity,
    now: Timestamp,
) -> Result<Vec<Recovered>, Fault> {
    let mut recovered = Vec::new();
    for log in store.logs() {
        let (Some(signed), Some(certificate)) = (log.checkpoint(), log.certificate()) else {
            continue;
        };
        let head = Head {
            certificate: ByteBuf::from(certificate),
            checkpoint: ByteBuf::from(signed.as_bytes()),
        };
        match CheckedHead::check(identity, head, now) {
            Ok(head) => {
                let frontier = log.frontier(head.size().min(log.size()))?;
                check_root(&frontier, head.checkpoint().checkpoint())?;
                let extended = log.frontier(log.size())?;
                let learned = head.size().saturating_sub(LEARNED_ENTRIES);
                let recent = log.read(learned, log.size(), usize::MAX)?;
                let forked = fork_of(log, identity, certificate)?;
                recovered.push(Recovered { head, frontier, extended, forked, recent });
            }
            Err(refusal) => {
                let cause = refusal.name();
                tracing::warn!(log = %log.origin(), cause, "not followed any more: {}", refusal.text());
            }
        }
    }
    Ok(recovered)
}

/// The kept proof that a log was forked, checked again.
fn fork_of(log: &Log, identity: &Identity, certificate: &[u8]) -> Result<Option<Box<Fork>>, Fault> {
    let fork = log.fork()?.map(|proof| Fork::of_proof(certificate, &proof));
    Ok(fork.filter(|fork| fork.check(identity).is_ok()).map(Box::new))
}

/// Takes a data directory for this process alone; the lock goes with the process.
pub fn lock(data: &Path) -> Result<File, Fault> {
    let path = data.join("lock");
    let fail = |error| Fault::new(path.display().to_string(), error);
    std::fs::create_dir_all(data).map_err(fail)?;
    let file = File::create(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Fault::text(format!(
            "another node uses {}; stop it, or give this one another `data` directory",
            data.display()
        ))),
        Err(TryLockError::Error(error)) => Err(fail(error)),
    }
}

/// The key that names this node to peers. It signs nothing else.
pub(super) fn peer_key(data: &Path) -> Result<Keypair, Fault> {
    let path = data.join("peer.key");
    let fail = |error: String| Fault::new(path.display().to_string(), error);
    if path.exists() {
        let bytes = std::fs::read(&path).map_err(|error| fail(error.to_string()))?;
        return Keypair::from_protobuf_encoding(&bytes).map_err(|error| fail(error.to_string()));
    }
    let keys = Keypair::generate_ed25519();
    let bytes = keys.to_protobuf_encoding().map_err(|error| fail(error.to_string()))?;
    durable::write(&FileSystem, &path, &bytes).map_err(|error| fail(error.to_string()))?;
    Ok(keys)
}
