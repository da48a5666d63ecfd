//! A head of the own log that somebody showed: whether this signer signed it, or stands behind its own log.
//!
//! A state that was restored from an old backup would sign a second history. So a head beyond the
//! state, or of its size with another root, stops the signer for good: a file says so at every start,
//! until `reattest log resume` has put the state where the log is.

use std::path::Path;

use reattest_attestation::log::{Checkpoint, Origin, SignedCheckpoint, VerifiedCheckpoint};
use reattest_attestation::{NetworkId, PublicKey};

use super::journal::{Held, Journal, State};
use crate::disk::SharedDisk;
use crate::fault::Fault;

/// Whose log, where its states are, and where the newest one stands.
pub(super) struct Standing<'a> {
    pub(super) disk: &'a SharedDisk,
    pub(super) directory: &'a Path,
    pub(super) network: &'a NetworkId,
    pub(super) key: PublicKey,
    pub(super) origin: &'a Origin,
    pub(super) state: &'a State,
}

impl Standing<'_> {
    /// Fails when the head shows that this state is not the log's newest; else gives the head, where
    /// it is one of the own key's.
    pub(super) fn check(&self, note: &[u8]) -> Result<Option<VerifiedCheckpoint>, Fault> {
        let Some(shown) = own(note, self.network, &self.key) else {
            tracing::debug!("the node showed something that is no head of the own key's logs");
            return Ok(None);
        };
        let (head, note) = (shown.checkpoint(), shown.signed().as_bytes());
        let state = if head.origin == *self.origin {
            self.state.clone()
        } else {
            Journal::of(self.disk, self.directory, &head.origin).load(&head.origin)?
        };
        let (size, root) = (state.frontier.size(), state.frontier.root());
        if head.size < size || (head.size == size && (size == 0 || head.root == root)) {
            return Ok(Some(shown));
        }
        Journal::of(self.disk, self.directory, &head.origin)
            .hold(&Held { checkpoint: note.to_vec().into() })?;
        Err(refusal(head))
    }
}

/// The head in a note, when the key signed it for one of its logs in this network.
pub(super) fn own(note: &[u8], network: &NetworkId, key: &PublicKey) -> Option<VerifiedCheckpoint> {
    let head = SignedCheckpoint::parse(note).ok()?.verify(key).ok()?;
    (head.checkpoint().origin.network() == network).then_some(head)
}

/// Why nothing is signed, and the way out.
pub(super) fn refusal(head: &Checkpoint) -> Fault {
    Fault::text(format!(
        "found a head of {size} entries of the own log {origin} that this key signed and this signer's state \
         does not know; needed the newest state: it may be restored from a backup, or the key signs elsewhere \
         too. Nothing more is signed. Have the log on disk (a node with roles = [\"consume\"] fetches it from \
         peers), stop the node, and run: reattest log resume --at {size}:{root}; if the key may be in other \
         hands, run: reattest key revoke",
        size = head.size,
        origin = head.origin,
        root = head.root,
    ))
}
