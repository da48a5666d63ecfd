//! The chain from keyring to release (step 1), against an archive made here: every broken link is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use liblzma::write::XzEncoder;
use openpgp::cert::CertBuilder;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::Serialize as _;
use openpgp::serialize::stream::{Message, Signer};
use reattest_attestation::Digest;
use sequoia_openpgp as openpgp;

use super::{DebianRelease, IndexError, SignedIndex, architecture};
use crate::cas::{Cas, CasError};
use crate::debian::Told;
use crate::error::RebuildError;
use crate::fetch::{Fetch, FetchProblem, Want};
use crate::means::Means;
use crate::progress::Cancel;
use crate::rebuild::Workshop;
use crate::recipe::Recipe;
use crate::reference::Reference;

pub(crate) const NOW: i64 = 1_800_000_000;
/// The date of the index that is signed here.
pub(crate) const DATE: &str = "Sun, 01 Nov 2026 00:00:00 UTC";

/// A signed archive of two binary packages of one source.
pub(crate) struct Archive {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

pub(crate) fn xz(text: &str) -> Vec<u8> {
    let mut packer = XzEncoder::new(Vec::new(), 0);
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

pub(crate) fn binary(name: &str, version: &str, arch: &str) -> String {
    let digest = Digest::of(name.as_bytes());
    let short = version.split_once(':').map_or(version, |(_, rest)| rest);
    format!(
        "Package: {name}\nSource: src (1:2-3)\nVersion: {version}\nArchitecture: {arch}\nSize: 1\n\
         SHA256: {digest}\nFilename: pool/main/s/src/{name}_{short}_{arch}.deb\n\n"
    )
}

pub(crate) fn source() -> String {
    let digest = Digest::of(b"dsc");
    format!(
        "Package: src\nVersion: 1:2-3\nDirectory: pool/main/s/src\nChecksums-Sha256:\n {digest} 3 src_2-3.dsc\n"
    )
}

impl Archive {
    pub(crate) fn new(packages: &str, extra: &str) -> Self {
        Self::of("trixie", DATE, extra, packages, &source())
    }

    /// What is in it, word for word.
    pub(crate) fn of(suite: &str, date: &str, extra: &str, packages: &str, sources: &str) -> Self {
        let mut files = BTreeMap::new();
        let names = [
            (format!("main/binary-{}/Packages", architecture()), packages),
            ("main/source/Sources".to_owned(), sources),
        ];
        let mut text =
            format!("Codename: {suite}\nSuite: of-{suite}\nDate: {date}\n{extra}SHA256:\n");
        for (name, unpacked) in names {
            let packed = xz(unpacked);
            writeln!(text, " {} {} {name}.xz", Digest::of(&packed), packed.len()).unwrap();
            let digest = Digest::of(unpacked.as_bytes());
            writeln!(text, " {digest} {} {name}", unpacked.len()).unwrap();
            files.insert(format!("debian:dists/{suite}/{name}.xz"), packed);
        }
        let directory = tempfile::tempdir().unwrap();
        let signed = sign(&text, &directory.path().join("keyring"));
        files.insert(format!("debian:dists/{suite}/InRelease"), signed);
        Self { directory, files }
    }

    pub(crate) fn usual() -> Self {
        let packages = binary("one", "1:2-3", "all")
            + &binary("two", "1:2-3", "all")
            + &binary("other", "1:2-3", "any");
        Self::new(&packages, "")
    }

    pub(crate) fn keyring(&self) -> PathBuf {
        self.directory.path().join("keyring")
    }

    pub(crate) fn find(&self, text: &str) -> Result<DebianRelease, RebuildError> {
        let Reference::Debian(reference) = text.parse().unwrap() else { unreachable!() };
        self.with(|means| DebianRelease::find(&reference, means))
    }

    pub(crate) fn cas(&self) -> Cas {
        Cas::below(&self.directory.path().join("cache")).unwrap()
    }

    /// Does something with this archive as the only one.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Means<'_>) -> T) -> T {
        let cache = self.directory.path().join("cache");
        let cas = &self.cas();
        let workshop = &Workshop { keyring: self.keyring(), ..Workshop::new(&cache) };
        let fetch = &mut Given { files: &self.files, cas };
        let (progress, cancel) = (&mut |_| (), &Cancel::new());
        act(&mut Means { workshop, cas, fetch, progress, cancel, now: NOW })
    }

    pub(crate) fn verify(&self, signed: &[u8]) -> Result<SignedIndex, IndexError> {
        SignedIndex::verify("debian:dists/trixie/InRelease", signed, &self.keyring(), "trixie", NOW)
    }

    pub(crate) fn signed(&self) -> Vec<u8> {
        self.files.get("debian:dists/trixie/InRelease").unwrap().clone()
    }
}

/// Signs with a fresh key and writes that key as the keyring.
fn sign(text: &str, keyring: &std::path::Path) -> Vec<u8> {
    let (cert, _) = key(None);
    write_keyring(&cert, keyring);
    sign_with(&cert, text)
}

/// A fresh key, valid for so long, and what revokes it.
pub(crate) fn key(validity: Option<Duration>) -> (openpgp::Cert, openpgp::Packet) {
    let builder = CertBuilder::new().set_validity_period(validity).add_userid("archive");
    let (cert, revocation) = builder.add_signing_subkey().generate().unwrap();
    (cert, revocation.into())
}

pub(crate) fn write_keyring(cert: &openpgp::Cert, keyring: &std::path::Path) {
    cert.serialize(&mut fs::File::create(keyring).unwrap()).unwrap();
}

pub(crate) fn sign_with(cert: &openpgp::Cert, text: &str) -> Vec<u8> {
    let policy = StandardPolicy::new();
    let keys = cert.keys().with_policy(&policy, None).secret().for_signing();
    let pair = keys.map(|k| k.key().clone()).next().unwrap().into_keypair().unwrap();
    let mut message = Vec::new();
    let signer = Signer::new(Message::new(&mut message), pair).unwrap();
    let mut writer = signer.cleartext().build().unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    writer.finalize().unwrap();
    message
}

/// A fetcher that puts what it has under the name that was asked for, right or wrong.
struct Given<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
    cas: &'a Cas,
}

impl Fetch for Given<'_> {
    fn fetch(&mut self, wants: &[Want]) -> Vec<Result<Digest, FetchProblem>> {
        let answer = |want: &Want| {
            let bytes = self.files.get(&want.location).unwrap();
            let found = self.cas.put(bytes).unwrap();
            let asked = want.expected.map_or(found, |(digest, _)| digest);
            fs::create_dir_all(self.cas.path(&asked).parent().unwrap()).unwrap();
            fs::write(self.cas.path(&asked), bytes).unwrap();
            Ok(asked)
        };
        wants.iter().map(answer).collect()
    }
}

#[test]
fn a_signed_archive_gives_a_release_with_the_asked_artifact_first() {
    let found = Archive::usual().find("deb:two").unwrap();
    let release = &found.release;
    let names: Vec<_> = release.published().iter().map(|p| p.file_name.as_str()).collect();
    assert_eq!(names, ["two_2-3_all.deb", "one_2-3_all.deb"]);
    assert!(found.is_indep);
    assert_eq!(release.authority().signers.len(), 1);
    let recipe = crate::debian::recipe(&found, &Told::default(), Digest::of(b"lock"), 4);
    assert_eq!(recipe.steps.last().unwrap().directory, "/build/reproducible-path/src-2");
    let document = recipe.document().unwrap();
    assert_eq!(Recipe::parse(document.bytes()).unwrap(), recipe);
}

#[test]
fn a_flipped_byte_anywhere_in_the_signed_text_is_refused() {
    let archive = Archive::usual();
    let signed = archive.signed();
    archive.verify(&signed).unwrap();
    let text = String::from_utf8(signed.clone()).unwrap();
    let (start, end) =
        (text.find("Codename").unwrap(), text.find("-----BEGIN PGP SIGNATURE").unwrap());
    // The line break before the signature is not part of the text.
    for position in (start..end - 2).step_by(7) {
        let mut flipped = signed.clone();
        *flipped.get_mut(position).unwrap() ^= 1;
        assert!(archive.verify(&flipped).is_err(), "byte {position}");
    }
}

#[test]
fn a_key_that_is_not_in_the_keyring_does_not_count() {
    let (archive, other) = (Archive::usual(), Archive::usual());
    assert!(matches!(archive.verify(&other.signed()), Err(IndexError::Signature { .. })));
    assert!(archive.verify(b"Codename: trixie\n").is_err());
    assert!(archive.verify(b"").is_err());
    fs::write(archive.keyring(), "not a key").unwrap();
    assert!(matches!(archive.verify(&archive.signed()), Err(IndexError::Keyring { .. })));
}

#[test]
fn another_suite_and_a_stale_index_are_refused() {
    let archive = Archive::new("", "Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC\n");
    assert!(matches!(archive.verify(&archive.signed()), Err(IndexError::Stale { .. })));
    let current = Archive::new("", "Valid-Until: Sat, 01 Jan 2050 00:00:00 UTC\n");
    current.verify(&current.signed()).unwrap();
    let wrong = SignedIndex::verify("x", &current.signed(), &current.keyring(), "bookworm", NOW);
    assert!(matches!(wrong, Err(IndexError::OtherSuite { .. })));
}

#[test]
fn an_index_with_another_digest_than_the_signed_one_is_refused() {
    let mut archive = Archive::usual();
    let forged = xz(&binary("one", "1:2-3", "all").replace("pool/main/s", "pool/main/e"));
    archive
        .files
        .insert(format!("debian:dists/trixie/main/binary-{}/Packages.xz", architecture()), forged);
    let error = archive.find("deb:one").unwrap_err();
    assert!(matches!(error, RebuildError::Cas(CasError::Damaged { .. })), "{error}");
}

#[test]
fn what_the_index_has_not_is_named_with_what_is_near() {
    let archive = Archive::usual();
    let error = archive.find("deb:onee").unwrap_err();
    assert!(
        matches!(&error, RebuildError::UnknownPackage { suggestions, .. } if suggestions == &["one"]),
        "{error}"
    );
    assert!(matches!(archive.find("deb:one@1"), Err(RebuildError::OtherVersion { .. })));
}

#[test]
fn a_stanza_that_names_a_path_outside_is_refused() {
    let packages = binary("one", "1:2-3", "all").replace("pool/main/s/src/", "../../etc/");
    let error = Archive::new(&packages, "").find("deb:one").unwrap_err();
    assert!(matches!(error, RebuildError::Index(IndexError::Malformed { .. })), "{error}");
}
