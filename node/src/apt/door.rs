//! One package of apt's, judged by the policy that apt's configuration leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use reattest_attestation::{Digest, HashedFile, policy};

use super::lists::{Lists, Names, Release};
use super::relay::Wanted;
use crate::config::Config;
use crate::decisions::{Asked, Decision, Desk, Effect, PolicyRead, Request, Why};
use crate::fault::Fault;
use crate::query::Source;

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
        let meant = Meant { names, release, sha256 };
        self.judge(vec![meant]).into_iter().next().unwrap_or_else(unnamed)
    }

    /// Under which names and in which archives apt's lists have these bytes.
    pub fn listing(
        &self,
        wanted: &BTreeSet<Digest>,
    ) -> Result<BTreeMap<Digest, (Names, Release)>, Fault> {
        self.lists.listing(wanted).map_err(|error| Fault::new("apt's lists cannot be read", error))
    }

    /// The answer on each package, in their order; all of them are recorded before this returns.
    pub fn judge(&self, packages: Vec<Meant>) -> Vec<Answer> {
        let config = match self.config() {
            Ok(config) => config,
            Err(fault) => {
                let refused = |_| Answer::Refused(fault.to_string());
                return packages.into_iter().map(refused).collect();
            }
        };
        let policy = PolicyRead::file(&config.policy);
        let (desk, labels) = (Desk::of(&config), config.labels.clone());
        let node = Source::Node(Box::new(config.clone()));
        let asked = Asked::of(node, &config);
        let requests: Vec<Option<Request>> =
            packages.into_iter().map(|package| package.request(&labels)).collect();
        let named = requests.iter().flatten().cloned().collect();
        let mut decisions =
            desk.decide_all(&policy, named, &mut |request| asked.ask(request)).into_iter();
        let answer = |request: &Option<Request>| {
            request.as_ref().and_then(|_| decisions.next()).map_or_else(unnamed, told)
        };
        requests.iter().map(answer).collect()
    }

    fn config(&self) -> Result<Config, Fault> {
        let config = self.config.as_deref().ok_or_else(|| {
            Fault::text("apt's configuration has no Reattest::Config; run `reattest apt enable`")
        })?;
        Config::load(config)
    }
}

/// A file, and what apt means it to be.
#[derive(Debug, Clone)]
pub struct Meant {
    /// The package's names.
    pub names: Option<Names>,
    /// The archive that lists it.
    pub release: Option<Release>,
    /// SHA-256 of the file.
    pub sha256: Digest,
}

impl Meant {
    fn request(self, labels: &BTreeMap<String, String>) -> Option<Request> {
        let purl = self.names?.purl(self.release.as_ref())?;
        Some(Request {
            door: policy::Door::Apt,
            name: purl.file_name().unwrap_or_else(|| purl.name()),
            purl,
            sha256: self.sha256,
            normalized: Vec::new(),
            labels: labels.clone(),
        })
    }
}

/// What apt and its user are told. apt's messages are of one line.
fn told(decision: Decision) -> Answer {
    let Decision { effect, why, words, .. } = decision;
    let words = words.replace('\n', "; ");
    match (effect, why) {
        (Effect::Allowed, Why::Accepted | Why::Off) => Answer::Allowed(None),
        (Effect::Allowed, _) => Answer::Allowed(Some(words)),
        (Effect::Refused, _) => Answer::Refused(words),
    }
}

fn unnamed() -> Answer {
    Answer::Refused(
        "found a package that apt's lists give no name that a policy could judge; update them with `apt-get update`".to_owned(),
    )
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
