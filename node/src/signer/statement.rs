//! The signer composes the statement itself, over digests that it computed itself.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use reattest_attestation::export::{LinkDocument, LinkError, Reproduced};
use reattest_attestation::{
    Announcement, ArtifactOutcome, Digest, Digester, NetworkId, Purl, Rebuild, Sign, Timestamp,
};
use rustix::fs::{SealFlags, fcntl_get_seals};

use super::messages::{Attest, Compared};
use crate::fault::Fault;
use crate::limits::OUTPUT_BYTES;

/// The seals without which a file could still change after it was hashed.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// Why nothing is logged of one rebuild.
#[derive(Debug)]
pub(super) enum Uncomposed {
    /// The builder's result is none; the next one may be.
    Refused(Fault),
    /// The key does not sign, and will not sign the next one either.
    Unsigned(Fault),
}

impl From<Fault> for Uncomposed {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

/// A statement of this process's own making: nothing else is ever signed into a log.
pub(super) struct Composed {
    /// In canonical JSON.
    payload: Vec<u8>,
    /// The links for other tools, which the statement names by digest.
    links: Option<Vec<u8>>,
}

impl Composed {
    /// The hint that a release exists.
    pub(super) fn announcement(
        network: &NetworkId,
        purl: Purl,
        announced: Timestamp,
    ) -> Result<Self, Fault> {
        let payload = Announcement { network: network.clone(), purl, announced }.to_payload();
        let payload =
            payload.map_err(|error| Fault::new("the announcement cannot be composed", error))?;
        Ok(Self { payload, links: None })
    }

    /// The statement, and the links that it names.
    pub(super) fn into_parts(self) -> (Vec<u8>, Option<Vec<u8>>) {
        (self.payload, self.links)
    }
}

/// A produced file that this process hashed itself, and that nobody could change meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Produced(Digest);

impl Produced {
    /// A sealed memory file; one that can still change is refused.
    pub fn of_sealed(file: OwnedFd) -> Result<Self, Fault> {
        hash_sealed(file).map(Self)
    }

    /// Bytes in the memory of this process.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Digest::of(bytes))
    }
}

/// Composes the statement over a finished rebuild, and signs links to what it reproduced.
pub(super) fn compose(
    network: &NetworkId,
    key: &dyn Sign,
    result: Attest,
    files: &[Produced],
) -> Result<Composed, Uncomposed> {
    let artifacts = result
        .artifacts
        .iter()
        .map(|compared| observe(compared, files))
        .collect::<Result<Vec<_>, _>>()?;
    let mut rebuild = Rebuild {
        network: network.clone(),
        source: result.source,
        recipe: result.recipe,
        lock: result.lock,
        lock_authorities: result.lock_authorities,
        artifacts,
        authority: result.authority,
        sources: result.sources,
        links: None,
        facts: result.facts,
    };
    let links = links(&rebuild, key)?;
    rebuild.links = links.as_ref().map(LinkDocument::digest);
    let payload = rebuild
        .to_payload(&key.public_key())
        .map_err(|error| Fault::new("the statement cannot be composed", error))?;
    Ok(Composed { payload, links: links.map(|links| links.as_bytes().to_vec()) })
}

/// Links in other tools' formats. A name that those tools cannot carry costs the link, and not
/// the attestation.
fn links(rebuild: &Rebuild, key: &dyn Sign) -> Result<Option<LinkDocument>, Uncomposed> {
    let reproduced = Reproduced::of(rebuild);
    if reproduced.is_empty() {
        return Ok(None);
    }
    match LinkDocument::sign(&reproduced, &rebuild.sources, key) {
        Ok(links) => Ok(Some(links)),
        Err(LinkError::Unsigned(error)) => {
            Err(Uncomposed::Unsigned(Fault::new("the links cannot be signed", error)))
        }
        Err(error) => {
            tracing::warn!(%error, "no links are made for this rebuild");
            Ok(None)
        }
    }
}

fn observe(compared: &Compared, files: &[Produced]) -> Result<ArtifactOutcome, Fault> {
    let digest = |place: Option<u16>| -> Result<Option<Digest>, Fault> {
        let Some(place) = place else { return Ok(None) };
        let found = files.get(usize::from(place)).map(|file| file.0);
        found.map(Some).ok_or_else(|| {
            Fault::text(format!("the builder named file {place}, and sent {}", files.len()))
        })
    };
    let (produced, again) = (digest(compared.produced)?, digest(compared.again)?);
    let (purl, normalized) = (compared.purl.clone(), compared.normalized);
    ArtifactOutcome::observe_normalized(purl, compared.published, produced, again, normalized)
        .map_err(|error| Fault::new("the builder's result is no outcome", error))
}

fn hash_sealed(file: OwnedFd) -> Result<Digest, Fault> {
    let seals = fcntl_get_seals(&file)
        .map_err(|error| Fault::new("the builder sent a file that cannot be sealed", error))?;
    if !seals.contains(SEALS) {
        return Err(Fault::text(
            "the builder sent a file that can still change; it must be sealed",
        ));
    }
    let mut digester = Digester::new();
    let mut reader = File::from(file).take(OUTPUT_BYTES.saturating_add(1));
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0_u64;
    loop {
        let read = reader
            .read(&mut buffer)
            .map_err(|error| Fault::new("a produced file cannot be read", error))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        digester.update(bytes);
        length = length.saturating_add(read as u64);
    }
    if length > OUTPUT_BYTES {
        return Err(Fault::text(format!(
            "a produced file of more than {OUTPUT_BYTES} bytes is not attested"
        )));
    }
    Ok(digester.finish())
}
