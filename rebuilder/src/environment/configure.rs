//! From a lock to a configured system (step 3): parallel unpack, then dpkg in the sandbox.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use super::database::{self, Unpacked};
use super::deb::{self, DebError};
use super::freeze::frozen;
use super::unpack::Root;
use crate::cas::Cas;
use crate::clock::Stopwatch;
use crate::error::RebuildError;
use crate::fetch::{Fetch, Want};
use crate::limits;
use crate::plan;
use crate::progress::{Cancel, Progress};
use crate::rebuild::Workshop;
use crate::recipe::{Document, Input, Lock};
use crate::sandbox::{Access, Bind, Ended, Filter, Identity, Limits, Sandbox, Spec};
use crate::scratch::Scratch;

/// Where packages that dpkg unpacks itself are inside the sandbox.
const PACKAGES: &str = "/tmp/packages";

/// Packages whose bytes are in the store.
#[derive(Clone, Copy)]
pub(super) struct Packages<'a> {
    pub(super) cas: &'a Cas,
    pub(super) inputs: &'a [Input],
}

/// The environment of a lock: an earlier run's, or a new one.
pub(crate) fn environment(
    (lock, document): (&Lock, &Document),
    workshop: &Workshop,
    cas: &Cas,
    sandbox: &Sandbox,
    fetch: &mut dyn Fetch,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<PathBuf, RebuildError> {
    let started = Stopwatch::start();
    let store = workshop.cache.join("environments");
    let digest = document.digest();
    let (path, cached) = frozen(&store, &digest, cancel, |root| {
        fetch_packages(&lock.packages, cas, fetch, progress)?;
        progress(Progress::EnvironmentBuilding { packages: lock.packages.len() });
        let packages = Packages { cas, inputs: &lock.packages };
        let unpacked = unpack_all(root, packages, cancel)?;
        configure(root, &unpacked, cas, workshop, sandbox, cancel)
    })?;
    let seconds = started.seconds();
    progress(Progress::EnvironmentReady { digest, cached, seconds });
    Ok(path)
}

/// Fetches what is not in the store yet.
pub(super) fn fetch_packages(
    inputs: &[Input],
    cas: &Cas,
    fetch: &mut dyn Fetch,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), RebuildError> {
    let (here, missing): (Vec<_>, Vec<_>) = inputs.iter().partition(|i| cas.has(&i.sha256));
    let (total, total_bytes) = (inputs.len(), inputs.iter().map(|i| i.size).sum());
    let bytes = here.iter().map(|i| i.size).sum();
    progress(Progress::Fetching { done: here.len(), total, bytes, total_bytes });
    let wants: Vec<Want> = missing
        .iter()
        .map(|input| Want::pinned(&input.location, input.sha256, input.size))
        .collect();
    for answer in fetch.fetch(&wants) {
        answer?;
    }
    progress(Progress::Fetching { done: total, total, bytes: total_bytes, total_bytes });
    Ok(())
}

/// Unpacks every package below an empty root, several at a time.
pub(super) fn unpack_all(
    path: &Path,
    packages: Packages<'_>,
    cancel: &Cancel,
) -> Result<Vec<Unpacked>, RebuildError> {
    let io = |e| RebuildError::io("cannot unpack below", path, e);
    database::prepare(path).map_err(io)?;
    let root = Root::open(path).map_err(io)?;
    // It brings the links of the merged /usr, through which all others are placed.
    let is_base = |input: &&Input| input.name == "base-files";
    let mut done = Vec::new();
    for base in packages.inputs.iter().filter(is_base) {
        done.push(unpack(&root, base, packages.cas)?);
    }
    let mut left: Vec<&Input> = packages.inputs.iter().filter(|input| !is_base(input)).collect();
    // The largest is taken first, so that no unpacker works alone at the end.
    left.sort_by_key(|input| input.size);
    let left = Mutex::new(left);
    let workers =
        thread::available_parallelism().map_or(1, usize::from).min(limits::PARALLEL_UNPACKS);
    let results: Vec<Result<Vec<Unpacked>, RebuildError>> = thread::scope(|scope| {
        let work = || worker(&root, &left, packages.cas, cancel);
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        running.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err(ended()))).collect()
    });
    for result in results {
        done.extend(result?);
    }
    done.sort_by(|one, other| one.input.cmp(&other.input));
    Ok(done)
}

fn ended() -> RebuildError {
    failure("unpack", "an unpacker ended by itself".to_owned())
}

fn failure(step: &str, why: String) -> RebuildError {
    RebuildError::Environment { step: step.to_owned(), why }
}

fn worker(
    root: &Root,
    left: &Mutex<Vec<&Input>>,
    cas: &Cas,
    cancel: &Cancel,
) -> Result<Vec<Unpacked>, RebuildError> {
    let mut done = Vec::new();
    loop {
        let next = left.lock().map_err(|_| ended())?.pop();
        let Some(input) = next else { return Ok(done) };
        if cancel.is_cancelled() {
            return Err(RebuildError::Cancelled);
        }
        done.push(unpack(root, input, cas)?);
    }
}

fn unpack(root: &Root, input: &Input, cas: &Cas) -> Result<Unpacked, RebuildError> {
    let package = cas.open(&input.sha256)?;
    let (control, list) = deb::read(package, |data| root.unpack(data)).map_err(|e| match e {
        DebError::Io(source) => RebuildError::io("cannot unpack into", root.path(), source),
        refused => failure(&format!("unpack {}", input.location), refused.to_string()),
    })?;
    Ok(Unpacked { input: input.clone(), control, list })
}

fn configure(
    root: &Path,
    unpacked: &[Unpacked],
    cas: &Cas,
    workshop: &Workshop,
    sandbox: &Sandbox,
    cancel: &Cancel,
) -> Result<(), RebuildError> {
    let io = |e| RebuildError::io("cannot configure", root, e);
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let overlapping = database::overlapping(unpacked, |path| inside(path).is_dir());
    let by_dpkg =
        |package: &&Unpacked| package.needs_dpkg() || overlapping.contains(&package.input.name);
    let (by_dpkg, native): (Vec<_>, Vec<_>) = unpacked.iter().partition(by_dpkg);
    database::write(&root.join("var/lib/dpkg"), &native).map_err(io)?;
    let scratch = Scratch::fresh(&workshop.scratch).map_err(io)?;
    let packages = scratch.part("packages").map_err(io)?;
    for package in by_dpkg {
        cas.copy_to(&package.input.sha256, &packages.join(file_name(&package.input)))?;
    }
    let log = scratch.path().join("configure.log");
    match sandbox.run(&dpkg(root, &packages), &log, cancel)? {
        Ended::Success => Ok(()),
        Ended::Failure(_) => {
            let said = fs::read(&log).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            let lines: Vec<&str> = said.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(8)..).unwrap_or_default();
            Err(failure("configure the packages", tail.join("; ")))
        }
    }
}

fn file_name(input: &Input) -> String {
    input.location.rsplit('/').next().unwrap_or(&input.name).to_owned()
}

/// dpkg unpacks the few packages that only it can, configures all, and the build's user and places
/// are added. Inside, so that a link in a package cannot lead any of it to the host.
fn dpkg(root: &Path, packages: &Path) -> Spec {
    let id = Identity::Builder.id();
    let mut script = format!(
        "set -e\n\
         if ls {PACKAGES}/*.deb >/dev/null 2>&1; then\n\
         dpkg --force-unsafe-io --force-depends --force-overwrite --unpack {PACKAGES}/*.deb\nfi\n\
         dpkg --force-unsafe-io --configure -a\n\
         rm -rf /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log /var/lib/dpkg/*-old\n\
         grep -q ^builder: /etc/passwd || echo 'builder:x:{id}:{id}::/nonexistent:/bin/sh' >>/etc/passwd\n\
         grep -q ^builder: /etc/group || echo 'builder:x:{id}:' >>/etc/group\n\
         [ -e /etc/hosts ] || echo '127.0.0.1 localhost {host}' >/etc/hosts\n",
        host = plan::HOSTNAME,
    );
    // Writing into a String cannot fail.
    let _ = writeln!(script, "mkdir -p {} {}", crate::debian::BUILD_PLACE, plan::INPUT_PLACE);
    let environment = BTreeMap::from([
        ("PATH".to_owned(), plan::PATH.to_owned()),
        ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ("HOME".to_owned(), "/root".to_owned()),
        ("DEBIAN_FRONTEND".to_owned(), "noninteractive".to_owned()),
        ("DEBCONF_NONINTERACTIVE_SEEN".to_owned(), "true".to_owned()),
    ]);
    Spec {
        root: root.to_owned(),
        root_access: Access::Writable,
        binds: vec![Bind {
            source: packages.to_owned(),
            target: PACKAGES.to_owned(),
            access: Access::ReadOnly,
        }],
        identity: Identity::Administrator,
        hostname: plan::HOSTNAME.to_owned(),
        environment,
        directory: "/".to_owned(),
        command: vec!["sh".to_owned(), "-c".to_owned(), script],
        filter: Filter::Install,
        limits: Limits::step(),
    }
}
