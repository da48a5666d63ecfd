//! What the user asks to rebuild: a purl, or a short form as `deb:NAME` or `pypi:NAME@VERSION` (before step 1).

use std::fmt;
use std::str::FromStr;

use reattest_attestation::Purl;
use serde::{Deserialize, Serialize};

/// The suite meant when a reference names none: Debian 13, the newest stable release.
pub const DEFAULT_SUITE: &str = "trixie";

/// One published artifact that can be rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reference {
    /// A binary package of a Debian archive.
    Debian(DebianReference),
    /// A wheel of a Python index.
    Python(PythonReference),
}

/// A binary package of an archive, by name, and where stated by version, architecture and suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianReference {
    /// The binary package's name, e.g. `netbase`.
    pub name: String,
    /// The exact version that is meant; without it, the one that the index names today.
    pub version: Option<String>,
    /// `all` or a Debian architecture; without it, whatever the index has for this machine.
    pub arch: Option<String>,
    /// The suite's codename, e.g. [`DEFAULT_SUITE`].
    pub suite: String,
}

/// A wheel of a project, by the project's normalized name, and where stated by version and file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonReference {
    /// The project's name as PEP 503 normalizes it, e.g. `typing-extensions`.
    pub project: String,
    /// The exact version; without it, the newest that the index names today.
    pub version: Option<String>,
    /// The exact wheel; without it, the one that fits every machine.
    pub file_name: Option<String>,
}

/// Why a text is no reference. The user's fault, always.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// None of the forms.
    #[error(
        "found {0:?}; needed deb:NAME[@VERSION], pypi:NAME[@VERSION], or a purl of one of both (pkg:deb/debian/NAME@VERSION, pkg:pypi/NAME@VERSION)"
    )]
    Form(String),
    /// A part has characters that do not belong there, so it could reach into a path.
    #[error("found {what} {found:?}; needed the characters that are allowed there ({allowed})")]
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
        let form = || ReferenceError::Form(text.to_owned());
        if let Some(short) = text.strip_prefix("deb:") {
            return Self::debian(short).checked();
        }
        if let Some(short) = text.strip_prefix("pypi:") {
            return Self::python(short).checked();
        }
        let purl: Purl = text.parse().map_err(|_| form())?;
        Self::of_purl(&purl).ok_or_else(form)?.checked()
    }
}

impl Reference {
    fn debian(short: &str) -> Self {
        let (name, version) = split_version(short);
        let suite = DEFAULT_SUITE.to_owned();
        Self::Debian(DebianReference { name: name.to_owned(), version, arch: None, suite })
    }

    fn python(short: &str) -> Self {
        let (name, version) = split_version(short);
        let project = normalized_project(name);
        Self::Python(PythonReference { project, version, file_name: None })
    }

    /// The reference that a purl stands for; `None` for a kind that is not rebuilt here.
    pub fn of_purl(purl: &Purl) -> Option<Self> {
        match (purl.kind(), purl.namespace().as_deref()) {
            ("deb", Some("debian")) => Some(Self::Debian(DebianReference {
                name: purl.name(),
                version: purl.version(),
                arch: purl.qualifier("arch"),
                suite: purl.qualifier("distro").unwrap_or_else(|| DEFAULT_SUITE.to_owned()),
            })),
            ("pypi", None) => Some(Self::Python(PythonReference {
                project: normalized_project(&purl.name()),
                version: purl.version(),
                file_name: purl.qualifier("file_name"),
            })),
            _ => None,
        }
    }

    /// Every part ends up in a path or on a command line, so each must have its registry's form.
    fn checked(self) -> Result<Self, ReferenceError> {
        match &self {
            Self::Debian(debian) => debian.check()?,
            Self::Python(python) => python.check()?,
        }
        Ok(self)
    }
}

impl DebianReference {
    fn check(&self) -> Result<(), ReferenceError> {
        check("package name", &self.name, "a-z 0-9 + - .", is_name)?;
        check("suite", &self.suite, "a-z 0-9 + - .", is_name)?;
        if let Some(version) = &self.version {
            check("version", version, "A-Z a-z 0-9 . + - : ~", is_version)?;
        }
        if let Some(arch) = &self.arch {
            check("architecture", arch, "a-z 0-9 -", is_name)?;
        }
        Ok(())
    }

    /// The purl of a package once the index told version and architecture.
    pub fn purl(name: &str, version: &str, arch: &str, suite: &str) -> Option<Purl> {
        let qualifiers = [("arch", arch), ("distro", suite)];
        Purl::new("deb", Some("debian"), name, Some(version), &qualifiers).ok()
    }
}

impl PythonReference {
    fn check(&self) -> Result<(), ReferenceError> {
        check("project", &self.project, "a-z 0-9 -", is_project)?;
        if let Some(version) = &self.version {
            check("version", version, "A-Z a-z 0-9 . + - ! _", is_python_version)?;
        }
        if let Some(file) = &self.file_name {
            check("file name", file, "A-Z a-z 0-9 . + - ! _, ending in .whl", is_wheel)?;
        }
        Ok(())
    }
}

fn split_version(short: &str) -> (&str, Option<String>) {
    match short.split_once('@') {
        Some((name, version)) => (name, Some(version.to_owned())),
        None => (short, None),
    }
}

/// PEP 503: runs of `-`, `_` and `.` are one `-`, and letters are small.
pub fn normalized_project(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if "-_.".contains(c) { '-' } else { c.to_ascii_lowercase() };
        if c != '-' || !normalized.ends_with('-') {
            normalized.push(c);
        }
    }
    normalized
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

/// A normalized project name: PEP 508 lets it neither begin nor end with a separator.
fn is_project(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = !text.starts_with('-') && !text.ends_with('-');
    !text.is_empty() && ends && text.len() <= 128 && text.chars().all(fine)
}

/// PEP 440, as far as characters go.
fn is_python_version(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fine = |c: char| c.is_ascii_alphanumeric() || ".+-!_".contains(c);
    starts_well && text.len() <= 128 && text.chars().all(fine)
}

fn is_wheel(text: &str) -> bool {
    text.len() <= 256 && text.strip_suffix(".whl").is_some_and(is_python_version)
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name, version) = match self {
            Self::Debian(debian) => ("deb", &debian.name, &debian.version),
            Self::Python(python) => ("pypi", &python.project, &python.version),
        };
        write!(f, "{kind}:{name}")?;
        match version {
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
        let table = [
            ("deb:netbase@6.5", "pkg:deb/debian/netbase@6.5?distro=trixie"),
            ("pypi:Typing_Extensions@4.12", "pkg:pypi/typing-extensions@4.12"),
            ("pypi:six", "pkg:pypi/six"),
        ];
        for (short, long) in table {
            assert_eq!(short.parse::<Reference>().unwrap(), long.parse().unwrap(), "{short}");
        }
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
            "pypi:",
            "pypi:a/b",
            "pypi:six@1/..",
            "pypi:-six",
            "pkg:pypi/six@1?file_name=..%2Fsix.whl",
            "pkg:pypi/six@1?file_name=six.tar.gz",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
