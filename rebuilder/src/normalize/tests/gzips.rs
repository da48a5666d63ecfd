//! Gzip members: the content counts, and nothing may stand beside it.

use super::*;
use flate2::{Compression, GzBuilder};
use std::io::Write as _;

pub(in super::super) fn gzip(builder: GzBuilder, level: u32, content: &[u8]) -> Vec<u8> {
    let mut encoder = builder.write(Vec::new(), Compression::new(level));
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn only_the_content_of_one_member_counts() {
    let text = b"a manual page\n".repeat(500);
    let plain = |level| gzip(GzBuilder::new(), level, &text);
    let before = plain(6);
    let cut = before[..before.len() - 1].to_vec();
    let flagged = |flag: u8| {
        let mut changed = before.clone();
        changed[3] |= flag;
        changed
    };
    let mut checksum = before.clone();
    let place = checksum.len() - 5;
    checksum[place] ^= 1;
    let table = [
        ("a time", gzip(GzBuilder::new().mtime(9), 6, &text), Same),
        ("a name", gzip(GzBuilder::new().filename("a.1"), 6, &text), Same),
        ("a system", gzip(GzBuilder::new().operating_system(3), 6, &text), Same),
        ("a level", plain(9), Same),
        ("no compression", plain(0), Same),
        ("another content", gzip(GzBuilder::new(), 6, b"evil"), Other),
        ("a comment", gzip(GzBuilder::new().comment("x"), 6, &text), Refused("flags 0x10")),
        ("an extra field", gzip(GzBuilder::new().extra("x"), 6, &text), Refused("flags 0x04")),
        ("a text flag", flagged(1), Refused("flags 0x01")),
        ("a header checksum", flagged(2), Refused("flags 0x02")),
        ("a reserved flag", flagged(0x80), Refused("flags 0x80")),
        ("a byte behind", [before.clone(), vec![0]].concat(), Refused("1 bytes behind")),
        ("a second member", [plain(6), gzip(GzBuilder::new(), 6, b"")].concat(), Refused("behind")),
        ("a byte before", [vec![0], before.clone()].concat(), Refused("another beginning")),
        ("a cut end", cut, Refused("unpacked")),
        ("a wrong checksum", checksum, Refused("unpacked")),
    ];
    for (claim, changed, expected) in table {
        expect("a.1.gz", &before, claim, &changed, expected);
    }
}

#[test]
fn a_decompression_bomb_ends_at_its_limit() {
    // What is counted is what comes out, so a small file in front of a bomb needs no such disk.
    let bytes = vec![0; 8];
    let bytes = super::super::Bytes::new(&bytes).unwrap();
    let limit = usize::try_from(super::super::limits::PACKAGE_UNPACKED_BYTES).unwrap();
    bytes.unpack(limit).unwrap();
    assert!(bytes.unpack(1).unwrap_err().to_string().contains("bomb"));
}
