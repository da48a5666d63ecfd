//! Bad input: one clear line that says what was found, what was needed and what to do; the exit code
//! of the command line's table; no process and no half-written state.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use reattest_tests::mirror::{Mirror, Wrong};
use reattest_tests::network::Member;
use reattest_tests::processes::{naming, signal, wait_until};
use reattest_tests::{
    at_hand, directory, files_below, printed, program, reattest, run, said, skip,
};

/// One error line, with these words, and exit code 1.
fn fails_with(output: &Output, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one clear line: {text}");
    for word in words {
        assert!(errors[0].contains(word), "{word:?} is missing in: {}", errors[0]);
    }
    assert!(!text.contains("panicked"), "{text}");
}

/// A rebuild of netbase with a configured archive and an empty cache.
fn rebuild_from(archive: &str, cache: &Path) -> Output {
    let home = directory();
    let member = Member::init(home.path(), "m");
    let text = std::fs::read_to_string(member.config()).unwrap();
    let archive = format!("{text}\n[archive]\ndebian = [{archive:?}]\n");
    std::fs::write(member.config(), archive).unwrap();
    member.command(&["rebuild", "deb:netbase"]).env("XDG_CACHE_HOME", cache).output().unwrap()
}

#[test]
fn an_unreachable_mirror_is_named_as_such() {
    let cache = directory();
    let output = rebuild_from("http://127.0.0.1:9/debian", cache.path());
    fails_with(&output, &["cannot reach a mirror", "needed", "run again"]);
}

#[test]
fn a_tampered_index_is_not_believed() {
    if !at_hand("a mirror with a tampered index") {
        return;
    }
    let cache = directory();
    let output = rebuild_from(&Mirror::start(Wrong::TamperedIndex).base, cache.path());
    fails_with(&output, &["InRelease", "signature", "needed"]);
}

#[test]
fn lists_with_another_digest_than_the_signed_one_are_not_kept() {
    if !at_hand("a mirror with tampered lists") {
        return;
    }
    let cache = directory();
    let output = rebuild_from(&Mirror::start(Wrong::TamperedLists).base, cache.path());
    fails_with(&output, &["sha256", "needed", "nothing was kept"]);
    let blobs = files_below(&cache.path().join("reattest/blobs"));
    assert!(blobs.len() <= 1, "only the signed index itself is there: {blobs:?}");
}

#[test]
fn a_source_that_the_mirror_lacks_is_told_from_every_other_failure() {
    if !at_hand("a mirror without sources") {
        return;
    }
    let cache = directory();
    let output = rebuild_from(&Mirror::start(Wrong::NoSources).base, cache.path());
    fails_with(&output, &["found no debian:pool/", "on the mirror", "needed"]);
}

#[test]
fn an_unknown_package_is_answered_with_near_names() {
    if !at_hand("an unknown package") {
        return;
    }
    fails_with(&run(&["rebuild", "deb:netbasee"]), &["no package", "netbasee", "netbase"]);
}

#[test]
fn an_announced_version_that_the_archive_does_not_sign_is_not_built() {
    if !at_hand("an evil version") {
        return;
    }
    let purl = "pkg:deb/debian/netbase@99evil?arch=all&distro=trixie";
    fails_with(&run(&["rebuild", purl]), &["found netbase", "needed 99evil"]);
}

#[test]
fn a_reference_that_is_none_is_a_usage_error() {
    for reference in ["netbase", "deb:../../etc/passwd", "npm:left-pad", "pkg:deb/debian/"] {
        let output = run(&["rebuild", reference]);
        assert_eq!(output.status.code(), Some(2), "{reference}: {}", said(&output));
    }
}

#[test]
fn without_bubblewrap_it_says_what_to_install() {
    let output =
        reattest(&["rebuild", "deb:netbase"]).env("PATH", "/nonexistent").output().unwrap();
    fails_with(&output, &["bubblewrap", "install"]);
}

/// Runs a script in a user namespace of its own, or says that this machine allows none.
fn in_namespace(script: &str, cache: &Path) -> Option<Output> {
    let able = Command::new("unshare").args(["-Urm", "true"]).output();
    if !able.is_ok_and(|output| output.status.success()) {
        skip("a test in a user namespace", "this machine allows none");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script]).env("REATTEST", program()).env("CACHE", cache);
    Some(command.env("NO_COLOR", "1").output().unwrap())
}

#[test]
fn without_user_namespaces_it_refuses_to_build() {
    let cache = directory();
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  XDG_CACHE_HOME=$CACHE exec $REATTEST rebuild deb:netbase";
    let Some(output) = in_namespace(script, cache.path()) else { return };
    fails_with(&output, &["user namespaces"]);
}

#[test]
fn a_full_disk_is_named_as_such_and_leaves_nothing_half_written() {
    if !at_hand("a full disk") {
        return;
    }
    let cache = directory();
    let script = "mount -t tmpfs -o size=2m tmpfs $CACHE && export XDG_CACHE_HOME=$CACHE; \
                  $REATTEST rebuild deb:netbase; code=$?; find $CACHE -type f -size +1000k -not -path '*/partial/*'; exit $code";
    let Some(output) = in_namespace(script, cache.path()) else { return };
    fails_with(&output, &["no space left", "free some"]);
    assert_eq!(printed(&output), "", "no half-written file stands under a digest");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = directory();
    let member = Member::init(home.path(), "m");
    let port = taken.local_addr().unwrap().port();
    member.configure(&[("listen", format!("[\"/ip4/127.0.0.1/tcp/{port}\"]"))]);
    let output = member.command(&["node"]).output().unwrap();
    fails_with(&output, &[&port.to_string(), "in use"]);
    assert!(naming(home.path()).is_empty(), "no process is left");
}

#[test]
fn a_second_node_on_the_same_data_is_refused_and_harms_nothing() {
    let home = directory();
    let mut member = Member::init(home.path(), "m");
    member.start(&[]);
    let output = member.command(&["node"]).output().unwrap();
    fails_with(&output, &["another node uses", "data"]);
    assert!(member.status()["network"].is_string(), "the first one still answers");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let home = directory();
    let member = Member::init(home.path(), "m");
    let key = member.home.join("data/keys/rebuilder.key");
    let opened = Command::new("chmod").arg("0644").arg(&key).status().unwrap();
    assert!(opened.success());
    let output = member.command(&["node"]).output().unwrap();
    fails_with(&output, &["0600", "chmod"]);
}

#[test]
fn init_overwrites_nothing() {
    let home = directory();
    let member = Member::init(home.path(), "m");
    let before = std::fs::read(member.config()).unwrap();
    fails_with(&member.command(&["init"]).output().unwrap(), &["exists already"]);
    assert_eq!(std::fs::read(member.config()).unwrap(), before);
}

#[test]
fn a_file_that_is_no_package_gets_a_note_and_a_verdict_never_an_acceptance() {
    let home = directory();
    let member = Member::init(home.path(), "m");
    std::fs::create_dir_all(member.home.join("data")).unwrap();
    let file = home.path().join("netbase_6.5_all.deb");
    std::fs::write(&file, "not a package").unwrap();
    let purl = "pkg:deb/debian/netbase@6.5?arch=all&distro=trixie";
    let arguments = ["verify", file.to_str().unwrap(), "--as", purl];
    let output = member.command(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(said(&output).contains("does not begin as a Debian package"), "{}", said(&output));
    assert!(printed(&output).contains("fix:"), "a policy that trusts nobody says how to begin");
}

#[test]
fn a_mistake_in_a_policy_is_shown_with_its_line() {
    let home = directory();
    let member = Member::init(home.path(), "m");
    let policy = member.home.join("policy.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, format!("{text}\n[quorum]\nneed = 2\nof = [\"nobody\"]\n")).unwrap();
    let output =
        member.command(&["query", "pkg:deb/debian/netbase@6.5?arch=all"]).output().unwrap();
    fails_with(&output, &["policy.toml", "line", "nobody"]);
}

#[test]
fn a_damaged_bundle_is_a_fault_and_no_verdict() {
    let home = directory();
    let member = Member::init(home.path(), "m");
    let bundle = home.path().join("x.reattest.jsonl");
    std::fs::write(&bundle, "{\"payload\":\n").unwrap();
    let file = member.config();
    let arguments = ["verify", file.to_str().unwrap(), "--bundle", bundle.to_str().unwrap()];
    fails_with(&member.command(&arguments).output().unwrap(), &["line 1"]);
}

/// A cache with the inputs and environments of this user's, and scratch space of its own.
fn cache_beside(home: &Path) -> PathBuf {
    let cache = home.join("cache/reattest");
    std::fs::create_dir_all(&cache).unwrap();
    for part in ["blobs", "heads", "layers", "locks", "tools"] {
        symlink(reattest_tests::cache().join(part), cache.join(part)).unwrap();
    }
    cache
}

#[test]
fn an_interrupted_rebuild_leaves_no_process_and_no_scratch() {
    if !at_hand("an interrupted rebuild") {
        return;
    }
    let home = directory();
    let cache = cache_beside(home.path());
    let process = reattest(&["rebuild", "deb:netbase"])
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The sandbox binds a directory below the scratch space: its command line names it.
    wait_until("a sandbox runs", Duration::from_mins(1), || !naming(&cache).is_empty());
    signal(process.id(), "INT");
    fails_with(&process.wait_with_output().unwrap(), &["stopped", "nothing half-made"]);
    assert_eq!(naming(&cache), [0; 0], "no sandbox is left");
    let left: Vec<_> = std::fs::read_dir(cache.join("scratch")).unwrap().collect();
    assert!(left.is_empty(), "scratch is left: {left:?}");
}

#[test]
fn an_interrupted_demo_ends_every_node() {
    if !at_hand("an interrupted demo") {
        return;
    }
    let home = directory();
    let keep = home.path().join("k");
    let process = reattest(&["demo", "--keep", keep.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The demo itself names the directory, and so do nine processes of three nodes.
    wait_until("three nodes run", Duration::from_mins(1), || naming(&keep).len() >= 10);
    signal(process.id(), "INT");
    fails_with(&process.wait_with_output().unwrap(), &["stopped", "nodes are ended"]);
    wait_until("no node is left", Duration::from_secs(20), || naming(&keep).is_empty());
}
