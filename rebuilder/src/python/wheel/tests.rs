//! Wheels of honest builders and of attackers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Cursor, Write};

use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

use super::*;

const WHEEL: &str = "Wheel-Version: 1.0\nGenerator: hatchling 1.27.0\nRoot-Is-Purelib: true\n";
const METADATA: &str = "Metadata-Version: 2.1\nName: A.b\nVersion: 1.0\nRequires-Dist: c>=1\nRequires-Dist: d; extra == 'x'\n\nRequires-Dist: text\n";

fn zip(files: &[(&str, &[u8], (u16, u8))]) -> Cursor<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content, (year, second)) in files {
        let time = DateTime::from_date_and_time(*year, 12, 16, 6, 26, *second).unwrap();
        let method = CompressionMethod::Deflated;
        let options =
            SimpleFileOptions::default().compression_method(method).last_modified_time(time);
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap()
}

fn read_of(wheel: &str, metadata: &str) -> Result<Facts, PythonError> {
    let files: [(&str, &[u8], (u16, u8)); 3] = [
        ("a_b/__init__.py", b"", (2024, 34)),
        ("a_b-1.0.dist-info/WHEEL", wheel.as_bytes(), (2024, 32)),
        ("a_b-1.0.dist-info/METADATA", metadata.as_bytes(), (2020, 2)),
    ];
    read(zip(&files), "a_b-1.0-py3-none-any.whl", &Name::canonical("a-b").unwrap())
}

#[test]
fn a_wheel_tells_times_generator_and_dependencies() {
    let facts = read_of(WHEEL, METADATA).unwrap();
    assert_eq!((facts.newest, facts.stamped), (1_734_330_394, 1_734_330_392));
    assert_eq!(facts.generator.as_deref(), Some("hatchling 1.27.0"));
    assert_eq!(facts.requires, ["c>=1", "d; extra == 'x'"]);
}

#[test]
fn metadata_of_another_project_or_version_is_refused() {
    let table = [
        (METADATA.replace("A.b", "other"), "is of \"other\""),
        (METADATA.replace("1.0", "2.0"), "of version \"2.0\""),
        (METADATA.replace("Name: A.b\n", ""), "is of \"\""),
        (format!("\n{METADATA}"), "is of \"\""),
        ("Requires-Dist: x\n".repeat(3_000) + METADATA, "dependencies"),
        (format!("{METADATA}{}", "x".repeat(9 << 20)), "bytes"),
    ];
    for (metadata, expected) in table {
        let refused = read_of(WHEEL, &metadata);
        let why = refused.map(drop).unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn what_is_no_wheel_is_refused() {
    let project = Name::canonical("a-b").unwrap();
    let read =
        |files: &[(&str, &[u8], (u16, u8))]| read(zip(files), "a_b-1.0-py3-none-any.whl", &project);
    let time = (2024, 0);
    let wheel = ("a_b-1.0.dist-info/WHEEL", WHEEL.as_bytes(), time);
    let metadata = ("a_b-1.0.dist-info/METADATA", METADATA.as_bytes(), time);
    let other = ("c-1.0.dist-info/METADATA", METADATA.as_bytes(), time);
    let deeper = ("x/a_b-1.0.dist-info/WHEEL", WHEEL.as_bytes(), time);
    assert!(read(&[wheel, metadata]).is_ok());
    assert!(read(&[wheel]).unwrap_err().to_string().contains("no METADATA"));
    assert!(read(&[deeper, metadata]).unwrap_err().to_string().contains("no WHEEL"));
    assert!(read(&[wheel, metadata, other]).unwrap_err().to_string().contains("two files"));
    assert!(read(&[]).is_err());
    for bytes in [b"".to_vec(), b"PK\x03\x04".to_vec(), vec![0; 1 << 16]] {
        assert!(super::read(Cursor::new(bytes), "a_b-1.0-py3-none-any.whl", &project).is_err());
    }
    assert!(super::read(zip(&[wheel, metadata]), "other-1.0-py3-none-any.whl", &project).is_err());
}

#[test]
fn a_wheel_cut_or_changed_anywhere_never_panics() {
    let files: [(&str, &[u8], (u16, u8)); 2] = [
        ("a_b-1.0.dist-info/WHEEL", WHEEL.as_bytes(), (2024, 0)),
        ("a_b-1.0.dist-info/METADATA", METADATA.as_bytes(), (2024, 0)),
    ];
    let (whole, project) = (zip(&files).into_inner(), Name::canonical("a-b").unwrap());
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 0xff;
        }
        let cut = whole.get(..at).unwrap_or_default().to_vec();
        for bytes in [changed, cut] {
            // Whatever comes out: a result, and soon.
            let _ = read(Cursor::new(bytes), "a_b-1.0-py3-none-any.whl", &project);
        }
    }
}
