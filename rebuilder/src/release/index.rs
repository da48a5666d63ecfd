//! An index in the store (step 1): unpacked once, then found again by the digest that the archive signed.
//!
//! Unpacking takes 0.7 s, so the unpacked text is kept, in the store of inputs and under its own
//! digest, which the signed index names beside that of the packed file. It is hashed whenever it is
//! read. A table beside it would be faster still, and only as good as whoever wrote the cache.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use liblzma::read::XzDecoder;
use memchr::memmem::{self, Finder};
use reattest_attestation::Digest;

use super::stanza::{Stanza, field, source_of};
use super::{IndexEntry, IndexError, safe_location};
use crate::cas::{Cas, CasError};
use crate::error::RebuildError;
use crate::limits;
use crate::recipe::Input;

/// Name, version and architecture: what an index may have once.
pub(crate) type Key = (String, String, String);

/// The unpacked text of an index, authentic to the last byte.
pub(crate) struct Index<'a> {
    entry: &'a IndexEntry,
    text: &'a [u8],
}

/// Unpacked bytes that this process has hashed, for as long as anyone has their entry.
///
/// A rebuild asks the same index for the package, for its source's others and for its lock; reading
/// and hashing 57 MB takes longer than all these answers.
#[derive(Clone, Default)]
pub struct Kept(Arc<OnceLock<Vec<u8>>>);

/// It follows from the entry's digests.
impl PartialEq for Kept {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Kept {}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({})", self.0.get().is_some())
    }
}

impl<'a> Index<'a> {
    /// Reads an index whose digest is checked once more.
    pub(crate) fn open(cas: &Cas, entry: &'a IndexEntry) -> Result<Self, RebuildError> {
        let kept = &entry.kept.0;
        if kept.get().is_none() {
            // Another thread may have been faster, with the same bytes.
            let _ = kept.set(read(cas, entry)?);
        }
        Ok(Self { entry, text: kept.get().map(Vec::as_slice).unwrap_or_default() })
    }

    /// Calls back with every raw stanza.
    pub(crate) fn each(
        &self,
        mut call: impl FnMut(&str) -> Result<(), String>,
    ) -> Result<(), IndexError> {
        let blank = Finder::new(b"\n\n");
        let mut left = self.text;
        while !left.is_empty() {
            let end = blank.find(left).unwrap_or(left.len());
            let (raw, rest) = left.split_at_checked(end).unwrap_or((left, &[]));
            left = rest.trim_ascii_start();
            if !raw.is_empty() {
                checked(raw).and_then(&mut call).map_err(|why| self.malformed(why))?;
            }
        }
        Ok(())
    }

    /// The raw stanzas that have a line which begins so, in the order of the index.
    pub(crate) fn with_line(&self, start: &str) -> Result<Vec<&str>, IndexError> {
        let mut found: Vec<&str> = Vec::new();
        let mut after = 0;
        for at in memmem::find_iter(self.text, start) {
            let (before, rest) = self.text.split_at_checked(at).unwrap_or_default();
            if at < after || before.last().is_some_and(|byte| *byte != b'\n') {
                continue;
            }
            let begin = memmem::rfind(before, b"\n\n").map_or(0, |at| at + 2);
            let length = memmem::find(rest, b"\n\n").unwrap_or(rest.len());
            after = at + length;
            let raw = self.text.get(begin..after).unwrap_or_default();
            found.push(checked(raw).map_err(|why| self.malformed(why))?);
        }
        Ok(found)
    }

    /// The stanzas of a package name.
    pub(crate) fn named(&self, name: &str) -> Result<Vec<&str>, IndexError> {
        let mut found = self.with_line(&format!("Package: {name}"))?;
        found.retain(|raw| field(raw, "Package") == Some(name));
        Ok(found)
    }

    /// The binary packages of a source: those that name it, and those that are named as it is.
    pub(crate) fn of_source(&self, source: &str) -> Result<Vec<&str>, IndexError> {
        let mut found = self.with_line(&format!("Source: {source}"))?;
        found.extend(self.named(source)?);
        found.retain(|raw| {
            let name = field(raw, "Package").unwrap_or_default();
            source_of(name, "", field(raw, "Source")).0 == source
        });
        // A package may name a source that is named as itself.
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// What a lock says of every package that `is_wanted` by its name.
    ///
    /// One name, version and architecture with two files is refused: then nobody could say which
    /// one was meant.
    pub(crate) fn packages(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<Key, Input>, IndexError> {
        let mut found: BTreeMap<Key, Input> = BTreeMap::new();
        self.each(|raw| {
            if field(raw, "Package").is_some_and(&is_wanted) {
                let input = input(&Stanza::parse(raw)?)?;
                let Input { name, version, architecture, .. } = &input;
                let key = (name.clone(), version.clone(), architecture.clone());
                if found.get(&key).is_some_and(|other| *other != input) {
                    return Err(format!("two stanzas of {name} {version} for {architecture}"));
                }
                found.insert(key, input);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// An error about this index.
    pub(crate) fn malformed(&self, why: impl Into<String>) -> IndexError {
        malformed(&self.entry.location, why)
    }
}

/// What a lock says of a package.
pub(crate) fn input(stanza: &Stanza) -> Result<Input, String> {
    let sha256 = stanza.need("SHA256")?;
    let size = stanza.need("Size")?;
    let name = stanza.need("Package")?;
    let (version, architecture) = (stanza.need("Version")?, stanza.need("Architecture")?);
    let path = stanza.need("Filename")?;
    check_file_name(path, &deb_name(name, version, architecture))?;
    Ok(Input {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        version: version.to_owned(),
        sha256: sha256.parse().map_err(|_| format!("no SHA-256 in {sha256:?}"))?,
        size: size.parse().map_err(|_| format!("no size in {size:?}"))?,
        location: safe_location(path)?,
    })
}

/// `NAME_VERSION_ARCHITECTURE.deb` without the epoch, as dpkg-deb(1) and the archive name a package.
pub(super) fn deb_name(name: &str, version: &str, architecture: &str) -> String {
    let without_epoch = version.split_once(':').map_or(version, |(_, rest)| rest);
    format!("{name}_{without_epoch}_{architecture}.deb")
}

/// A stanza speaks of its own file only.
pub(super) fn check_file_name(path: &str, needed: &str) -> Result<(), String> {
    let found = path.rsplit_once('/').map_or(path, |(_, name)| name);
    if found == needed {
        return Ok(());
    }
    Err(format!("a stanza of {needed} that names the file {found:?}"))
}

/// An index that has not the form of the format.
pub(super) fn malformed(location: &str, why: impl Into<String>) -> IndexError {
    IndexError::Malformed { location: location.to_owned(), why: why.into() }
}

fn too_large(size: u64) -> String {
    format!("it has {size} bytes unpacked, at most {} are read", limits::INDEX_UNPACKED_BYTES)
}

/// The text of one stanza, of bounded length.
fn checked(raw: &[u8]) -> Result<&str, String> {
    if raw.len() > limits::STANZA_BYTES {
        return Err(format!("a stanza of more than {} bytes", limits::STANZA_BYTES));
    }
    std::str::from_utf8(raw).map_err(|_| "a stanza that is not UTF-8".to_owned())
}

/// The unpacked text, checked against the digest that the archive signed.
fn read(cas: &Cas, entry: &IndexEntry) -> Result<Vec<u8>, RebuildError> {
    let (digest, size) = match entry.unpacked {
        // Archives need not sign unpacked indexes; then each run unpacks again.
        None => return unpacked(cas, entry),
        Some((_, size)) if size > limits::INDEX_UNPACKED_BYTES => {
            return Err(malformed(&entry.location, too_large(size)).into());
        }
        Some(signed) => signed,
    };
    match cas.read(&digest, size) {
        // Not there, or not what it should be: the packed file has it.
        Err(CasError::Missing(_) | CasError::Damaged { .. } | CasError::TooLarge { .. }) => {
            let text = unpacked(cas, entry)?;
            remember(cas, &text, digest, entry)?;
            Ok(text)
        }
        read => Ok(read?),
    }
}

fn unpacked(cas: &Cas, entry: &IndexEntry) -> Result<Vec<u8>, RebuildError> {
    let packed = cas.open(&entry.sha256)?;
    let mut text = Vec::new();
    let reader = XzDecoder::new_multi_decoder(packed);
    let read = reader.take(limits::INDEX_UNPACKED_BYTES + 1).read_to_end(&mut text);
    let size = read.map_err(|e| malformed(&entry.location, e.to_string()))? as u64;
    if size > limits::INDEX_UNPACKED_BYTES {
        return Err(malformed(&entry.location, too_large(size)).into());
    }
    Ok(text)
}

/// Keeps the unpacked text under the digest that the archive signed, and under no other.
fn remember(
    cas: &Cas,
    text: &[u8],
    expected: Digest,
    entry: &IndexEntry,
) -> Result<(), RebuildError> {
    let mut blob = cas.writer()?;
    blob.write_all(text).map_err(|e| RebuildError::io("cannot write", &cas.path(&expected), e))?;
    match blob.keep(Some(expected)) {
        Err(CasError::Mismatch { found, .. }) => {
            let why = format!("unpacked it has sha256 {found}, the signed index says {expected}");
            Err(malformed(&entry.location, why).into())
        }
        kept => Ok(kept.map(drop)?),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn entry() -> IndexEntry {
        let location = "debian:dists/trixie/x".to_owned();
        IndexEntry {
            location,
            sha256: Digest::of(b""),
            size: 0,
            unpacked: None,
            kept: Kept::default(),
        }
    }

    fn of<'a>(entry: &'a IndexEntry, text: &'a str) -> Index<'a> {
        Index { entry, text: text.as_bytes() }
    }

    #[test]
    fn stanzas_come_one_by_one_and_the_last_needs_no_blank_line() {
        let text = "\n\nPackage: a\nDepends: b,\n c\n\n\nPackage: d\nVersion: 1";
        let entry = entry();
        let mut names = Vec::new();
        of(&entry, text)
            .each(|raw| {
                names.push(Stanza::parse(raw)?.need("Package")?.to_owned());
                Ok(())
            })
            .unwrap();
        assert_eq!(names, ["a", "d"]);
    }

    #[test]
    fn a_stanza_is_found_by_a_line_and_not_by_a_part_of_one() {
        let text = "Package: a\nSource: s (1)\n\nPackage: b\nSource: s-x\n\nPackage: s\nX: Source: s\n\n\
                    Package: c\nDescription: x\n Package: a\n\nPackage: ab\n";
        let entry = entry();
        let index = of(&entry, text);
        let names = |found: Vec<&str>| -> Vec<String> {
            found.iter().map(|raw| field(raw, "Package").unwrap().to_owned()).collect()
        };
        assert_eq!(names(index.named("a").unwrap()), ["a"]);
        assert_eq!(names(index.of_source("s").unwrap()), ["a", "s"]);
        assert_eq!(names(index.named("ab").unwrap()), ["ab"]);
        assert!(index.named("none").unwrap().is_empty());
    }

    #[test]
    fn a_stanza_without_end_is_refused() {
        let endless = format!("Package: {}", "a".repeat(limits::STANZA_BYTES));
        let entry = entry();
        let index = of(&entry, &endless);
        assert!(index.each(|_| Ok(())).is_err());
        assert!(index.with_line("Package: a").is_err());
    }
}
