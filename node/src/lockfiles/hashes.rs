//! Digests as lockfiles write them: hexadecimal with or without a name before it, and SRI.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reattest_attestation::Digest;

use super::found::Obstacle;
use super::place::shown;

/// What one file is known by. At most one digest of a kind: two would be two files.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digests {
    /// SHA-256, which attestations speak of.
    pub sha256: Option<Digest>,
    /// SHA-512, in hexadecimal, as npm's registry speaks it.
    pub sha512: Option<String>,
    /// Names of other kinds that are there and say nothing here, such as `sha1`.
    pub others: Vec<String>,
}

impl Digests {
    /// Digests by the names of their kinds, in hexadecimal.
    pub(crate) fn named<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Obstacle> {
        let mut digests = Self::default();
        for (kind, hex) in pairs {
            digests.add(kind, hex)?;
        }
        Ok(digests)
    }

    /// `sha256:HEX`.
    pub(crate) fn prefixed(text: &str) -> Result<Self, Obstacle> {
        let pair = text.split_once(':').ok_or_else(|| malformed(text))?;
        Self::named([pair])
    }

    /// Subresource integrity: `sha512-BASE64`, several behind spaces.
    pub(crate) fn sri(text: &str) -> Result<Self, Obstacle> {
        let mut digests = Self::default();
        for word in text.split_ascii_whitespace() {
            let word = word.split('?').next().unwrap_or_default();
            let (kind, base64) = word.split_once('-').ok_or_else(|| malformed(word))?;
            let bytes = STANDARD.decode(base64).map_err(|_| malformed(word))?;
            digests.add(kind, &hex_of(&bytes))?;
        }
        Ok(digests)
    }

    /// Adds a digest of a kind, written as `SHA-256`, `sha256` or the like.
    fn add(&mut self, kind: &str, hex: &str) -> Result<(), Obstacle> {
        let (hex, whole) = (hex.trim().to_ascii_lowercase(), format!("{kind}:{hex}"));
        let plain: String = kind.chars().filter(char::is_ascii_alphanumeric).collect();
        match plain.to_ascii_lowercase().as_str() {
            "sha256" => {
                let digest = hex.parse().map_err(|_| malformed(&whole))?;
                only(&mut self.sha256, digest)
            }
            "sha512" => {
                if hex.len() != 128 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(malformed(&whole));
                }
                only(&mut self.sha512, hex)
            }
            other => {
                let other = shown(other);
                if !self.others.contains(&other) {
                    self.others.push(other);
                    self.others.truncate(8);
                }
                Ok(())
            }
        }
    }

    /// Whether there is none at all.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What one knows and the other does not; `None` where they contradict each other.
    pub(crate) fn joined(&self, other: &Self) -> Option<Self> {
        let mut joined = self.clone();
        if let Some(digest) = other.sha256 {
            only(&mut joined.sha256, digest).ok()?;
        }
        if let Some(digest) = &other.sha512 {
            only(&mut joined.sha512, digest.clone()).ok()?;
        }
        for kind in &other.others {
            if !joined.others.contains(kind) {
                joined.others.push(kind.clone());
            }
        }
        Some(joined)
    }

    /// Names of the kinds that are there.
    pub fn kinds(&self) -> String {
        let sha256 = self.sha256.map(|_| "sha256".to_owned());
        let sha512 = self.sha512.as_ref().map(|_| "sha512".to_owned());
        let all: Vec<String> =
            sha256.into_iter().chain(sha512).chain(self.others.iter().cloned()).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    }
}

fn only<T: PartialEq>(place: &mut Option<T>, digest: T) -> Result<(), Obstacle> {
    if place.as_ref().is_some_and(|there| *there != digest) {
        return Err(conflict());
    }
    *place = Some(digest);
    Ok(())
}

/// Two digests of one kind for one file.
pub(crate) fn conflict() -> Obstacle {
    Obstacle::new(
        "two digests of one kind that contradict each other",
        "one file behind one name",
        "find out which is right, and have the lockfile written again",
    )
}

fn malformed(text: &str) -> Obstacle {
    Obstacle::new(
        format!("{:?} for a digest", shown(text)),
        "a digest as its tool writes it",
        "have the lockfile written again by its own tool",
    )
}

fn hex_of(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}
