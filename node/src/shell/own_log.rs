//! The node's half of the signer's protocol: entries to disk, acknowledged, then heads.

use reattest_attestation::log::Frontier;
use reattest_attestation::log::{Checkpoint, Origin, SignedCheckpoint};
use reattest_attestation::{Certificate, Digest, Envelope, PublicKey, Timestamp};
use serde_bytes::ByteBuf;

use crate::fault::Fault;
use crate::protocol::{CheckedHead, Event, Head, Identity};
use crate::signer::messages::{FromSigner, ToSigner};
use crate::store::{Log, Store};

/// The own log, as the signer introduced it.
#[derive(Debug)]
pub struct OwnLog {
    /// Its key.
    pub key: PublicKey,
    /// The operator that certified the key.
    pub operator: PublicKey,
    /// Its name.
    pub origin: Origin,
    /// Whether its signer signed nothing new yet when it began.
    pub awaits: bool,
    certificate: Vec<u8>,
    /// Entries that the core knows of.
    told: u64,
}

impl OwnLog {
    /// Takes the signer's first message, and puts back what a crash kept from disk.
    pub fn greeted(hello: FromSigner, store: &mut Store) -> Result<Self, Fault> {
        let (key, certificate, origin, size, checkpoint, awaits) = match hello {
            FromSigner::Hello { key, certificate, origin, size, checkpoint, awaits } => {
                (key, certificate, origin, size, checkpoint, awaits)
            }
            FromSigner::Failed(why) => return Err(Fault::text(why)),
            _ => return Err(Fault::text("the signer did not begin with whose log it keeps")),
        };
        let malformed =
            |what: &str| Fault::text(format!("the signer introduced itself with {what}"));
        let origin: Origin = origin.parse().map_err(|_| malformed("no origin of a log"))?;
        let envelope = Envelope::parse(&certificate).map_err(|_| malformed("no certificate"))?;
        let certified = Certificate::verify(&envelope).map_err(|_| malformed("no certificate"))?;
        let operator = certified.certificate().operator;
        let log = store.log_mut(&origin)?;
        if log.size() < size {
            return Err(Fault::text(format!(
                "the own log {origin} has {} entries on disk, and its signer signed {size}: the data \
                 directory was replaced by an older one; put the newer one back",
                log.size()
            )));
        }
        if let Some(head) = log.checkpoint().map(SignedCheckpoint::unverified)
            && head.size > size
        {
            return Err(Fault::text(format!(
                "the own log {origin} has a signed head of {found} entries on disk, and its signer knows of \
                 {size}: the signer's state was replaced by an older one; put the newer one back, or run: \
                 reattest log resume --at {found}:{root}",
                found = head.size,
                root = head.root,
            )));
        }
        if let Some(note) = checkpoint.filter(|note| !has_head(log, note)) {
            publish(log, &note, &certificate)?;
        }
        // What was never acknowledged may be torn; the signer hands it over again, whole.
        log.truncate(size)?;
        let certificate = certificate.into_vec();
        Ok(Self { key, operator, origin, awaits, certificate, told: size })
    }

    /// Stores an entry, and the document of links that it names; what is acknowledged once both are on
    /// disk, and that document.
    pub fn store(
        &self,
        store: &mut Store,
        index: u64,
        envelope: &[u8],
        links: Option<&[u8]>,
    ) -> Result<(ToSigner, Option<Digest>), Fault> {
        let links = links.map(|links| store.put_document(links)).transpose()?;
        store.log_mut(&self.origin)?.append(index, &[envelope])?;
        Ok((ToSigner::Stored { size: index.saturating_add(1) }, links))
    }

    /// Publishes a head, and what the core is told of it.
    pub fn publish(
        &mut self,
        store: &mut Store,
        identity: &Identity,
        note: ByteBuf,
        now: Timestamp,
    ) -> Result<Event, Fault> {
        let log = store.log_mut(&self.origin)?;
        publish(log, &note, &self.certificate)?;
        let head = Head { certificate: ByteBuf::from(self.certificate.clone()), checkpoint: note };
        let head = CheckedHead::check(identity, head, now).map_err(|refusal| {
            Fault::text(format!("the own signer published {}", refusal.text()))
        })?;
        let (frontier, size) = (log.frontier(head.size())?, head.size());
        let entries = log.read(self.told, size, usize::MAX)?;
        self.told = size;
        Ok(Event::OwnHead { head: Box::new(head), frontier, entries })
    }
}

/// Whether this very head is published already, perhaps with cosignatures below it.
fn has_head(log: &Log, note: &[u8]) -> bool {
    let signed = SignedCheckpoint::parse(note).ok();
    signed.is_some_and(|signed| {
        log.checkpoint().is_some_and(|held| held.unverified() == signed.unverified())
    })
}

fn publish(log: &mut Log, note: &[u8], certificate: &[u8]) -> Result<(), Fault> {
    let parsed = SignedCheckpoint::parse(note)
        .map_err(|error| Fault::new("the own signer's head", error))?;
    let head = parsed.unverified();
    check_root(&log.frontier(head.size.min(log.size()))?, head)?;
    Ok(log.publish(parsed, certificate)?)
}

/// The entries under this frontier are those that the head covers.
pub(super) fn check_root(frontier: &Frontier, head: &Checkpoint) -> Result<(), Fault> {
    let (found, needed) = (frontier.root(), head.root);
    if frontier.size() == head.size && found == needed {
        return Ok(());
    }
    Err(Fault::text(format!(
        "log {} on disk does not lead to its signed head ({} entries, root {found}; needed {}, root \
         {needed}); move its directory away and it is fetched again from peers",
        head.origin,
        frontier.size(),
        head.size,
    )))
}
