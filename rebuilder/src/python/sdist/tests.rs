//! Source distributions of honest maintainers and of attackers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;

/// Name, kind and content.
type Entry<'a> = (&'a str, EntryType, &'a [u8]);

fn packed(tar: &[u8]) -> Cursor<Vec<u8>> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(tar).unwrap();
    Cursor::new(gz.finish().unwrap())
}

/// Names are written into the header as they are: a builder would refuse the hostile ones.
fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = Header::new_gnu();
        header
            .as_gnu_mut()
            .unwrap()
            .name
            .get_mut(..name.len())
            .unwrap()
            .copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn read_tar(entries: &[Entry<'_>]) -> Result<Source, PythonError> {
    read(packed(&tar(entries)), "a-1.tar.gz", Packing::TarGz)
}

const FILE: EntryType = EntryType::Regular;

#[test]
fn a_source_tells_its_tree_and_its_project_file() {
    let project = ("a-1/pyproject.toml", FILE, b"[build-system]".as_slice());
    let source =
        read_tar(&[("a-1/", EntryType::Directory, b""), ("a-1/x.py", FILE, b"x"), project])
            .unwrap();
    assert_eq!(
        source,
        Source { tree: "a-1".to_owned(), project: Some("[build-system]".to_owned()) }
    );
    let deeper = ("a-1/x/pyproject.toml", FILE, b"[other]".as_slice());
    assert_eq!(read_tar(&[deeper]).unwrap().project, None);
    let dotted =
        read_tar(&[("./", EntryType::Directory, b""), ("./a-1/pyproject.toml", FILE, b"x")]);
    assert_eq!(dotted.unwrap().project.as_deref(), Some("x"));
}

#[test]
fn a_hostile_source_is_refused() {
    let project = ("a-1/pyproject.toml", FILE, b"x".as_slice());
    let link = ("a-1/pyproject.toml", EntryType::Symlink, b"".as_slice());
    let table: &[(&str, &[Entry<'_>])] = &[
        ("empty", &[]),
        ("two top directories", &[project, ("b-1/x", FILE, b"")]),
        ("a top directory named", &[("../x", FILE, b"")]),
        ("absolute", &[("/etc/passwd", FILE, b"")]),
        ("absolute", &[(".//etc/passwd", FILE, b"")]),
        ("a top directory named", &[("a 1/x", FILE, b"")]),
        ("a top directory named", &[("-o/x", FILE, b"")]),
        ("no plain file", &[link]),
        ("two files", &[project, project]),
        ("no UTF-8", &[("a-1/pyproject.toml", FILE, b"\xff")]),
    ];
    for (expected, entries) in table {
        let why = read_tar(entries).unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
    }
    let large = vec![b'#'; (1 << 20) + 1];
    assert!(
        read_tar(&[("a-1/pyproject.toml", FILE, &large)])
            .unwrap_err()
            .to_string()
            .contains("bytes")
    );
}

#[test]
fn a_tar_cannot_make_its_reader_collect_long_descriptions() {
    let long = vec![b'a'; 70_000];
    let project = ("a-1/pyproject.toml", FILE, b"x".as_slice());
    for kind in [
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
    ] {
        let refused = read_tar(&[("x", kind, &long), project]).unwrap_err().to_string();
        assert!(refused.contains("description"), "{refused}");
    }
    let resized = read_tar(&[("x", EntryType::XHeader, b"12 size=9999\n"), project]);
    assert!(resized.unwrap_err().to_string().contains("changes its size"));
}

#[test]
fn a_source_cut_anywhere_never_panics() {
    let whole = tar(&[("a-1/", EntryType::Directory, b""), ("a-1/pyproject.toml", FILE, b"x")]);
    for at in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 0xff;
        }
        let cut = whole.get(..at).unwrap_or_default();
        for tar in [cut, changed.as_slice()] {
            let _ = read(packed(tar), "a-1.tar.gz", Packing::TarGz);
        }
    }
    assert!(read(Cursor::new(b"no gzip".to_vec()), "a-1.tar.gz", Packing::TarGz).is_err());
    assert!(read(Cursor::new(b"no zip".to_vec()), "a-1.zip", Packing::Zip).is_err());
}
