//! The real signer process, with the node and the builder played by the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Child;

use reattest::entry::claim_of;
use reattest::link::Link;
use reattest::signer::messages::{Attest, Compared, FromSigner, Receipt, ToSigner};
use reattest::store::Store;
use reattest_attestation::log::{Origin, SignedCheckpoint};
use reattest_attestation::{
    Authority, BuildFacts, Claim, Digest, Material, PublicKey, Purl, Timestamp,
};
use reattest_tests::network::Member;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// A signer and the ends of its links.
pub(crate) struct Played {
    pub(crate) node: Link,
    pub(crate) builder: Link,
    pub(crate) signer: Child,
    pub(crate) key: PublicKey,
    pub(crate) origin: Origin,
    /// Entries under the head that it introduced itself with.
    pub(crate) size: u64,
    certificate: Vec<u8>,
    /// Every entry that it sent since.
    pub(crate) entries: Vec<Vec<u8>>,
}

/// Starts the signer of a member, or says why it does not start.
pub(crate) fn start(member: &Member, environment: &[(&str, PathBuf)]) -> Result<Played, String> {
    let (node, signer_node) = Link::pair(("signer", "node")).unwrap();
    let (builder, signer_builder) = Link::pair(("signer", "builder")).unwrap();
    let mut signer = member
        .command(&["role", "signer"])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(signer_node.into_socket())
        .stdout(signer_builder.into_socket())
        .spawn()
        .unwrap();
    match node.receive().unwrap() {
        FromSigner::Hello { key, certificate, origin, size, .. } => {
            let certificate = certificate.into_vec();
            let origin = origin.parse().unwrap();
            let entries = Vec::new();
            Ok(Played { node, builder, signer, key, origin, size, certificate, entries })
        }
        FromSigner::Failed(why) => {
            signer.wait().unwrap();
            Err(why)
        }
        other => {
            signer.kill().unwrap();
            panic!("{other:?}")
        }
    }
}

impl Played {
    /// Plays an honest node until the signer says something that is no entry and no head.
    pub(crate) fn answer(&mut self) -> FromSigner {
        loop {
            match self.node.receive().unwrap() {
                FromSigner::Entry { index, envelope, .. } => {
                    self.entries.push(envelope.into_vec());
                    self.node.send(&ToSigner::Stored { size: index + 1 }).unwrap();
                }
                FromSigner::Head { .. } => {}
                other => return other,
            }
        }
    }

    /// Has a release announced, stores the entry below `data` as a node does, and gives the head over it.
    pub(crate) fn announce(&mut self, data: &Path) -> SignedCheckpoint {
        self.node.send(&ToSigner::Announce(purl("netbase"))).unwrap();
        let head = self.store(data);
        assert!(matches!(self.node.receive().unwrap(), FromSigner::Announced(Ok(_))));
        head
    }

    /// Stores one entry, and publishes the head over it.
    pub(crate) fn store(&mut self, data: &Path) -> SignedCheckpoint {
        let FromSigner::Entry { index, envelope, .. } = self.node.receive().unwrap() else {
            panic!("no entry")
        };
        let mut store = Store::open(data).unwrap();
        let log = store.log_mut(&self.origin).unwrap();
        log.append(index, &[&envelope]).unwrap();
        self.entries.push(envelope.into_vec());
        self.node.send(&ToSigner::Stored { size: index + 1 }).unwrap();
        let FromSigner::Head { checkpoint } = self.node.receive().unwrap() else {
            panic!("no head")
        };
        let head = SignedCheckpoint::parse(&checkpoint).unwrap();
        head.verify(&self.key).unwrap();
        log.publish(head.clone(), &self.certificate).unwrap();
        head
    }

    /// What the builder is answered.
    pub(crate) fn receipt(&self) -> Result<u64, String> {
        self.builder.receive::<Receipt>().unwrap().0
    }

    /// The signer's last words, once it gave up; entries before them are kept and not answered.
    pub(crate) fn last_words(&mut self) -> String {
        loop {
            match self.node.receive() {
                Ok(FromSigner::Failed(why)) => {
                    self.signer.wait().unwrap();
                    return why;
                }
                Ok(FromSigner::Entry { envelope, .. }) => self.entries.push(envelope.into_vec()),
                Ok(other) => panic!("it went on: {other:?}"),
                Err(error) => panic!("it ended without a word: {error}"),
            }
        }
    }

    /// Closes the links and waits; the votes that it was made to sign.
    pub(crate) fn votes(mut self) -> usize {
        while let Ok(message) = {
            self.node.close();
            self.node.receive()
        } {
            if let FromSigner::Entry { envelope, .. } = message {
                self.entries.push(envelope.into_vec());
            }
        }
        self.builder.close();
        self.signer.wait().unwrap();
        let vote = |entry: &Vec<u8>| {
            let claim = claim_of(&self.key, entry);
            matches!(claim, None | Some(Claim::Rebuild(_) | Claim::BuildFailure(_)))
        };
        self.entries.iter().filter(|entry| vote(entry)).count()
    }

    /// Ends it in order.
    pub(crate) fn end(self) {
        let _votes = self.votes();
    }
}

/// A purl of Debian 13.
pub(crate) fn purl(name: &str) -> Purl {
    format!("pkg:deb/debian/{name}@6.5?arch=all&distro=trixie").parse().unwrap()
}

/// Every seal.
pub(crate) fn all_seals() -> SealFlags {
    SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL
}

/// A memory file with these seals.
pub(crate) fn memory_file(bytes: &[u8], seals: SealFlags) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("output", flags).unwrap());
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    fcntl_add_seals(&file, seals).unwrap();
    file.into()
}

/// A builder's result of one artifact.
pub(crate) fn result(published: &[u8], produced: Option<u16>, again: Option<u16>) -> Attest {
    let material = |name: &str| Material {
        name: name.to_owned(),
        uri: format!("debian:pool/{name}"),
        digest: Digest::of(name.as_bytes()),
    };
    let published = Digest::of(published);
    Attest {
        source: "pkg:deb/debian/netbase@6.5?arch=source&distro=trixie".parse().unwrap(),
        recipe: Digest::of(b"recipe"),
        lock: Digest::of(b"lock"),
        lock_authorities: Vec::new(),
        artifacts: vec![Compared {
            purl: purl("netbase"),
            published,
            produced,
            again,
            normalized: None,
        }],
        authority: Authority {
            uri: "debian:dists/trixie/InRelease".to_owned(),
            digest: Digest::of(b"InRelease"),
            signers: vec![format!("openpgp:{ARCHIVE}")],
        },
        sources: vec![material("netbase_6.5.dsc")],
        facts: BuildFacts {
            command: vec!["dpkg-buildpackage".to_owned()],
            environment: std::collections::BTreeMap::new(),
            source_date_epoch: None,
            learned: std::collections::BTreeMap::new(),
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

/// The fingerprint of the archive's key in [`result`].
pub(crate) const ARCHIVE: &str = "41587F7DB8C774BCCF131416762F67A0B2C39DE4";
