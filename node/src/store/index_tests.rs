//! The index may be damaged or lost: what it answers is rebuilt from the logs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use reattest_attestation::log::{Checkpoint, Origin};
use reattest_attestation::{
    Announcement, ArtifactOutcome, Authority, BuildFacts, Certificate, Claim, Digest, Envelope,
    Material, Purl, Rebuild, Retraction, SecretKey, Sign, Timestamp,
};

use super::Store;
use super::index::{Index, MemoryIndex, Place, Selector, SledIndex, catch_up};
use crate::entry::{Mentions, claim_of, documents_of, mentions};

fn purl() -> Purl {
    "pkg:deb/debian/netbase@6.5?arch=all&distro=trixie".parse().unwrap()
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn origin() -> Origin {
    Origin::new(&"test".parse().unwrap(), &key().public_key(), 2026)
}

/// A statement that a file was reproduced.
fn statement(file: &[u8]) -> Vec<u8> {
    let digest = Digest::of(file);
    statement_of(vec![ArtifactOutcome::observe(purl(), digest, Some(digest), None).unwrap()])
}

fn statement_of(artifacts: Vec<ArtifactOutcome>) -> Vec<u8> {
    let at = Timestamp::from_unix(1_790_000_000);
    let rebuild = Rebuild {
        network: "test".parse().unwrap(),
        source: "pkg:deb/debian/netbase@6.5?arch=source&distro=trixie".parse().unwrap(),
        recipe: Digest::of(b"recipe"),
        lock: Digest::of(b"lock"),
        lock_authorities: Vec::new(),
        artifacts,
        authority: Authority {
            uri: "debian:dists/trixie/InRelease".to_owned(),
            digest: Digest::of(b"InRelease"),
            signers: vec!["openpgp:41587F7DB8C774BCCF131416762F67A0B2C39DE4".to_owned()],
        },
        sources: vec![Material {
            name: "netbase_6.5.dsc".to_owned(),
            uri: "debian:pool/netbase_6.5.dsc".to_owned(),
            digest: Digest::of(b"dsc"),
        }],
        links: None,
        facts: BuildFacts {
            command: vec!["true".to_owned()],
            environment: std::collections::BTreeMap::new(),
            source_date_epoch: None,
            learned: std::collections::BTreeMap::new(),
            kernel: "Linux".to_owned(),
            cpu: "cpu".to_owned(),
            architecture: "amd64".to_owned(),
            node_version: "0.1.0".to_owned(),
            format_version: 1,
            started: at,
            finished: at,
            invocation: "1".to_owned(),
            log: Digest::of(b"log"),
            diff: None,
            normalizers: Vec::new(),
            confinement: None,
        },
    };
    let payload = rebuild.to_payload(&key().public_key()).unwrap();
    Envelope::sign(payload, &key()).unwrap().as_bytes().to_vec()
}

/// A store with one log of `count` statements.
fn store(data: &Path, count: u8) -> Store {
    store_of(data, &(0..count).map(|number| statement(&[number])).collect::<Vec<_>>())
}

fn store_of(data: &Path, entries: &[Vec<u8>]) -> Store {
    let operator = SecretKey::from_seed(&[8; 32]);
    let certificate = Certificate {
        operator: operator.public_key(),
        rebuilder: key().public_key(),
        not_before: Timestamp::from_unix(0),
        not_after: Timestamp::from_unix(2_000_000_000),
    };
    let certificate = Envelope::sign(certificate.to_payload().unwrap(), &operator).unwrap();
    let mut store = Store::open(data).unwrap();
    let log = store.log_mut(&origin()).unwrap();
    log.append(0, entries).unwrap();
    let frontier = log.frontier(log.size()).unwrap();
    let head = Checkpoint { origin: origin(), size: log.size(), root: frontier.root() };
    log.publish(head.sign(&key()).unwrap(), certificate.as_bytes()).unwrap();
    store
}

fn places(count: u64) -> Vec<Place> {
    (0..count).map(|index| Place { origin: origin(), index }).collect()
}

fn answers_for_all(index: &dyn Index) {
    assert_eq!(index.find(&Selector::Package(purl())), places(3));
    assert_eq!(index.find(&Selector::File(Digest::of(&[1]))), places(3)[1..2]);
    assert_eq!(index.find(&Selector::File(Digest::of(b"unknown"))), []);
}

#[test]
fn both_indexes_give_the_same_answers() {
    let data = tempfile::tempdir().unwrap();
    let store = store(data.path(), 3);
    answers_for_all(&SledIndex::open(data.path(), &store).unwrap());
    let mut memory = MemoryIndex::default();
    catch_up(&mut memory, &store).unwrap();
    answers_for_all(&memory);
}

#[test]
fn an_index_that_is_damaged_anywhere_answers_from_the_logs() {
    let data = tempfile::tempdir().unwrap();
    let store = store(data.path(), 3);
    let index = SledIndex::open(data.path(), &store).unwrap();
    index.close();
    let files: Vec<_> = fs::read_dir(data.path().join("index"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    for round in 0..12 {
        let mut harmed = 0;
        for path in &files {
            let Ok(mut bytes) = fs::read(path) else { continue };
            if bytes.is_empty() {
                continue;
            }
            if round % 2 == 0 {
                let at = bytes.len() * round / 12;
                bytes[at] ^= 0x55;
            } else {
                bytes.truncate(bytes.len() * round / 12);
            }
            fs::write(path, bytes).unwrap();
            harmed += 1;
        }
        assert!(harmed > 0, "there was something to damage");
        let index = SledIndex::open(data.path(), &store).unwrap();
        answers_for_all(&index);
        index.close();
    }
}

#[test]
fn an_index_of_other_logs_than_these_is_made_anew() {
    let data = tempfile::tempdir().unwrap();
    let longer = store(data.path(), 3);
    SledIndex::open(data.path(), &longer).unwrap().close();
    let other = tempfile::tempdir().unwrap();
    let shorter = store(other.path(), 1);
    let index = SledIndex::open(data.path(), &shorter).unwrap();
    assert_eq!(index.find(&Selector::Package(purl())), places(1));
}

#[test]
fn an_index_that_was_not_closed_is_not_believed() {
    let data = tempfile::tempdir().unwrap();
    let store = store(data.path(), 3);
    let mut index = SledIndex::open(data.path(), &store).unwrap();
    // As after a kill: it claims to hold everything, and holds nothing of a fourth package.
    index.set_indexed(&origin(), 2);
    drop(index);
    answers_for_all(&SledIndex::open(data.path(), &store).unwrap());
}

/// The empty file in 100,000 packages: a question by its digest is answered by a clear fault, and a
/// question about one of the packages costs one statement.
#[test]
fn a_file_that_everybody_publishes_costs_no_more_than_another() {
    let (data, empty) = (tempfile::tempdir().unwrap(), Digest::of(b""));
    let package = |number: usize| -> Purl {
        format!("pkg:deb/debian/empty-{number}@1?arch=all&distro=trixie").parse().unwrap()
    };
    let artifact =
        |number| ArtifactOutcome::observe(package(number), empty, Some(empty), None).unwrap();
    let records: Vec<usize> = (0..100_000).collect();
    let entries: Vec<Vec<u8>> = records
        .chunks(64)
        .map(|some| statement_of(some.iter().copied().map(artifact).collect()))
        .collect();
    let store = store_of(data.path(), &entries);
    let mut index = MemoryIndex::default();
    catch_up(&mut index, &store).unwrap();
    let error = crate::query::evidence(&store, &index, &Selector::File(empty)).unwrap_err();
    assert!(error.to_string().contains("more than 64 names"), "{error}");
    let one = Selector::Package(package(77_777));
    let bundle = crate::query::evidence(&store, &index, &one).unwrap();
    assert_eq!((bundle.envelopes.len(), bundle.proofs.len()), (1, 1));
}

/// What an unverified reading of an entry finds is what its verified claim says.
#[test]
fn what_an_entry_mentions_is_what_it_claims() {
    let different = ArtifactOutcome::observe(
        purl(),
        Digest::of(b"published"),
        Some(Digest::of(b"produced")),
        Some(Digest::of(b"produced")),
    );
    let entries = [
        statement(b"file"),
        statement_of(vec![different.unwrap()]),
        statement_of(vec![
            ArtifactOutcome::observe(purl(), Digest::of(b"published"), None, None).unwrap(),
        ]),
        signed(
            Announcement { network: "test".parse().unwrap(), purl: purl(), announced: at() }
                .to_payload(),
        ),
        signed(
            Retraction {
                network: "test".parse().unwrap(),
                purl: purl(),
                published: Digest::of(b"published"),
                reason: "wrong \"clock\"".to_owned(),
                retracted: at(),
            }
            .to_payload(),
        ),
    ];
    for entry in entries {
        let claim = claim_of(&key().public_key(), &entry).unwrap();
        let found = mentions(&entry);
        assert_eq!(found.documents, documents_of(&claim));
        let (purls, files, recipe, announced) = match claim {
            Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild) => {
                let files = rebuild.artifacts.iter().flat_map(|a| [Some(a.published), a.produced]);
                let mut files: Vec<Digest> = files.flatten().collect();
                files.dedup();
                (vec![purl().to_string()], files, Some(rebuild.recipe), None)
            }
            Claim::Retraction(_) => (vec![purl().to_string()], Vec::new(), None, None),
            Claim::Announcement(_) => (Vec::new(), Vec::new(), None, Some(purl())),
            other => unreachable!("{other:?}"),
        };
        assert_eq!((found.purls, found.files), (purls, files));
        assert_eq!((found.recipe, found.announced), (recipe, announced));
    }
    assert_eq!(mentions(b"no envelope"), Mentions::default());
}

fn at() -> Timestamp {
    Timestamp::from_unix(1_790_000_000)
}

fn signed(payload: Result<Vec<u8>, reattest_attestation::statement::ClaimError>) -> Vec<u8> {
    Envelope::sign(payload.unwrap(), &key()).unwrap().as_bytes().to_vec()
}
