//! Build dependencies, resolved by apt itself (step 3): in the sandbox, without network, against the
//! pinned index, with nothing installed. What apt would install is the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use reattest_attestation::Digest;

use super::closure::{Closure, input};
use super::configure::{self, Packages};
use super::freeze::frozen;
use crate::cas::Cas;
use crate::error::RebuildError;
use crate::fetch::Fetch;
use crate::plan;
use crate::progress::{Cancel, Progress};
use crate::rebuild::Workshop;
use crate::recipe::{Document, Input, Lock};
use crate::release::{DebianRelease, Index, Stanza, architecture, field};
use crate::sandbox::{Access, Bind, Ended, Filter, Identity, Limits, Sandbox, Spec};
use crate::scratch::Scratch;

/// Where apt works inside the sandbox.
const PLACE: &str = "/tmp/solve";

/// The lock of a release: from an earlier run of the same index, source and options, or from apt.
pub(crate) fn lock(
    release: &DebianRelease,
    workshop: &Workshop,
    cas: &Cas,
    sandbox: &Sandbox,
    fetch: &mut dyn Fetch,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<(Lock, Document), RebuildError> {
    let memory = workshop.cache.join("locks").join(question(release).to_string());
    if let Some(known) = recall(&memory, cas) {
        return Ok(known);
    }
    progress(Progress::Solving);
    let closure = Closure::read(cas, release.suite.packages())?;
    let tool = Lock::new(release.suite.codename(), architecture(), closure.tool.clone());
    let tool_digest = document(&tool)?.digest();
    configure::fetch_packages(&tool.packages, cas, fetch, progress)?;
    let store = workshop.cache.join("tools");
    let (root, _) = frozen(&store, &tool_digest, cancel, |root| {
        configure::unpack_all(root, Packages { cas, inputs: &tool.packages }, cancel).map(drop)
    })?;
    let scratch = Scratch::fresh(&workshop.scratch)
        .map_err(|e| RebuildError::io("cannot make a directory below", &workshop.scratch, e))?;
    let said = ask_apt(release, &closure, &root, &scratch, cas, sandbox, cancel)?;
    let wanted = installed(&said);
    let lock = Lock::new(release.suite.codename(), architecture(), inputs(&wanted, cas, release)?);
    let pinned = document(&lock)?;
    cas.put(pinned.bytes())?;
    remember(&memory, &pinned);
    Ok((lock, pinned))
}

fn document(lock: &Lock) -> Result<Document, RebuildError> {
    lock.document().map_err(|e| environment_error("write the lock", e.to_string()))
}

fn environment_error(step: &str, why: String) -> RebuildError {
    RebuildError::Environment { step: step.to_owned(), why }
}

/// Everything that apt's answer depends on, by digest; the version of the question is its first word.
fn question(release: &DebianRelease) -> Digest {
    let dsc =
        release.release.sources().first().map(|file| file.sha256.to_string()).unwrap_or_default();
    let packages = release.suite.packages().sha256;
    let class = class(release);
    let root = release.requires_root;
    Digest::of(
        format!("2 {packages} {dsc} {class} {root} {} {}", crate::debian::PROFILES, architecture())
            .as_bytes(),
    )
}

fn class(release: &DebianRelease) -> &'static str {
    if release.is_indep { "--indep-only" } else { "--arch-only" }
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

fn ask_apt(
    release: &DebianRelease,
    closure: &Closure,
    root: &Path,
    scratch: &Scratch,
    cas: &Cas,
    sandbox: &Sandbox,
    cancel: &Cancel,
) -> Result<String, RebuildError> {
    let place = scratch.path().join("solve");
    let io = |e| RebuildError::io("cannot prepare apt's directory", scratch.path(), e);
    for part in [
        "repository",
        "etc/apt.conf.d",
        "etc/preferences.d",
        "state/lists/partial",
        "cache/archives/partial",
    ] {
        fs::create_dir_all(place.join(part)).map_err(io)?;
    }
    cas.copy_to(&release.suite.packages().sha256, &place.join("repository/Packages.xz"))?;
    if let Some(dsc) = release.release.sources().first() {
        cas.copy_to(&dsc.sha256, &place.join("source.dsc"))?;
    }
    fs::write(place.join("status"), "").map_err(io)?;
    fs::write(place.join("apt.conf"), configuration(release, closure)).map_err(io)?;
    let source = format!("deb [trusted=yes] file:{PLACE}/repository ./\n");
    fs::write(place.join("etc/sources.list"), source).map_err(io)?;
    let log = scratch.path().join("solve.log");
    let ended = sandbox.run(&apt(release, root, &place), &log, cancel)?;
    let said = fs::read(&log).map_err(|e| RebuildError::io("cannot read apt's answer", &log, e))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    match ended {
        Ended::Success => Ok(said),
        Ended::Failure(_) => Err(RebuildError::Unsatisfiable {
            package: format!("{} {}", release.source_name, release.version),
            apt: reason(&said),
        }),
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

/// apt.conf(5). The index was verified here, so apt is told to trust it; there is no other.
fn configuration(release: &DebianRelease, closure: &Closure) -> String {
    let mut always = closure.essential.clone();
    always.push("build-essential".to_owned());
    if release.requires_root {
        always.push("fakeroot".to_owned());
    }
    // apt.conf(5): every value in quotes, and a semicolon after each.
    let always = format!("\"{}\";", always.join("\"; \""));
    let architecture = architecture();
    let profiles = crate::debian::PROFILES;
    format!(
        "Dir::State \"{PLACE}/state\";\nDir::State::status \"{PLACE}/status\";\n\
         Dir::Cache \"{PLACE}/cache\";\nDir::Etc \"{PLACE}/etc\";\nDir::Log \"{PLACE}\";\n\
         APT::Architecture \"{architecture}\";\nAPT::Architectures \"{architecture}\";\n\
         APT::Sandbox::User \"root\";\nAPT::Install-Recommends \"false\";\n\
         APT::Build-Profiles \"{profiles}\";\nAcquire::Languages \"none\";\nDebug::NoLocking \"true\";\n\
         #clear APT::Build-Essential;\nAPT::Build-Essential {{ {always}}};\n"
    )
}

fn apt(release: &DebianRelease, root: &Path, place: &Path) -> Spec {
    let class = class(release);
    let script = format!(
        "apt-get -qq update && exec apt-get -s -q -o Debug::pkgProblemResolver=0 build-dep {class} {PLACE}/source.dsc"
    );
    let environment = [
        ("APT_CONFIG", format!("{PLACE}/apt.conf")),
        ("PATH", plan::PATH.to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
    ];
    Spec {
        root: root.to_owned(),
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
fn installed(said: &str) -> BTreeSet<(String, String, String)> {
    let parse = |line: &str| -> Option<(String, String, String)> {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
        let version = rest.split_whitespace().next()?;
        let architecture = rest.split_once('[')?.1.split_once(']')?.0;
        let name = name.split([' ', ':']).next()?;
        Some((name.to_owned(), version.to_owned(), architecture.to_owned()))
    };
    said.lines().filter_map(parse).collect()
}

/// The index's stanzas of what apt would install; each must be there, or the lock is not covered.
fn inputs(
    wanted: &BTreeSet<(String, String, String)>,
    cas: &Cas,
    release: &DebianRelease,
) -> Result<Vec<Input>, RebuildError> {
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _, _)| name.as_str()).collect();
    let mut found = BTreeMap::new();
    Index::open(cas, release.suite.packages())?.each(|raw| {
        if field(raw, "Package").is_some_and(|name| names.contains(name)) {
            let input = input(&Stanza::parse(raw)?)?;
            let key = (input.name.clone(), input.version.clone(), input.architecture.clone());
            if wanted.contains(&key) {
                found.insert(key, input);
            }
        }
        Ok(())
    })?;
    match wanted.iter().find(|key| !found.contains_key(key)) {
        Some((name, version, _)) => {
            let why = format!("apt chose {name} {version}, which the pinned index does not have");
            Err(environment_error("resolve the build dependencies", why))
        }
        None if found.is_empty() => {
            Err(environment_error("resolve the build dependencies", "apt chose nothing".to_owned()))
        }
        None => Ok(found.into_values().collect()),
    }
}

#[cfg(test)]
mod tests {
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
        let owned = expected.map(|(n, v, a)| (n.to_owned(), v.to_owned(), a.to_owned()));
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
}
