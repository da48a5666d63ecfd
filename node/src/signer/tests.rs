//! The signer, with the node and the builder played by the test, as an attacker would.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread::{self, JoinHandle};

use reattest_attestation::log::SignedCheckpoint;
use reattest_attestation::{
    Authority, BuildFacts, Claim, Digest, Material, Outcome, PublicKey, Purl, Timestamp,
};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::messages::{Attest, Compared, FromSigner, Receipt, ToSigner};
use super::serve;
use crate::config::{Archive, Build, Config, Role};
use crate::entry::claim_of;
use crate::fault::Fault;
use crate::link::{Link, LinkError};
use crate::setup;

/// A signer in a thread, and the ends of its links.
struct Played {
    node: Link,
    builder: Link,
    signer: JoinHandle<Result<(), Fault>>,
}

fn config(home: &Path) -> Config {
    Config {
        file: std::path::PathBuf::new(),
        network: "test".parse().unwrap(),
        roles: vec![Role::Rebuild],
        data: home.to_owned(),
        policy: home.join("policy.toml"),
        listen: Vec::new(),
        peers: Vec::new(),
        key: Some(super::custody::Place::File(home.join("key"))),
        certificate: Some(home.join("certificate")),
        archive: Archive::default(),
        cache: crate::config::Cache::default(),
        store: crate::config::StoreLimits::default(),
        consumer_key: None,
        scans: None,
        service: None,
        build: Build::default(),
        follow: Vec::new(),
        labels: BTreeMap::new(),
        alarms: crate::config::Alarms::default(),
        lies: false,
        find: crate::config::Find::default(),
        allowed_peers: None,
        witness: None,
        await_witnesses: Some(0),
        http: None,
        mirrors: Vec::new(),
    }
}

fn keys(home: &Path) {
    use reattest_attestation::Sign;
    let (operator, rebuilder) = (setup::new_key().unwrap(), setup::new_key().unwrap());
    let certificate = setup::certify(&operator, rebuilder.public_key()).unwrap();
    setup::write_key(&home.join("key"), &rebuilder, "test").unwrap();
    setup::write_new(&home.join("certificate"), certificate.as_bytes(), 0o644).unwrap();
}

fn start(home: &Path) -> (Played, PublicKey, u64) {
    let (node, signer_node) = Link::pair(("signer", "node")).unwrap();
    let (builder, signer_builder) = Link::pair(("signer", "builder")).unwrap();
    let config = config(home);
    let signer = thread::spawn(move || serve(&config, &signer_node, &signer_builder));
    let FromSigner::Hello { key, size, .. } = node.receive().unwrap() else { panic!("no hello") };
    (Played { node, builder, signer }, key, size)
}

fn sealed(bytes: &[u8], seals: SealFlags) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("output", flags).unwrap());
    file.write_all(bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    fcntl_add_seals(&file, seals).unwrap();
    file.into()
}

fn all_seals() -> SealFlags {
    SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL
}

pub(super) fn purl() -> Purl {
    "pkg:deb/debian/netbase@6.5?arch=all&distro=trixie".parse().unwrap()
}

pub(super) fn result(published: Digest, produced: Option<u16>, again: Option<u16>) -> Attest {
    let material = |name: &str| Material {
        name: name.to_owned(),
        uri: format!("debian:pool/{name}"),
        digest: Digest::of(name.as_bytes()),
    };
    Attest {
        source: "pkg:deb/debian/netbase@6.5?arch=source&distro=trixie".parse().unwrap(),
        recipe: Digest::of(b"recipe"),
        lock: Digest::of(b"lock"),
        lock_authorities: Vec::new(),
        artifacts: vec![Compared { purl: purl(), published, produced, again, normalized: None }],
        authority: Authority {
            uri: "debian:dists/trixie/InRelease".to_owned(),
            digest: Digest::of(b"InRelease"),
            signers: vec!["openpgp:41587F7DB8C774BCCF131416762F67A0B2C39DE4".to_owned()],
        },
        sources: vec![material("netbase_6.5.dsc")],
        facts: BuildFacts {
            command: vec!["dpkg-buildpackage".to_owned()],
            environment: BTreeMap::new(),
            source_date_epoch: None,
            learned: BTreeMap::new(),
            kernel: "Linux".to_owned(),
            cpu: "cpu".to_owned(),
            architecture: "amd64".to_owned(),
            node_version: "0.1.0".to_owned(),
            format_version: 1,
            started: Timestamp::from_unix(1_790_000_000),
            finished: Timestamp::from_unix(1_790_000_002),
            invocation: "1".to_owned(),
            log: Digest::of(b"log"),
            diff: None,
            normalizers: Vec::new(),
            confinement: None,
        },
    }
}

impl Played {
    /// Plays an honest node for one entry: its envelope and the head over it.
    fn log_one(&self, index: u64) -> (Vec<u8>, SignedCheckpoint) {
        let FromSigner::Entry { index: found, envelope, .. } = self.node.receive().unwrap() else {
            panic!("no entry")
        };
        assert_eq!(found, index);
        self.node.send(&ToSigner::Stored { size: index + 1 }).unwrap();
        let FromSigner::Head { checkpoint } = self.node.receive().unwrap() else {
            panic!("no head")
        };
        (envelope.into_vec(), SignedCheckpoint::parse(&checkpoint).unwrap())
    }

    fn receipt(&self) -> Result<u64, String> {
        self.builder.receive::<Receipt>().unwrap().0
    }

    fn end(self) {
        drop((self.node, self.builder));
        self.signer.join().unwrap().unwrap();
    }
}

#[test]
fn it_hashes_what_was_built_and_says_what_that_is() {
    let home = tempfile::tempdir().unwrap();
    keys(home.path());
    let (played, key, _) = start(home.path());
    let file = sealed(b"built", all_seals());
    played
        .builder
        .send_with(&result(Digest::of(b"built"), Some(0), None), &[file.as_fd()])
        .unwrap();
    let (entry, head) = played.log_one(0);
    assert_eq!(played.receipt(), Ok(0));
    let Some(Claim::Rebuild(rebuild)) = claim_of(&key, &entry) else { panic!("no outcome") };
    assert_eq!(rebuild.artifacts[0].outcome, Outcome::Reproduced);
    assert_eq!(rebuild.artifacts[0].produced, Some(Digest::of(b"built")));
    assert_eq!(head.verify(&key).unwrap().checkpoint().size, 1);
    assert!(entry.len() < 4096, "an envelope for one artifact is under 4 KiB: {}", entry.len());
    played.end();
}

#[test]
fn a_difference_without_a_second_run_is_not_signed() {
    let home = tempfile::tempdir().unwrap();
    keys(home.path());
    let (played, _, _) = start(home.path());
    let file = sealed(b"built", all_seals());
    played
        .builder
        .send_with(&result(Digest::of(b"other"), Some(0), None), &[file.as_fd()])
        .unwrap();
    assert!(played.receipt().is_err());
    played.end();
}

#[test]
fn a_file_that_can_still_change_is_refused() {
    let home = tempfile::tempdir().unwrap();
    keys(home.path());
    let (played, _, _) = start(home.path());
    let file = sealed(b"built", SealFlags::SHRINK);
    played
        .builder
        .send_with(&result(Digest::of(b"built"), Some(0), None), &[file.as_fd()])
        .unwrap();
    assert!(played.receipt().unwrap_err().contains("sealed"));
    played.end();
}

#[test]
fn a_node_that_sends_a_result_obtains_no_vote() {
    let home = tempfile::tempdir().unwrap();
    keys(home.path());
    let (played, _, _) = start(home.path());
    let file = sealed(b"bytes that nobody built", all_seals());
    let published = Digest::of(b"bytes that nobody built");
    played.node.send_with(&result(published, Some(0), None), &[file.as_fd()]).unwrap();
    // What is no message of a node's ends the link, and nothing was signed.
    assert!(matches!(played.node.receive::<FromSigner>(), Err(LinkError::Ended { .. })));
    let begun = std::fs::read_dir(home.path().join("signer")).unwrap().count();
    assert_eq!(begun, 0, "no entry was begun");
}

#[test]
fn what_a_crash_interrupts_is_finished_with_the_same_bytes() {
    let home = tempfile::tempdir().unwrap();
    keys(home.path());
    let (played, _, _) = start(home.path());
    played.node.send(&ToSigner::Announce(purl())).unwrap();
    let FromSigner::Entry { envelope: first, .. } = played.node.receive().unwrap() else {
        panic!("no entry")
    };
    // The node is gone before it acknowledged.
    drop((played.node, played.builder));
    assert!(played.signer.join().unwrap().is_err());

    let (played, key, size) = start(home.path());
    assert_eq!(size, 0, "no head was signed over an entry that nobody stored");
    let (again, head) = played.log_one(0);
    assert_eq!(again, first.into_vec());
    assert_eq!(head.verify(&key).unwrap().checkpoint().size, 1);
    let FromSigner::Ready = played.node.receive().unwrap() else { panic!("it is not ready") };
    played.end();

    let (played, _, size) = start(home.path());
    assert_eq!(size, 1, "it is not begun again");
    played.end();
}

#[test]
fn a_damaged_state_is_refused_and_never_guessed() {
    let home = tempfile::tempdir().unwrap();
    keys(home.path());
    let (played, _, _) = start(home.path());
    played.node.send(&ToSigner::Announce(purl())).unwrap();
    played.log_one(0);
    let FromSigner::Announced(Ok(0)) = played.node.receive().unwrap() else { panic!("no answer") };
    played.end();

    let mut left = vec![home.path().join("signer")];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.ends_with("state") {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[3] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let (node, signer_node) = Link::pair(("signer", "node")).unwrap();
    let (_builder, signer_builder) = Link::pair(("signer", "builder")).unwrap();
    let config = config(home.path());
    // Walls stay with the thread that takes them, and this one has a directory to remove.
    let signer = thread::spawn(move || serve(&config, &signer_node, &signer_builder));
    let fault = signer.join().unwrap().unwrap_err();
    assert!(fault.to_string().contains("damaged"), "{fault}");
    drop(node);
}
