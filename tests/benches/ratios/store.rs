//! A log of 1,000,000 attestations: into the indexed store, on its disk, and opened again.
//!
//! `REATTEST_BENCH_ENTRIES` is another number of them.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reattest::entry::mentions;
use reattest::store::index::{Index as _, Selector, StoredIndex};
use reattest::store::{Log, Store};
use reattest_attestation::log::{Checkpoint, Origin};
use reattest_attestation::statement::Certificate;
use reattest_attestation::{Digest, Envelope, SecretKey, Sign as _, Timestamp};
use reattest_tests::files_below;

use crate::pairs::Pair;
use crate::table::{Table, Unit};
use crate::worlds::{P, network, outcome, rebuild};

/// What a process of this bench is called with that opens a store and says what it takes.
const OPENED: &str = "--opened";

const ENTRIES: u64 = 1_000_000;

/// Entries of one range, as a peer sends them.
const RANGE: u64 = 256;

/// Bytes of disk for an attestation beyond its own.
const BEYOND: f64 = 512.0;

/// Resident memory of a process that holds the store and its index.
const RESIDENT: f64 = 64.0 * 1024.0 * 1024.0;

/// Envelopes that differ in their package and their files, and have a signature of another one:
/// nothing here looks at it.
struct Envelopes {
    payload: String,
    around: (String, String),
    file: String,
}

impl Envelopes {
    fn new() -> Self {
        let file = Digest::of(b"file");
        let said = rebuild(outcome(P, file, '+'));
        let payload = said.to_payload(&key().public_key()).unwrap();
        let envelope = Envelope::sign(payload.clone(), &key()).unwrap();
        let text = String::from_utf8(envelope.as_bytes().to_vec()).unwrap();
        let (before, after) = text.split_once(&BASE64_STANDARD.encode(&payload)).unwrap();
        let payload = String::from_utf8(payload).unwrap();
        Self { payload, around: (before.to_owned(), after.to_owned()), file: file.to_string() }
    }

    fn entry(&self, number: u64) -> Vec<u8> {
        let file = Digest::of(&number.to_be_bytes()).to_string();
        let version = format!("netbase@{number}.5?arch=all");
        let payload =
            self.payload.replace(&self.file, &file).replace("netbase@6.5?arch=all", &version);
        let (before, after) = &self.around;
        format!("{before}{}{after}", BASE64_STANDARD.encode(payload)).into_bytes()
    }
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn origin() -> Origin {
    Origin::new(&network(), &key().public_key(), 2026)
}

fn publish(log: &mut Log) {
    let operator = SecretKey::from_seed(&[8; 32]);
    let certificate = Certificate {
        operator: operator.public_key(),
        rebuilder: key().public_key(),
        not_before: Timestamp::from_unix(0),
        not_after: "2100-01-01T00:00:00Z".parse().unwrap(),
    };
    let certificate = Envelope::sign(certificate.to_payload().unwrap(), &operator).unwrap();
    let (size, root) = (log.size(), log.root(log.size()).unwrap());
    let head = Checkpoint { origin: origin(), size, root };
    log.publish(head.sign(&key()).unwrap(), certificate.as_bytes()).unwrap();
}

/// What filling a store took.
struct Filled {
    /// Of ranges into tiles, and of what they mention into the index.
    seconds: f64,
    /// Of one signature check for each entry of some ranges, between them.
    verifying: f64,
    /// Of reading one entry for what it mentions.
    mention: f64,
    /// Bytes of the entries themselves.
    own: u64,
}

fn fill(data: &Path, count: u64) -> Filled {
    let envelopes = Envelopes::new();
    let checked = Envelope::sign(envelopes.payload.clone().into_bytes(), &key()).unwrap();
    let mut store = Store::open(data).unwrap();
    let mut index = StoredIndex::open(data, &store).unwrap();
    let (mut ours, mut theirs, mut reading) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut own, mut sampled) = (0_u64, 0_u32);
    for first in (0..count).step_by(usize::try_from(RANGE).unwrap()) {
        let entries: Vec<Vec<u8>> =
            (first..count.min(first + RANGE)).map(|number| envelopes.entry(number)).collect();
        own += entries.iter().map(|entry| entry.len() as u64).sum::<u64>();
        let begun = Instant::now();
        store.log_mut(&origin()).unwrap().extend(first, &entries).unwrap();
        index.take(&origin(), first, &entries).unwrap();
        ours += begun.elapsed();
        if first.is_multiple_of(RANGE * 64) {
            let begun = Instant::now();
            assert!((0..64).all(|_| checked.verify(&key().public_key()).is_ok()));
            theirs += begun.elapsed();
            let begun = Instant::now();
            assert!(entries.iter().take(64).all(|entry| mentions(entry).purls.len() == 1));
            reading += begun.elapsed();
            sampled += 64;
        }
    }
    let begun = Instant::now();
    publish(store.log_mut(&origin()).unwrap());
    index.catch_up(&store).unwrap();
    ours += begun.elapsed();
    index.close();
    Filled {
        seconds: ours.as_secs_f64(),
        verifying: theirs.as_secs_f64() / f64::from(sampled),
        mention: reading.as_secs_f64() / f64::from(sampled),
        own,
    }
}

/// Opens the store as a node does, answers one question, and prints what that took.
pub(crate) fn opened() -> bool {
    let mut arguments = std::env::args().skip_while(|argument| argument != OPENED).skip(1);
    let Some(data) = arguments.next() else { return false };
    let begun = Instant::now();
    let store = Store::open(Path::new(&data)).unwrap();
    let index = StoredIndex::open(Path::new(&data), &store).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let places = index.find(&Selector::File(Digest::of(&77_u64.to_be_bytes()))).unwrap();
    let entry = store.log(&origin()).unwrap().entry(places[0].index).unwrap().unwrap();
    assert_eq!((places.len(), places[0].index), (1, 77));
    assert!(!entry.is_empty());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    println!("{seconds} {}", resident.split_whitespace().next().unwrap());
    index.close();
    true
}

/// Every row about a store.
pub(crate) fn rows(table: &mut Table) {
    let count = std::env::var("REATTEST_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok());
    let count = count.unwrap_or(ENTRIES);
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "some gigabytes")]
    let float = |number: u64| number as f64;
    let filled = fill(&data, count);
    let each = filled.seconds / float(count);
    let what = format!("store and index an entry of {} bytes, of {count}", filled.own / count);
    let pair = Pair { ours: each, theirs: filled.verifying };
    table.times(&what, "verify its signature", pair, Some(1.0 / 3.0));
    let pair = Pair { ours: filled.mention, theirs: filled.verifying };
    table.times("find what an entry mentions", "verify its signature", pair, None);
    let taken: u64 =
        files_below(&data).iter().map(|file| file.metadata().unwrap().blocks() * 512).sum();
    let beyond = float(taken.saturating_sub(filled.own)) / float(count);
    let what = format!("{count} attestations, disk of one beyond its own bytes");
    table.row(&what, "512 bytes", (beyond, BEYOND), Unit::Bytes, Some(1.0));
    let this = std::env::current_exe().unwrap();
    let output = std::process::Command::new(this).arg(OPENED).arg(&data).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (seconds, kilobytes) = said.trim().split_once(' ').unwrap();
    let resident = kilobytes.parse::<f64>().unwrap() * 1024.0;
    let what = format!("{count} attestations, opened: resident memory");
    table.row(&what, "64 MiB", (resident, RESIDENT), Unit::Bytes, Some(1.0));
    let pair = Pair { ours: seconds.parse().unwrap(), theirs: filled.verifying * float(count) };
    table.times(&format!("open a store of {count}"), "verify its signatures", pair, None);
    crate::replication::rows(table, home.path(), count, filled.verifying);
}
