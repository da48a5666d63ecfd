//! `OpenPGP` signatures of clear-signed files (step 1): which keys of a keyring hold, by primary key.

use std::io::Read;
use std::path::Path;

use sequoia_openpgp as openpgp;

use openpgp::cert::CertParser;
use openpgp::parse::Parse;
use openpgp::parse::stream::{MessageLayer, MessageStructure, VerificationHelper, VerifierBuilder};
use openpgp::policy::StandardPolicy;
use openpgp::{Cert, KeyHandle};

use super::inrelease::IndexError;
use crate::limits;

/// The signed text and its valid signers.
///
/// One valid signature of a key of the keyring is enough, as for apt: an archive signs with its old
/// and its new keys at once, and a keyring may not have the newest. Expired and revoked keys do not
/// count, by the policy of the library.
pub(super) fn check(
    location: &str,
    signed: &[u8],
    keyring: &Path,
) -> Result<(Vec<u8>, Vec<String>), IndexError> {
    let certs = certificates(keyring)?;
    let refuse = |why: String| IndexError::Signature {
        location: location.to_owned(),
        keyring: keyring.display().to_string(),
        why,
    };
    let policy = StandardPolicy::new();
    let helper = Signers { certs, valid: Vec::new(), refused: Vec::new() };
    let mut verifier = VerifierBuilder::from_bytes(signed)
        .and_then(|builder| builder.with_policy(&policy, None, helper))
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

struct Signers {
    certs: Vec<Cert>,
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
                    Ok(good) => {
                        self.valid.push(format!("openpgp:{:X}", good.ka.cert().fingerprint()));
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
