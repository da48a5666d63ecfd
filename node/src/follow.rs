//! Step 1, announce: what `[[follow]]` in the configuration means, and what a list or a lockfile names.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use reattest_rebuilder::reference::DebianReference;
use reattest_rebuilder::release::{Part, architecture};
use reattest_rebuilder::retention::Age;
use reattest_rebuilder::{Lock, Reference};
use serde::{Deserialize, Serialize};

use crate::config::place::{Key, Mistake};
use crate::fault::Fault;
use crate::limits::{FOLLOW_LEAST, FOLLOW_USUAL, FOLLOWED_FILE_BYTES, FOLLOWED_REFERENCES};

/// Something whose new releases are rebuilt here: exactly one of a suite, a list and a lockfile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// A Debian suite, by its codename, e.g. `"trixie"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// A file with one reference a line, and comments after `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<PathBuf>,
    /// A `requirements.txt` with pinned versions, or a lock of an environment as `reattest` writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lockfile: Option<PathBuf>,
    /// Of a suite: its components. Only `main` is rebuilt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Of a suite: `all`, and Debian's name for this machine's architecture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// Of a suite: names of sources or packages, where not all of it is followed.
    #[serde(default, alias = "sources", skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// The time between two looks, e.g. `"1 hours"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Age>,
}

impl Follow {
    /// What would be passed over in silence is refused.
    pub(crate) fn check(&self) -> Result<(), Mistake> {
        let wrong = |at: &[Key], why: String| Err(Mistake::new(at, why));
        let kinds = [
            ("suite", self.suite.is_some()),
            ("list", self.list.is_some()),
            ("lockfile", self.lockfile.is_some()),
        ];
        let named: Vec<&str> = kinds.iter().filter(|kind| kind.1).map(|kind| kind.0).collect();
        if let [] | [_, _, ..] = named.as_slice() {
            let found = if named.is_empty() { "none".to_owned() } else { named.join(" and ") };
            let needed = "needed one of `suite`, `list` and `lockfile`";
            return wrong(&[], format!("found {found}, {needed}; write a [[follow]] for each"));
        }
        self.check_narrowing()?;
        if let Some(suite) = &self.suite {
            let probe: Result<Reference, _> = format!("pkg:deb/debian/a?distro={suite}").parse();
            if let Err(error) = probe {
                let needed = "needed a codename such as \"trixie\"";
                return wrong(&[Key::Of("suite")], format!("found {suite:?}, {needed}: {error}"));
            }
        }
        match self.every {
            Some(Age(every)) if every < FOLLOW_LEAST => {
                let least = FOLLOW_LEAST.as_secs();
                let why =
                    format!("found less than {least} s, needed a time that spares the archive");
                wrong(&[Key::Of("every")], why)
            }
            _ => Ok(()),
        }
    }

    /// Parts of a suite, which lists and lockfiles do not have.
    fn check_narrowing(&self) -> Result<(), Mistake> {
        let narrowing = [
            ("components", &self.components),
            ("architectures", &self.architectures),
            ("only", &self.only),
        ];
        let narrowed = narrowing.iter().find(|(_, list)| !list.is_empty());
        if let (Some((key, _)), None) = (narrowed, &self.suite) {
            let why = "found it in a [[follow]] without `suite`, which alone has it; remove it";
            return Err(Mistake::new(&[Key::Of(key)], why));
        }
        let known = ["all", architecture()];
        let lists: [(&'static str, &[String], &[&str]); 2] = [
            ("components", &self.components, &["main"]),
            ("architectures", &self.architectures, &known),
        ];
        for (key, list, known) in lists {
            let other = list.iter().position(|name| !known.contains(&name.as_str()));
            if let Some(index) = other {
                let found = list.get(index).map_or("", String::as_str);
                let why = format!(
                    "found {found:?}, needed one of {known:?}: nothing else is rebuilt on this \
                     machine; take it out"
                );
                return Err(Mistake::new(&[Key::Of(key), Key::At(index)], why));
            }
        }
        Ok(())
    }

    /// Its name for people.
    pub fn name(&self) -> String {
        let file = |path: &PathBuf| path.display().to_string();
        let of =
            [self.suite.clone(), self.list.as_ref().map(file), self.lockfile.as_ref().map(file)];
        let name = of.into_iter().flatten().next().unwrap_or_default();
        if self.only.is_empty() { name } else { format!("{name} ({})", self.only.join(", ")) }
    }

    /// Its name on disk: another part of a suite begins anew.
    pub fn key(&self) -> String {
        let what = Self { every: None, ..self.clone() };
        let digest = Digest::of(format!("{what:?}").as_bytes()).to_string();
        digest.chars().take(16).collect()
    }

    /// The time between two looks.
    pub fn every(&self) -> std::time::Duration {
        self.every.map_or(FOLLOW_USUAL, |age| age.0)
    }

    /// The part of its suite that is followed.
    pub fn part(&self) -> Part {
        Part {
            only: self.only.iter().cloned().collect(),
            architectures: self.architectures.iter().cloned().collect(),
        }
    }

    /// What its file names, where it is a file.
    pub fn references(&self) -> Result<Option<Vec<Reference>>, Fault> {
        let (path, parse): (&Path, Reader) = match (&self.list, &self.lockfile) {
            (Some(path), _) => (path, list),
            (None, Some(path)) => (path, lockfile),
            (None, None) => return Ok(None),
        };
        let fail = |why: String| Fault::text(format!("{}: {why}", path.display()));
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(FOLLOWED_FILE_BYTES).read_to_string(&mut text))
            .map_err(|error| fail(error.to_string()))?;
        if text.len() as u64 == FOLLOWED_FILE_BYTES {
            return Err(fail(format!("needed fewer than {FOLLOWED_FILE_BYTES} bytes")));
        }
        let mut references = parse(&text).map_err(fail)?;
        if references.len() > FOLLOWED_REFERENCES {
            return Err(fail(format!(
                "found {} references, needed at most {FOLLOWED_REFERENCES}",
                references.len()
            )));
        }
        references.sort_by_key(|reference| format!("{reference:?}"));
        references.dedup();
        Ok(Some(references))
    }
}

/// What reads a file's references.
type Reader = fn(&str) -> Result<Vec<Reference>, String>;

/// One reference a line.
fn list(text: &str) -> Result<Vec<Reference>, String> {
    let mut references = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let words = line.split(" #").next().unwrap_or_default().trim();
        if words.is_empty() || words.starts_with('#') {
            continue;
        }
        let reference = words.parse().map_err(|error| format!("line {number}: {error}"))?;
        references.push(reference);
    }
    Ok(references)
}

/// By what it looks like: a lock is JSON, requirements are not.
fn lockfile(text: &str) -> Result<Vec<Reference>, String> {
    if text.starts_with('{') {
        let lock = Lock::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        let reference = |package: &reattest_rebuilder::recipe::Input| {
            Reference::Debian(DebianReference {
                name: package.name.clone(),
                version: Some(package.version.clone()),
                arch: Some(package.architecture.clone()),
                suite: lock.suite.clone(),
            })
        };
        return Ok(lock.packages.iter().map(reference).collect());
    }
    requirements(text)
}

/// `NAME==VERSION`, as `pip freeze` and `pip-compile` write it, with whatever options follow.
///
/// What names no version is refused and not passed over: nobody could say that all of a file was
/// rebuilt. Hashes are not compared here: the index says which file is meant, as for every rebuild.
fn requirements(text: &str) -> Result<Vec<Reference>, String> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut references = Vec::new();
    for line in joined.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // Which index is asked is for this node's configuration to say.
        let indexes = ["--index-url", "--extra-index-url", "-i ", "--require-hashes"];
        if indexes.iter().any(|option| line.starts_with(option)) {
            continue;
        }
        let pin = line.split([';', ' ']).next().unwrap_or_default();
        let Some((name, version)) = pin.split_once("==") else {
            return Err(format!("found {line:?}, needed NAME==VERSION"));
        };
        let name = name.split('[').next().unwrap_or_default();
        references.push(
            format!("pypi:{name}@{version}").parse().map_err(
                |error: reattest_rebuilder::ReferenceError| format!("{line:?}: {error}"),
            )?,
        );
    }
    Ok(references)
}

/// Debian references by their suites, since one index answers for all of a suite; then all others.
pub fn by_suite(
    references: &[Reference],
) -> (Vec<(String, BTreeSet<DebianWish>)>, Vec<&Reference>) {
    let mut suites: std::collections::BTreeMap<String, BTreeSet<DebianWish>> =
        std::collections::BTreeMap::new();
    let mut others = Vec::new();
    for reference in references {
        match reference {
            Reference::Debian(debian) => {
                suites.entry(debian.suite.clone()).or_default().insert(DebianWish {
                    name: debian.name.clone(),
                    version: debian.version.clone(),
                    arch: debian.arch.clone(),
                });
            }
            Reference::Python(_) => others.push(reference),
        }
    }
    (suites.into_iter().collect(), others)
}

/// One package of a suite that a file names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DebianWish {
    /// The package.
    pub name: String,
    /// Its version, where one is named.
    pub version: Option<String>,
    /// Its architecture, where one is named.
    pub arch: Option<String>,
}

impl DebianWish {
    /// Whether an artifact is the one that is meant.
    pub fn is(&self, purl: &reattest_attestation::Purl) -> bool {
        let fits = |wish: &Option<String>, found: Option<String>| {
            wish.as_ref().is_none_or(|wish| found.as_ref() == Some(wish))
        };
        purl.name() == self.name
            && fits(&self.version, purl.version())
            && fits(&self.arch, purl.qualifier("arch"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn words(references: &[Reference]) -> Vec<String> {
        references.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_list_has_one_reference_a_line_and_a_wrong_one_is_named_by_its_line() {
        let text = "# what we ship\ndeb:netbase\n\n  pypi:rich@13.9.4 # pinned\n";
        assert_eq!(words(&list(text).unwrap()), ["deb:netbase", "pypi:rich@13.9.4"]);
        assert!(list("deb:netbase\nnetbase\n").unwrap_err().starts_with("line 2: found"));
    }

    #[test]
    fn requirements_are_pins_and_nothing_of_them_is_passed_over() {
        let text = "# by pip-compile\n--require-hashes\nattrs==24.3.0 \\\n    --hash=sha256:8f5c \\\n    \
                    --hash=sha256:ac96\nRich[jupyter]==13.9.4 ; python_version > \"3\"  # via x\n";
        let found = words(&requirements(text).unwrap());
        assert_eq!(found, ["pypi:attrs@24.3.0", "pypi:rich@13.9.4"]);
        for unpinned in ["attrs", "attrs>=1", "-r other.txt", "./attrs", "a @ file:///a.whl"] {
            assert!(requirements(unpinned).unwrap_err().contains("NAME==VERSION"), "{unpinned}");
        }
        requirements("attrs==../1").unwrap_err();
    }

    #[test]
    fn what_would_be_passed_over_in_silence_is_refused() {
        let table = [
            ("", "found none"),
            ("suite = \"trixie\"\nlist = \"x\"", "found suite and list"),
            ("list = \"x\"\nonly = [\"a\"]", "without `suite`"),
            ("suite = \"trixie\"\ncomponents = [\"main\", \"contrib\"]", "contrib"),
            ("suite = \"trixie\"\narchitectures = [\"m68k\"]", "m68k"),
            ("suite = \"../trixie\"", "codename"),
            ("suite = \"trixie\"\nevery = \"0 seconds\"", "spares"),
        ];
        for (text, why) in table {
            let follow: Follow = toml::from_str(text).unwrap();
            let mistake = follow.check().unwrap_err();
            assert!(mistake.why.contains(why), "{text}: {mistake:?}");
        }
        let fine: Follow = toml::from_str(
            "suite = \"trixie\"\ncomponents = [\"main\"]\narchitectures = [\"all\"]\nsources = [\"a\"]",
        )
        .unwrap();
        fine.check().unwrap();
        assert_eq!(fine.name(), "trixie (a)");
        toml::from_str::<Follow>("suit = \"trixie\"").unwrap_err();
    }
}
