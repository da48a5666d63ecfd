//! What the core asks of the store: ranges served, ranges kept, heads published.

use reattest_attestation::Digest;
use reattest_attestation::log::tiles::decode_entries;
use reattest_attestation::log::{ConsistencyProof, Origin};
use serde_bytes::ByteBuf;

use crate::limits::RESPONSE_ENTRY_BYTES;
use crate::protocol::{CheckedHead, Event, Fork, ProvenRange, Response};
use crate::store::index::StoredIndex;
use crate::store::{LogError, Store};

/// The logs that a node keeps, and their index.
#[derive(Debug)]
pub struct Kept<'a> {
    /// The logs.
    pub store: &'a mut Store,
    /// The index.
    pub index: &'a mut StoredIndex,
}

impl Kept<'_> {
    /// A range of entries, as it lies on disk, and the way from its end to the head.
    pub fn serve(&self, origin: &Origin, from: u64, until: u64, head: u64) -> Response {
        let Some(log) = self.store.log(origin) else { return Response::Nothing };
        let served = || -> Result<Option<Response>, LogError> {
            let bundle = log.bundle(from, until, RESPONSE_ENTRY_BYTES)?;
            let count = decode_entries(&bundle).map_or(0, |entries| entries.len() as u64);
            let end = from.saturating_add(count);
            let proof = match log.consistency(end, head)? {
                Some(proof) if end < head => proof.hashes,
                Some(_) => Vec::new(),
                None => return Ok(None),
            };
            Ok(Some(Response::Entries { bundle: ByteBuf::from(bundle), proof }))
        };
        match served() {
            Ok(response) => response.unwrap_or(Response::Nothing),
            Err(error) => {
                tracing::warn!(%error, "entries were not served");
                Response::Nothing
            }
        }
    }

    /// The root that the own copy of a log has at one size, and the way from it to another.
    pub fn way(&self, origin: &Origin, old: u64, new: u64) -> Option<(Digest, ConsistencyProof)> {
        let log = self.store.log(origin)?;
        let looked_up = || -> Result<Option<(Digest, ConsistencyProof)>, LogError> {
            let root = log.root(old)?;
            Ok(log.consistency(old, new)?.map(|proof| (root, proof)))
        };
        match looked_up() {
            Ok(way) => way,
            Err(error) => {
                tracing::warn!(%error, "a log was not compared with a head");
                None
            }
        }
    }

    /// Writes entries that are proven under a head, and are durable once that head is.
    pub fn extend(&mut self, range: &ProvenRange) -> Event {
        let origin = range.origin().clone();
        if !self.store.has_room() {
            tracing::error!(
                log = %origin,
                "not stored: the data directory has reached `[store] max_bytes`; raise it, or move \
                 logs away that are not followed any more"
            );
            return Event::NotStored { origin };
        }
        let written = self.store.log_mut(&origin).and_then(|log| log.take(range));
        match written {
            Ok(()) => {
                let taken = self.index.take(&origin, range.from(), &range.entries());
                if let Err(error) = taken {
                    tracing::warn!(%error, "the index is behind; it is rebuilt at the next start");
                }
                Event::Extended { origin }
            }
            Err(error) => {
                tracing::error!(log = %origin, %error, "entries were not stored");
                Event::NotStored { origin }
            }
        }
    }

    /// Forgets entries that belong to no head.
    pub fn rewind(&mut self, origin: &Origin, size: u64) {
        let done = self.store.log_mut(origin).and_then(|log| log.truncate(size));
        self.index.forget(origin, size);
        if let Err(error) = done {
            tracing::error!(log = %origin, %error, "entries beyond a log's head stay on disk");
        }
    }

    /// Keeps the proof of a fork; an event where the disk does not take it.
    pub fn keep_fork(&mut self, origin: Origin, fork: &Fork) -> Option<Event> {
        // What is no proof cannot be kept, and nobody is accused by it.
        let proof = fork.proof()?;
        let kept = self.store.log_mut(&origin).and_then(|log| log.keep_fork(&proof));
        let Err(error) = kept else { return None };
        tracing::error!(log = %origin, %error, "the proof of a fork was not kept; it is tried again");
        Some(Event::ForkNotKept { origin })
    }

    /// Makes the entries under a head durable, and publishes it.
    pub fn store_head(&mut self, head: &CheckedHead) -> Event {
        let origin = head.origin().clone();
        let stored = self.store.log_mut(&origin).and_then(|log| {
            log.publish(head.checkpoint().signed().clone(), &head.head().certificate)
        });
        match stored {
            Ok(()) => Event::Stored { origin, size: head.size() },
            Err(error) => {
                tracing::error!(log = %origin, %error, "a head was not stored");
                Event::NotStored { origin }
            }
        }
    }
}
