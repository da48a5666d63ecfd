//! What dpkg is about to install, as apt tells it to a `DPkg::Pre-Install-Pkgs` hook in version 3 (pure).

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::limits::{APT_FIELDS, APT_PACKAGES};

/// A package file that dpkg is about to unpack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The package's name.
    pub package: String,
    /// Its version, with the epoch.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// The file.
    pub file: PathBuf,
}

/// What apt says before dpkg runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// apt's whole configuration, as `Dir::State::lists` to its value.
    pub config: BTreeMap<String, String>,
    /// Every file that dpkg is given.
    pub files: Vec<Planned>,
}

/// Why a transaction could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("found {found:?} from apt, needed {needed}; run `reattest apt enable` again")]
pub struct TransactionError {
    found: String,
    needed: &'static str,
}

impl Transaction {
    /// Reads what apt writes: apt.conf(5) under `DPkg::Pre-Install-Pkgs` has the form.
    pub fn parse(text: &str) -> Result<Self, TransactionError> {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        if first != "VERSION 3" {
            return Err(refuse(first, "the line VERSION 3"));
        }
        let mut transaction = Self::default();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let (key, value) = line.split_once('=').ok_or_else(|| refuse(line, "KEY=VALUE"))?;
            if transaction.config.len() == APT_FIELDS {
                return Err(refuse(line, "less configuration"));
            }
            transaction.config.insert(decoded(key), decoded(value));
        }
        for line in lines.filter(|line| !line.is_empty()) {
            transaction.files.extend(planned(line)?);
            if transaction.files.len() > APT_PACKAGES {
                return Err(refuse(line, "fewer packages"));
            }
        }
        Ok(transaction)
    }
}

/// A line of nine parts: what is installed (name, version, architecture, `Multi-Arch`), whether it goes
/// up or down, what comes (version, architecture, `Multi-Arch`), and the file or an action in stars.
fn planned(line: &str) -> Result<Option<Planned>, TransactionError> {
    const PARTS: &str = "nine parts, the last a file or an action such as **REMOVE**";
    let mut parts = line.splitn(9, ' ');
    let mut next = || parts.next().ok_or_else(|| refuse(line, PARTS));
    let package = next()?.to_owned();
    for _installed in 0..4 {
        next()?;
    }
    let (version, architecture, _multi) = (next()?.to_owned(), next()?.to_owned(), next()?);
    let file = next()?;
    if file.starts_with("**") && file.ends_with("**") {
        return Ok(None);
    }
    if !file.starts_with('/') {
        return Err(refuse(line, PARTS));
    }
    Ok(Some(Planned { package, version, architecture, file: PathBuf::from(file) }))
}

/// apt writes what is not plain as `%` and two digits.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.first_chunk::<2>()).flatten();
        let byte = escaped.and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refuse(found: &str, needed: &'static str) -> TransactionError {
    TransactionError { found: found.chars().take(80).collect(), needed }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects,
        reason = "a test fails by panicking"
    )]
    use super::*;

    #[test]
    fn only_files_that_dpkg_unpacks_are_planned() {
        let text = "VERSION 3\nAPT::Architecture=amd64\nReattest::Config=/a%20b\n\n\
            a - - none < 1:2-1 all none /c/a_1%3a2-1_all.deb\n\
            b 1 amd64 same > - - none **REMOVE**\n\
            a - - none < 1:2-1 all none **CONFIGURE**\n";
        let found = Transaction::parse(text).unwrap();
        assert_eq!(found.config.get("Reattest::Config").map(String::as_str), Some("/a b"));
        let [only] = found.files.as_slice() else { panic!("{found:?}") };
        assert_eq!((only.package.as_str(), only.version.as_str()), ("a", "1:2-1"));
        assert_eq!(only.file, PathBuf::from("/c/a_1%3a2-1_all.deb"));
    }

    #[test]
    fn what_is_not_understood_is_refused_rather_than_left_out() {
        for text in [
            "",
            "VERSION 2\n\n",
            "/a.deb\n",
            "VERSION 3\nno equals sign\n\n",
            "VERSION 3\n\na - - none < 1 all none\n",
            "VERSION 3\n\na - - none < 1 all none relative.deb\n",
        ] {
            assert!(Transaction::parse(text).is_err(), "{text:?}");
        }
    }
}
