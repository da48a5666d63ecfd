//! Environments of real packages: one layer or two, root or not, they are the same to the last byte.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use reattest_attestation::Digest;
use reattest_rebuilder::environment::{self, Environment};
use reattest_rebuilder::sandbox::{
    Access, Bind, Ended, Filter, Identity, Limits, Root, Spec, probe,
};
use reattest_rebuilder::{Cancel, Cas, Fetch, FetchProblem, Lock, Want, Workshop};
use reattest_tests::{at_hand, cache, directory, document, run, said, skip};

/// Much of the base, its libraries and triggers, and Python in the first: one of which the mirror has
/// the sources that its own index names.
const PACKAGES: [&str; 2] = ["deb:ca-certificates", "deb:less"];
/// Names the cache of the second maker.
const MAKE_IN: &str = "REATTEST_TEST_MAKE_IN";
/// No account has it; none is needed.
const ANOTHER_USER: u32 = 54_321;

/// Everything is in the store already.
struct NoNetwork;

impl Fetch for NoNetwork {
    fn fetch(&mut self, wants: &[Want]) -> Vec<Result<Digest, FetchProblem>> {
        assert!(wants.is_empty(), "{wants:?}");
        Vec::new()
    }
}

/// The lock of the package's build; its packages are in the store then.
fn lock(what: &str) -> Option<Lock> {
    if !at_hand(what) {
        return None;
    }
    let output = PACKAGES.iter().find_map(|package| {
        let output = run(&["rebuild", package, "--json"]);
        (!said(&output).contains("on the mirror")).then_some(output)
    });
    let Some(output) = output else {
        skip(what, &format!("the mirror lacks sources of {}", PACKAGES.join(", ")));
        return None;
    };
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let digest = document(&output)["lock"].as_str().unwrap().to_owned();
    let digest = digest.trim_start_matches("sha256:").parse().unwrap();
    let bytes = Cas::below(&cache()).unwrap().read(&digest, 1 << 20).unwrap();
    Some(Lock::parse(&bytes).unwrap())
}

fn make(lock: &Lock, cache: &Path) -> Environment {
    environment::of_lock(lock, &Workshop::new(cache), &mut NoNetwork).unwrap()
}

fn names(environment: &Environment) -> Vec<String> {
    environment.layers().iter().map(|layer| layer.digest().to_string()).collect()
}

/// A cache with the same store and no layer.
fn fresh_cache() -> tempfile::TempDir {
    let fresh = directory();
    symlink(cache().join("blobs"), fresh.path().join("blobs")).unwrap();
    fresh
}

/// Runs a script in a root, and returns what it said.
fn inside(root: Root, binds: Vec<Bind>, script: &str) -> String {
    let place = directory();
    let log = place.path().join("log");
    let path = "/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
    let spec = Spec {
        root,
        root_access: Access::ReadOnly,
        binds,
        identity: Identity::Administrator,
        hostname: "reattest".to_owned(),
        environment: BTreeMap::from([
            ("PATH".to_owned(), path),
            ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ]),
        directory: "/".to_owned(),
        command: ["sh", "-c", script].map(str::to_owned).into(),
        filter: Filter::Install,
        limits: Limits::step(),
    };
    let ended = probe(None).unwrap().run(&spec, &log, &Cancel::new()).unwrap();
    let said = fs::read_to_string(&log).unwrap();
    assert_eq!(ended, Ended::Success, "{said}");
    said
}

#[test]
fn two_layers_are_the_same_system_as_one_to_the_last_byte_and_dpkg_agrees() {
    let Some(two) = lock("environments of one layer and of two") else { return };
    assert!(two.lower().is_some(), "it builds over the base");
    let mut one = two.clone();
    one.base.clear();
    let (cache, place) = (fresh_cache(), directory());
    let [one, two] = [one, two].map(|lock| make(&lock, cache.path()));
    assert_eq!((one.layers().len(), two.layers().len()), (1, 2));
    let roots = || [(&one, "one"), (&two, "two")].map(|(e, name)| e.root(place.path().join(name)));
    let everything = r"find . -xdev ! -path './build*' -printf '%p %y %m %l\n' | sort
        find . -xdev -type f -print0 | sort -z | xargs -0 sha256sum
        dpkg-query -W -f '${Package} ${Version} ${Status}\n'";
    let [in_one, in_two] = roots().map(|root| inside(root, Vec::new(), everything));
    let differing = in_one.lines().zip(in_two.lines()).find(|(one, two)| one != two);
    assert_eq!(differing, None);
    assert_eq!(in_one.lines().count(), in_two.lines().count());
    assert!(in_two.lines().filter(|line| line.ends_with(" install ok installed")).count() > 100);
    for root in roots() {
        assert_eq!(inside(root, Vec::new(), "dpkg --audit && dpkg --verify"), "");
    }
    apt_agrees(&two);
}

/// apt is in no environment; the tool that resolves has it.
fn apt_agrees(environment: &Environment) {
    let tool = fs::read_dir(cache().join("tools")).unwrap().flatten().map(|entry| entry.path());
    let tool: PathBuf = tool.filter(|path| path.join("usr/bin/apt-get").exists()).last().unwrap();
    let source = environment.layers()[0].path().join("var/lib/dpkg/status");
    let target = "/tmp/status".to_owned();
    let bind = Bind { source, target, access: Access::ReadOnly };
    let script = "mkdir -p /tmp/state/lists/partial /tmp/cache/archives/partial && apt-get -qq \
        -o Dir::State=/tmp/state -o Dir::State::status=/tmp/status -o Dir::Cache=/tmp/cache \
        -o Debug::NoLocking=1 check";
    assert_eq!(inside(Root::Directory(tool), vec![bind], script), "");
}

#[test]
fn the_same_pins_give_the_same_layers_to_everyone() {
    let Some(lock) = lock("layers of root and of an ordinary user") else { return };
    let (mine, theirs) = (fresh_cache(), directory());
    let made = names(&make(&lock, mine.path()));
    let store = Cas::below(theirs.path()).unwrap();
    for input in &lock.packages {
        let path = store.path(&input.sha256);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        Cas::below(&cache()).unwrap().copy_to(&input.sha256, &path).unwrap();
    }
    fs::write(theirs.path().join("lock"), lock.document().unwrap().bytes()).unwrap();
    let program = theirs.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut again = Command::new(&program);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        hand_over(theirs.path());
        again = Command::new("setpriv");
        let ids = [format!("--reuid={ANOTHER_USER}"), format!("--regid={ANOTHER_USER}")];
        again.args(ids).arg("--clear-groups").arg(&program);
    } else {
        skip("layers of an ordinary user and of root", "only root can be both");
    }
    again.args(["--exact", "environments::another_maker_makes_them", "--nocapture"]);
    again.env(MAKE_IN, theirs.path()).env("TMPDIR", theirs.path()).env("TZ", "Asia/Tokyo");
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let theirs = fs::read_to_string(theirs.path().join("layers.txt")).unwrap();
    assert_eq!(theirs.lines().collect::<Vec<_>>(), made);
}

/// Not a claim by itself: the process of the test above comes here.
#[test]
fn another_maker_makes_them() {
    let Some(cache) = std::env::var_os(MAKE_IN).map(PathBuf::from) else { return };
    let lock = Lock::parse(&fs::read(cache.join("lock")).unwrap()).unwrap();
    fs::write(cache.join("layers.txt"), names(&make(&lock, &cache)).join("\n")).unwrap();
}

fn hand_over(root: &Path) {
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        chown(&path, Some(ANOTHER_USER), Some(ANOTHER_USER)).unwrap();
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        }
    }
}
