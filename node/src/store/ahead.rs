//! A head that a log is on its way to: what is here already is proven under it before the rest has come.
//!
//! It stands in memory alone. After a stop the next range that comes brings it again.

use reattest_attestation::log::{Beyond, ConsistencyProof, InclusionProof, SignedCheckpoint};
use reattest_attestation::{Envelope, PublicKey};

use super::error::LogError;
use super::hashes::LogHashes;
use super::log::{Log, key_of};
use crate::protocol::ProvenRange;

/// A head beyond the entries that are here.
#[derive(Debug)]
pub struct Ahead {
    checkpoint: SignedCheckpoint,
    certificate: Vec<u8>,
    key: Option<PublicKey>,
    beyond: Beyond,
}

impl Ahead {
    /// The head; its signature was checked before its entries were asked for.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// The certificate of the log's key, where it can be read.
    pub fn certificate(&self) -> Option<Envelope> {
        Envelope::parse(&self.certificate).ok()
    }

    /// The log's key, by that certificate.
    pub fn key(&self) -> Option<PublicKey> {
        self.key
    }
}

impl Log {
    /// Appends entries without waiting for the disk, and notes the head that they are proven under.
    pub fn take(&mut self, range: &ProvenRange) -> Result<(), LogError> {
        let entries = range.entries();
        self.extend_hashed(range.from(), &entries, range.leaves())?;
        let stored = range.from().saturating_add(entries.len() as u64);
        let (note, certificate) =
            (range.head().checkpoint().signed(), &range.head().head().certificate);
        self.lead_to(stored, (note, certificate), range.proof());
        Ok(())
    }

    /// Notes the head that the first `stored` entries are proven under, and the proof.
    pub(super) fn lead_to(
        &mut self,
        stored: u64,
        (checkpoint, certificate): (&SignedCheckpoint, &[u8]),
        proof: &ConsistencyProof,
    ) {
        let size = checkpoint.unverified().size;
        let Some(beyond) = Beyond::of(stored, size, proof).filter(|_| stored <= self.size()) else {
            return;
        };
        // The certificate is the same in every range of a catch-up.
        let before = self.ahead.take().filter(|before| before.certificate == certificate);
        let key = before.map_or_else(|| key_of(certificate), |before| before.key);
        let (checkpoint, certificate) = (checkpoint.clone(), certificate.to_vec());
        self.ahead = Some(Ahead { checkpoint, certificate, key, beyond });
    }

    /// The head that this log is on its way to, if it is.
    pub fn ahead(&self) -> Option<&Ahead> {
        self.ahead.as_ref()
    }

    /// The audit path of an entry under the head that the log is on its way to.
    pub fn inclusion_ahead(&self, index: u64) -> Result<Option<InclusionProof>, LogError> {
        let hashes = LogHashes::of(self);
        self.ahead.as_ref().map_or(Ok(None), |ahead| ahead.beyond.inclusion(&hashes, index))
    }
}
