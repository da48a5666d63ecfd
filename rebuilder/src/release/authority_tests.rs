//! Archives that lie (step 1): announcers, indexes, keys and caches, each caught where it lies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::time::Duration;

use reattest_attestation::Digest;
use sequoia_openpgp::Cert;

use super::tests::{Archive, DATE, NOW, binary, key, sign_with, source, write_keyring, xz};
use super::{DebianRelease, Index, IndexError, SignedIndex, architecture, coverage, dsc};
use crate::cas::CasError;
use crate::error::RebuildError;
use crate::recipe::{Input, Lock};
use crate::reference::Reference;

fn packages_location(suite: &str) -> String {
    format!("debian:dists/{suite}/main/binary-{}/Packages.xz", architecture())
}

fn refusal(found: Result<DebianRelease, RebuildError>) -> String {
    found.map(|found| found.release).unwrap_err().to_string()
}

fn names(found: &DebianRelease) -> Vec<&str> {
    found.release.published().iter().map(|p| p.file_name.as_str()).collect()
}

#[test]
fn an_index_of_another_architecture_or_suite_in_its_place_is_refused() {
    let mut archive = Archive::usual();
    for other in [binary("one", "1:2-3", "arm64"), binary("one", "1:2-2", "all"), String::new()] {
        archive.files.insert(packages_location("trixie"), xz(&other));
        let error = archive.find("deb:one").map(|found| found.release).unwrap_err();
        assert!(matches!(error, RebuildError::Cas(CasError::Damaged { .. })), "{error}");
    }
    // A whole other suite, rightly signed, under the name of the asked one.
    let other = Archive::of("forky", DATE, "", &binary("one", "9", "all"), &source());
    let signed = other.files.get("debian:dists/forky/InRelease").unwrap().clone();
    archive.files.insert("debian:dists/trixie/InRelease".to_owned(), signed);
    fs::copy(other.keyring(), archive.keyring()).unwrap();
    assert!(refusal(archive.find("deb:one")).contains("signed index of forky, needed trixie"));
}

#[test]
fn an_unpacked_index_in_the_cache_is_used_only_as_the_archive_signed_it() {
    let archive = Archive::usual();
    archive.find("deb:one").unwrap();
    let text = binary("one", "1:2-3", "all")
        + &binary("two", "1:2-3", "all")
        + &binary("other", "1:2-3", "any");
    let kept = archive.cas().path(&Digest::of(text.as_bytes()));
    assert_eq!(fs::read_to_string(&kept).unwrap(), text);
    for forged in [text.replace("1:2-3", "1:2-4"), text.clone() + "\nPackage: x", String::new()] {
        fs::write(&kept, &forged).unwrap();
        assert_eq!(names(&archive.find("deb:one").unwrap()).len(), 2, "{forged}");
        assert_eq!(fs::read_to_string(&kept).unwrap(), text, "made anew");
    }
}

#[test]
fn an_index_that_is_packed_otherwise_than_it_is_signed_is_refused() {
    // Both digests are signed, and they contradict each other.
    let honest = Archive::usual();
    let text = String::from_utf8(honest.signed()).unwrap();
    let body = text.split_once("\n\n").unwrap().1.split("-----BEGIN").next().unwrap();
    let digests: Vec<&str> = body.lines().filter(|line| line.ends_with("Packages")).collect();
    let digest = digests.first().unwrap().trim().split(' ').next().unwrap();
    let (cert, _) = key(None);
    let evil = body.replace(digest, &Digest::of(b"other").to_string());
    let mut archive = Archive::usual();
    archive.files = honest.files;
    archive.files.insert("debian:dists/trixie/InRelease".to_owned(), sign_with(&cert, evil.trim()));
    write_keyring(&cert, &archive.keyring());
    assert!(refusal(archive.find("deb:one")).contains("the signed index says"));
}

#[test]
fn a_stanza_that_names_another_packages_file_is_refused() {
    let packages = binary("one", "1:2-3", "all").replace("/one_2-3", "/two_2-3")
        + &binary("two", "1:2-3", "all");
    assert!(refusal(Archive::new(&packages, "").find("deb:one")).contains("names the file"));
    // Another machine's package in this machine's index.
    let packages = binary("one", "1:2-3", "m68k");
    assert!(refusal(Archive::new(&packages, "").find("deb:one")).contains("m68k"));
}

#[test]
fn stanzas_that_stand_twice_are_refused() {
    let twice = binary("one", "1:2-3", "all")
        + &binary("one", "1:2-3", "all").replace("Size: 1", "Size: 2");
    assert!(refusal(Archive::new(&twice, "").find("deb:one")).contains("two stanzas of one"));
    let twice = binary("one", "1:2-3", "all")
        + &binary("two", "1:2-3", "all")
        + &binary("two", "1:2-3", "all").replace("Size: 1", "Size: 2");
    assert!(refusal(Archive::new(&twice, "").find("deb:one")).contains("two stanzas of two"));
    let packages = binary("one", "1:2-3", "all");
    let sources = source() + "\n" + &source().replace("src_2-3", "src_2-3-evil");
    let archive = Archive::of("trixie", DATE, "", &packages, &sources);
    assert!(refusal(archive.find("deb:one")).contains("two stanzas of the source src 1:2-3"));
}

#[test]
fn a_source_without_sha256_is_refused() {
    let packages = binary("one", "1:2-3", "all");
    for (from, to) in [("Checksums-Sha256", "Checksums-Sha1"), ("Checksums-Sha256", "Files")] {
        let archive = Archive::of("trixie", DATE, "", &packages, &source().replace(from, to));
        assert!(refusal(archive.find("deb:one")).contains("without Checksums-Sha256"));
    }
    let archive = Archive::of("trixie", DATE, "", &packages, "");
    assert!(refusal(archive.find("deb:one")).contains("it has no source src 1:2-3"));
}

#[test]
fn a_key_that_is_expired_revoked_or_absent_does_not_count() {
    let archive = Archive::usual();
    let text = format!("Codename: trixie\nDate: {DATE}\nSHA256:\n");
    let verify = |cert: &Cert, signed: &[u8]| {
        write_keyring(cert, &archive.keyring());
        archive.verify(signed).map_err(|error| error.to_string())
    };
    let (good, _) = key(Some(Duration::from_hours(400 * 24)));
    verify(&good, &sign_with(&good, &text)).unwrap();
    // Good when it signed, and not any more.
    let (expired, _) = key(Some(Duration::from_hours(24)));
    let error = verify(&expired, &sign_with(&expired, &text)).unwrap_err();
    assert!(error.contains("is expired or revoked"), "{error}");
    let (cert, revocation) = key(None);
    let signed = sign_with(&cert, &text);
    verify(&cert, &signed).unwrap();
    let (revoked, _) = cert.insert_packets([revocation]).unwrap();
    verify(&revoked, &signed).unwrap_err();
    let error = verify(&good, &signed).unwrap_err();
    assert!(error.contains("does not hold"), "{error}");
}

#[test]
fn an_index_from_the_future_is_refused() {
    let archive = Archive::of("trixie", "Fri, 01 Jan 2100 00:00:00 UTC", "", "", "");
    assert!(matches!(archive.verify(&archive.signed()), Err(IndexError::Early { .. })));
    // A clock that is minutes behind is no attack.
    let soon = jiff::Timestamp::from_second(NOW + 600).unwrap();
    let soon = jiff::fmt::rfc2822::to_string(&soon.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    let archive = Archive::of("trixie", &soon, "", "", "");
    archive.verify(&archive.signed()).unwrap();
    let archive = Archive::of("trixie", "today", "", "", "");
    assert!(matches!(archive.verify(&archive.signed()), Err(IndexError::Malformed { .. })));
}

#[test]
fn an_index_older_than_one_that_was_seen_is_refused_until_the_user_says_otherwise() {
    let packages = binary("one", "1:2-3", "all");
    let of = |date: &str| Archive::of("trixie", date, "", &packages, &source());
    let (mut old, new) = (of("Sat, 31 Oct 2026 00:00:00 UTC"), of(DATE));
    new.find("deb:one").unwrap();
    new.find("deb:one").unwrap();
    // The same machine, and another mirror.
    let directory = std::mem::replace(&mut old.directory, new.directory);
    fs::copy(directory.path().join("keyring"), old.keyring()).unwrap();
    let error = old.find("deb:one").map(|found| found.release).unwrap_err();
    assert!(matches!(error, RebuildError::Index(IndexError::Older { .. })), "{error}");
    let memory = old.directory.path().join("cache/indexes/trixie.newest");
    let said = error.to_string();
    assert!(said.contains("2026-11-01") && said.contains(&memory.display().to_string()), "{said}");
    fs::remove_file(&memory).unwrap();
    old.find("deb:one").unwrap();
}

#[test]
fn a_suites_name_in_the_index_never_becomes_a_path() {
    let archive = Archive::of("../../x", DATE, "", "", "");
    let signed = archive.files.get("debian:dists/../../x/InRelease").unwrap();
    let verified =
        SignedIndex::verify("x", signed, &archive.keyring(), "../../x", NOW).unwrap_err();
    assert!(matches!(verified, IndexError::Malformed { .. }), "{verified}");
}

#[test]
fn two_digests_of_one_index_are_refused() {
    let digest = Digest::of(b"other");
    let archive = Archive::usual();
    let entry = format!(" {digest} 1 a\n {} 1 a\n", Digest::of(b"a"));
    let (cert, _) = key(None);
    let text = format!("Codename: trixie\nDate: {DATE}\nSHA256:\n{entry}");
    write_keyring(&cert, &archive.keyring());
    let error = archive.verify(&sign_with(&cert, &text)).unwrap_err();
    assert!(error.to_string().contains("two digests of a"), "{error}");
}

#[test]
fn a_description_of_the_source_that_contradicts_the_index_is_refused() {
    let tar = Digest::of(b"tar");
    let honest = format!(
        "Format: 3.0 (native)\nSource: src\nVersion: 1:2-3\nChecksums-Sha256:\n {tar} 3 src_2-3.tar.xz\nFiles:\n x 3 src_2-3.tar.xz\n"
    );
    let check = |text: &str| {
        let sources = format!(
            "Package: src\nVersion: 1:2-3\nDirectory: pool/main/s/src\nChecksums-Sha256:\n {} {} src_2-3.dsc\n {tar} 3 src_2-3.tar.xz\n",
            Digest::of(text.as_bytes()),
            text.len()
        );
        let archive = Archive::of("trixie", DATE, "", &binary("one", "1:2-3", "all"), &sources);
        let found = archive.find("deb:one").unwrap();
        archive.cas().put(text.as_bytes()).unwrap();
        dsc::check(&found, &archive.cas()).map_err(|error| error.to_string())
    };
    check(&honest).unwrap();
    let other = Digest::of(b"other").to_string();
    let table = [
        ("Source: src", "Source: evil", "Source is"),
        ("Version: 1:2-3", "Version: 1:2-4", "Version is"),
        (&*tar.to_string(), other.as_str(), "other files"),
        (" 3 src_2-3.tar.xz\nFiles", " 4 src_2-3.tar.xz\nFiles", "other files"),
        ("src_2-3.tar.xz\nFiles", "evil_2-3.tar.xz\nFiles", "other files"),
        ("Checksums-Sha256", "Checksums-Sha1", "without Checksums-Sha256"),
        ("x 3 src_2-3.tar.xz", "x 3 src_2-3.tar.xz\n x 3 hidden_1.tar.xz", "Files names"),
    ];
    for (from, to, why) in table {
        let error = check(&honest.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(why), "{to}: {error}");
    }
}

#[test]
fn a_lock_that_the_index_does_not_cover_word_for_word_is_no_lock() {
    let archive = Archive::usual();
    let found = archive.find("deb:one").unwrap();
    let cas = archive.cas();
    let index = Index::open(&cas, found.suite.packages()).unwrap();
    let one = index.packages(|name| name == "one").unwrap().into_values().next().unwrap();
    let covers = |suite: &str, inputs: Vec<Input>| {
        let lock = Lock::new(suite, architecture(), inputs);
        coverage::covers(&index, "trixie", &lock).unwrap()
    };
    assert!(covers("trixie", vec![one.clone()]));
    let evil = Digest::of(b"evil");
    let forged = [
        Input { sha256: evil, ..one.clone() },
        Input { size: 2, ..one.clone() },
        Input { version: "1:2-2".to_owned(), ..one.clone() },
        Input { name: "evil".to_owned(), ..one.clone() },
        Input { architecture: "arm64".to_owned(), ..one.clone() },
        Input { location: "debian:pool/main/e/evil/evil.deb".to_owned(), ..one.clone() },
    ];
    for forged in forged {
        assert!(!covers("trixie", vec![one.clone(), forged.clone()]), "{forged:?}");
    }
    assert!(!covers("bookworm", vec![one.clone()]));
    assert!(!covers("trixie", vec![]));
    let other = Lock::new("trixie", "m68k", vec![one]);
    assert!(!coverage::covers(&index, "trixie", &other).unwrap());
}

#[test]
fn one_build_of_a_source_is_compared_and_not_its_neighbours() {
    let arch = architecture();
    let packages = binary("one", "1:2-3+b2", arch)
        + &binary("two", "1:2-3+b2", arch)
        + &binary("own", "4:14-1+b2", arch)
        + &binary("data", "1:2-3", "all")
        + &binary("left", "1:2-3+b1", arch)
        + &binary("older", "1:2-2+b2", arch).replace("src (1:2-3)", "src (1:2-2)")
        + &binary("src", "1:2-3+b2", arch)
        + &binary("foreign", "1:2-3+b2", arch).replace("src (1:2-3)", "src-x (1:2-3)");
    let found = Archive::new(&packages, "").find("deb:two").unwrap();
    let expected = ["two_2-3+b2", "one_2-3+b2", "own_14-1+b2", "src_2-3+b2"];
    assert_eq!(names(&found), expected.map(|name| format!("{name}_{arch}.deb")));
    assert_eq!((found.version.as_str(), found.binary_only), ("1:2-3", Some(2)));
    let found = Archive::new(&packages, "").find("deb:data").unwrap();
    assert_eq!((names(&found), found.binary_only), (vec!["data_2-3_all.deb"], None));
}

#[test]
fn an_update_is_found_in_its_suite_and_built_in_the_one_that_it_updates() {
    let mut archive =
        Archive::of("trixie-security", DATE, "", &binary("one", "1:2-3", "all"), &source());
    let base = Archive::of("trixie", DATE, "", &binary("gcc", "14", "all"), "");
    let (cert, _) = key(None);
    write_keyring(&cert, &archive.keyring());
    archive.files.extend(base.files);
    for suite in ["trixie", "trixie-security"] {
        let location = format!("debian:dists/{suite}/InRelease");
        let text = String::from_utf8(archive.files.get(&location).unwrap().clone()).unwrap();
        let body = text.split_once("\n\n").unwrap().1.split("\n-----BEGIN").next().unwrap();
        archive.files.insert(location, sign_with(&cert, body));
    }
    let found = archive.find("pkg:deb/debian/one?distro=trixie-security").unwrap();
    assert_eq!(found.suite.codename(), "trixie");
    assert!(found.release.authority().uri.ends_with("dists/trixie-security/InRelease"));
    let [covering] = found.release.lock_authorities() else { unreachable!() };
    assert!(covering.uri.ends_with("dists/trixie/InRelease"));
    assert!(found.release.source().to_string().contains("distro=trixie-security"));
}

#[test]
fn an_evil_announcer_gets_what_the_archive_says_or_nothing() {
    let archive = Archive::usual();
    let honest = archive.find("deb:one").unwrap();
    // What an announcement can say is a purl, and of that nothing but name, version, class and suite.
    for extra in [
        "checksum=sha256:00",
        "download_url=https://evil.example/one.deb",
        "repository_url=https://evil.example",
        "recipe=sha256:00",
        "source=evil",
        "vcs_url=https://evil.example",
    ] {
        let text = format!("pkg:deb/debian/one@1:2-3?arch=all&distro=trixie&{extra}");
        let Ok(reference) = text.parse::<Reference>() else { continue };
        let Reference::Debian(reference) = reference else { unreachable!() };
        let found = archive.with(|means| DebianRelease::find(&reference, means)).unwrap();
        assert_eq!(found.release.published(), honest.release.published(), "{extra}");
        assert_eq!(found.release.sources(), honest.release.sources(), "{extra}");
        assert_eq!(found.release.source(), honest.release.source(), "{extra}");
    }
    for text in ["deb:one@1:2-4", "pkg:deb/debian/one@1:2-3?arch=m68k"] {
        let error = archive.find(text).map(|found| found.release).unwrap_err();
        assert!(matches!(error, RebuildError::OtherVersion { .. }), "{error}");
    }
    // A source is no binary package, and a suite that is not asked for is not looked at.
    assert!(matches!(archive.find("deb:src"), Err(RebuildError::UnknownPackage { .. })));
    for text in ["pkg:deb/debian/one?distro=../trixie", "pkg:deb/debian/one?arch=all/.."] {
        assert!(text.parse::<Reference>().is_err(), "{text}");
    }
    assert!("pkg:deb/ubuntu/one".parse::<Reference>().is_err());
}
