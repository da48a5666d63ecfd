//! Where a key is kept, and how it is reached: a file, a systemd credential, an SSH agent, a PKCS#11 token.
//!
//! Every back-end is opened before the signer's walls stand and gives the same: 64 bytes of pure
//! Ed25519 over what it is asked. What an agent or a token answers is verified before it is used.

mod place;
mod file;
mod agent;
mod token;
pub(crate) mod holder;

use std::path::Path;

use reattest_attestation::key::SignError;
use reattest_attestation::{Certificate, Certified, Envelope, PublicKey, Sign};

use crate::config::Config;
use crate::fault::Fault;
pub(crate) use file::{read_key, read_small};
pub use place::{Pin, Place, Slot, WantedKey};

/// A key that can sign.
pub type Key = Box<dyn Sign + Send>;

/// Opens the configured key for the signer, and checks that the certificate is for it.
///
/// A token's library is code of its vendor's: it runs in a process of its own, which holds nothing
/// else, and not behind this one's walls.
pub(super) fn open(config: &Config) -> Result<(Key, Vec<u8>), Fault> {
    let (Some(place), Some(certificate)) = (&config.key, &config.certificate) else {
        return Err(Fault::text("a signer needs `key` and `certificate` in the configuration"));
    };
    let key = reach_for_signer(place)?;
    let (bytes, certified) = read_certificate(certificate)?;
    check_certified(certificate, &certified, &key.public_key())?;
    Ok((key, bytes))
}

/// Opens a key for a process that is about to shut itself in.
pub(super) fn reach_for_signer(place: &Place) -> Result<Key, Fault> {
    Ok(match place {
        Place::Token(slot) => Box::new(holder::Holder::start(slot)?),
        other => reach(other)?,
    })
}

/// Opens a key in this process: for commands that sign once and end.
pub(crate) fn reach(place: &Place) -> Result<Key, Fault> {
    Ok(match place {
        Place::File(path) => Box::new(read_key(path)?),
        Place::Credential(name) => Box::new(file::read_credential(name)?),
        Place::Agent(wanted) => Box::new(agent::Agent::connect(wanted)?),
        Place::Token(slot) => Box::new(token::Token::open(slot)?),
    })
}

/// Reads a certificate file: its bytes, and what the operator says in it.
pub(crate) fn read_certificate(path: &Path) -> Result<(Vec<u8>, Certified), Fault> {
    let name = path.display();
    let bytes = read_small(path).map_err(|error| Fault::new(name.to_string(), error))?;
    let certified = Envelope::parse(&bytes)
        .map_err(|error| error.to_string())
        .and_then(|envelope| Certificate::verify(&envelope).map_err(|error| error.to_string()))
        .map_err(|error| Fault::text(format!("{name} is no certificate: {error}")))?;
    Ok((bytes, certified))
}

fn check_certified(path: &Path, certified: &Certified, key: &PublicKey) -> Result<(), Fault> {
    let found = certified.certificate().rebuilder;
    if found == *key {
        return Ok(());
    }
    Err(Fault::text(format!(
        "{} certifies {}, needed {}; ask the operator to certify this key, or run `reattest key rotate` \
         again if it was interrupted",
        path.display(),
        found.fingerprint(),
        key.fingerprint()
    )))
}

/// A signature that somebody else's program made is used only when it holds.
fn verified(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<[u8; 64], SignError> {
    let refuse = |why: String| SignError { key: key.fingerprint(), why };
    let signature: [u8; 64] = signature.try_into().map_err(|_| {
        refuse(format!("it gave a signature of {} bytes, needed 64", signature.len()))
    })?;
    match key.verify(message, &signature) {
        Ok(()) => Ok(signature),
        Err(error) => Err(refuse(error.to_string())),
    }
}
