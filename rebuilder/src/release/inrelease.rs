//! The archive's signed index `InRelease` (step 1): signature, names, age, digests of the indexes.
//!
//! Format: the Debian repository format, `Release` files; clear-signed, RFC 9580.

use std::collections::BTreeMap;
use std::path::Path;

use reattest_attestation::Digest;

use super::index::Kept;
use super::signature;
use super::stanza::Stanza;
use crate::limits;
use crate::reference::is_name;

/// One index file that the signed index names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its path below the archive's root, by digest where the archive offers that.
    pub location: String,
    /// Its digest.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Digest and size of the same index without compression, where the archive signed them too.
    pub unpacked: Option<(Digest, u64)>,
    /// What was read of it.
    pub kept: Kept,
}

/// A signed index whose signature held; only `SignedIndex::verify` makes one.
#[derive(Debug, Clone)]
pub struct SignedIndex {
    digest: Digest,
    signers: Vec<String>,
    codename: String,
    date: String,
    seconds: i64,
    by_hash: bool,
    entries: BTreeMap<String, (Digest, u64)>,
}

/// Why a signed index, or what it signs, cannot be used. The mirror's or the machine's fault.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The keyring is not there or is none.
    #[error(
        "cannot use the keyring {path}: {why}; needed the archive's public keys: install debian-archive-keyring or set the keyring's path"
    )]
    Keyring {
        /// Which.
        path: String,
        /// What was found.
        why: String,
    },
    /// No valid signature by a key of the keyring.
    #[error(
        "the signature of {location} does not hold: {why}; needed one by a key of {keyring}; nothing of it was used"
    )]
    Signature {
        /// Which index.
        location: String,
        /// Which keyring.
        keyring: String,
        /// What was found.
        why: String,
    },
    /// It is for another suite.
    #[error(
        "{location} is the signed index of {found}, needed {wanted}; the mirror is set up wrongly or lies"
    )]
    OtherSuite {
        /// Which index.
        location: String,
        /// Its codename.
        found: String,
        /// The one asked for.
        wanted: String,
    },
    /// It is past its time.
    #[error(
        "{location} was valid until {until}; needed a current one: the mirror is stale, or this machine's clock is wrong"
    )]
    Stale {
        /// Which index.
        location: String,
        /// Its `Valid-Until`.
        until: String,
    },
    /// It is dated in the future.
    #[error(
        "{location} is dated {date}, which is still to come; needed one of today: this machine's clock is wrong, or the archive's was"
    )]
    Early {
        /// Which index.
        location: String,
        /// Its `Date`.
        date: String,
    },
    /// It is older than one that was seen before.
    #[error(
        "{location} is dated {date}, and this machine has seen one of {newest}; needed one that is not older: run again or use another mirror, or remove {memory} if the older one is meant"
    )]
    Older {
        /// Which index.
        location: String,
        /// Its `Date`.
        date: String,
        /// The newest date seen.
        newest: String,
        /// The file that remembers it.
        memory: String,
    },
    /// It, or what it names, has not the form of the format.
    #[error("{location} is malformed: {why}; needed the Debian repository format")]
    Malformed {
        /// Which file.
        location: String,
        /// What was found.
        why: String,
    },
}

impl SignedIndex {
    /// Checks a clear-signed index: signature, suite and age; `now` in seconds since 1970.
    pub fn verify(
        location: &str,
        signed: &[u8],
        keyring: &Path,
        suite: &str,
        now: i64,
    ) -> Result<Self, IndexError> {
        let (text, signers) = signature::check(location, signed, keyring, now)?;
        let malformed = |why: String| IndexError::Malformed { location: location.to_owned(), why };
        let text = String::from_utf8(text).map_err(|_| malformed("not UTF-8".to_owned()))?;
        let stanza = Stanza::parse(&text).map_err(malformed)?;
        let codename = stanza.need("Codename").map_err(malformed)?.to_owned();
        if suite != codename && stanza.get("Suite") != Some(suite) {
            let (location, wanted) = (location.to_owned(), suite.to_owned());
            return Err(IndexError::OtherSuite { location, found: codename, wanted });
        }
        if !is_name(&codename) {
            return Err(malformed(format!("the codename {codename:?}")));
        }
        let date = stanza.need("Date").map_err(malformed)?.to_owned();
        let seconds = seconds("Date", &date).map_err(malformed)?;
        if seconds > now.saturating_add(limits::INDEX_AHEAD_SECONDS) {
            return Err(IndexError::Early { location: location.to_owned(), date });
        }
        check_end(location, &stanza, now)?;
        Ok(Self {
            digest: Digest::of(signed),
            signers,
            codename,
            date,
            seconds,
            by_hash: stanza.get("Acquire-By-Hash") == Some("yes"),
            entries: entries(stanza.need("SHA256").map_err(malformed)?).map_err(malformed)?,
        })
    }

    /// The index file of this name below the suite, e.g. `main/source/Sources.xz`.
    pub fn entry(&self, suite_location: &str, name: &str) -> Option<IndexEntry> {
        let (sha256, size) = *self.entries.get(name)?;
        let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
        let path = if self.by_hash {
            format!("{directory}/by-hash/SHA256/{sha256}")
        } else {
            name.to_owned()
        };
        let unpacked = name.strip_suffix(".xz").and_then(|name| self.entries.get(name)).copied();
        let location = format!("{suite_location}/{path}");
        Some(IndexEntry { location, sha256, size, unpacked, kept: Kept::default() })
    }

    /// The digest of the signed file.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// `openpgp:` and the uppercase primary-key fingerprint of every valid signature, sorted.
    pub fn signers(&self) -> &[String] {
        &self.signers
    }

    /// The suite's codename.
    pub fn codename(&self) -> &str {
        &self.codename
    }

    /// When the archive made it, in seconds since 1970.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// When the archive made it, in its own words.
    pub fn date(&self) -> &str {
        &self.date
    }
}

/// Point releases have no end of validity; where there is one, it holds.
fn check_end(location: &str, stanza: &Stanza, now: i64) -> Result<(), IndexError> {
    let Some(until) = stanza.get("Valid-Until") else {
        return Ok(());
    };
    let end = seconds("Valid-Until", until)
        .map_err(|why| IndexError::Malformed { location: location.to_owned(), why })?;
    if end < now {
        return Err(IndexError::Stale { location: location.to_owned(), until: until.to_owned() });
    }
    Ok(())
}

/// A time of RFC 5322; the archive writes its zone as UTC, which that does not know.
fn seconds(field: &str, text: &str) -> Result<i64, String> {
    let parsed = jiff::fmt::rfc2822::parse(&text.replace("UTC", "+0000"));
    parsed.map(|time| time.timestamp().as_second()).map_err(|e| format!("{field} {text:?}: {e}"))
}

/// Lines of `DIGEST SIZE NAME`.
fn entries(text: &str) -> Result<BTreeMap<String, (Digest, u64)>, String> {
    let parse = |line: &str| -> Option<(String, (Digest, u64))> {
        let mut words = line.split_whitespace();
        let digest = words.next()?.parse().ok()?;
        let size = words.next()?.parse().ok()?;
        Some((words.next()?.to_owned(), (digest, size)))
    };
    let mut entries = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, entry) = parse(line).ok_or_else(|| format!("the line {line:?}"))?;
        if entries.insert(name.clone(), entry).is_some_and(|other| other != entry) {
            return Err(format!("two digests of {name}"));
        }
    }
    Ok(entries)
}
