//! A store that is killed at random moments, on a full disk, or damaged anywhere: what was acknowledged is there, and nothing wrong is served.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "store_crashes/logs.rs"]
mod logs;
#[path = "store_crashes/damage.rs"]
mod damage;
#[path = "store_crashes/reindexed.rs"]
mod reindexed;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use logs::{entry, origin, publish, signed};
use reattest::store::index::{Index, Selector, StoredIndex};
use reattest::store::{Log, LogError, Store};
use reattest_attestation::log::leaf_hash;
use reattest_attestation::log::tiles::{decode_entries, entries_path, tile_path};
use reattest_tests::{directory, skip};

/// Says to a process of this test binary that it is the one to be killed, and where it writes.
const VICTIM: &str = "REATTEST_STORE_VICTIM";

const ROUNDS: u64 = 200;

/// Not a test of its own: what the process does that the next test kills. It tells on standard
/// output what is acknowledged, line by line: `appended SIZE` or `published SIZE`.
#[test]
fn a_process_that_writes_until_it_is_killed() {
    let Some(data) = std::env::var_os(VICTIM) else {
        return;
    };
    let mut store = Store::open(Path::new(&data)).unwrap();
    let mut index = StoredIndex::open(Path::new(&data), &store).unwrap();
    let log = store.log_mut(&origin()).unwrap();
    let mut size = log.size();
    for round in size.. {
        let log = store.log_mut(&origin()).unwrap();
        let more = [1, 3, 300, 40][usize::try_from(round % 4).unwrap()];
        let entries: Vec<Vec<u8>> = (size..size + more).map(entry).collect();
        if round % 3 == 0 {
            log.append(size, &entries).unwrap();
            println!("appended {}", size + more);
        } else {
            log.extend(size, &entries).unwrap();
        }
        size += more;
        if round % 5 < 2 {
            publish(log);
            println!("published {size}");
        }
        index.take(&origin(), size - more, &entries).unwrap();
        index.catch_up(&store).unwrap();
    }
}

/// What a killed process had acknowledged: entries, and entries under a head.
#[derive(Debug, Default, Clone, Copy)]
struct Acknowledged {
    appended: u64,
    published: u64,
}

/// Starts the victim, lets it write for a while (from its first word on, if it may speak at all),
/// kills it, and reads what it said.
fn killed_after(data: &Path, may_speak: bool, pause: Duration) -> Acknowledged {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["a_process_that_writes_until_it_is_killed", "--nocapture", "--test-threads=1"]);
    let mut victim =
        command.env(VICTIM, data).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let (spoke, has_spoken) = mpsc::channel();
    let reader = std::thread::Builder::new().spawn(move || {
        let mut told = Acknowledged::default();
        for line in lines.map_while(Result::ok) {
            match line.split_once(' ').map(|(word, size)| (word, size.parse())) {
                Some(("appended", Ok(size))) => told.appended = size,
                Some(("published", Ok(size))) => told.published = size,
                _ => continue,
            }
            // Only the first word is waited for.
            let _heard = spoke.send(());
        }
        told
    });
    if may_speak {
        has_spoken.recv_timeout(Duration::from_mins(1)).unwrap();
    }
    std::thread::sleep(pause);
    victim.kill().unwrap();
    victim.wait().unwrap();
    reader.unwrap().join().unwrap()
}

#[test]
fn killed_at_any_moment_it_opens_again_and_misses_nothing_acknowledged() {
    let home = directory();
    let data = home.path();
    let (mut told, mut grew) = (Acknowledged::default(), 0);
    for round in 0..ROUNDS {
        if round % 25 == 0 {
            // A short log is killed oftener in the midst of things than a long one.
            std::fs::remove_dir_all(data).unwrap();
            std::fs::create_dir(data).unwrap();
            told = Acknowledged::default();
        }
        // From before its first write to some thousand entries later.
        let pause = Duration::from_millis(round * 37 % 60);
        let now = killed_after(data, round % 4 > 0, pause);
        grew += u64::from(now.published > told.published);
        told.appended = told.appended.max(now.appended);
        told.published = told.published.max(now.published);
        let Ok(true) = data.join("logs").try_exists() else { continue };
        let served = Log::read_only(&data.join("logs").join(origin().to_string()), origin());
        let served = served.unwrap();
        assert!(served.published() >= told.published, "{told:?}");
        check_directory(&data.join("logs").join(origin().to_string()), served.published());
        let store = Store::open(data).unwrap();
        let Some(log) = store.log(&origin()) else { continue };
        assert!(log.size() >= told.appended.max(told.published), "{told:?}, {}", log.size());
        assert_eq!(log.root(log.published()).unwrap(), served.root(served.published()).unwrap());
        // The newest thousand are those that were written, and so is what is served of them.
        let first = log.size().saturating_sub(1_000);
        check_entries(log, first);
        check_entries(&served, first);
        if round % 20 == 0 {
            check_entries(log, 0);
            let index = StoredIndex::open(data, &store).unwrap();
            assert_eq!(index.indexed(&origin()), log.size());
        }
    }
    assert!(grew > ROUNDS / 4, "only {grew} of {ROUNDS} rounds came to a head");
}

/// As any reader of C2SP tiles sees it, before it is opened again: the newest tiles under the head
/// are there, partial or full, and have what the head covers.
fn check_directory(served: &Path, published: u64) {
    let (number, width) = (published / 256, u16::try_from(published % 256).unwrap());
    if width == 0 {
        return;
    }
    let read = |partial: String, full: String| {
        std::fs::read(served.join(partial)).or_else(|_| std::fs::read(served.join(full))).unwrap()
    };
    let hashes = read(tile_path(0, number, width), tile_path(0, number, 256));
    let bundle = read(entries_path(number, width), entries_path(number, 256));
    let entries = decode_entries(&bundle).unwrap();
    for place in 0..usize::from(width) {
        assert_eq!(entries[place], entry(number * 256 + place as u64));
        assert_eq!(&hashes[place * 32..][..32], leaf_hash(entries[place]).as_bytes());
    }
}

fn check_entries(log: &Log, first: u64) {
    let mut next = first;
    while next < log.size() {
        let bundle = log.bundle(next, log.size(), usize::MAX).unwrap();
        for found in decode_entries(&bundle).unwrap() {
            assert_eq!(found, entry(next), "entry {next}");
            next += 1;
        }
    }
}

/// Says to a process of this test binary that a small disk is there, and where.
const SMALL_DISK: &str = "REATTEST_STORE_SMALL_DISK";

#[test]
fn a_process_that_fills_its_disk() {
    let Some(data) = std::env::var_os(SMALL_DISK) else {
        return;
    };
    let data = Path::new(&data);
    let mut store = Store::open(data).unwrap();
    let log = store.log_mut(&origin()).unwrap();
    let (mut published, mut refused) = (0, 0);
    for round in 0..4_000_u64 {
        let size = log.size();
        let entries: Vec<Vec<u8>> = (size..size + 7).map(entry).collect();
        let stored =
            if round % 2 == 0 { log.append(size, &entries) } else { log.extend(size, &entries) };
        if let Err(error) = stored {
            assert!(matches!(error, LogError::Full { .. }), "{error}");
            assert!(error.to_string().contains("the disk is full"), "{error}");
            refused += 1;
        }
        match log.publish(signed(log, log.size()), b"certificate") {
            Ok(()) => published = log.size(),
            Err(error) => assert!(matches!(error, LogError::Full { .. }), "{error}"),
        }
        if refused > 20 {
            break;
        }
    }
    assert!(refused > 20, "the disk was to be full");
    let size = log.size();
    drop(store);
    let store = Store::open(data).unwrap();
    let log = store.log(&origin()).unwrap();
    assert!(log.size() >= size && log.published() == published, "{} {size}", log.size());
    check_entries(log, 0);
    println!("filled {size}");
}

#[test]
fn a_full_disk_leaves_no_half_entry_and_says_what_it_is() {
    let home = directory();
    let test = std::env::current_exe().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=3m none {data} && exec {test} a_process_that_fills_its_disk --nocapture",
        data = home.path().display(),
        test = test.display()
    );
    let able =
        Command::new("unshare").args(["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !able.is_ok_and(|output| output.status.success()) {
        return skip("a full disk", "this machine lets nobody mount in a user namespace");
    }
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", &script]).env(SMALL_DISK, home.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("filled "), "{said}{output:?}");
}

/// Everything that answers a question about one package, where the store starts at all.
fn answers(data: &Path, selector: &Selector) -> Result<Vec<Vec<u8>>, String> {
    let store = Store::open(data).map_err(|error| error.to_string())?;
    let index = StoredIndex::open(data, &store).map_err(|error| error.to_string())?;
    let places = index.find(selector).map_err(|error| error.to_string())?;
    let entry = |index| {
        let log = store.log(&origin()).ok_or("the log is gone")?;
        log.entry(index).map_err(|error| error.to_string())?.ok_or_else(|| "gone".to_owned())
    };
    places.into_iter().map(|place| entry(place.index)).collect()
}
