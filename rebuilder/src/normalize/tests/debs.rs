//! Debian packages: times and compression do not matter; owners, modes and members do.

use super::gzips::gzip;
use super::tars::{entry, owned, tar};
use super::*;
use flate2::GzBuilder;
use std::io::Write as _;

struct Member {
    name: &'static str,
    time: &'static str,
    mode: &'static str,
    content: Vec<u8>,
}

fn ar(members: &[Member]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for Member { name, time, mode, content } in members {
        writeln!(out, "{name:<16}{time:<12}{:<6}{:<6}{mode:<8}{:<10}`", 0, 0, content.len())
            .unwrap();
        out.extend(content);
        out.resize(out.len().next_multiple_of(2), b'\n');
    }
    out
}

fn member(name: &'static str, content: Vec<u8>) -> Member {
    Member { name, time: "1700000000", mode: "100644", content }
}

fn control() -> Vec<u8> {
    tar(&[entry(b'5', "./", b""), entry(b'0', "./control", b"Package: p\n")])
}

fn data() -> Vec<u8> {
    let upper = entry(b'0', "./usr/NAME", b"upper");
    tar(&[
        entry(b'5', "./", b""),
        entry(b'5', "./usr/", b""),
        entry(b'0', "./usr/name", b"x"),
        upper,
    ])
}

fn xz(content: &[u8], level: u32) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = liblzma::write::XzEncoder::new(&mut packed, level);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap();
    packed
}

fn zstd(content: &[u8]) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(content, level)
}

fn package() -> [Member; 3] {
    let binary = member("debian-binary", b"2.0\n".to_vec());
    [binary, member("control.tar.xz", xz(&control(), 6)), member("data.tar.xz", xz(&data(), 6))]
}

fn changed(change: impl FnOnce(&mut Vec<Member>)) -> Vec<u8> {
    let mut members = Vec::from(package());
    change(&mut members);
    ar(&members)
}

#[test]
fn packages_that_differ_in_times_and_compression_are_equal() {
    let zst = zstd(&data());
    let gz = gzip(GzBuilder::new().mtime(3), 9, &control());
    let table = [
        ("times", changed(|m| m[1].time = "1"), Same),
        ("another level", changed(|m| m[2].content = xz(&data(), 0)), Same),
        ("gzip", changed(|m| m[1] = member("control.tar.gz", gz)), Same),
        ("zstd", changed(|m| m[2] = member("data.tar.zst", zst)), Same),
        ("no compression", changed(|m| m[2] = member("data.tar", data())), Same),
    ];
    for (claim, changed, expected) in table {
        expect("p_1_all.deb", &ar(&package()), claim, &changed, expected);
    }
}

#[test]
fn what_dpkg_would_unpack_otherwise_keeps_packages_apart() {
    let upper = || {
        let text = data();
        let at = text.windows(5).position(|part| part == b"upper").unwrap();
        [&text[..at], b"Upper", &text[at + 5..]].concat()
    };
    let two = [xz(&data(), 6), xz(&[0; 512], 6)].concat();
    let behind = [xz(&data(), 6), vec![0; 4]].concat();
    let zst = [zstd(&data()), vec![1]].concat();
    let table = [
        ("content", changed(|m| m[2] = member("data.tar", upper())), Other),
        ("a member's mode", changed(|m| m[1].mode = "100755"), Other),
        ("another format", changed(|m| m[0].content = b"2.1\n".to_vec()), Other),
        ("another control part", changed(|m| m[1].content = xz(&data(), 6)), Other),
        ("another order", changed(|m| m.swap(1, 2)), Refused("the member")),
        (
            "a member twice",
            changed(|m| m.push(member("data.tar", data()))),
            Refused("behind the data"),
        ),
        (
            "a member more",
            changed(|m| m.insert(1, member("_gpgorigin", vec![]))),
            Refused("the member"),
        ),
        ("a member less", changed(|m| drop(m.pop())), Refused("inside the file")),
        ("a slash", changed(|m| m[0].name = "debian-binary/"), Refused("the member")),
        ("a packed version", changed(|m| m[0].name = "debian-binary.gz"), Refused("the member")),
        ("a wrong compression", changed(|m| m[1].name = "control.tar.gz"), Refused("gzip")),
        ("two streams", changed(|m| m[2].content = two), Refused("behind a compressed")),
        ("bytes behind xz", changed(|m| m[2].content = behind), Refused("behind a compressed")),
        (
            "bytes behind zstd",
            changed(|m| m[2] = member("data.tar.zst", zst)),
            Refused("behind a compressed"),
        ),
        ("a time that is none", changed(|m| m[1].time = "evil"), Refused("plain numbers")),
        ("bytes behind", [ar(&package()), b"x".to_vec()].concat(), Refused("behind the data")),
    ];
    for (claim, changed, expected) in table {
        expect("p_1_all.deb", &ar(&package()), claim, &changed, expected);
    }
}

#[test]
fn dpkg_installs_files_for_the_owners_that_a_package_names() {
    let with = |ids, name| {
        let file = owned(entry(b'0', "./a", b"x"), ids, name);
        changed(|members| members[2] = member("data.tar", tar(&[file])))
    };
    let before = with((0, 0), "root");
    expect("p.deb", &before, "a number", &with((1000, 0), "root"), Other);
    expect("p.deb", &before, "a name", &with((0, 0), "games"), Other);
}
