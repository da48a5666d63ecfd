//! Nobody but the archive's keys decides what is rebuilt: evil announcers, caches, mirrors and records.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use reattest_attestation::Digest;
use reattest_tests::mirror::{Mirror, Wrong};
use reattest_tests::network::Member;
use reattest_tests::{at_hand, cache, directory, document, files_below, run, said};
use serde_json::Value;

fn hex(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

fn blob(cache: &Path, digest: &str) -> PathBuf {
    cache.join("blobs/sha256").join(&digest[..2]).join(digest)
}

/// Asks a mirror for netbase with an own cache; without sources it ends before an environment is made.
fn rebuild_from(mirror: &Mirror, cache: &Path) -> Output {
    let home = directory();
    let member = Member::init(home.path(), "m");
    let text = fs::read_to_string(member.config()).unwrap();
    let archive = format!("{text}\n[archive]\ndebian = [{:?}]\n", mirror.base);
    fs::write(member.config(), archive).unwrap();
    member.command(&["rebuild", "deb:netbase"]).env("XDG_CACHE_HOME", cache).output().unwrap()
}

#[test]
fn an_unpacked_index_that_someone_changed_in_the_cache_is_made_anew() {
    if !at_hand("a forged index in the cache") {
        return;
    }
    let home = directory();
    let mirror = Mirror::start(Wrong::NoSources);
    let first = said(&rebuild_from(&mirror, home.path()));
    assert!(first.contains("netbase_"), "{first}");
    let unpacked = |path: &PathBuf| fs::read(path).unwrap().starts_with(b"Package: ");
    let blobs = files_below(&home.path().join("reattest/blobs"));
    let indexes: Vec<PathBuf> = blobs.into_iter().filter(unpacked).collect();
    assert_eq!(indexes.len(), 2, "packages and sources");
    for index in &indexes {
        let text = String::from_utf8(fs::read(index).unwrap()).unwrap();
        fs::write(index, text.replace("pool/main/n/netbase", "pool/main/e/evil")).unwrap();
    }
    let second = said(&rebuild_from(&mirror, home.path()));
    assert!(!second.contains("evil") && second.contains("pool/main/n/netbase"), "{second}");
    for index in &indexes {
        assert_eq!(hex(&fs::read(index).unwrap()), index.file_name().unwrap().to_str().unwrap());
    }
}

#[test]
fn an_index_older_than_one_seen_before_is_refused_and_the_way_out_is_named() {
    if !at_hand("a rollback") {
        return;
    }
    let home = directory();
    let mirror = Mirror::start(Wrong::NoSources);
    rebuild_from(&mirror, home.path());
    let memory = home.path().join("reattest/indexes/trixie.newest");
    let seen: i64 = fs::read_to_string(&memory).unwrap().trim().parse().unwrap();
    fs::write(&memory, format!("{}\n", seen + 86_400)).unwrap();
    let output = rebuild_from(&mirror, home.path());
    assert_eq!(output.status.code(), Some(1));
    let words = ["is dated", "has seen one of", memory.to_str().unwrap()];
    assert!(words.iter().all(|word| said(&output).contains(word)), "{}", said(&output));
    fs::remove_file(&memory).unwrap();
    assert!(!said(&rebuild_from(&mirror, home.path())).contains("is dated"));
}

#[test]
fn a_list_of_another_kind_in_the_place_of_the_asked_one_is_not_kept() {
    if !at_hand("a mirror with swapped lists") {
        return;
    }
    let home = directory();
    let output = rebuild_from(&Mirror::start(Wrong::SwappedLists), home.path());
    assert_eq!(output.status.code(), Some(1));
    // A shorter list ends too early, a longer one has another digest.
    let refused = ["nothing was kept", "the connection ended after"];
    assert!(refused.iter().any(|why| said(&output).contains(why)), "{}", said(&output));
}

#[test]
fn a_lock_that_someone_put_into_the_cache_is_resolved_anew() {
    if !at_hand("a forged lock") {
        return;
    }
    let honest = document(&run(&["rebuild", "deb:netbase", "--json"]))["lock"].clone();
    let digest = honest.as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let lock = fs::read_to_string(blob(&cache(), &digest)).unwrap();
    let parsed: Value = serde_json::from_str(&lock).unwrap();
    let packages = parsed["packages"].as_array().unwrap();
    let sha256 = |index: usize| packages[index]["sha256"].as_str().unwrap();
    let forged = lock.replacen(sha256(0), sha256(1), 1);
    let name = hex(forged.as_bytes());
    fs::create_dir_all(blob(&cache(), &name).parent().unwrap()).unwrap();
    fs::write(blob(&cache(), &name), forged).unwrap();
    let memories = files_below(&cache().join("locks"));
    let is_its = |memory: &&PathBuf| fs::read_to_string(memory).unwrap().trim() == digest;
    // Other packages may have the same lock, and a memory of their own.
    let its: Vec<&PathBuf> = memories.iter().filter(is_its).collect();
    for memory in &its {
        fs::write(memory, format!("{name}\n")).unwrap();
    }
    let output = run(&["rebuild", "deb:netbase", "--json"]);
    let mended = its.iter().any(is_its);
    for memory in &its {
        fs::write(memory, format!("{digest}\n")).unwrap();
    }
    assert_eq!(document(&output)["lock"], honest, "{}", said(&output));
    assert!(mended, "the memory names the honest lock again");
}

#[test]
fn an_evil_announcement_names_a_purl_and_nothing_else_of_it_counts() {
    if !at_hand("an evil announcement") {
        return;
    }
    let table = [
        ("pkg:deb/debian/netbase@99?arch=all&distro=trixie", "needed 99"),
        ("pkg:deb/debian/netbase?arch=m68k&distro=trixie", "needed any version for m68k"),
        ("pkg:deb/debian/netbasé?distro=trixie", "found"),
        ("pkg:deb/debian/netbase?distro=nosuchsuite", "nosuchsuite"),
    ];
    for (purl, why) in table {
        let output = run(&["rebuild", purl]);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{purl}: {}", said(&output));
        assert!(said(&output).contains(why), "{purl}: {}", said(&output));
    }
}

/// The record that a build of netbase in our own environment would leave of itself.
fn record(out: &Path) -> String {
    let made =
        document(&run(&["rebuild", "deb:netbase", "--json", "--out", out.to_str().unwrap()]));
    let artifact = &made["artifacts"][0];
    let purl = artifact["purl"].as_str().unwrap();
    let version = purl.split('@').nth(1).unwrap().split('?').next().unwrap();
    let lock = fs::read(out.join("lock.json")).unwrap();
    let lock: Value = serde_json::from_slice(&lock).unwrap();
    let packages = lock["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pins =
        packages.iter().map(|p| format!(" {} (= {})", text(&p["name"]), text(&p["version"])));
    let published = text(&artifact["published"]);
    format!(
        "Format: 1.0\nSource: netbase\nBinary: netbase\nArchitecture: all\nVersion: {version}\n\
         Checksums-Sha256:\n {published} 1 netbase_{version}_all.deb\n\
         Build-Origin: Debian\nBuild-Architecture: amd64\n\
         Build-Path: /build/somewhere/else/netbase-{version}\n\
         Installed-Build-Depends:\n{}\nEnvironment:\n DEB_BUILD_OPTIONS=\"parallel=2\"\n LANG=\"C.UTF-8\"\n",
        pins.collect::<Vec<_>>().join(",\n")
    )
}

#[test]
fn a_build_from_its_record_takes_versions_place_and_variables_and_nothing_evil() {
    if !at_hand("a .buildinfo") {
        return;
    }
    let home = directory();
    let record = record(&home.path().join("out"));
    let file = home.path().join("netbase.buildinfo");
    let rebuild = |text: &str, more: &[&str]| {
        fs::write(&file, text).unwrap();
        let usual = ["rebuild", "deb:netbase", "--buildinfo", file.to_str().unwrap()];
        run(&[&usual, more].concat())
    };
    let again = home.path().join("again");
    let output = rebuild(&record, &["--out", again.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let recipe: Value =
        serde_json::from_slice(&fs::read(again.join("recipe.json")).unwrap()).unwrap();
    assert_eq!(recipe["place"], "/build/somewhere/else");
    assert_eq!(recipe["learned"]["environment.LANG"], "C.UTF-8");
    assert_eq!(recipe["environment"]["DEB_BUILD_OPTIONS"], "parallel=2");

    let debhelper = record.lines().find(|line| line.starts_with(" debhelper (=")).unwrap();
    let table = [
        (debhelper, " debhelper (= 1.0),", "debhelper 1.0 (the index has"),
        (debhelper, " debhelper (= 1.0), nosuchthing (= 7),", "nosuchthing 7 (the index has none"),
        (debhelper, &*format!("{debhelper} tcc (= 0.9.28~20250410),"), "tcc"),
        (" LANG=", " LD_PRELOAD=", "LD_PRELOAD"),
        (" LANG=", " PATH=", "PATH"),
        ("Source: netbase", "Source: evil", "Source"),
        ("/build/somewhere", "/usr/somewhere", "Build-Path"),
    ];
    for (from, to, why) in table {
        let output = rebuild(&record.replacen(from, to, 1), &[]);
        assert_eq!(output.status.code(), Some(1), "{to}: {}", said(&output));
        assert!(said(&output).contains(why), "{to}: {}", said(&output));
    }
    let gone = record
        .replacen(debhelper, " debhelper (= 1.0),", 1)
        .lines()
        .map(|line| {
            if line.starts_with(" libdebhelper-perl") { " libdebhelper-perl (= 2)," } else { line }
        })
        .collect::<Vec<_>>()
        .join("\n");
    let said = said(&rebuild(&gone, &[]));
    assert!(
        said.contains("libdebhelper-perl 2 (") && said.contains("wanted by debhelper"),
        "{said}"
    );
}
