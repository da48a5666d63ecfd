//! What is known of the publisher's build besides its source (step 3): few values, each of a checked form.

use std::collections::BTreeMap;

use super::binary_only::Entry;
use super::buildinfo::BuildInfo;
use crate::environment::Missing;

/// The values learned from the published artifact or its `.buildinfo`; usually none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The changelog entry of a `+bN` version.
    pub(crate) entry: Option<Entry>,
    /// The record of the build, where one was given.
    pub(crate) buildinfo: Option<BuildInfo>,
}

/// Why something of the publisher's build cannot be used. Of the file's making; never an outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LearnedError {
    /// No package of the build has the changelog entry of its version.
    #[error(
        "found no changelog entry of {version} in {looked}; needed changelog.Debian.ARCHITECTURE.gz among the documents of one: without it nobody knows what this version was built from"
    )]
    NoEntry {
        /// The version of the build.
        version: String,
        /// The packages that were read.
        looked: String,
    },
    /// The entry is not of the one form.
    #[error("the changelog entry in {file} is refused: {why}")]
    Entry {
        /// The package.
        file: String,
        /// What was found, and what was needed.
        why: String,
    },
    /// The package that has the entry cannot be read.
    #[error("cannot read {file}: {why}")]
    Package {
        /// The package.
        file: String,
        /// What was found.
        why: String,
    },
    /// The `.buildinfo` is malformed, or of another build.
    #[error("the .buildinfo is refused: {0}")]
    BuildInfo(String),
    /// It lists versions that no signed index at hand has.
    #[error(
        "the build used {} packages that the signed index of {suite} does not have: {}; needed an archive that still has them",
        .missing.len(), list(.missing)
    )]
    Unavailable {
        /// The suite.
        suite: String,
        /// All of them.
        missing: Vec<Missing>,
    },
}

impl Told {
    /// The same as the recipe and the attestation name it.
    pub(super) fn learned(&self) -> BTreeMap<String, String> {
        let mut learned = BTreeMap::new();
        let mut put = |name: &str, value: String| learned.insert(name.to_owned(), value);
        if let Some(entry) = &self.entry {
            put("changelog-entry", entry.text().to_owned());
        }
        if let Some(told) = &self.buildinfo {
            put("buildinfo", format!("sha256:{}", told.digest));
            put("installed-build-depends", format!("{} exact versions", told.pins.len()));
            if let Some((place, tree)) = &told.path {
                put("build-path", format!("{place}/{tree}"));
            }
            if let Some(origin) = &told.origin {
                put("build-origin", origin.clone());
            }
            for (name, value) in &told.environment {
                put(&format!("environment.{name}"), value.clone());
            }
            if !told.ignored.is_empty() {
                put("environment-ignored", told.ignored.join(" "));
            }
        }
        learned
    }
}

fn list(missing: &[Missing]) -> String {
    let one = |missing: &Missing| {
        let Missing { name, version, has, wanted_by } = missing;
        let has = has.as_ref().map_or("has none".to_owned(), |has| format!("has {has}"));
        let wanted = match wanted_by.as_slice() {
            [] => "the source itself".to_owned(),
            some => some.join(", "),
        };
        format!("{name} {version} (the index {has}; wanted by {wanted})")
    };
    missing.iter().map(one).collect::<Vec<_>>().join("; ")
}
