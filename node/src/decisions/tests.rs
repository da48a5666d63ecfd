//! What the decision log promises, against crashes, full disks, two writers and whoever edits it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::disk::{self, Disk, Synced};
use reattest_attestation::{Digest, Timestamp};

/// A record that needs nothing else.
fn event(number: u64) -> Event {
    Event::Mended { bytes: number, sha256: Digest::of(&number.to_be_bytes()) }
}

fn numbers(chain: &Chain) -> Vec<u64> {
    let bytes = |line: Result<Line, LogError>| match line.unwrap().record.event {
        Event::Mended { bytes, .. } => bytes,
        _ => 0,
    };
    chain.lines().unwrap().map(bytes).collect()
}

fn append(chain: &Chain, number: u64) -> Result<u64, LogError> {
    let lines = chain.take()?.append(vec![event(number)])?;
    Ok(lines[0].record.number)
}

struct Home {
    directory: tempfile::TempDir,
    chain: Chain,
}

impl Home {
    /// A log of three records.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let chain = Chain::at(&directory.path().join("decisions"));
        (1..=3).for_each(|number| assert_eq!(append(&chain, number).unwrap(), number));
        Self { directory, chain }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("decisions").join(name)
    }

    fn log(&self) -> PathBuf {
        self.path("000000000001.jsonl")
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.log()).unwrap().lines().map(str::to_owned).collect()
    }

    fn write(&self, lines: &[String]) {
        fs::write(self.log(), lines.join("\n") + "\n").unwrap();
    }

    /// What reading the whole log says, and what the next writer says.
    fn complaints(&self) -> [String; 2] {
        let said = |result: Result<(), LogError>| match result {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        [said(self.chain.verify(None, &[]).map(drop)), said(append(&self.chain, 9).map(drop))]
    }
}

#[test]
fn records_follow_one_another_and_the_next_process_goes_on() {
    let home = Home::new();
    let again = Chain::at(&home.path(""));
    assert_eq!(append(&again, 4).unwrap(), 4);
    assert_eq!(numbers(&again), [1, 2, 3, 4]);
    let findings = again.verify(None, &[]).unwrap();
    assert_eq!((findings.records, findings.found), (4, 4), "each of these records is a finding");
    let anchor = (3, Digest::of(home.lines()[2].as_bytes()));
    assert!(again.verify(Some(anchor), &[]).is_ok());
    assert!(again.verify(Some((4, anchor.1)), &[]).is_err());
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(home.path("")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_changed_record_is_loud_for_readers_and_a_changed_last_one_for_writers() {
    for (record, writer) in [(0, false), (1, false), (2, true)] {
        let home = Home::new();
        let mut lines = home.lines();
        lines[record] = lines[record].replace("\"kind\":\"mended\"", "\"kind\":\"mendeD\"");
        home.write(&lines);
        let [reader, next] = home.complaints();
        assert!(reader.contains(&format!("record {}", record + 1)), "{reader}");
        assert_eq!(next.contains("was changed"), writer, "{next}");
    }
    // The same length, still a record, with its hash in nobody's memory but the next line's.
    let home = Home::new();
    let mut lines = home.lines();
    lines[1] = lines[1].replace("\"bytes\":2", "\"bytes\":7");
    home.write(&lines);
    assert!(home.complaints()[0].contains("this line or the one before was changed"));
}

#[test]
fn what_was_cut_off_moved_or_taken_away_is_loud() {
    let home = Home::new();
    home.write(&home.lines()[..2]);
    let [reader, writer] = home.complaints();
    assert!(
        reader.contains("damaged") && writer.contains("its end was cut off"),
        "{reader} {writer}"
    );

    let home = Home::new();
    let mut lines = home.lines();
    lines.swap(0, 1);
    home.write(&lines);
    assert!(home.complaints()[0].contains("found number 2, needed 1"));

    let home = Home::new();
    fs::remove_file(home.log()).unwrap();
    let [reader, writer] = home.complaints();
    assert!(reader.contains("no such file") && writer.contains("was cut off"), "{reader} {writer}");

    let home = Home::new();
    fs::remove_file(home.path("head")).unwrap();
    let both = home.complaints();
    assert!(both.iter().all(|said| said.contains("found records without it")), "{both:?}");

    let home = Home::new();
    fs::write(home.path("head"), "{}\n").unwrap();
    let both = home.complaints();
    assert!(both.iter().all(|said| said.contains("the head")), "{both:?}");
}

#[test]
fn an_older_head_hides_no_record_that_was_rewritten() {
    let home = Home::new();
    let head = fs::read(home.path("head")).unwrap();
    append(&home.chain, 4).unwrap();
    append(&home.chain, 5).unwrap();
    fs::write(home.path("head"), &head).unwrap();
    let mut lines = home.lines();
    lines[3] = lines[3].replace("\"bytes\":4", "\"bytes\":8");
    home.write(&lines);
    let [_, writer] = home.complaints();
    assert!(writer.contains("does not follow it"), "{writer}");
}

#[test]
fn lines_that_a_crash_left_without_their_head_are_taken_over() {
    let home = Home::new();
    let head = fs::read(home.path("head")).unwrap();
    append(&home.chain, 4).unwrap();
    append(&home.chain, 5).unwrap();
    fs::write(home.path("head"), &head).unwrap();
    assert_eq!(append(&home.chain, 6).unwrap(), 6);
    assert_eq!(numbers(&home.chain), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_torn_end_is_cut_off_and_said_so_in_a_record() {
    let whole = Home::new();
    append(&whole.chain, 4).unwrap();
    let line = whole.lines()[3].clone() + "\n";
    for cut in [1, 10, line.len() / 2, line.len() - 1] {
        let home = Home::new();
        let mut bytes = fs::read(home.log()).unwrap();
        bytes.extend(&line.as_bytes()[..cut]);
        fs::write(home.log(), &bytes).unwrap();
        assert_eq!(append(&home.chain, 40).unwrap(), 5, "record 4 tells of the torn bytes");
        assert_eq!(numbers(&home.chain), [1, 2, 3, cut as u64, 40]);
        assert!(home.chain.verify(None, &[]).is_ok());
    }
}

#[test]
fn rubbish_of_any_length_is_refused_within_bounds() {
    let home = Home::new();
    let mut bytes = fs::read(home.log()).unwrap();
    bytes.extend(vec![b'x'; 20 * 1024 * 1024]);
    fs::write(home.log(), &bytes).unwrap();
    let [reader, writer] = home.complaints();
    assert!(reader.is_empty(), "whatever stands after the head is nobody's answer: {reader}");
    assert!(writer.contains("needed 17825793 at most"), "{writer}");

    let home = Home::new();
    let lines = home.lines();
    let huge = [lines[0].clone(), "y".repeat(3 * 1024 * 1024), lines[2].clone()];
    home.write(&huge);
    assert!(home.complaints()[0].contains("too long"));
}

#[test]
fn a_long_log_goes_on_in_another_file_and_a_missing_file_is_loud() {
    let directory = tempfile::tempdir().unwrap();
    let chain = Chain::at(&directory.path().join("decisions")).in_files_of(600);
    let events = (1..=10).map(event).collect();
    chain.take().unwrap().append(events).unwrap();
    (11..=13).for_each(|number| assert_eq!(append(&chain, number).unwrap(), number));
    assert_eq!(numbers(&chain), (1..=13).collect::<Vec<_>>());
    let files = fs::read_dir(directory.path().join("decisions")).unwrap().flatten();
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.retain(|file| file.extension().is_some());
    files.sort();
    assert!(files.len() > 3, "{files:?}");
    fs::remove_file(&files[1]).unwrap();
    assert!(chain.verify(None, &[]).unwrap_err().to_string().contains("no such file"));
}

#[test]
fn two_writers_at_once_lose_nothing() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for writer in 0..4_u64 {
            let chain = Chain::at(&home.path(""));
            scope.spawn(move || {
                for n in 0..25 {
                    assert!(append(&chain, writer * 100 + n).is_ok());
                }
            });
        }
    });
    let mut found = numbers(&home.chain);
    assert_eq!(found.len(), 103);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 100, "the first three have the numbers of later ones");
}

/// A disk that is full when it is told to be.
#[derive(Debug)]
struct Filling {
    full: AtomicBool,
    cuts: bool,
}

impl Filling {
    fn refusal(&self) -> io::Result<()> {
        let full = self.full.load(Ordering::SeqCst);
        if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Disk for Filling {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        disk::FileSystem.read(path)
    }
    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        disk::FileSystem.read_at(path, offset, buffer)
    }
    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.refusal().is_err() {
            disk::FileSystem.write_at(path, offset, &bytes[..bytes.len() / 2])?;
        }
        self.refusal()?;
        disk::FileSystem.write_at(path, offset, bytes)
    }
    fn write_new(&self, directory: &Path, bytes: &[u8], synced: Synced) -> io::Result<PathBuf> {
        self.refusal()?;
        disk::FileSystem.write_new(directory, bytes, synced)
    }
    fn set_length(&self, path: &Path, length: u64) -> io::Result<()> {
        if !self.cuts {
            self.refusal()?;
        }
        disk::FileSystem.set_length(path, length)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        disk::FileSystem.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        disk::FileSystem.remove(path)
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        disk::FileSystem.remove_directory(path)
    }
    fn create_directories(&self, path: &Path) -> io::Result<()> {
        disk::FileSystem.create_directories(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        disk::FileSystem.list(directory)
    }
    fn length(&self, path: &Path) -> io::Result<u64> {
        disk::FileSystem.length(path)
    }
    fn exists(&self, path: &Path) -> bool {
        disk::FileSystem.exists(path)
    }
    fn bytes_below(&self, directory: &Path) -> u64 {
        disk::FileSystem.bytes_below(directory)
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        disk::FileSystem.sync(path)
    }
    fn sync_all(&self, path: &Path) -> io::Result<()> {
        disk::FileSystem.sync_all(path)
    }
}

#[test]
fn a_full_disk_is_an_error_and_the_log_goes_on_when_there_is_space_again() {
    for (cuts, mended) in [(true, false), (false, true)] {
        let directory = tempfile::tempdir().unwrap();
        let filling = Arc::new(Filling { full: AtomicBool::new(false), cuts });
        let chain = Chain::on(filling.clone(), &directory.path().join("decisions"));
        append(&chain, 1).unwrap();
        filling.full.store(true, Ordering::SeqCst);
        let error = append(&chain, 2).unwrap_err();
        assert!(matches!(&error, LogError::Disk { .. }), "{error}");
        assert!(error.to_string().contains("some space left"), "{error}");
        filling.full.store(false, Ordering::SeqCst);
        append(&chain, 3).unwrap();
        let found = numbers(&chain);
        assert_eq!(found.len(), if mended { 3 } else { 2 }, "{found:?}");
        assert_eq!((found.first(), found.last()), (Some(&1), Some(&3)));
    }
}

fn early() -> Timestamp {
    Timestamp::from_unix(1_000_000)
}

fn late() -> Timestamp {
    Timestamp::from_unix(2_000_000)
}

#[test]
fn a_clock_that_goes_back_is_a_finding_and_turns_no_time_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("decisions");
    append(&Chain::at(&path).with_clock(late), 1).unwrap();
    let chain = Chain::at(&path).with_clock(early);
    assert_eq!(chain.take().unwrap().now(), late());
    append(&chain, 2).unwrap();
    let findings = chain.verify(None, &[]).unwrap().findings;
    let found: Vec<&str> = findings.iter().map(|finding| finding.found.as_str()).collect();
    assert!(found.iter().any(|said| said.contains("went back by 1000000 s")), "{found:?}");
}

#[test]
fn a_log_that_is_held_by_another_is_an_error_after_a_while() {
    let home = Home::new();
    let held = home.chain.take().unwrap();
    let error = append(&home.chain, 4).unwrap_err();
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    drop(held);
    assert_eq!(append(&home.chain, 4).unwrap(), 4);
}

#[test]
fn bytes_on_the_shelf_are_hashed_when_they_are_read_and_before_a_record_relies_on_them() {
    let home = Home::new();
    let shelf = home.chain.shelf();
    let digest = shelf.put(b"evidence").unwrap();
    assert_eq!(shelf.get(&digest).unwrap(), b"evidence");
    let name = digest.to_string();
    let path = home.path("sha256").join(&name[..2]).join(&name);
    fs::write(&path, b"Evidence").unwrap();
    assert!(shelf.get(&digest).unwrap_err().to_string().contains("needed those of"));
    shelf.put(b"evidence").unwrap();
    assert_eq!(shelf.get(&digest).unwrap(), b"evidence");
}
