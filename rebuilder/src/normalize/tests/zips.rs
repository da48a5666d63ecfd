//! Zips: what differs in times, order and compression is equal; nothing else is.

use super::zip_writer::{Descriptor, Member, Stray, member, zip, zip_with};
use super::*;

fn members() -> Vec<Member> {
    let text = "a line of text\n".repeat(2_000);
    vec![member("a.py", b"import b\n"), member("d/b.txt", text.as_bytes())]
}

/// An extra field.
fn extra(id: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&id.to_le_bytes(), &length.to_le_bytes(), data].concat()
}

type Change = fn(&mut Vec<Member>);

fn check(table: &[(&str, Change, Expected)]) {
    let before = zip(&members());
    for (claim, change, expected) in table {
        let mut changed = members();
        change(&mut changed);
        expect("a.zip", &before, claim, &zip(&changed), *expected);
    }
}

#[test]
fn zips_that_differ_in_times_order_and_compression_are_equal() {
    check(&[
        ("times", |m| m[0].time = 0, Same),
        ("order", |m| m.reverse(), Same),
        ("another level", |m| m[1].level = Some(1), Same),
        ("stored", |m| m[1].level = None, Same),
        ("a descriptor", |m| m[0].descriptor = Descriptor::Signed, Same),
        ("a descriptor without signature", |m| m[1].descriptor = Descriptor::Bare, Same),
        ("versions", |m| (m[0].made_with, m[0].needed) = (63, 45), Same),
        ("level bits", |m| m[0].flags = 2, Same),
        ("an ASCII name called UTF-8", |m| m[0].flags = 1 << 11, Same),
        (
            "times in extra fields",
            |m| {
                m[0].local_extra =
                    [extra(0x5455, &[3, 1, 2, 3, 4, 5, 6, 7, 8]), extra(0x7855, &[1, 0, 2, 0])]
                        .concat();
                m[0].central_extra = [extra(0x5455, &[3, 1, 2, 3, 4]), extra(0x7855, &[])].concat();
                m[1].local_extra = extra(0x7875, &[1, 4, 1, 0, 0, 0, 4, 2, 0, 0, 0]);
                m[1].central_extra =
                    extra(0x000a, &[&[0, 0, 0, 0, 1, 0, 24, 0][..], &[9; 24]].concat());
            },
            Same,
        ),
    ]);
}

#[test]
fn what_an_entry_is_keeps_zips_apart() {
    check(&[
        ("content", |m| m[0].content = b"import c\n".to_vec(), Other),
        ("name", |m| m[0].name = b"c.py".to_vec(), Other),
        ("exec bits", |m| m[0].external = 0o100_755 << 16, Other),
        ("set-user-id", |m| m[0].external = 0o104_755 << 16, Other),
        ("a symbolic link", |m| m[0].external = 0o120_777 << 16, Other),
        ("read-only for DOS", |m| m[0].external |= 1, Other),
        ("host", |m| m[0].host = 0, Other),
        ("internal attributes", |m| m[0].internal = 1, Other),
        ("a comment", |m| m[0].comment = b"c".to_vec(), Other),
        ("an entry more", |m| m.push(member("c", b"")), Other),
        ("an entry less", |m| drop(m.pop()), Other),
        ("a directory entry", |m| m.push(member("d/", b"")), Other),
    ]);
}

#[test]
fn names_that_say_two_things_are_refused() {
    check(&[
        ("one name twice", |m| m[1].name = b"a.py".to_vec(), Refused("twice")),
        ("one name twice, equal content", |m| m[1] = m[0].clone(), Refused("twice")),
        ("names that differ in case", |m| m[1].name = b"A.PY".to_vec(), Refused("twice")),
        ("names that differ in ./", |m| m[1].name = b"./a.py".to_vec(), Refused("twice")),
        ("a name with a detour", |m| m[0].name = b"d//a.py".to_vec(), Refused("plain")),
        ("a name with a dot", |m| m[0].name = b"d/./a.py".to_vec(), Refused("plain")),
        ("a name that climbs", |m| m[0].name = b"../a.py".to_vec(), Refused("plain")),
        ("an absolute name", |m| m[0].name = b"/a.py".to_vec(), Refused("plain")),
        ("an empty name", |m| m[0].name.clear(), Refused("plain")),
        ("a zero byte", |m| m[0].name = b"a.py\0.txt".to_vec(), Refused("plain")),
        ("a backslash", |m| m[0].name = b"d\\a.py".to_vec(), Refused("backslash")),
        ("no UTF-8", |m| m[0].name = b"\xff".to_vec(), Refused("UTF-8")),
        ("UTF-8 that is not called so", |m| m[0].name = "ä".into(), Refused("UTF-8")),
        ("a file above an entry", |m| m[0].name = b"d".to_vec(), Refused("below")),
        ("a file above an entry, in case", |m| m[0].name = b"D".to_vec(), Refused("below")),
        ("another local name", |m| m[0].local_name = Some(b"c.py".to_vec()), Refused("disagree")),
        (
            "a Unicode path",
            |m| m[0].local_extra = extra(0x7075, &[1, 0, 0, 0, 0, b'e']),
            Refused("0x7075"),
        ),
        (
            "the same in the directory",
            |m| m[0].central_extra = extra(0x7075, &[1, 0, 0, 0, 0, b'e']),
            Refused("0x7075"),
        ),
    ]);
}

#[test]
fn headers_that_lie_are_refused() {
    check(&[
        ("encrypted", |m| m[0].flags = 1, Refused("encrypted")),
        ("strongly encrypted", |m| m[0].flags = 1 << 6, Refused("encrypted")),
        ("patched", |m| m[0].flags = 1 << 5, Refused("patched")),
        ("a masked directory", |m| m[0].flags = 1 << 13, Refused("hide")),
        ("other local flags", |m| m[0].local_flags = Some(1), Refused("disagree")),
        ("another local size", |m| m[0].local_size = Some(1), Refused("disagree")),
        ("a smaller size", |m| m[1].size = Some(1), Refused("more than it says")),
        ("a larger size", |m| m[1].size = Some(1 << 20), Refused("checksum")),
        ("a wrong checksum", |m| m[0].crc = Some(1), Refused("checksum")),
        ("a wrong descriptor", |m| m[0].descriptor = Descriptor::Wrong, Refused("descriptor")),
        ("zip64 sizes", |m| m[0].size = Some(u32::MAX), Refused("zip64")),
        ("a zip64 field", |m| m[0].central_extra = extra(1, &[0; 8]), Refused("0x0001")),
        (
            "a field of Unix modes",
            |m| m[0].local_extra = extra(0x756e, &[0; 14]),
            Refused("0x756e"),
        ),
        (
            "an extra field that hides bytes",
            |m| m[0].local_extra = extra(0x5455, &[1, 0, 0, 0, 0, 66]),
            Refused("0x5455"),
        ),
        (
            "one field twice",
            |m| m[0].local_extra = [extra(0x5455, &[0]), extra(0x5455, &[0])].concat(),
            Refused("0x5455"),
        ),
        (
            "a cut extra field",
            |m| m[0].local_extra = vec![0x55, 0x54, 9],
            Refused("all its fields"),
        ),
        ("another method", |m| m[0].method = Some(12), Refused("method 12")),
        (
            "stored bytes called deflated",
            |m| (m[0].level, m[0].method) = (None, Some(8)),
            Refused("deflate"),
        ),
        (
            "stored, with the size behind",
            |m| (m[0].level, m[0].descriptor) = (None, Descriptor::Signed),
            Refused("descriptor"),
        ),
        (
            "an owner of a set-user-id file",
            |m| {
                m[0].external = 0o104_755 << 16;
                m[0].local_extra = extra(0x7855, &[0, 0, 0, 0]);
            },
            Refused("set-user-id"),
        ),
        ("a directory with content", |m| m[0].name = b"c/".to_vec(), Refused("directory")),
        (
            "bytes behind the stream",
            |m| m[0].packed = Some([m[0].packed(), vec![0]].concat()),
            Refused("behind a deflate"),
        ),
        (
            "a stream without an end",
            |m| {
                // One stored block that is not the last.
                m[0].packed = Some([&[0, 9, 0, 0xf6, 0xff][..], b"import b\n"].concat());
            },
            Refused("does not end"),
        ),
    ]);
}

#[test]
fn bytes_that_no_header_covers_are_refused() {
    let before = zip(&members());
    let table: [(&str, Stray, &'static str); 9] = [
        (
            "before the first entry",
            Stray { before: b"#!/bin/sh\n", ..Stray::default() },
            "before or between",
        ),
        ("between entries", Stray { between: b"hidden", ..Stray::default() }, "behind the content"),
        (
            "in the directory",
            Stray { directory: b"hidden", ..Stray::default() },
            "central directory",
        ),
        (
            "between directory and end",
            Stray { end: b"hidden", ..Stray::default() },
            "no byte between",
        ),
        ("behind the end", Stray { behind: b"hidden", ..Stray::default() }, "end record"),
        ("an end in the comment", Stray { comment: b"PK\x05\x06", ..Stray::default() }, "left of"),
        (
            "a zip64 locator",
            Stray { end: b"PK\x06\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", ..Stray::default() },
            "zip64",
        ),
        ("overlapping entries", Stray { overlap: true, ..Stray::default() }, "overlap"),
        ("more entries than there are", Stray { count: 1, ..Stray::default() }, "left of"),
    ];
    for (claim, stray, words) in table {
        expect("a.zip", &before, claim, &zip_with(&members(), &stray), Refused(words));
    }
    let commented = Stray { comment: b"a comment", ..Stray::default() };
    expect("a.zip", &before, "a comment", &zip_with(&members(), &commented), Other);
}

#[test]
fn every_byte_of_a_zip_that_is_not_a_time_or_version_matters() {
    // Stored: the last byte of a deflate stream has bits that mean nothing.
    let stored = members().into_iter().map(|member| Member { level: None, ..member });
    let before = zip(&stored.collect::<Vec<Member>>());
    let first = digest("a.zip", &before).unwrap();
    let mut equal = 0;
    for place in 0..before.len() {
        let mut changed = before.clone();
        changed[place] ^= 0x40;
        equal += usize::from(digest("a.zip", &changed).as_ref() == Ok(&first));
    }
    // Two entries: 4 bytes of time and 2 of the version needed in each of two headers, and 1 of
    // the version made with in one of them.
    assert_eq!(equal, 2 * (2 * (4 + 2) + 1));
}

#[test]
fn an_empty_zip_and_a_decompression_bomb_are_told_apart() {
    assert!(digest("a.zip", &zip(&[])).is_ok());
    // The size that an entry says bounds what is unpacked of it.
    let mut bomb = member("bomb", &vec![0; 1 << 20]);
    bomb.size = Some(10);
    assert!(digest("a.zip", &zip(&[bomb])).unwrap_err().contains("more than it says"));
}
