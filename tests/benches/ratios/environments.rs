//! Environments of builds: making one, finding it again, and what it takes on the disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use reattest_attestation::Digest;
use reattest_rebuilder::environment::{self, Environment};
use reattest_rebuilder::{Cas, Fetch, FetchProblem, Lock, Want, Workshop};

use crate::pairs::side_by_side;
use crate::programs::{find, quiet, reattest, run};
use crate::table::{Table, Unit};

const FIRST: &str = "a first environment (build-essential, debhelper)";
const AGAIN: &str = "the same environment again";
const DISK: &str = "two environments over one base, on the disk";
/// The first needs the base alone, the second some libraries and programs more.
const PACKAGES: [&str; 2] = ["deb:netbase", "deb:gzip"];
/// Rounds of half a minute.
const ROUNDS: usize = 3;
const REPEATED_SECONDS: f64 = 0.3;

/// Everything is in the store already.
pub(crate) struct NoNetwork;

impl Fetch for NoNetwork {
    fn fetch(&mut self, wants: &[Want]) -> Vec<Result<Digest, FetchProblem>> {
        assert!(wants.is_empty(), "{wants:?}");
        Vec::new()
    }
}

/// A store with the packages of both locks.
struct Scene {
    store: PathBuf,
    locks: [Lock; 2],
}

/// Every row about environments.
pub(crate) fn rows(table: &mut Table) {
    let Some(scene) = Scene::new() else {
        table.leave_out("environments", "no reattest beside this bench, or no mirror at hand");
        return;
    };
    first(table, &scene);
    again(table, &scene);
    disk(table, &scene);
}

fn first(table: &mut Table, scene: &Scene) {
    let Some(mmdebstrap) = find("mmdebstrap") else {
        table.leave_out(FIRST, "mmdebstrap is not on the path (apt-get install mmdebstrap)");
        return;
    };
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        table.leave_out(FIRST, "mmdebstrap needs root or subordinate ids");
        return;
    }
    let repository = scene.repository();
    let ours = || drop(Scene::make(&scene.locks[0], fresh(&scene.store).path()));
    let theirs = || run(&mut scene.mmdebstrap(&mmdebstrap, repository.path()), 0);
    let pair = side_by_side(ROUNDS, ours, theirs);
    table.times(FIRST, "mmdebstrap --variant=buildd, the same packages", pair, Some(0.35));
}

#[allow(clippy::cast_precision_loss, reason = "a table shows three digits")]
fn again(table: &mut Table, scene: &Scene) {
    let cache = fresh(&scene.store);
    drop(Scene::make(&scene.locks[1], cache.path()));
    let begun = Instant::now();
    drop(Scene::make(&scene.locks[1], cache.path()));
    let seconds = begun.elapsed().as_secs_f64();
    let bound = (seconds, REPEATED_SECONDS);
    table.row(AGAIN, "0.3 s", bound, Unit::Seconds, Some(1.0));
}

/// What dpkg says that the packages take, each package of the base once, against what is there.
#[allow(clippy::cast_precision_loss, reason = "a table shows three digits")]
fn disk(table: &mut Table, scene: &Scene) {
    let cache = fresh(&scene.store);
    let environments = scene.locks.each_ref().map(|lock| Scene::make(lock, cache.path()));
    let topmost = environments[1].layers()[0].path();
    let status = fs::read_to_string(topmost.join("var/lib/dpkg/status")).unwrap();
    let sizes = status.lines().filter_map(|line| line.strip_prefix("Installed-Size: "));
    let unpacked: u64 = sizes.filter_map(|size| size.parse::<u64>().ok()).sum();
    let taken = (bytes(&cache.path().join("layers")) as f64, unpacked as f64 * 1_024.0);
    table.row(DISK, "Installed-Size of its packages", taken, Unit::Bytes, Some(1.1));
}

/// A cache with the same store and no layer.
fn fresh(store: &Path) -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    symlink(store, cache.path().join("blobs")).unwrap();
    cache
}

fn bytes(root: &Path) -> u64 {
    let mut total = 0;
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap().flatten() {
            let metadata = entry.metadata().unwrap();
            total += metadata.blocks() * 512;
            if metadata.is_dir() {
                left.push(entry.path());
            }
        }
    }
    total
}

impl Scene {
    /// Both packages are rebuilt once, so that everything is fetched.
    fn new() -> Option<Self> {
        let program = reattest()?;
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
        let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
        let cache = cache.join("reattest");
        let lock = |package: &str| {
            let output =
                Command::new(&program).args(["rebuild", package, "--json"]).output().ok()?;
            let said: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
            let digest = said["lock"].as_str()?.trim_start_matches("sha256:").parse().ok()?;
            Lock::parse(&Cas::below(&cache).ok()?.read(&digest, 1 << 20).ok()?).ok()
        };
        let locks = [lock(PACKAGES[0])?, lock(PACKAGES[1])?];
        Some(Self { store: cache.join("blobs"), locks })
    }

    fn make(lock: &Lock, cache: &Path) -> Environment {
        environment::of_lock(lock, &Workshop::new(cache), &mut NoNetwork).unwrap()
    }

    /// The packages of the first lock as a directory that apt reads, so that no network is timed.
    fn repository(&self) -> tempfile::TempDir {
        let repository = tempfile::tempdir().unwrap();
        let cas = Cas::below(self.store.parent().unwrap()).unwrap();
        let mut index = String::new();
        for input in &self.locks[0].packages {
            let file = format!("{}_{}.deb", input.name, input.architecture);
            cas.copy_to(&input.sha256, &repository.path().join(&file)).unwrap();
            let mut control = Command::new("dpkg-deb");
            control.arg("-f").arg(repository.path().join(&file));
            let control = control.output().unwrap().stdout;
            index.push_str(String::from_utf8(control).unwrap().trim_end());
            index += &format!(
                "\nFilename: ./{file}\nSize: {}\nSHA256: {}\n\n",
                input.size, input.sha256
            );
        }
        fs::write(repository.path().join("Packages"), index).unwrap();
        repository
    }

    /// The same packages and no others, which `custom` asks for; `buildd` would add apt.
    fn mmdebstrap(&self, program: &Path, repository: &Path) -> Command {
        let names: Vec<&str> = self.locks[0].packages.iter().map(|p| p.name.as_str()).collect();
        let source = format!("deb [trusted=yes] copy:{} ./", repository.display());
        let target = repository.join("target");
        let _none_before = fs::remove_dir_all(&target);
        let mut command = quiet(program);
        command
            .args(["--mode=root", "--variant=custom"])
            .arg(format!("--include={}", names.join(",")));
        command.arg(&self.locks[0].suite).arg(target).arg(source);
        command
    }
}
