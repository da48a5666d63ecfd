//! Inputs are kept, cleaned and carried: a late rebuilder with an archive of them asks for none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Output;

use reattest_tests::mirror::{Mirror, Wrong};
use reattest_tests::network::Member;
use reattest_tests::{at_hand, cache, directory, document, printed, reattest, said};

/// A command with a cache of its own.
fn with_cache(arguments: &[&str], cache: &Path) -> Output {
    reattest(arguments).env("XDG_CACHE_HOME", cache).output().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_late_rebuilder_needs_no_mirror_for_the_inputs_of_an_archive() {
    if !at_hand("an archive of netbase's inputs") {
        return;
    }
    let (place, late) = (directory(), directory());
    let (out, archive) = (place.path().join("out"), place.path().join("netbase.tar"));
    let rebuilt = reattest(&["rebuild", "deb:netbase", "--out", path(&out)]).output().unwrap();
    assert_eq!(rebuilt.status.code(), Some(0), "{}", said(&rebuilt));
    let export = ["inputs", "export", path(&out), "-o", path(&archive), "--json"];
    let exported = reattest(&export).output().unwrap();
    assert_eq!(exported.status.code(), Some(0), "{}", said(&exported));
    let again = reattest(&export).output().unwrap();
    assert_eq!(again.status.code(), Some(1), "an archive is never written over a file");
    let recipe = document(&exported)["recipe"].as_str().unwrap().to_owned();
    let import = ["inputs", "import", path(&archive), "--recipe", &recipe, "--json"];
    let imported = with_cache(&import, late.path());
    assert_eq!(imported.status.code(), Some(0), "{}", said(&imported));
    assert_eq!(document(&imported)["inputs"], document(&exported)["inputs"]);
    // What apt answered is a memory, no input: with it, nothing but the signed index is asked for.
    copy(&cache().join("locks"), &late.path().join("reattest/locks"));
    let home = directory();
    let member = Member::init(home.path(), "late");
    let text = std::fs::read_to_string(member.config()).unwrap();
    let mirror = Mirror::start(Wrong::NoSources);
    let configured = format!("{text}\n[archive]\ndebian = [{:?}]\n", mirror.base);
    std::fs::write(member.config(), configured).unwrap();
    let mut command = member.command(&["rebuild", "deb:netbase"]);
    let output = command.env("XDG_CACHE_HOME", late.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "the mirror has no pool: {}", said(&output));
    assert!(printed(&output).starts_with("reproduced"), "{}", printed(&output));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in reattest_tests::files_below(from) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_collection_says_what_it_removes_and_why() {
    let home = directory();
    let blobs = home.path().join("reattest/blobs/sha256/ab");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join("ab".repeat(32)), "a blob").unwrap();
    let said_first = with_cache(&["gc", "--max-size", "0", "--dry-run"], home.path());
    assert!(printed(&said_first).contains("would remove 1 of 1 units"), "{}", printed(&said_first));
    let done = document(&with_cache(&["gc", "--max-size", "0", "--json"], home.path()));
    assert_eq!(done["removed"][0]["why"], "too-much");
    assert_eq!(done["after"], 0);
    assert!(!blobs.join("ab".repeat(32)).exists());
    let usage = with_cache(&["gc", "--max-age", "some"], home.path());
    assert_eq!(usage.status.code(), Some(2));
    assert!(said(&usage).contains("90 days"), "{}", said(&usage));
}

#[test]
fn what_is_no_archive_or_no_recipe_is_one_clear_line() {
    let home = directory();
    let file = home.path().join("file.tar");
    std::fs::write(&file, "no archive").unwrap();
    for arguments in [
        ["inputs", "import", path(&file)],
        ["inputs", "import", "/nonexistent/file.tar"],
        ["inputs", "export", "nothing"],
        ["inputs", "export", &format!("sha256:{}", "00".repeat(32))],
    ] {
        let output = with_cache(&arguments, home.path());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        assert_eq!(said(&output).lines().count(), 1, "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn a_wrong_key_of_the_configuration_is_named_with_what_it_needs() {
    let home = directory();
    let member = Member::init(home.path(), "m");
    let text = std::fs::read_to_string(member.config()).unwrap();
    for (lines, words) in [
        ("[cache]\nmax_bytes = \"much\"", ["max_bytes", "much", "20 GiB"]),
        ("[cache]\nmax_age = \"90\"", ["max_age", "90", "90 days"]),
        (
            "[archive]\nsnapshot = \"ftp://a.example\"",
            ["archive.snapshot", "ftp://a.example", "http"],
        ),
        ("[archive]\npython = [\"simple\"]", ["archive.python", "simple", "http"]),
    ] {
        std::fs::write(member.config(), format!("{text}\n{lines}\n")).unwrap();
        let output = member.command(&["gc", "--dry-run"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{lines}: {}", said(&output));
        for word in words {
            assert!(said(&output).contains(word), "{word}: {}", said(&output));
        }
    }
}
