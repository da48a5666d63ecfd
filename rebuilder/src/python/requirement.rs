//! One dependency as PEP 508 writes it (step 3, pure), for Python 3.13 on Linux.
//!
//! The text is an attacker's. The library that reads it recurses into parentheses, multiplies the terms
//! of a marker out, expands environment variables in URLs and slices its message at byte offsets, so
//! length, depth, terms and alphabet are bounded before it sees a character, and URLs are refused.

use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{
    ExtraName, MarkerEnvironment, MarkerEnvironmentBuilder, MarkerTree, Pep508Url, VersionOrUrl,
};

use super::name::Name;
use super::{PYTHON_FULL, PythonError};
use crate::limits;

/// A dependency: which project, which of its versions, which of its extras, and when.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// The project.
    pub name: Name,
    /// The versions that will do.
    pub versions: VersionSpecifiers,
    /// Optional parts of the project that are wanted too, in canonical form.
    pub extras: BTreeSet<String>,
    /// The text, for messages.
    pub text: String,
    marker: MarkerTree,
}

/// No requirement may name a URL: nothing binds it to a digest.
#[derive(Debug)]
struct NoUrl;

#[derive(Debug, thiserror::Error)]
#[error("it names a URL, and no index binds that to a digest")]
struct UrlRefused;

impl std::fmt::Display for NoUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no URL")
    }
}

impl Pep508Url for NoUrl {
    type Err = UrlRefused;

    fn parse_url(_: &str, _: Option<&Path>) -> Result<Self, UrlRefused> {
        Err(UrlRefused)
    }
}

impl FromStr for Requirement {
    type Err = PythonError;

    fn from_str(text: &str) -> Result<Self, PythonError> {
        let problem =
            |why: String| PythonError::Requirement { text: text.chars().take(120).collect(), why };
        bounded(text).map_err(problem)?;
        let parsed = pep508_rs::Requirement::<NoUrl>::from_str(text);
        // Only the reason: the rest of the library's message slices the text.
        let parsed = parsed.map_err(|e| problem(e.message.to_string()))?;
        let versions = match parsed.version_or_url {
            None => VersionSpecifiers::empty(),
            Some(VersionOrUrl::VersionSpecifier(versions)) => versions,
            Some(VersionOrUrl::Url(_)) => return Err(problem(UrlRefused.to_string())),
        };
        let name = Name::canonical(parsed.name.as_ref());
        Ok(Self {
            name: name.ok_or_else(|| problem("its name is too long".to_owned()))?,
            versions,
            extras: parsed.extras.iter().map(ToString::to_string).collect(),
            text: text.to_owned(),
            marker: parsed.marker,
        })
    }
}

fn bounded(text: &str) -> Result<(), String> {
    if text.len() > limits::REQUIREMENT_BYTES
        || !text.is_ascii()
        || text.contains(|c: char| c.is_control())
    {
        return Err(format!(
            "it is not plain ASCII of at most {} bytes",
            limits::REQUIREMENT_BYTES
        ));
    }
    let parentheses = text.matches('(').count();
    let terms = text.matches(" and ").count() + text.matches(" or ").count();
    if parentheses > limits::MARKER_TERMS || terms > limits::MARKER_TERMS {
        return Err(format!("its marker has more than {} terms", limits::MARKER_TERMS));
    }
    Ok(())
}

impl Requirement {
    /// A requirement without conditions.
    pub fn of(name: &str, versions: &str) -> Result<Self, PythonError> {
        format!("{name}{versions}").parse()
    }

    /// Whether it applies here, for one who wants these extras of the project that states it.
    pub fn applies(&self, environment: &MarkerEnvironment, extras: &BTreeSet<String>) -> bool {
        let extras: Vec<ExtraName> =
            extras.iter().filter_map(|e| ExtraName::from_str(e).ok()).collect();
        self.marker.evaluate(environment, &extras)
    }

    /// Whether this version will do. Pre-releases are another question.
    pub fn admits(&self, version: &Version) -> bool {
        self.versions.contains(version)
    }
}

/// What markers are evaluated against: the Python of Debian 13 on this architecture.
///
/// The kernel's release and version are empty, so that no rebuilder's machine changes the set.
pub fn environment(machine: &str) -> Result<MarkerEnvironment, PythonError> {
    let builder = MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: PYTHON_FULL,
        os_name: "posix",
        platform_machine: machine,
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: "Linux",
        platform_version: "",
        python_full_version: PYTHON_FULL,
        python_version: super::PYTHON,
        sys_platform: "linux",
    };
    MarkerEnvironment::try_from(builder)
        .map_err(|e| PythonError::Requirement { text: PYTHON_FULL.to_owned(), why: e.to_string() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_requirement_is_read_and_its_marker_evaluated_for_debian_13() {
        let table = [
            ("setuptools>=61", "setuptools", true),
            ("setuptools >= 40.8.0, <81 ; python_version>='3.8'", "setuptools", true),
            ("tomli>=1.1.0; python_version < '3.11'", "tomli", false),
            ("Setuptools_SCM[toml]>=3.4", "setuptools-scm", true),
            ("a ; extra == 'toml'", "a", false),
            ("a ; extra == 'test' or extra == 'wanted'", "a", true),
            ("a ; sys_platform == 'win32'", "a", false),
            ("a ; platform_machine == 'x86_64' and implementation_name == 'cpython'", "a", true),
            ("wheel", "wheel", true),
            ("flit_core (>=3.2,<4)", "flit-core", true),
        ];
        let environment = environment("x86_64").unwrap();
        let extras = BTreeSet::from(["wanted".to_owned()]);
        for (text, name, applies) in table {
            let requirement: Requirement = text.parse().unwrap();
            assert_eq!(requirement.name.as_str(), name, "{text}");
            assert_eq!(requirement.applies(&environment, &extras), applies, "{text}");
        }
    }

    #[test]
    fn hostile_requirements_are_refused_before_they_cost_anything() {
        let deep = format!("a ; {}os_name == 'x'{}", "(".repeat(100_000), ")".repeat(100_000));
        let nested = format!("a ; {}os_name == 'x'{}", "(".repeat(200), ")".repeat(200));
        let wide = format!("a ; os_name == 'x'{}", " and os_name == 'x'".repeat(60));
        let table = [
            deep.as_str(),
            nested.as_str(),
            wide.as_str(),
            "a @ ${HOME}",
            "a @ file:///etc/passwd",
            "a @ git+ssh://host/x",
            "a\nb",
            "ä>=1",
            "a ; os_name == 'ä",
            "../a",
            "-r file",
            "",
            "a>=nonsense",
            "a>=1,",
            "a[",
            "a>99999999999999999999999999",
        ];
        for text in table {
            let refused = text.parse::<Requirement>();
            // A trailing comma is read by some tools; either way nothing else may come of it.
            assert!(refused.is_err() || text == "a>=1,", "{text}");
        }
    }
}
