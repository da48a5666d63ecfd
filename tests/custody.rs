//! The signer with its key in an SSH agent, in a PKCS#11 token and in a systemd credential (K2).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reattest::signer::messages::{FromSigner, ToSigner};
use reattest_attestation::{SecretKey, Sign};
use reattest_tests::network::Member;
use reattest_tests::processes::wait_until;
use reattest_tests::{directory, skip};

use crate::played::{Played, purl, start};

const SOON: Duration = Duration::from_secs(30);

/// A member whose certified key is at hand as a file, before it goes elsewhere.
fn member(home: &Path) -> (Member, PathBuf, SecretKey) {
    let member = Member::init(home, "ash");
    let file = member.home.join("data/keys/rebuilder.key");
    let key = SecretKey::from_openssh(&fs::read_to_string(&file).unwrap()).unwrap();
    (member, file, key)
}

/// Two announcements through the signer, the second after everything was opened long ago.
fn signs(member: &Member, environment: &[(&str, PathBuf)], key: &SecretKey) -> Played {
    let mut played = start(member, environment).unwrap();
    assert_eq!(played.key, key.public_key());
    for _ in 0..2 {
        // It verifies the entry's and the head's signature with the key.
        played.announce(&member.home.join("data"));
    }
    played
}

/// An `ssh-agent` that ends with the test.
struct Agent(Child, PathBuf);

impl Agent {
    fn start(home: &Path) -> Option<Self> {
        let socket = home.join("agent");
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        wait_until("the agent listens", SOON, || socket.exists());
        Some(Self(child, socket))
    }

    fn add(&self, key: &Path) {
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.1)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(added.success());
    }

    fn environment(&self) -> [(&'static str, PathBuf); 1] {
        [("SSH_AUTH_SOCK", self.1.clone())]
    }

    /// Ends it.
    fn stop(self) {
        drop(self);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
        let _gone = fs::remove_file(&self.1);
    }
}

#[test]
fn a_key_in_an_ssh_agent_signs_and_an_agent_that_goes_away_stops_the_signer() {
    let home = directory();
    let Some(agent) = Agent::start(home.path()) else {
        return skip(
            "a key in an SSH agent",
            "there is no ssh-agent; apt-get install openssh-client",
        );
    };
    let (member, file, key) = member(home.path());
    let wanted = format!("{{ agent = {:?} }}", key.public_key().fingerprint());
    member.configure(&[("key", wanted)]);
    let why = start(&member, &agent.environment()).err().unwrap();
    assert!(why.contains("holds of Ed25519 keys: none") && why.contains("ssh-add"), "{why}");
    agent.add(&file);
    fs::remove_file(&file).unwrap();
    let mut played = signs(&member, &agent.environment(), &key);

    agent.stop();
    played.node.send(&ToSigner::Announce(purl("netbase"))).unwrap();
    let why = played.last_words();
    assert!(why.contains("SSH agent does not answer"), "{why}");
    let why = start(&member, &[("SSH_AUTH_SOCK", home.path().join("agent"))]).err().unwrap();
    assert!(why.contains("the SSH agent at"), "{why}");
}

#[test]
fn an_agent_that_goes_away_between_entry_and_head_leaves_the_same_entry_for_the_next_start() {
    let home = directory();
    let Some(agent) = Agent::start(home.path()) else {
        return skip(
            "a key in an SSH agent",
            "there is no ssh-agent; apt-get install openssh-client",
        );
    };
    let (member, file, key) = member(home.path());
    member.configure(&[("key", format!("{{ agent = {:?} }}", key.public_key().to_string()))]);
    agent.add(&file);
    let mut played = start(&member, &agent.environment()).unwrap();
    played.node.send(&ToSigner::Announce(purl("netbase"))).unwrap();
    let FromSigner::Entry { envelope: first, .. } = played.node.receive().unwrap() else {
        panic!("no entry")
    };
    agent.stop();
    played.node.send(&ToSigner::Stored { size: 1 }).unwrap();
    assert!(played.last_words().contains("does not answer"));

    let agent = Agent::start(home.path()).unwrap();
    agent.add(&file);
    let mut played = start(&member, &agent.environment()).unwrap();
    assert_eq!(played.size, 0);
    let head = played.store(&member.home.join("data"));
    assert_eq!(head.unverified().size, 1);
    assert_eq!(played.entries, [first.into_vec()]);
    played.end();
    agent.stop();
}

#[test]
fn a_key_in_a_systemd_credential_signs() {
    let home = directory();
    let (member, file, key) = member(home.path());
    let credentials = home.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::rename(&file, credentials.join("rebuilder")).unwrap();
    // systemd gives a unit's user the file by an access list, which shows as the group's bits.
    let mode = |mode| {
        let path = credentials.join("rebuilder");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o440);
    member.configure(&[("key", "{ credential = \"rebuilder\" }".to_owned())]);
    let why = start(&member, &[]).err().unwrap();
    assert!(why.contains("LoadCredential=rebuilder"), "{why}");
    let environment = [("CREDENTIALS_DIRECTORY", credentials.clone())];
    signs(&member, &environment, &key).end();
    mode(0o444);
    let why = start(&member, &environment).err().unwrap();
    assert!(why.contains("can be read by others"), "{why}");
    member.configure(&[("key", "{ credential = \"../rebuilder\" }".to_owned())]);
    let why = start(&member, &environment).err().unwrap();
    assert!(why.contains("the name of a credential"), "{why}");
}

/// Where distributions put the library of `SoftHSM2`.
pub(crate) fn softhsm() -> Option<PathBuf> {
    let places = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"];
    let library = places.into_iter().map(PathBuf::from).find(|path| path.exists())?;
    Command::new("softhsm2-util").arg("--version").output().ok()?;
    Some(library)
}

/// A token of this test's own that holds the key under the label `rebuilder`; its environment.
pub(crate) fn token(home: &Path, key: &Path, label: &str) -> [(&'static str, PathBuf); 1] {
    let (config, tokens) = (home.join("softhsm2.conf"), home.join("tokens"));
    let secret = SecretKey::from_openssh(&fs::read_to_string(key).unwrap()).unwrap();
    if !tokens.exists() {
        fs::create_dir(&tokens).unwrap();
        let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
        fs::write(&config, text).unwrap();
        util(
            &config,
            &["--init-token", "--free", "--label", "vault", "--so-pin", "5678", "--pin", "1234"],
        );
        fs::write(home.join("pin"), "1234\n").unwrap();
        fs::set_permissions(home.join("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let pem = home.join("key.pem");
    fs::write(&pem, pkcs8(key)).unwrap();
    let id = secret.public_key().digest().to_string();
    let path = pem.to_str().unwrap();
    util(
        &config,
        &[
            "--import",
            path,
            "--token",
            "vault",
            "--label",
            label,
            "--id",
            &id[..8],
            "--pin",
            "1234",
        ],
    );
    fs::remove_file(pem).unwrap();
    [("SOFTHSM2_CONF", config)]
}

fn util(config: &Path, arguments: &[&str]) {
    let output = Command::new("softhsm2-util")
        .args(arguments)
        .env("SOFTHSM2_CONF", config)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// RFC 8410's private key: the seed behind a fixed beginning. The seed is found in OpenSSH's file
/// just before the public half that ends it.
fn pkcs8(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let public = SecretKey::from_openssh(&text).unwrap().public_key().to_bytes();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let bytes = BASE64_STANDARD.decode(body).unwrap();
    let at = bytes.windows(32).rposition(|window| window == public).unwrap();
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend(bytes.get(at - 32..at).unwrap());
    let body = BASE64_STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

/// The configuration's words for the token's key.
pub(crate) fn slot(library: &Path, home: &Path, token: &str, label: &str) -> String {
    let (library, pin) = (library.to_str().unwrap(), home.join("pin"));
    let pin = pin.to_str().unwrap();
    format!("{{ pkcs11 = {library:?}, token = {token:?}, label = {label:?}, pin_file = {pin:?} }}")
}

#[test]
fn a_key_in_a_pkcs11_token_signs_and_its_mistakes_are_named() {
    let home = directory();
    let Some(library) = softhsm() else {
        return skip("a key in a PKCS#11 token", "there is no SoftHSM2; apt-get install softhsm2");
    };
    let (member, file, key) = member(home.path());
    let environment = token(home.path(), &file, "rebuilder");
    fs::remove_file(&file).unwrap();
    member.configure(&[("key", slot(&library, home.path(), "vault", "rebuilder"))]);
    let mut played = signs(&member, &environment, &key);

    // Another program that writes to the token meanwhile has its library read files again.
    let other = home.path().join("other");
    fs::write(&other, reattest::setup::new_key().unwrap().to_openssh("other").unwrap()).unwrap();
    token(home.path(), &other, "other");
    played.announce(&member.home.join("data"));

    // The process that holds the session is gone: the signer says so, and ends.
    let holder = holder_of(played.signer.id());
    assert!(Command::new("kill").arg(holder.to_string()).status().unwrap().success());
    wait_until("the holder ended", SOON, || ended(holder));
    played.node.send(&ToSigner::Announce(purl("netbase"))).unwrap();
    let why = played.last_words();
    assert!(why.contains("the token process ended"), "{why}");

    let place = |token, label| slot(&library, home.path(), token, label);
    let missing = slot(Path::new("/nowhere.so"), home.path(), "vault", "rebuilder");
    let cases = [
        (missing, "cannot be loaded"),
        (place("other", "rebuilder"), "needed \"other\""),
        (place("vault", "nobody"), "has 0 objects"),
        (place("vault", "other"), "certifies"),
    ];
    for (place, word) in cases {
        member.configure(&[("key", place)]);
        let why = start(&member, &environment).err().unwrap();
        assert!(why.contains(word), "needed {word:?}: {why}");
    }
    fs::write(home.path().join("pin"), "4321\n").unwrap();
    member.configure(&[("key", place("vault", "rebuilder"))]);
    let why = start(&member, &environment).err().unwrap();
    assert!(why.contains("does not take the PIN"), "{why}");
}

/// The process that a signer started.
fn holder_of(signer: u32) -> u32 {
    let path = format!("/proc/{signer}/task/{signer}/children");
    fs::read_to_string(path).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

/// Whether a process is gone, or a zombie that its parent cannot wait for.
fn ended(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).map_or(true, |stat| stat.contains(") Z "))
}
