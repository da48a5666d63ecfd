//! What the user asks to rebuild: a purl or the short form `deb:NAME[@VERSION]` (before step 1).

use std::fmt;
use std::str::FromStr;

use reattest_attestation::Purl;
use serde::{Deserialize, Serialize};

/// The suite meant when a reference names none: Debian 13, the newest stable release.
pub const DEFAULT_SUITE: &str = "trixie";

/// A binary package of an archive, by name, and where stated by version, architecture and suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The binary package's name, e.g. `netbase`.
    pub name: String,
    /// The exact version that is meant; without it, the one that the index names today.
    pub version: Option<String>,
    /// `all` or a Debian architecture; without it, whatever the index has for this machine.
    pub arch: Option<String>,
    /// The suite's codename, e.g. [`DEFAULT_SUITE`].
    pub suite: String,
}

/// Why a text is no reference. The user's fault, always.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Neither `deb:` nor a Debian purl.
    #[error("found {0:?}; needed deb:NAME[@VERSION] or pkg:deb/debian/NAME[@VERSION]")]
    Form(String),
    /// A part has characters that Debian does not allow there, so it could reach into a path.
    #[error("found {what} {found:?}; needed the characters that Debian allows there ({allowed})")]
    Characters {
        /// Which part.
        what: &'static str,
        /// What stood there.
        found: String,
        /// What may stand there.
        allowed: &'static str,
    },
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let reference = match text.strip_prefix("deb:") {
            Some(short) => Self::from_short(short),
            None => Self::from_purl_text(text)?,
        };
        reference.checked()
    }
}

impl Reference {
    fn from_short(short: &str) -> Self {
        let (name, version) = match short.split_once('@') {
            Some((name, version)) => (name, Some(version.to_owned())),
            None => (short, None),
        };
        Self { name: name.to_owned(), version, arch: None, suite: DEFAULT_SUITE.to_owned() }
    }

    fn from_purl_text(text: &str) -> Result<Self, ReferenceError> {
        let form = || ReferenceError::Form(text.to_owned());
        let purl: Purl = text.parse().map_err(|_| form())?;
        Self::of_purl(&purl).ok_or_else(form)
    }

    /// The reference that a Debian purl stands for; `None` for any other kind of purl.
    pub fn of_purl(purl: &Purl) -> Option<Self> {
        if purl.kind() != "deb" || purl.namespace().as_deref() != Some("debian") {
            return None;
        }
        Some(Self {
            name: purl.name(),
            version: purl.version(),
            arch: purl.qualifier("arch"),
            suite: purl.qualifier("distro").unwrap_or_else(|| DEFAULT_SUITE.to_owned()),
        })
    }

    /// Every part ends up in a path or on apt's command line, so each must have Debian's own form.
    fn checked(self) -> Result<Self, ReferenceError> {
        check("package name", &self.name, "a-z 0-9 + - .", is_name)?;
        check("suite", &self.suite, "a-z 0-9 + - .", is_name)?;
        if let Some(version) = &self.version {
            check("version", version, "A-Z a-z 0-9 . + - : ~", is_version)?;
        }
        if let Some(arch) = &self.arch {
            check("architecture", arch, "a-z 0-9 -", is_name)?;
        }
        Ok(self)
    }

    /// The purl of this reference once the index told version and architecture.
    pub fn purl(name: &str, version: &str, arch: &str, suite: &str) -> Option<Purl> {
        let qualifiers = [("arch", arch), ("distro", suite)];
        Purl::new("deb", Some("debian"), name, Some(version), &qualifiers).ok()
    }
}

fn check(
    what: &'static str,
    found: &str,
    allowed: &'static str,
    is_fine: fn(&str) -> bool,
) -> Result<(), ReferenceError> {
    if is_fine(found) {
        return Ok(());
    }
    Err(ReferenceError::Characters { what, found: found.to_owned(), allowed })
}

/// Debian policy 5.6.1, without its minimum length: suites and architectures use it too.
pub(crate) fn is_name(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    starts_well && text.len() <= 128 && text.chars().all(fine)
}

/// Debian policy 5.6.12.
pub(crate) fn is_version(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fine = |c: char| c.is_ascii_alphanumeric() || ".+-:~".contains(c);
    starts_well && text.len() <= 128 && text.chars().all(fine)
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deb:{}", self.name)?;
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn short_and_long_forms_mean_the_same() {
        let short: Reference = "deb:netbase@6.5".parse().unwrap();
        let long: Reference = "pkg:deb/debian/netbase@6.5?distro=trixie".parse().unwrap();
        assert_eq!(short, long);
        assert_eq!(short.suite, DEFAULT_SUITE);
    }

    #[test]
    fn what_could_leave_its_place_is_refused() {
        for text in [
            "deb:../x",
            "deb:",
            "deb:A",
            "deb:a b",
            "deb:x@../1",
            "npm:left-pad",
            "netbase",
            "pkg:npm/left-pad@1",
            "deb:-o",
            "pkg:deb/debian/netbase?distro=..%2Fetc",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
