//! The index may be damaged or lost: what it answers is rebuilt from the logs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use reattest_attestation::log::{Checkpoint, Origin};
use reattest_attestation::{
    Announcement, ArtifactOutcome, Authority, BuildFacts, Bundle, Certificate, Claim, Completeness,
    Digest, Envelope, Evidence, Material, Purl, Rebuild, Retraction, SecretKey, Sign, Timestamp,
};

use super::Store;
use super::index::{Index, Place, Selector, StoredIndex, selectors};
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
    assert_eq!(index.find(&Selector::Package(purl())).unwrap(), places(3));
    assert_eq!(index.find(&Selector::File(Digest::of(&[1]))).unwrap(), places(3)[1..2]);
    assert_eq!(index.find(&Selector::File(Digest::of(b"unknown"))).unwrap(), []);
}

#[test]
fn both_indexes_give_the_same_answers() {
    let data = tempfile::tempdir().unwrap();
    let store = store(data.path(), 3);
    answers_for_all(&StoredIndex::open(data.path(), &store).unwrap());
    let mut memory = StoredIndex::in_memory();
    memory.catch_up(&store).unwrap();
    answers_for_all(&memory);
}

#[test]
fn an_index_that_is_damaged_anywhere_answers_from_the_logs() {
    let data = tempfile::tempdir().unwrap();
    let store = store(data.path(), 3);
    let index = StoredIndex::open(data.path(), &store).unwrap();
    index.close();
    let files: Vec<_> = ["index", "index/newest"]
        .iter()
        .flat_map(|directory| fs::read_dir(data.path().join(directory)).unwrap())
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
        let index = StoredIndex::open(data.path(), &store).unwrap();
        answers_for_all(&index);
        index.close();
    }
}

#[test]
fn an_index_of_other_logs_than_these_is_made_anew() {
    let data = tempfile::tempdir().unwrap();
    let longer = store(data.path(), 3);
    StoredIndex::open(data.path(), &longer).unwrap().close();
    let other = tempfile::tempdir().unwrap();
    let shorter = store(other.path(), 1);
    let index = StoredIndex::open(data.path(), &shorter).unwrap();
    assert_eq!(index.find(&Selector::Package(purl())).unwrap(), places(1));
}

#[test]
fn an_index_that_was_not_closed_is_not_believed() {
    let data = tempfile::tempdir().unwrap();
    let store = store(data.path(), 3);
    let index = StoredIndex::open(data.path(), &store).unwrap();
    drop(index);
    assert!(!data.path().join("index/newest.closed").exists());
    answers_for_all(&StoredIndex::open(data.path(), &store).unwrap());
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
    let mut index = StoredIndex::in_memory();
    index.catch_up(&store).unwrap();
    let error = crate::query::evidence(&store, &index, &Selector::File(empty)).unwrap_err();
    assert!(error.to_string().contains("more than 64 names"), "{error}");
    let one = Selector::Package(package(77_777));
    let (bundle, _) = crate::query::evidence(&store, &index, &one).unwrap();
    assert_eq!((bundle.envelopes.len(), bundle.proofs.len()), (1, 1));
}

/// A question is answered while the log that it needs is still coming in: the entry is proven under the
/// head that the log is on its way to, and nobody is told that no dissent was missed.
#[test]
fn a_log_on_its_way_answers_already_and_as_an_excerpt() {
    let data = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let entries = many(300);
    // The whole log stands elsewhere; here are its first tile and nothing published.
    let whole = store_of(other.path(), &entries);
    let whole = whole.log(&origin()).unwrap();
    let mut store = Store::open(data.path()).unwrap();
    let mut index = StoredIndex::in_memory();
    let log = store.log_mut(&origin()).unwrap();
    log.extend(0, &entries[..256]).unwrap();
    index.take(&origin(), 0, &entries[..256]).unwrap();
    let asked = Selector::Package("pkg:deb/debian/p3@1?arch=all&distro=trixie".parse().unwrap());
    let evidence = |store: &Store, index: &StoredIndex| {
        let (bundle, complete) = crate::query::evidence(store, index, &asked).unwrap();
        let read = Bundle::parse(&bundle.to_bytes().unwrap()).unwrap();
        (Evidence::verify(&read, &"test".parse().unwrap(), complete), complete)
    };
    assert_eq!(evidence(&store, &index).0.rebuilds().len(), 0, "nothing says under which head");
    let proof = whole.consistency(256, 300).unwrap().unwrap();
    let head = (whole.checkpoint().unwrap(), whole.certificate().unwrap());
    store.log_mut(&origin()).unwrap().lead_to(256, head, &proof);
    let (found, complete) = evidence(&store, &index);
    assert_eq!(complete, Completeness::Excerpt);
    assert_eq!(found.refused(), []);
    assert_eq!(found.rebuilds().len(), by_reading(&entries[..256], &asked).len());
    // The rest comes: the same entries, and now it is known that nothing is missing.
    let log = store.log_mut(&origin()).unwrap();
    log.extend(256, &entries[256..]).unwrap();
    index.take(&origin(), 256, &entries[256..]).unwrap();
    log.publish(head.0.clone(), head.1).unwrap();
    let (found, complete) = evidence(&store, &index);
    assert_eq!(complete, Completeness::Complete);
    assert_eq!(found.rebuilds().len(), by_reading(&entries, &asked).len());
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

/// A small log's worth of entries, each of a package and a file out of few, so that many share one.
fn many(count: u64) -> Vec<Vec<u8>> {
    let entry = |number: u64| {
        let purl = format!("pkg:deb/debian/p{}@1?arch=all&distro=trixie", number % 7);
        let file = Digest::of(&[u8::try_from(number % 50).unwrap()]);
        let outcome = ArtifactOutcome::observe(purl.parse().unwrap(), file, Some(file), None);
        statement_of(vec![outcome.unwrap()])
    };
    (0..count).map(entry).collect()
}

/// The simple definition: every entry that says so, by reading all of them.
fn by_reading(entries: &[Vec<u8>], selector: &Selector) -> Vec<u64> {
    let says = |entry: &[u8]| selectors(&key().public_key(), entry).contains(selector);
    let found = entries.iter().zip(0..).filter(|(entry, _)| says(entry));
    found.map(|(_, index)| index).collect()
}

#[test]
fn segments_newest_and_pending_answer_as_reading_all_entries_does() {
    let data = tempfile::tempdir().unwrap();
    let entries = many(400);
    let mut store = store_of(data.path(), &entries[..100]);
    let mut index = StoredIndex::open(data.path(), &store).unwrap();
    for size in [150, 200, 320, 400] {
        // A segment from all that there is, and then some that are newer.
        index.write_segment().unwrap();
        let log = store.log_mut(&origin()).unwrap();
        let from = log.size();
        let more = &entries[usize::try_from(from).unwrap()..size];
        log.extend(from, more).unwrap();
        index.take(&origin(), from, more).unwrap();
        index.catch_up(&store).unwrap();
        if size == 320 {
            index.close();
            index = StoredIndex::open(data.path(), &store).unwrap();
        }
        let beside = StoredIndex::read_only(data.path(), &store).unwrap();
        let mut selectors: Vec<Selector> =
            (0..51_u8).map(|byte| Selector::File(Digest::of(&[byte]))).collect();
        selectors
            .push(Selector::Package("pkg:deb/debian/p3@1?arch=all&distro=trixie".parse().unwrap()));
        for selector in &selectors {
            let expected = by_reading(&entries[..size], selector);
            for index in [&index, &beside] {
                let found = index.find(selector).unwrap();
                assert_eq!(found.iter().map(|place| place.index).collect::<Vec<_>>(), expected);
            }
        }
        let recipe = Selector::Recipe(Digest::of(b"recipe"));
        assert_eq!(index.find(&recipe).unwrap().len(), size);
    }
}

#[test]
fn segments_stay_few_and_lose_nothing_when_they_are_merged() {
    let data = tempfile::tempdir().unwrap();
    let entries = many(60);
    let mut store = store_of(data.path(), &entries[..1]);
    let mut index = StoredIndex::open(data.path(), &store).unwrap();
    for size in 2..=60 {
        let log = store.log_mut(&origin()).unwrap();
        log.extend(size - 1, &entries[usize::try_from(size).unwrap() - 1..][..1]).unwrap();
        index.catch_up(&store).unwrap();
        index.write_segment().unwrap();
    }
    let names = fs::read_dir(data.path().join("index")).unwrap();
    let segments =
        names.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("segment-"));
    let count = segments.count();
    assert!(count <= 9, "{count} segments of 60");
    assert_eq!(index.find(&Selector::Recipe(Digest::of(b"recipe"))).unwrap().len(), 60);
    drop(index);
    let index = StoredIndex::open(data.path(), &store).unwrap();
    assert_eq!(index.find(&Selector::Recipe(Digest::of(b"recipe"))).unwrap().len(), 60);
}

#[test]
fn one_log_cannot_crowd_out_what_another_says() {
    let flood =
        Origin::new(&"test".parse().unwrap(), &SecretKey::from_seed(&[9; 32]).public_key(), 2026);
    let mut index = StoredIndex::in_memory();
    let (one, file) = (statement(b"file"), Selector::File(Digest::of(b"file")));
    index.take(&flood, 0, &vec![one.clone(); 3000]).unwrap();
    index.take(&origin(), 0, &[one]).unwrap();
    let found = index.find(&file).unwrap();
    assert_eq!(found.len(), crate::limits::EVIDENCE_ENTRIES);
    assert!(found.contains(&Place { origin: origin(), index: 0 }));
    assert!(found.contains(&Place { origin: flood.clone(), index: 2999 }), "the newest");
    assert!(!found.contains(&Place { origin: flood, index: 0 }));
}
