//! The configuration's word for where a key is: `key = "path"`, or a table that names another back-end.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use reattest_attestation::PublicKey;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a key is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `"path"`: an OpenSSH key file that nobody else may read.
    File(PathBuf),
    /// `{ credential = "name" }`: a file that systemd put below `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// `{ agent = "SHA256:..." }`: the agent behind `$SSH_AUTH_SOCK` holds it.
    Agent(WantedKey),
    /// `{ pkcs11 = "module.so", token = "...", label = "...", pin_file = "..." }`.
    Token(Slot),
}

/// A key that an agent is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedKey {
    /// The OpenSSH fingerprint, `SHA256:...`.
    Fingerprint(String),
    /// The key itself, `ssh-ed25519 AAAA...`.
    Key(PublicKey),
}

/// A key pair in a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The vendor's library.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The label of both halves of the key pair.
    pub label: String,
    /// Where the user's PIN is.
    pub pin: Pin,
}

/// Where a PIN is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pin {
    /// A file that nobody else may read; its first line.
    File(PathBuf),
    /// A systemd credential.
    Credential(String),
}

/// The table, before it is known which back-end it names.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    agent: Option<String>,
    credential: Option<String>,
    pkcs11: Option<PathBuf>,
    token: Option<String>,
    label: Option<String>,
    pin_file: Option<PathBuf>,
    pin_credential: Option<String>,
}

/// What a key may be, for messages.
const EXPECTED: &str = "a path, { agent = \"SHA256:...\" }, { credential = \"name\" }, or \
    { pkcs11 = \"module\", token = \"...\", label = \"...\", pin_file = \"...\" }";

impl Place {
    /// The same place with relative paths made absolute from the configuration's directory.
    #[must_use]
    pub fn below(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            Self::Token(mut slot) => {
                slot.module = base.join(slot.module);
                if let Pin::File(path) = &mut slot.pin {
                    *path = base.join(&*path);
                }
                Self::Token(slot)
            }
            other => other,
        }
    }
}

impl FromStr for Place {
    type Err = String;

    /// What the command line takes: a path, or the table that the configuration has.
    fn from_str(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Line {
            key: Place,
        }
        if !text.trim_start().starts_with('{') {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let line: Line = toml::from_str(&format!("key = {text}")).map_err(|e| e.to_string())?;
        Ok(line.key)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Credential(name) => write!(f, "systemd credential {name:?}"),
            Self::Agent(_) => f.write_str("SSH agent"),
            Self::Token(slot) => write!(
                f,
                "PKCS#11 token {:?}, key {:?}, by {}",
                slot.token,
                slot.label,
                slot.module.display()
            ),
        }
    }
}

impl fmt::Display for WantedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint(fingerprint) => f.write_str(fingerprint),
            Self::Key(key) => write!(f, "{key}"),
        }
    }
}

impl WantedKey {
    /// Reads a fingerprint or a public key.
    fn read(text: &str) -> Result<Self, String> {
        if text.starts_with("SHA256:") {
            return Ok(Self::Fingerprint(text.to_owned()));
        }
        text.parse().map(Self::Key).map_err(|error| {
            format!("{error}; a key in an agent is named by SHA256:... or ssh-ed25519 AAAA...")
        })
    }

    /// Whether this key is meant.
    pub(super) fn is(&self, key: &PublicKey) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => key.fingerprint() == *fingerprint,
            Self::Key(wanted) => wanted == key,
        }
    }
}

impl Table {
    fn place(self) -> Result<Place, String> {
        let wrong = || format!("found a key that mixes or lacks fields, needed {EXPECTED}");
        match self {
            Self {
                agent: Some(key),
                credential: None,
                pkcs11: None,
                token: None,
                label: None,
                pin_file: None,
                pin_credential: None,
            } => Ok(Place::Agent(WantedKey::read(&key)?)),
            Self {
                agent: None,
                credential: Some(name),
                pkcs11: None,
                token: None,
                label: None,
                pin_file: None,
                pin_credential: None,
            } => Ok(Place::Credential(name)),
            Self {
                agent: None,
                credential: None,
                pkcs11: Some(module),
                token: Some(token),
                label: Some(label),
                pin_file,
                pin_credential,
            } => {
                let pin = match (pin_file, pin_credential) {
                    (Some(path), None) => Pin::File(path),
                    (None, Some(name)) => Pin::Credential(name),
                    _ => return Err(wrong()),
                };
                Ok(Place::Token(Slot { module, token, label, pin }))
            }
            _ => Err(wrong()),
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Place;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Place, E> {
                Ok(Place::File(PathBuf::from(path)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Place, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                table.place().map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let slot = match self {
            Self::File(path) => return path.serialize(serializer),
            Self::Credential(name) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("credential", name)?;
                return map.end();
            }
            Self::Agent(key) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("agent", &key.to_string())?;
                return map.end();
            }
            Self::Token(slot) => slot,
        };
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("pkcs11", &slot.module)?;
        map.serialize_entry("token", &slot.token)?;
        map.serialize_entry("label", &slot.label)?;
        match &slot.pin {
            Pin::File(path) => map.serialize_entry("pin_file", path)?,
            Pin::Credential(name) => map.serialize_entry("pin_credential", name)?,
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Keyed {
        key: Place,
    }

    #[test]
    fn every_place_is_read_as_it_is_written() {
        let token = "{ pkcs11 = \"m.so\", token = \"t\", label = \"l\", pin_file = \"pin\" }";
        let credential =
            "{ pkcs11 = \"m.so\", token = \"t\", label = \"l\", pin_credential = \"p\" }";
        let agent = "{ agent = \"SHA256:abc\" }";
        for text in ["\"keys/one\"", agent, "{ credential = \"key\" }", token, credential] {
            let read: Keyed = toml::from_str(&format!("key = {text}")).unwrap();
            let written = toml::to_string(&read).unwrap();
            assert_eq!(toml::from_str::<Keyed>(&written).unwrap(), read, "{written}");
        }
    }

    #[test]
    fn paths_are_relative_to_the_configuration() {
        let text = "key = { pkcs11 = \"m.so\", token = \"t\", label = \"l\", pin_file = \"/pin\" }";
        let read: Keyed = toml::from_str(text).unwrap();
        let Place::Token(slot) = read.key.below(Path::new("/etc")) else { unreachable!() };
        assert_eq!(slot.module, Path::new("/etc/m.so"));
        assert_eq!(slot.pin, Pin::File("/pin".into()));
    }

    #[test]
    fn a_table_that_names_no_back_end_or_two_is_refused_with_its_line() {
        let both = "{ agent = \"SHA256:a\", credential = \"b\" }";
        let no_pin = "{ pkcs11 = \"m\", token = \"t\", label = \"l\" }";
        let two_pins = "{ pkcs11 = \"m\", token = \"t\", label = \"l\", pin_file = \"a\", pin_credential = \"b\" }";
        let other = "{ agent = \"ssh-rsa AAAA\" }";
        for text in ["{}", both, no_pin, two_pins, other, "{ vault = \"x\" }", "3"] {
            let error = toml::from_str::<Keyed>(&format!("\nkey = {text}")).unwrap_err();
            assert!(error.to_string().contains("line 2"), "{error}");
        }
    }
}
