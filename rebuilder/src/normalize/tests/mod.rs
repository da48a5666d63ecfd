//! Claims about normalizers: what they make equal, and what they must never make equal.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod zip_writer;
mod zips;
mod wheels;
mod gzips;
mod tars;
mod debs;

use std::collections::BTreeSet;
use std::io;

use super::{Digest, NormalizeError, Source, chain, equivalent, normalized};

/// What a changed file must be.
#[derive(Copy, Clone, Debug)]
pub(super) enum Expected {
    /// The same as before.
    Same,
    /// Normalized to another digest.
    Other,
    /// Without a normalized form, for a reason with these words.
    Refused(&'static str),
}

pub(super) use Expected::{Other, Refused, Same};

pub(super) fn digest(name: &str, file: &[u8]) -> Result<Digest, String> {
    match normalized(name, &file.to_vec()) {
        Ok(normalized) => Ok(normalized.unwrap().digest),
        Err(NormalizeError::Refused(refusal)) => Err(refusal.to_string()),
        Err(error) => panic!("{error}"),
    }
}

/// Checks one line of a table against the file from which it was made.
pub(super) fn expect(name: &str, before: &[u8], claim: &str, changed: &[u8], expected: Expected) {
    let first = digest(name, before).unwrap();
    assert_ne!(before, changed, "{claim}: nothing was changed");
    match (digest(name, changed), expected) {
        (Ok(found), Same) => assert_eq!(found, first, "{claim}"),
        (Ok(found), Other) => assert_ne!(found, first, "{claim}"),
        (Err(why), Refused(words)) => assert!(why.contains(words), "{claim}: {why}"),
        (found, expected) => panic!("{claim}: found {found:?}, needed {expected:?}"),
    }
    let equal = equivalent(name, &before.to_vec(), &changed.to_vec()).unwrap();
    assert_eq!(equal.is_some(), matches!(expected, Same), "{claim}");
}

#[test]
fn each_form_has_its_chain() {
    let table = [
        ("a-1-py3-none-any.whl", "zip@1 wheel@1"),
        ("a.zip", "zip@1"),
        ("a-1.tar.gz", "gzip@1 tar@1"),
        ("a-1.tgz", "gzip@1 tar@1"),
        ("a-1.crate", "gzip@1 tar@1"),
        ("a.tar", "tar@1"),
        ("a.1.gz", "gzip@1"),
        ("a_1_all.deb", "deb@1"),
        ("a.WHL", ""),
        ("a.tar.xz", ""),
        ("whl", ""),
        ("", ""),
    ];
    for (file, expected) in table {
        let names: Vec<String> =
            chain(file).iter().map(|n| format!("{}@{}", n.name, n.version)).collect();
        assert_eq!(names.join(" "), expected, "{file}");
        let none = normalized(file, &Vec::new());
        assert_eq!(matches!(none, Ok(None)), expected.is_empty(), "{file}");
    }
}

#[test]
fn no_two_normalizers_have_one_digest_of_code() {
    let files = ["a.whl", "a.tgz", "a.deb"];
    let all = files.iter().flat_map(|file| chain(file)).map(super::Normalizer::digest);
    assert_eq!(all.collect::<BTreeSet<Digest>>().len(), 5);
}

/// A disk that fails.
struct Broken;

impl Source for Broken {
    fn size(&self) -> io::Result<u64> {
        Ok(100_000)
    }

    fn read_at(&self, _place: u64, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(5))
    }
}

#[test]
fn a_fault_of_the_disk_is_no_refusal() {
    for file in ["a.whl", "a.zip", "a.tgz", "a.gz", "a.tar", "a.deb"] {
        assert!(matches!(normalized(file, &Broken), Err(NormalizeError::Io(_))), "{file}");
        assert!(equivalent(file, &Broken, &Broken).is_err(), "{file}");
    }
}

#[test]
fn no_bytes_and_short_bytes_are_refused() {
    for file in ["a.whl", "a.zip", "a.tgz", "a.gz", "a.tar", "a.deb"] {
        for length in [0, 1, 21, 511, 512, 1023] {
            assert!(digest(file, &vec![0; length]).is_err(), "{file} {length}");
        }
    }
}

#[test]
fn a_file_without_a_form_is_not_even_equivalent_to_itself() {
    let broken = b"PK".to_vec();
    assert_eq!(equivalent("a.zip", &broken, &broken).unwrap(), None);
}
