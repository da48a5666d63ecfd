//! Keys and PINs in files: of the configuration, or given by systemd as credentials.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use reattest_attestation::SecretKey;

use super::place::Pin;
use crate::fault::Fault;
use crate::limits::KEY_FILE_BYTES;

/// Who else may not read a secret: group and others.
const OTHERS: u32 = 0o077;

/// Who else may not read a credential. systemd gives it to a unit's user by an access list, whose mask
/// shows as the group's bits.
const CREDENTIAL_OTHERS: u32 = 0o007;

/// Reads a private key in OpenSSH's format; one that others may read is refused.
pub(crate) fn read_key(path: &Path) -> Result<SecretKey, Fault> {
    parse(path, OTHERS)
}

/// Reads a private key that systemd gave this unit with `LoadCredential=` or its kin.
pub(super) fn read_credential(name: &str) -> Result<SecretKey, Fault> {
    parse(&credential(name)?, CREDENTIAL_OTHERS)
}

fn parse(path: &Path, others: u32) -> Result<SecretKey, Fault> {
    let text = read_secret(path, "the key", others)?;
    SecretKey::from_openssh(&text).map_err(|error| Fault::new(path.display().to_string(), error))
}

/// The user's PIN of a token.
pub(super) fn read_pin(pin: &Pin) -> Result<String, Fault> {
    let (path, others) = match pin {
        Pin::File(path) => (path.clone(), OTHERS),
        Pin::Credential(name) => (credential(name)?, CREDENTIAL_OTHERS),
    };
    let text = read_secret(&path, "the PIN", others)?;
    match text.lines().next() {
        Some(pin) if !pin.is_empty() => Ok(pin.to_owned()),
        _ => Err(Fault::text(format!("found no PIN in {}, needed it on line 1", path.display()))),
    }
}

/// Where systemd put a credential; systemd.exec(5).
fn credential(name: &str) -> Result<PathBuf, Fault> {
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(Fault::text(format!(
            "found {name:?}, needed the name of a credential: one word, as LoadCredential= has it"
        )));
    }
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
        Fault::text(format!(
            "systemd gave this process no credentials, needed {name:?}; put LoadCredential={name}:PATH \
             into the node's unit, and start the node by it"
        ))
    })?;
    Ok(Path::new(&directory).join(name))
}

/// A file that nobody but its owner may read.
fn read_secret(path: &Path, what: &str, others: u32) -> Result<String, Fault> {
    let name = path.display();
    let fail = |error| Fault::new(format!("{what} {name} cannot be read"), error);
    let mode = std::fs::metadata(path).map_err(fail)?.permissions().mode();
    if mode & others != 0 {
        return Err(Fault::text(format!(
            "{what} {name} can be read by others (mode {:04o}), needed 0600; run: chmod 600 {name}, \
             and think about who may have read it",
            mode & 0o7777
        )));
    }
    let bytes = read_small(path).map_err(fail)?;
    String::from_utf8(bytes).map_err(|_| Fault::text(format!("{what} {name} is no text")))
}

/// A file of at most [`KEY_FILE_BYTES`].
pub(crate) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4_096);
    File::open(path)?.take(KEY_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > KEY_FILE_BYTES {
        let what = format!("it has more than {KEY_FILE_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(bytes)
}
