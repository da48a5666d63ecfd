//! Where a key is kept: a file that nobody else may read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reattest_attestation::{Certificate, Envelope, SecretKey, Sign};

use crate::config::Config;
use crate::fault::Fault;

/// Opens the configured key, and checks that the certificate is for it.
pub(super) fn open(config: &Config) -> Result<(SecretKey, Vec<u8>), Fault> {
    let (Some(key), Some(certificate)) = (&config.key, &config.certificate) else {
        return Err(Fault::text("a signer needs `key` and `certificate` in the configuration"));
    };
    let secret = read_key(key)?;
    let path = certificate.display();
    let bytes = fs::read(certificate).map_err(|error| Fault::new(path.to_string(), error))?;
    let certified = Envelope::parse(&bytes)
        .map_err(|error| error.to_string())
        .and_then(|envelope| Certificate::verify(&envelope).map_err(|error| error.to_string()))
        .map_err(|error| Fault::text(format!("{path} is no certificate: {error}")))?;
    if certified.certificate().rebuilder != secret.public_key() {
        return Err(Fault::text(format!(
            "{path} certifies {}, needed {}; ask the operator to certify this key",
            certified.certificate().rebuilder.fingerprint(),
            secret.public_key().fingerprint()
        )));
    }
    Ok((secret, bytes))
}

/// Reads a private key in OpenSSH's format; one that others may read is refused.
pub(crate) fn read_key(path: &Path) -> Result<SecretKey, Fault> {
    let name = path.display();
    let fail = |error| Fault::new(format!("the key {name} cannot be read"), error);
    let mode = fs::metadata(path).map_err(fail)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Fault::text(format!(
            "the key {name} can be read by others (mode {:04o}), needed 0600; run: chmod 600 {name}, \
             and think about who may have read it",
            mode & 0o7777
        )));
    }
    let text = fs::read_to_string(path).map_err(fail)?;
    SecretKey::from_openssh(&text).map_err(|error| Fault::new(name.to_string(), error))
}
