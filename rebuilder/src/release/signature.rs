//! `OpenPGP` signatures of clear-signed files (step 1): which keys of a keyring hold, by primary key.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sequoia_openpgp as openpgp;

use openpgp::cert::CertParser;
use openpgp::parse::Parse;
use openpgp::parse::stream::{MessageLayer, MessageStructure, VerificationHelper, VerifierBuilder};
use openpgp::policy::StandardPolicy;
use openpgp::types::RevocationStatus;
use openpgp::{Cert, Fingerprint, KeyHandle};

use super::inrelease::IndexError;
use crate::limits;

/// The signed text and its valid signers.
///
/// One valid signature of a key of the keyring is enough, as for apt: an archive signs with its old
/// and its new keys at once, and a keyring may not have the newest. The library asks whether a key was
/// good when it signed; here it must also be good `now` (seconds since 1970), as apt asks: a key is
/// left to expire when nobody guards it any more.
pub(super) fn check(
    location: &str,
    signed: &[u8],
    keyring: &Path,
    now: i64,
) -> Result<(Vec<u8>, Vec<String>), IndexError> {
    let certs = certificates(keyring)?;
    let refuse = |why: String| IndexError::Signature {
        location: location.to_owned(),
        keyring: keyring.display().to_string(),
        why,
    };
    let policy = StandardPolicy::new();
    let now = UNIX_EPOCH + Duration::from_secs(now.try_into().unwrap_or_default());
    let helper = Signers { certs, now, valid: Vec::new(), refused: Vec::new() };
    let mut verifier = VerifierBuilder::from_bytes(signed)
        .and_then(|builder| builder.with_policy(&policy, now, helper))
        .map_err(|e| refuse(e.to_string()))?;
    let mut text = Vec::new();
    verifier.read_to_end(&mut text).map_err(|e| refuse(e.to_string()))?;
    let mut valid = verifier.into_helper().valid;
    valid.sort();
    valid.dedup();
    if valid.is_empty() || text.len() as u64 > limits::SIGNED_INDEX_BYTES {
        return Err(refuse("no valid signature".to_owned()));
    }
    Ok((text, valid))
}

fn certificates(keyring: &Path) -> Result<Vec<Cert>, IndexError> {
    let refuse = |why: String| IndexError::Keyring { path: keyring.display().to_string(), why };
    let bytes = std::fs::read(keyring).map_err(|e| refuse(e.to_string()))?;
    let certs = CertParser::from_bytes(&bytes).map_err(|e| refuse(e.to_string()))?;
    // Keys too old for the library are passed over: they could not make a valid signature anyway.
    let certs: Vec<Cert> = certs.flatten().collect();
    if certs.is_empty() {
        return Err(refuse("no OpenPGP key in it".to_owned()));
    }
    Ok(certs)
}

/// Whether a certificate and its signing key are neither expired nor revoked at this time.
fn is_good(cert: &Cert, key: &Fingerprint, now: SystemTime) -> bool {
    let policy = StandardPolicy::new();
    let Ok(valid) = cert.with_policy(&policy, now) else {
        return false;
    };
    let is_revoked = matches!(valid.revocation_status(), RevocationStatus::Revoked(_));
    let mut keys = valid.keys().alive().revoked(false).for_signing();
    valid.alive().is_ok() && !is_revoked && keys.any(|k| k.key().fingerprint() == *key)
}

struct Signers {
    certs: Vec<Cert>,
    now: SystemTime,
    valid: Vec<String>,
    refused: Vec<String>,
}

impl VerificationHelper for Signers {
    fn get_certs(&mut self, _: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(self.certs.clone())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else {
                return Err(std::io::Error::other("it is not a clear-signed text").into());
            };
            for result in results {
                match result {
                    Ok(good) if is_good(good.ka.cert(), &good.ka.key().fingerprint(), self.now) => {
                        self.valid.push(format!("openpgp:{:X}", good.ka.cert().fingerprint()));
                    }
                    Ok(good) => {
                        let key = good.ka.cert().fingerprint();
                        self.refused.push(format!("the key {key:X} is expired or revoked"));
                    }
                    Err(bad) => self.refused.push(bad.to_string()),
                }
            }
        }
        if self.valid.is_empty() {
            return Err(std::io::Error::other(self.refused.join("; ")).into());
        }
        Ok(())
    }
}
