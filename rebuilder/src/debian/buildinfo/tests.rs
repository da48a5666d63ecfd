//! Records of builds (step 1), honest and evil: what is taken, and that nothing else is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::release::tests::Archive;

fn record() -> String {
    let one = Digest::of(b"one");
    let dsc = Digest::of(b"dsc");
    format!(
        "Format: 1.0\nSource: src\nBinary: one two\nArchitecture: all\nVersion: 1:2-3\n\
         Checksums-Sha256:\n {dsc} 3 src_2-3.dsc\n {one} 1 one_2-3_all.deb\n\
         Build-Origin: Debian\nBuild-Architecture: {arch}\nBuild-Date: Sun, 01 Nov 2026 00:00:00 +0000\n\
         Build-Path: /build/reproducible-path/src-2\n\
         Installed-Build-Depends:\n base-files (= 13.8+deb13u1),\n libc6:{arch} (= 2.41-12)\n\
         Environment:\n DEB_BUILD_OPTIONS=\"parallel=4\"\n LANG=\"C.UTF-8\"\n CFLAGS=\"-O3\"\n SOURCE_DATE_EPOCH=\"1751900000\"\n",
        arch = architecture()
    )
}

fn parsed(text: &str) -> Result<BuildInfo, String> {
    parse(text.as_bytes(), &Archive::usual().find("deb:one").unwrap())
}

#[test]
fn an_honest_record_gives_versions_place_and_variables() {
    let told = parsed(&record()).unwrap();
    let place = ("/build/reproducible-path".to_owned(), "src-2".to_owned());
    assert_eq!(told.path, Some(place));
    let pin = |name: &str, version: &str| (name.to_owned(), version.to_owned());
    assert_eq!(told.pins, [pin("base-files", "13.8+deb13u1"), pin("libc6", "2.41-12")]);
    assert_eq!(
        (told.class, told.ignored.as_slice()),
        ("--build=all", ["CFLAGS".to_owned()].as_slice())
    );
    let names: Vec<_> = told.environment.keys().map(String::as_str).collect();
    assert_eq!(names, ["DEB_BUILD_OPTIONS", "LANG", "SOURCE_DATE_EPOCH"]);
}

#[test]
fn a_signature_around_it_changes_nothing_but_text_outside_is_refused() {
    let signed = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{}-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n",
        record()
    );
    assert_eq!(parsed(&signed).unwrap().pins, parsed(&record()).unwrap().pins);
    assert!(parsed(&format!("Source: evil\n{signed}")).is_err());
    assert!(parsed(&format!("{signed}Source: evil\n")).is_err());
}

#[test]
fn a_record_of_another_build_is_refused() {
    let (one, other) = (Digest::of(b"one").to_string(), Digest::of(b"other").to_string());
    let dsc = Digest::of(b"dsc").to_string();
    let arch = format!("Build-Architecture: {}", architecture());
    let table = [
        ("Source: src", "Source: other", "Source"),
        ("Source: src", "Source: src (9)", "Source"),
        ("Version: 1:2-3", "Version: 1:2-3+b1", "Version"),
        ("Version: 1:2-3", "Version: 2-3", "Version"),
        (arch.as_str(), "Build-Architecture: m68k", "Build-Architecture"),
        ("Architecture: all", "Architecture: m68k", "built for"),
        ("Architecture: all", "Architecture: all all", "built for"),
        (one.as_str(), other.as_str(), "another build"),
        (dsc.as_str(), other.as_str(), "another build"),
        ("one_2-3_all.deb", "uno_2-3_all.deb", "does not list"),
        ("Format: 1.0", "Format: 2.0", "format"),
        ("Format: 1.0\n", "", "Format"),
    ];
    for (from, to, why) in table {
        let error = parsed(&record().replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(why), "{to}: {error}");
    }
}

#[test]
fn an_evil_record_chooses_no_program_and_leaves_no_place() {
    let table = [
        ("LANG=\"C.UTF-8\"", "LD_PRELOAD=\"/build/evil.so\"", "LD_PRELOAD"),
        ("LANG=\"C.UTF-8\"", "PATH=\"/build/evil\"", "PATH"),
        ("LANG=\"C.UTF-8\"", "CC=\"/build/evil\"", "CC"),
        ("LANG=\"C.UTF-8\"", "BASH_ENV=\"/build/evil\"", "BASH_ENV"),
        ("LANG=\"C.UTF-8\"", "LANG=\"$(id)\"", "the variable"),
        ("LANG=\"C.UTF-8\"", "LANG=C", "the variable"),
        ("LANG=\"C.UTF-8\"", "TZ=\":/etc/shadow\"", "the variable"),
        ("LANG=\"C.UTF-8\"", "LANG=\"C\"\n LANG=\"D\"", "twice"),
        ("\"1751900000\"", "\"soon\"", "the variable"),
        ("/build/reproducible-path/src-2", "/build/../etc/src-2", "Build-Path"),
        ("/build/reproducible-path/src-2", "/usr/bin/src-2", "Build-Path"),
        ("/build/reproducible-path/src-2", "/build/inputs/src-2", "Build-Path"),
        ("/build/reproducible-path/src-2", "build/x/src-2", "Build-Path"),
        ("/build/reproducible-path/src-2", "/build/x/-o", "Build-Path"),
        ("/build/reproducible-path/src-2", "/build/x y/src-2", "Build-Path"),
        ("/build/reproducible-path/src-2", "/build//src-2", "Build-Path"),
        ("libc6:", "libc6;id:", "NAME (= VERSION)"),
        ("(= 2.41-12)", "(>= 2.41-12)", "NAME (= VERSION)"),
        ("(= 2.41-12)", "(= 2.41-12),\n base-files (= 1)", "twice"),
        ("Build-Origin: Debian", "Build-Origin: De\u{7f}bian", "Build-Origin"),
        ("Build-Origin: Debian", "Build-Origin: Debian\n\nSource: evil", "empty line"),
        ("Build-Origin: Debian", "build-path: /build/a/b", "twice"),
    ];
    for (from, to, why) in table {
        let evil = record().replacen(from, to, 1);
        assert_ne!(evil, record(), "{to}");
        let error = parsed(&evil).unwrap_err();
        assert!(error.contains(why), "{to}: {error}");
    }
}
