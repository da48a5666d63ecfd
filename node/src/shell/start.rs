//! What a node knows before its first event: who it is, whom it follows, and the logs on its disk.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::Path;

use libp2p::identity::Keypair;
use reattest_attestation::log::{Frontier, SignedCheckpoint, leaf_hash};
use reattest_attestation::{Policy, PublicKey};
use serde_bytes::ByteBuf;

use super::own_log::{OwnLog, check_root};
use crate::clock;
use crate::config::{Config, Role};
use crate::fault::Fault;
use crate::protocol::{CheckedHead, Head, Identity, Recovered};
use crate::store::{Log, Store, durable};

pub(super) fn identity(config: &Config, policy: &Policy, own: Option<&OwnLog>) -> Identity {
    let mut operators: BTreeSet<PublicKey> =
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
pub(super) fn recover(store: &Store, identity: &Identity) -> Result<Vec<Recovered>, Fault> {
    let mut recovered = Vec::new();
    for log in store.logs() {
        let (Some(signed), Some(certificate)) = (log.checkpoint(), log.certificate()) else {
            continue;
        };
        let head = Head {
            certificate: ByteBuf::from(certificate),
            checkpoint: ByteBuf::from(signed.as_bytes()),
        };
        match CheckedHead::check(identity, head, clock::now()) {
            Ok(head) => {
                let entries = log.read(0, head.size(), usize::MAX)?;
                let frontier = frontier_of(&head, &entries)?;
                let forked = fork_of(log, identity, certificate)?;
                recovered.push(Recovered { head, frontier, forked, entries });
            }
            Err(refusal) => {
                tracing::warn!(log = %log.origin(), "not followed any more: {}", refusal.text());
            }
        }
    }
    Ok(recovered)
}

/// The frontier over entries that were read from disk: every one of them is under the signed head.
fn frontier_of(head: &CheckedHead, entries: &[Vec<u8>]) -> Result<Frontier, Fault> {
    let mut frontier = Frontier::new();
    for entry in entries {
        frontier.push(leaf_hash(entry));
    }
    check_root(&frontier, head.checkpoint().checkpoint())?;
    Ok(frontier)
}

/// The kept proof that a log was forked, checked again.
fn fork_of(
    log: &Log,
    identity: &Identity,
    certificate: &[u8],
) -> Result<Option<Box<(Head, Head)>>, Fault> {
    let checked = |signed: &SignedCheckpoint| {
        let head = Head {
            certificate: ByteBuf::from(certificate),
            checkpoint: ByteBuf::from(signed.as_bytes()),
        };
        CheckedHead::check(identity, head, clock::now()).ok()
    };
    let heads: Vec<CheckedHead> = log.fork()?.iter().filter_map(checked).collect();
    Ok(match heads.as_slice() {
        [one, other] => one.fork(other),
        _ => None,
    })
}

/// Takes a data directory for this process alone; the lock goes with the process.
pub(super) fn lock(data: &Path) -> Result<File, Fault> {
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
    durable::write(&path, &bytes).map_err(|error| fail(error.to_string()))?;
    Ok(keys)
}
