//! One package of apt's, judged by the policy that apt's configuration leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use reattest_attestation::{Conclusion, Digest, HashedFile, Question, Verdict};

use super::lists::{Lists, Names, Release};
use super::relay::Wanted;
use crate::config::Config;
use crate::fault::Fault;
use crate::query::{self, Source};
use crate::setup;

/// What becomes of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// apt gets it; with what the administrator is told where it is not proven.
    Allowed(Option<String>),
    /// apt does not get it, for this reason, in one line that says what to do.
    Refused(String),
}

/// The door as apt's configuration describes it.
#[derive(Debug, Clone, Default)]
pub struct Door {
    config: Option<PathBuf>,
    lists: Lists,
}

impl Door {
    /// Takes over what apt's configuration says: `Reattest::Config`, and where apt's lists are.
    pub fn configure<'a>(&mut self, config: impl Iterator<Item = (&'a str, &'a str)>) {
        let config: BTreeMap<&str, &str> = config.collect();
        let value = |key: &str| config.get(key).copied().filter(|value| !value.is_empty());
        self.config = value("Reattest::Config").map(PathBuf::from);
        if let Some(lists) = value("Dir::State::lists") {
            // As apt joins them: each below the one before, unless it is absolute.
            let path =
                [value("Dir").unwrap_or("/"), value("Dir::State").unwrap_or_default(), lists]
                    .iter()
                    .fold(PathBuf::new(), |path, part| path.join(part));
            let path = match value("RootDir") {
                Some(root) => Path::new(root).join(path.strip_prefix("/").unwrap_or(&path)),
                None => path,
            };
            self.lists = Lists::in_directory(path);
        }
    }

    /// A package that has been downloaded: its names are those of the file that apt asked for.
    pub fn package(&self, wanted: &Wanted, sha256: Digest) -> Answer {
        let names = Names::of_file(&wanted.file);
        let release = self.lists.release(&wanted.archive);
        self.judge(names.as_ref(), release.as_ref(), sha256)
    }

    /// Under which names and in which archives apt's lists have these bytes.
    pub fn listing(
        &self,
        wanted: &BTreeSet<Digest>,
    ) -> Result<BTreeMap<Digest, (Names, Release)>, Fault> {
        self.lists.listing(wanted).map_err(|error| Fault::new("apt's lists cannot be read", error))
    }

    /// The answer on a package that apt means to be of these names, of this archive.
    pub fn judge(
        &self,
        names: Option<&Names>,
        release: Option<&Release>,
        sha256: Digest,
    ) -> Answer {
        let Some(purl) = names.and_then(|names| names.purl(release)) else {
            return Answer::Refused(
                "apt gives this package no name that a policy could judge; update apt's lists"
                    .to_owned(),
            );
        };
        let name = purl.file_name().unwrap_or_else(|| purl.name());
        let question = Question::about(HashedFile::elsewhere(&name, sha256), Some(purl));
        match self.verdict(&question) {
            Ok(verdict) if verdict.verdict == Conclusion::Accepted => Answer::Allowed(None),
            Ok(verdict) => Answer::Refused(crate::cli::verdict_lines(&verdict).join("; ")),
            Err(fault) => Answer::Refused(fault.to_string()),
        }
    }

    fn verdict(&self, question: &Question) -> Result<Verdict, Fault> {
        let config = self.config.as_deref().ok_or_else(|| {
            Fault::text("apt's configuration has no Reattest::Config; run `reattest apt enable`")
        })?;
        let config = Config::load(config)?;
        let policy = setup::policy_in_force(&config.policy)?;
        query::judge(&policy, &Source::Node(Box::new(config)), question)
    }
}

/// A file's digests.
pub fn hashed(path: &Path) -> Result<HashedFile, Fault> {
    let fail = |error| Fault::new(path.display().to_string(), error);
    let file = std::fs::File::open(path).map_err(fail)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    HashedFile::read(&name.unwrap_or_default(), file).map_err(fail)
}

/// One `Config-Item` of apt: `KEY=VALUE`, with what is not plain as `%` and two digits.
pub fn config_item(item: &str) -> Option<(String, String)> {
    let (key, value) = item.split_once('=')?;
    Some((super::transaction::decoded(key), super::transaction::decoded(value)))
}
