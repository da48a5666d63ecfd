//! Things on this machine that a build must not reach, alive as long as the test (step 3).

use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use reattest_rebuilder::Cas;

use super::room::INPUTS;

/// A variable of this process's children outside that no build may see.
pub(crate) const MARKER: &str = "REATTEST_ESCAPE_MARKER";

/// Everything that an attempt names.
pub(crate) struct Bait {
    directory: tempfile::TempDir,
    published: PathBuf,
    tcp: TcpListener,
    udp: UdpSocket,
    _sockets: [UnixListener; 2],
    abstract_name: String,
    process: Child,
    /// How long processes sleep that must not outlive a build: a number that no other process has.
    pub(crate) seconds: String,
}

impl Drop for Bait {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Bait {
    pub(crate) fn lay() -> Self {
        let directory = reattest_tests::directory();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("key"), "secret").unwrap();
        std::fs::create_dir_all(path("signer")).unwrap();
        std::fs::write(path("signer/log"), "signed").unwrap();
        std::fs::create_dir_all(path("other")).unwrap();
        std::fs::write(path("other/secret"), "another build's").unwrap();
        let cas = Cas::below(&reattest_tests::cache()).unwrap();
        let published = cas.path(&cas.put(b"the published artifact").unwrap());
        let abstract_name = format!("reattest-escape-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let sockets = [
            UnixListener::bind_addr(&address).unwrap(),
            UnixListener::bind(path("socket")).unwrap(),
        ];
        let bait = Self {
            published,
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            _sockets: sockets,
            abstract_name,
            process: Command::new("sleep").arg("600").env(MARKER, "seen").spawn().unwrap(),
            seconds: format!("59{}", std::process::id()),
            directory,
        };
        answer(&bait.udp);
        bait
    }

    /// Puts this machine's names into a script.
    pub(crate) fn fill(&self, script: &str) -> String {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let port = |address: std::net::SocketAddr| address.port().to_string();
        let names = [
            ("TCP", port(self.tcp.local_addr().unwrap())),
            ("UDP", port(self.udp.local_addr().unwrap())),
            ("ABSTRACT", self.abstract_name.clone()),
            ("SOCKET", path("socket")),
            ("KEY", path("key")),
            ("SIGNER", path("signer")),
            ("OTHER", path("other")),
            ("CACHE", reattest_tests::cache().display().to_string()),
            ("PUBLISHED", self.published.display().to_string()),
            ("SHADOW", shadow()),
            ("MARKER", MARKER.to_owned()),
            ("PROCESS", self.process.id().to_string()),
            ("SECONDS", self.seconds.clone()),
            ("INPUTS", INPUTS.to_owned()),
        ];
        names.iter().fold(script.to_owned(), |text, (name, value)| {
            text.replace(&format!("@{name}@"), value)
        })
    }

    /// Whether all of it is as it was laid.
    pub(crate) fn is_untouched(&self, attempt: &str) {
        let read = |name: &str| std::fs::read_to_string(self.directory.path().join(name)).unwrap();
        assert_eq!(read("key"), "secret", "{attempt}");
        assert_eq!(read("signer/log"), "signed", "{attempt}");
        assert_eq!(read("other/secret"), "another build's", "{attempt}");
        assert!(!self.directory.path().join("signer/reattest-escape").exists(), "{attempt}");
    }
}

/// Whether a script succeeds where nothing confines it.
pub(crate) fn outside(script: &str) -> bool {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", script]).env(MARKER, "seen").current_dir(place.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
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
