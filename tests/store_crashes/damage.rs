//! Every file of a store, damaged and cut at random places: right answers or a clear refusal.

use std::fs;
use std::path::{Path, PathBuf};

use reattest::store::Store;
use reattest::store::index::{Selector, StoredIndex};
use reattest_attestation::Digest;
use reattest_tests::{directory, files_below};

use super::answers;
use super::logs::{origin, publish, statement};

/// Places of damage; each is a store of its own.
const SEEDS: u64 = 300;

const ENTRIES: u64 = 700;

/// A store with two full tiles, a tail, a segment and records in sled, closed in order.
fn make(data: &Path) -> Vec<Vec<u8>> {
    let entries: Vec<Vec<u8>> = (0..ENTRIES).map(statement).collect();
    let mut store = Store::open(data).unwrap();
    for (from, until) in [(0, 600), (600, 640), (640, 700)] {
        let log = store.log_mut(&origin()).unwrap();
        log.extend(from as u64, &entries[from..until]).unwrap();
        publish(log);
        StoredIndex::open(data, &store).unwrap().close();
    }
    entries
}

fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

/// A number that follows from the seed and what it is for.
fn random(seed: u64, what: &str, below: usize) -> usize {
    let digest = Digest::of(format!("{seed} {what}").as_bytes());
    let number = u64::from_be_bytes(*digest.as_bytes().first_chunk().unwrap());
    usize::try_from(number % (below.max(1) as u64)).unwrap()
}

/// Changes a bit, writes rubbish over some bytes, cuts a file, empties it or takes it away.
fn harm(file: &Path, seed: u64) -> &'static str {
    let mut bytes = fs::read(file).unwrap();
    let at = random(seed, "at", bytes.len());
    let how = random(seed, "how", 5);
    match how {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random(seed, "bit", 8),
        1 => bytes[at..].iter_mut().take(64).for_each(|byte| *byte = byte.wrapping_add(13)),
        2 => bytes.truncate(at),
        3 => bytes.clear(),
        _ => {
            fs::remove_file(file).unwrap();
            return "taken away";
        }
    }
    fs::write(file, bytes).unwrap();
    ["a bit changed", "rubbish", "cut", "emptied", ""][how]
}

#[test]
fn damaged_anywhere_it_answers_rightly_or_refuses_clearly() {
    let home = directory();
    let whole = home.path().join("whole");
    let entries = make(&whole);
    let files: Vec<PathBuf> = files_below(&whole);
    assert!(files.iter().any(|file| file.to_string_lossy().contains("index/newest/")));
    let (mut right, mut refused) = (0, 0);
    for seed in 0..SEEDS {
        let data = home.path().join(seed.to_string());
        copy(&whole, &data);
        let file = &files[random(seed, "file", files.len())];
        let name = file.strip_prefix(&whole).unwrap();
        let how = harm(&data.join(name), seed);
        let told = format!("seed {seed}: {} {how}", name.display());
        for package in [3, 17] {
            let purl = format!("pkg:deb/debian/p{package}@1?arch=all&distro=trixie");
            let expected: Vec<&Vec<u8>> = entries.iter().skip(package).step_by(20).collect();
            match answers(&data, &Selector::Package(purl.parse().unwrap())) {
                Ok(found) => {
                    let same = found.iter().collect::<Vec<_>>() == expected;
                    assert!(same, "{told}: {} of {} found", found.len(), expected.len());
                    right += 1;
                }
                Err(error) => {
                    assert!(error.contains("is damaged: "), "{told}: {error}");
                    refused += 1;
                }
            }
        }
        fs::remove_dir_all(&data).unwrap();
    }
    assert!(right > SEEDS / 2 && refused > SEEDS / 20, "{right} right, {refused} refused");
}
