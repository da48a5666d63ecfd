//! The sandbox refuses a build that reaches for the network, a key, the answer or another process (step 3).
//!
//! Each attempt is one command whose success means an escape. It runs twice: inside, where it must
//! fail, and outside, where it must succeed, since an attempt that cannot succeed shows nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use reattest_rebuilder::fetch::Endpoints;
use reattest_rebuilder::sandbox::{
    Access, Bind, Ended, Filter, Identity, Limits, Sandbox, Spec, probe,
};
use reattest_rebuilder::{Cancel, Cas, Mirror, RebuildError, Reference, Workshop, rebuild};

/// A variable of this process that no build may see.
const MARKER: &str = "REATTEST_ESCAPE_MARKER";

/// A real environment and the sandbox around it.
struct Room {
    sandbox: Sandbox,
    root: PathBuf,
}

/// Things on this machine that a build must not reach, alive as long as the test.
struct Bait {
    directory: tempfile::TempDir,
    published: PathBuf,
    tcp: TcpListener,
    udp: UdpSocket,
    _abstract: UnixListener,
    abstract_name: String,
    process: Child,
}

impl Drop for Bait {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("reattest")
}

/// The environment of netbase: from the cache, or made; `None` when no mirror answers for long.
fn room() -> Option<Room> {
    let cache = cache();
    let endpoints = Endpoints::of_apt(Path::new("/etc/apt")).unwrap();
    let reference: Reference = "deb:netbase".parse().unwrap();
    for _ in 0..3 {
        let mut mirror = Mirror::new(&endpoints, &cache).unwrap();
        let workshop = Workshop::new(&cache);
        match rebuild(&reference, &workshop, &mut mirror, &mut |_| (), &Cancel::new()) {
            Ok(rebuilt) => {
                let root = cache.join("environments").join(rebuilt.lock.digest().to_string());
                return Some(Room { sandbox: probe(None).unwrap(), root });
            }
            Err(RebuildError::Fetch(_)) => (),
            Err(other) => panic!("{other}"),
        }
    }
    None
}

fn bait(cache: &Path) -> Bait {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("key"), "secret").unwrap();
    let cas = Cas::below(cache).unwrap();
    let published = cas.path(&cas.put(b"the published artifact").unwrap());
    let abstract_name = format!("reattest-escape-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
    Bait {
        directory,
        published,
        tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
        udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
        _abstract: UnixListener::bind_addr(&address).unwrap(),
        abstract_name,
        process: Command::new("sleep").arg("600").spawn().unwrap(),
    }
}

impl Room {
    fn spec(&self, scratch: &Path, script: &str) -> Spec {
        let bind = Bind {
            source: scratch.to_owned(),
            target: "/build/reproducible-path".to_owned(),
            access: Access::Writable,
        };
        let path = "/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        Spec {
            root: self.root.clone(),
            root_access: Access::ReadOnly,
            binds: vec![bind],
            identity: Identity::Builder,
            hostname: "reattest".to_owned(),
            environment: BTreeMap::from([("PATH".to_owned(), path)]),
            directory: "/build/reproducible-path".to_owned(),
            command: vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()],
            filter: Filter::Build,
            limits: Limits::step(),
        }
    }

    /// Whether a script succeeds inside, and what it says.
    fn inside(&self, script: &str) -> (bool, String) {
        let scratch = tempfile::tempdir().unwrap();
        let log = scratch.path().join("log");
        let place = scratch.path().join("place");
        std::fs::create_dir(&place).unwrap();
        let ended = self.sandbox.run(&self.spec(&place, script), &log, &Cancel::new()).unwrap();
        (ended == Ended::Success, std::fs::read_to_string(&log).unwrap())
    }
}

fn outside(script: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", script]).env(MARKER, "seen").stderr(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null()).status().unwrap().success()
}

/// Attempts by claim. Every one of them works where nothing confines it.
fn attempts(bait: &Bait) -> Vec<(&'static str, String)> {
    let tcp = bait.tcp.local_addr().unwrap().port();
    let udp = bait.udp.local_addr().unwrap().port();
    let socket = |code: &str| format!("perl -MSocket -e '{code}'");
    let key = bait.directory.path().join("key");
    vec![
        (
            "reach another machine by IP",
            // Connecting a datagram socket only asks for a route, so no packet leaves.
            socket(
                "socket(S,AF_INET,SOCK_DGRAM,0) or exit 1; connect(S,sockaddr_in(9,inet_aton(\"192.0.2.1\"))) or exit 1",
            ),
        ),
        (
            "ask a resolver",
            socket(&format!(
                "socket(S,AF_INET,SOCK_DGRAM,0) or exit 1; connect(S,sockaddr_in({udp},INADDR_LOOPBACK)) or exit 1; \
                 send(S,\"query\",0) or exit 1; $r=\"\"; vec($r,fileno(S),1)=1; select($r,undef,undef,2) or exit 1; \
                 recv(S,$b,9,0); exit($b eq \"answer\" ? 0 : 1)"
            )),
        ),
        (
            "connect to a service on the host's loopback",
            socket(&format!(
                "socket(S,AF_INET,SOCK_STREAM,0) or exit 1; connect(S,sockaddr_in({tcp},INADDR_LOOPBACK)) or exit 1"
            )),
        ),
        (
            "connect to an abstract socket of the host",
            socket(&format!(
                "socket(S,AF_UNIX,SOCK_STREAM,0) or exit 1; connect(S,pack_sockaddr_un(\"\\0{}\")) or exit 1",
                bait.abstract_name
            )),
        ),
        ("read a key", format!("cat '{}'", key.display())),
        ("read the published artifact", format!("cat '{}'", bait.published.display())),
        (
            "reach the host's shadow file",
            format!("test \"$(stat -c %i:%Y /etc/shadow)\" = '{}'", shadow()),
        ),
        (
            "find a variable of the builder",
            format!("cat /proc/[0-9]*/environ 2>/dev/null | grep -q {MARKER}="),
        ),
        ("signal a process of the host", format!("kill -0 {}", bait.process.id())),
        ("mount", "unshare -Urm mount -t tmpfs none /mnt".to_owned()),
        (
            "gain a capability",
            "unshare -Ur sh -c 'grep CapEff: /proc/self/status | grep -q [1-9a-f]'".to_owned(),
        ),
    ]
}

/// Which file it is: the environment has one of its own.
fn shadow() -> String {
    let output = Command::new("stat").args(["-c", "%i:%Y", "/etc/shadow"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The resolver's side: answers whoever asks, for as long as the test lives.
fn answer(udp: &UdpSocket) {
    let udp = udp.try_clone().unwrap();
    let serve = move || {
        let mut buffer = [0; 16];
        while let Ok((_, asker)) = udp.recv_from(&mut buffer) {
            let _ = udp.send_to(b"answer", asker);
        }
    };
    std::thread::Builder::new().spawn(serve).unwrap();
}

#[test]
fn a_build_cannot_leave_its_sandbox() {
    let mut stderr = std::io::stderr();
    let Some(room) = room() else {
        writeln!(
            stderr,
            "SKIPPED 1: the sandbox's escapes; no mirror answered and no environment is cached"
        )
        .unwrap();
        return;
    };
    let bait = bait(&cache());
    answer(&bait.udp);
    assert!(room.inside("true").0, "a command that does no harm runs");
    for (claim, script) in attempts(&bait) {
        let (escaped, said) = room.inside(&script);
        assert!(!escaped, "a build could {claim}: {said}");
        if !outside(&script) {
            // Only what the host itself lacks: a route, or user namespaces within a container.
            writeln!(
                stderr,
                "SKIPPED 1: \"{claim}\" fails outside as well, so it shows nothing here"
            )
            .unwrap();
            let optional = ["reach another machine by IP", "mount", "gain a capability"];
            assert!(optional.contains(&claim), "the attempt to {claim} does not even work outside");
        }
    }
    nothing_is_left_behind(&room);
    nothing_is_inherited(&room);
    nothing_is_poisoned(&room);
}

/// What one build leaves anywhere, the next one does not find, also while the first still runs.
fn nothing_is_poisoned(room: &Room) {
    let places = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/usr/bin", "/etc", "/", "/build", "."];
    let poison = places.map(|place| format!("echo x > {place}/poison 2>/dev/null"));
    let seek = places.map(|place| format!("test ! -e {place}/poison")).join(" && ");
    let poison = poison.join("; ");
    let (poisoned, said) =
        room.inside(&format!("{poison}; test -e ./poison && ! test -e /usr/bin/poison"));
    assert!(poisoned, "a build writes below its own directory only: {said}");
    let (clean, said) = room.inside(&seek);
    assert!(clean, "a later build found poison: {said}");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| room.inside(&format!("{poison}; sleep 2")));
        std::thread::sleep(std::time::Duration::from_millis(700));
        let (clean, said) = room.inside(&seek);
        assert!(clean, "a build beside it found poison: {said}");
        first.join().unwrap();
    });
}

/// A process that leaves its session and ignores signals is gone when the command has ended.
fn nothing_is_left_behind(room: &Room) {
    let name = format!("59{}", std::process::id());
    let (ended, _) = room.inside(&format!(
        "setsid sh -c 'trap \"\" TERM HUP; sleep {name}' >/dev/null 2>&1 & exit 0"
    ));
    assert!(ended);
    let left = Command::new("pgrep").args(["-f", &format!("sleep {name}")]).output().unwrap();
    assert!(left.stdout.is_empty(), "{}", String::from_utf8_lossy(&left.stdout));
}

/// No variable, descriptor, capability or second network interface.
fn nothing_is_inherited(room: &Room) {
    let (_, environment) = room.inside("env | cut -d= -f1 | sort | tr '\\n' ' '");
    assert_eq!(environment.trim(), "PATH PWD");
    let (_, descriptors) = room.inside("for fd in /proc/self/fd/*; do readlink $fd; done");
    for line in descriptors.lines() {
        let fine = ["/dev/null", "pipe:", "/proc/"].iter().any(|start| line.starts_with(start));
        assert!(fine, "descriptors inside: {descriptors}");
    }
    let (_, status) = room.inside("cat /proc/self/status");
    for line in
        ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"]
    {
        assert!(status.contains(line), "{line} not in {status}");
    }
    let (_, interfaces) = room.inside("tail -n +3 /proc/net/dev | cut -d: -f1");
    assert_eq!(interfaces.trim(), "lo");
}
