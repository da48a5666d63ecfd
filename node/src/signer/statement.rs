//! The signer composes the statement itself, over digests that it computed itself.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use reattest_attestation::{ArtifactOutcome, Digest, Digester, NetworkId, PublicKey, Rebuild};
use rustix::fs::{SealFlags, fcntl_get_seals};

use super::messages::{Attest, Compared};
use crate::fault::Fault;
use crate::limits::OUTPUT_BYTES;

/// The seals without which a file could still change after it was hashed.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// The statement over a finished rebuild, in canonical JSON.
pub(super) fn compose(
    network: &NetworkId,
    signer: &PublicKey,
    result: Attest,
    files: Vec<OwnedFd>,
) -> Result<Vec<u8>, Fault> {
    let digests = files.into_iter().map(hash_sealed).collect::<Result<Vec<_>, _>>()?;
    let artifacts = result
        .artifacts
        .iter()
        .map(|compared| observe(compared, &digests))
        .collect::<Result<Vec<_>, _>>()?;
    let rebuild = Rebuild {
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
    rebuild
        .to_payload(signer)
        .map_err(|error| Fault::new("the statement cannot be composed", error))
}

fn observe(compared: &Compared, digests: &[Digest]) -> Result<ArtifactOutcome, Fault> {
    let digest = |place: Option<u16>| -> Result<Option<Digest>, Fault> {
        let Some(place) = place else { return Ok(None) };
        let found = digests.get(usize::from(place)).copied();
        found.map(Some).ok_or_else(|| {
            Fault::text(format!("the builder named file {place}, and sent {}", digests.len()))
        })
    };
    let (produced, again) = (digest(compared.produced)?, digest(compared.again)?);
    ArtifactOutcome::observe(compared.purl.clone(), compared.published, produced, again)
        .map_err(|error| Fault::new("the builder's result is no outcome", error))
}

/// The digest of a sealed memory file; one that can still change is refused.
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
