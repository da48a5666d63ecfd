//! Packages resolved by apt itself (step 3): in the sandbox, without network, against the pinned index,
//! with nothing installed. What apt would install is the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use reattest_attestation::Digest;

use super::closure::Closure;
use super::freeze::frozen;
use super::packages::{self, Packages};
use super::wish::{Archive, MARK, PLACE, Wish};
use crate::cas::Cas;
use crate::error::RebuildError;
use crate::fetch::Fetch;
use crate::means::Means;
use crate::plan;
use crate::progress::{Cancel, Progress};
use crate::rebuild::Workshop;
use crate::recipe::{Document, Input, Lock};
use crate::release::{Index, Stanza, coverage, field, input};
use crate::sandbox::{Access, Bind, Ended, Filter, Identity, Limits, Root, Sandbox, Spec};
use crate::scratch::Scratch;

/// Name, version and architecture; exact wishes leave the last one open.
type Key = (String, String, Option<String>);

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Every package is there.
    Lock(Box<Lock>, Document),
    /// An exact wish that the index cannot fulfil. With the missing packages from elsewhere,
    /// `Lock::new` and [`Lock::over`] make the lock.
    Missing {
        /// The packages that are there.
        found: Vec<Input>,
        /// Those that are not.
        missing: Vec<Missing>,
        /// The layer that the lock may stand over.
        base: Option<Box<Lock>>,
    },
}

/// A package of an exact version that the index does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// The version that is wanted.
    pub version: String,
    /// The version that the index has, if any.
    pub has: Option<String>,
    /// The packages of the wish that depend on it, sorted.
    pub wanted_by: Vec<String>,
}

/// Everything that asking apt needs.
struct Solver<'a> {
    archive: &'a Archive,
    wish: &'a Wish,
    workshop: &'a Workshop,
    cas: &'a Cas,
    sandbox: &'a Sandbox,
    cancel: &'a Cancel,
}

/// The lock of a wish that names no exact versions.
pub(crate) fn lock(
    archive: &Archive,
    wish: &Wish,
    sandbox: &Sandbox,
    means: &mut Means<'_>,
) -> Result<(Lock, Document), RebuildError> {
    match resolve(archive, wish, sandbox, means)? {
        Resolved::Lock(lock, document) => Ok((*lock, document)),
        Resolved::Missing { .. } => Err(failure("packages are missing".to_owned())),
    }
}

/// The lock of a wish: from an earlier run of the same question, or from apt. It is in the store then.
pub(crate) fn resolve(
    archive: &Archive,
    wish: &Wish,
    sandbox: &Sandbox,
    means: &mut Means<'_>,
) -> Result<Resolved, RebuildError> {
    wish.check()?;
    let Means { workshop, cas, cancel, fetch, progress, .. } = means;
    let memory = workshop.cache.join("locks").join(wish.question(archive).to_string());
    if let Some((lock, document)) = recall(&memory, cas) {
        // Whoever can write the cache could have named other packages there.
        if coverage::covers(&Index::open(cas, &archive.packages)?, &archive.suite, &lock)? {
            return Ok(Resolved::Lock(Box::new(lock), document));
        }
    }
    progress(Progress::Solving);
    let solver = Solver { archive, wish, workshop, cas, sandbox, cancel };
    let resolved = solver.resolve(*fetch, *progress)?;
    if let Resolved::Lock(_, document) = &resolved {
        cas.put(document.bytes())?;
        remember(&memory, document);
    }
    Ok(resolved)
}

impl Solver<'_> {
    fn resolve(
        &self,
        fetch: &mut dyn Fetch,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Resolved, RebuildError> {
        let closure = Closure::read(self.cas, &self.archive.packages)?;
        let tool = self.lock(closure.tool.clone());
        packages::fetch(&tool.packages, self.cas, fetch, progress)?;
        let store = self.workshop.cache.join("tools");
        let (root, _) = frozen(&store, &document(&tool)?.digest(), self.cancel, |root| {
            let packages = Packages { cas: self.cas, inputs: &tool.packages };
            packages::unpack_all(root, None, packages, self.cancel).map(drop)
        })?;
        let said = self.ask_apt(&closure.essential, root)?;
        let mut answers = said.split(MARK);
        let wanted: BTreeSet<Key> = match self.wish {
            Wish::Exact(pins) => pins.iter().map(|(n, v)| (n.clone(), v.clone(), None)).collect(),
            _ => installed(answers.next().unwrap_or_default()),
        };
        if let Wish::Exact(_) = self.wish {
            answers.next();
        }
        let bases: Vec<BTreeSet<Key>> = answers.map(installed).collect();
        self.answer(&wanted, &bases)
    }

    /// The index's stanzas of what is wanted; apt cannot want what is not there.
    fn answer(
        &self,
        wanted: &BTreeSet<Key>,
        bases: &[BTreeSet<Key>],
    ) -> Result<Resolved, RebuildError> {
        let known =
            Known::read(self.cas, self.archive, wanted.iter().chain(bases.iter().flatten()))?;
        let base = |base: &BTreeSet<Key>| {
            let base = self.lock(known.inputs(base).ok()?);
            let lock = self.lock(known.inputs(wanted).ok()?).over(&base);
            (!lock.base.is_empty()).then_some(lock)
        };
        let lock = match known.inputs(wanted) {
            Ok(inputs) if inputs.is_empty() => return Err(failure("apt chose nothing".to_owned())),
            Ok(inputs) => bases.iter().find_map(base).unwrap_or_else(|| self.lock(inputs)),
            Err(missing) => return self.missing(&known, wanted, missing, bases),
        };
        let document = document(&lock)?;
        Ok(Resolved::Lock(Box::new(lock), document))
    }

    fn missing(
        &self,
        known: &Known,
        wanted: &BTreeSet<Key>,
        missing: Vec<Missing>,
        bases: &[BTreeSet<Key>],
    ) -> Result<Resolved, RebuildError> {
        if let (false, Some(one)) = (matches!(self.wish, Wish::Exact(_)), missing.first()) {
            let Missing { name, version, .. } = one;
            return Err(failure(format!(
                "apt chose {name} {version}, which the pinned index lacks"
            )));
        }
        let found = wanted.iter().filter_map(|key| known.input(key)).cloned().collect();
        let base = bases.iter().find_map(|base| known.inputs(base).ok());
        let base = base.map(|inputs| Box::new(self.lock(inputs)));
        Ok(Resolved::Missing { found, missing, base })
    }

    fn lock(&self, inputs: Vec<Input>) -> Lock {
        Lock::new(&self.archive.suite, &self.archive.architecture, inputs)
    }

    fn ask_apt(
        &self,
        essential: &[String],
        root: std::path::PathBuf,
    ) -> Result<String, RebuildError> {
        let scratch = &self.workshop.scratch;
        let scratch = Scratch::fresh(scratch)
            .map_err(|e| RebuildError::io("cannot make a directory below", scratch, e))?;
        let place = scratch.path().join("solve");
        self.prepare(&place, essential)?;
        let log = scratch.path().join("solve.log");
        let spec = apt(root, &place, self.wish.script(essential));
        let ended = self.sandbox.run(&spec, &log, self.cancel)?;
        let said = fs::read(&log);
        let said = said.map_err(|e| RebuildError::io("cannot read apt's answer", &log, e))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        match ended {
            Ended::Success => Ok(said),
            Ended::Failure(_) => {
                let (package, apt) = (self.wish.name(), reason(&said));
                Err(RebuildError::Unsatisfiable { package, apt })
            }
        }
    }

    /// The directory in which apt works; the index is in it, and nothing is installed.
    fn prepare(&self, place: &Path, essential: &[String]) -> Result<(), RebuildError> {
        let io = |e| RebuildError::io("cannot prepare apt's directory", place, e);
        for part in [
            "repository",
            "etc/apt.conf.d",
            "etc/preferences.d",
            "state/lists/partial",
            "cache/archives/partial",
        ] {
            fs::create_dir_all(place.join(part)).map_err(io)?;
        }
        self.cas.copy_to(&self.archive.packages.sha256, &place.join("repository/Packages.xz"))?;
        if let Wish::BuildDependencies { dsc, .. } = self.wish {
            self.cas.copy_to(&dsc.sha256, &place.join("source.dsc"))?;
        }
        fs::write(place.join("status"), "").map_err(io)?;
        let configuration = self.wish.configuration(self.archive, essential);
        fs::write(place.join("apt.conf"), configuration).map_err(io)?;
        let source = format!("deb [trusted=yes] file:{PLACE}/repository ./\n");
        fs::write(place.join("etc/sources.list"), source).map_err(io)
    }
}

/// The canonical document of a lock that was made here.
pub(super) fn document(lock: &Lock) -> Result<Document, RebuildError> {
    lock.document().map_err(|e| RebuildError::Environment {
        step: "write the lock".to_owned(),
        why: e.to_string(),
    })
}

fn failure(why: String) -> RebuildError {
    RebuildError::Environment { step: "resolve the packages".to_owned(), why }
}

fn recall(memory: &Path, cas: &Cas) -> Option<(Lock, Document)> {
    let digest: Digest = fs::read_to_string(memory).ok()?.trim().parse().ok()?;
    let bytes = cas.read(&digest, crate::recipe::DOCUMENT_BYTES as u64).ok()?;
    let lock = Lock::parse(&bytes).ok()?;
    let document = lock.document().ok().filter(|d| d.digest() == digest)?;
    Some((lock, document))
}

/// Only saves time: without it apt is asked again.
fn remember(memory: &Path, lock: &Document) {
    let Some(parent) = memory.parent() else {
        return;
    };
    let write = || -> std::io::Result<()> {
        use std::io::Write;
        fs::create_dir_all(parent)?;
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        writeln!(file, "{}", lock.digest())?;
        file.persist(memory).map(drop).map_err(|e| e.error)
    };
    if let Err(error) = write() {
        tracing::debug!(%error, "the lock will be resolved again next time");
    }
}

/// apt's own words without its chatter, at most a screenful.
fn reason(said: &str) -> String {
    let is_chatter = |line: &&str| {
        !line.is_empty()
            && !["Reading", "Building", "Note,"].iter().any(|start| line.starts_with(start))
    };
    let lines: Vec<&str> = said.lines().map(str::trim).filter(is_chatter).collect();
    let start = lines.len().saturating_sub(12);
    lines.get(start..).unwrap_or_default().join("; ")
}

fn apt(root: std::path::PathBuf, place: &Path, script: String) -> Spec {
    let environment = [
        ("APT_CONFIG", format!("{PLACE}/apt.conf")),
        ("PATH", plan::PATH.to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
    ];
    Spec {
        root: Root::Directory(root),
        root_access: Access::ReadOnly,
        binds: vec![Bind {
            source: place.to_owned(),
            target: PLACE.to_owned(),
            access: Access::Writable,
        }],
        identity: Identity::Administrator,
        hostname: plan::HOSTNAME.to_owned(),
        environment: environment.into_iter().map(|(n, v)| (n.to_owned(), v)).collect(),
        directory: "/".to_owned(),
        command: vec!["sh".to_owned(), "-c".to_owned(), script],
        filter: Filter::Install,
        limits: Limits::step(),
    }
}

/// Name, version and architecture of each line `Inst NAME (VERSION ORIGIN [ARCH])`.
fn installed(said: &str) -> BTreeSet<Key> {
    let parse = |line: &str| -> Option<Key> {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
        let version = rest.split_whitespace().next()?;
        let architecture = rest.split_once('[')?.1.split_once(']')?.0;
        let name = name.split([' ', ':']).next()?;
        Some((name.to_owned(), version.to_owned(), Some(architecture.to_owned())))
    };
    said.lines().filter_map(parse).collect()
}

/// What the index says of the packages that matter here.
#[derive(Default)]
struct Known {
    inputs: BTreeMap<(String, String), Vec<Input>>,
    versions: BTreeMap<String, String>,
    wanted_by: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    fn read<'a>(
        cas: &Cas,
        archive: &Archive,
        keys: impl Iterator<Item = &'a Key>,
    ) -> Result<Self, RebuildError> {
        let keys: BTreeSet<(&str, &str)> = keys.map(|(n, v, _)| (n.as_str(), v.as_str())).collect();
        let names: BTreeSet<&str> = keys.iter().map(|(name, _)| *name).collect();
        let mut known = Self::default();
        Index::open(cas, &archive.packages)?.each(|raw| {
            if !field(raw, "Package").is_some_and(|name| names.contains(name)) {
                return Ok(());
            }
            known.add(raw, |name, version| keys.contains(&(name, version)))
        })?;
        Ok(known)
    }

    fn add(&mut self, raw: &str, is_wanted: impl Fn(&str, &str) -> bool) -> Result<(), String> {
        let input = input(&Stanza::parse(raw)?)?;
        self.versions.insert(input.name.clone(), input.version.clone());
        if !is_wanted(&input.name, &input.version) {
            return Ok(());
        }
        for relations in ["Pre-Depends", "Depends"].iter().filter_map(|name| field(raw, name)) {
            let word =
                |one: &str| one.split([' ', ':', '(']).find(|w| !w.is_empty()).map(str::to_owned);
            for name in relations.split([',', '|']).filter_map(word) {
                self.wanted_by.entry(name).or_default().insert(input.name.clone());
            }
        }
        let key = (input.name.clone(), input.version.clone());
        self.inputs.entry(key).or_default().push(input);
        Ok(())
    }

    fn input(&self, (name, version, architecture): &Key) -> Option<&Input> {
        let candidates = self.inputs.get(&(name.clone(), version.clone()))?;
        candidates.iter().find(|i| architecture.as_ref().is_none_or(|a| i.architecture == *a))
    }

    fn inputs(&self, keys: &BTreeSet<Key>) -> Result<Vec<Input>, Vec<Missing>> {
        let missing: Vec<Missing> = keys
            .iter()
            .filter(|key| self.input(key).is_none())
            .map(|key| self.missing(key))
            .collect();
        if missing.is_empty() {
            return Ok(keys.iter().filter_map(|key| self.input(key)).cloned().collect());
        }
        Err(missing)
    }

    fn missing(&self, (name, version, _): &Key) -> Missing {
        let wanted_by = self.wanted_by.get(name).into_iter().flatten().cloned().collect();
        let has = self.versions.get(name).cloned();
        Missing { name: name.clone(), version: version.clone(), has, wanted_by }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn apts_simulation_gives_name_version_and_architecture() {
        let said = "Reading package lists...\nNOTE: This is only a simulation!\n\
            Inst libc6 (2.41-12 Debian:13.7/stable [amd64]) []\n\
            Inst gcc-14-base (14.2.0-19  [amd64])\nInst perl:amd64 (5.40.1-6 localhost [all])\n\
            Conf libc6 (2.41-12 Debian:13.7/stable [amd64])\nInst broken\n";
        let expected = [
            ("gcc-14-base", "14.2.0-19", "amd64"),
            ("libc6", "2.41-12", "amd64"),
            ("perl", "5.40.1-6", "all"),
        ];
        let owned = expected.map(|(n, v, a)| (n.to_owned(), v.to_owned(), Some(a.to_owned())));
        assert_eq!(installed(said), BTreeSet::from(owned));
    }

    #[test]
    fn apts_reason_is_kept_and_its_chatter_not() {
        let said = "Reading package lists...\nBuilding dependency tree...\n\
            The following packages have unmet dependencies:\n builddeps:x : Depends: nonesuch\nE: Unable\n";
        assert_eq!(
            reason(said),
            "The following packages have unmet dependencies:; builddeps:x : Depends: nonesuch; E: Unable"
        );
    }

    fn stanza(name: &str, version: &str, depends: &str) -> String {
        let sha256 = Digest::of(name.as_bytes());
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nDepends: {depends}\n\
             Filename: pool/{name}_{version}_amd64.deb\nSize: 1\nSHA256: {sha256}\n"
        )
    }

    #[test]
    fn a_version_that_the_index_lacks_is_named_with_who_wants_it() {
        let mut known = Known::default();
        let pins = [("a", "1"), ("b", "2"), ("c", "3")];
        for raw in [
            stanza("a", "1", "b (>= 2), x | c:any"),
            stanza("b", "2.1", "c"),
            stanza("d", "9", "b"),
        ] {
            known.add(&raw, |name, version| pins.contains(&(name, version))).unwrap();
        }
        let keys = pins.map(|(n, v)| (n.to_owned(), v.to_owned(), None));
        let missing = known.inputs(&BTreeSet::from(keys)).unwrap_err();
        let said =
            |m: &Missing| (m.name.clone(), m.version.clone(), m.has.clone(), m.wanted_by.join(" "));
        let owned = |n: &str, v: &str, h: Option<&str>| {
            (n.to_owned(), v.to_owned(), h.map(str::to_owned), "a".to_owned())
        };
        let expected = [owned("b", "2", Some("2.1")), owned("c", "3", None)];
        assert_eq!(missing.iter().map(said).collect::<Vec<_>>(), expected);
    }
}
