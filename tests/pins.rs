//! Lockfiles before a policy: real ones, written by their own tools, and hostile ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test may stop at the first surprise"
)]

use std::path::{Path, PathBuf};

use reattest::lockfiles::{Format, Pin, Pins, PinsError};
use reattest_attestation::Digest;
use reattest_tests::{document, printed, said};
use serde_json::Value;

use crate::consumer::Consumer;
use crate::worlds::ARCHIVE;

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lockfiles").join(name)
}

fn read(name: &str) -> Pins {
    let path = kept(name);
    let bytes = std::fs::read(&path).unwrap();
    Pins::read(path.file_name().unwrap().to_str().unwrap(), &bytes, None).unwrap()
}

fn of(format: Format, text: &str) -> Result<Pins, PinsError> {
    Pins::read("file", text.as_bytes(), Some(format))
}

fn found(pin: &Pin) -> &str {
    pin.obstacle.as_ref().map_or("", |obstacle| &obstacle.found)
}

/// A consumer whose policy has an authority for crates and Python's releases.
pub(crate) struct World {
    pub(crate) parent: tempfile::TempDir,
    pub(crate) consumer: Consumer,
}

impl World {
    pub(crate) fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let consumer = Consumer::new(parent.path());
        let authority =
            |kind| format!("[[authority]]\npurl = \"pkg:{kind}/*\"\nopenpgp = [\"{ARCHIVE}\"]\n");
        consumer.policy(&(authority("cargo") + &authority("pypi")));
        Self { parent, consumer }
    }

    pub(crate) fn check(&self, name: &str, text: &str) -> (i32, Value) {
        let file = self.parent.path().join(name);
        std::fs::write(&file, text).unwrap();
        let told = self.run(&[file.to_str().unwrap(), "--json"]);
        (told.status.code().unwrap(), document(&told))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> std::process::Output {
        self.consumer.member.command(&[&["check"], arguments].concat()).output().unwrap()
    }
}

pub(crate) fn crate_pin(name: &str, sha256: &str) -> String {
    format!(
        "[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"registry+https://crates.test/index\"\nchecksum = \"{sha256}\"\n"
    )
}

fn verdict_of<'a>(told: &'a Value, name: &str) -> &'a Value {
    let pins = told["files"][0]["pins"].as_array().unwrap();
    &pins.iter().find(|pin| pin["name"] == name).unwrap()["verdict"]
}

#[test]
fn the_worst_pin_of_a_lockfile_decides_and_each_says_why() {
    let world = World::new();
    let good = Digest::of(b"good");
    world.consumer.reproduced("pkg:cargo/good@1.0.0", good);
    world.consumer.reproduced("pkg:cargo/swapped@1.0.0", Digest::of(b"swapped"));
    let head = "version = 4\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n".to_owned();
    let good = head + &crate_pin("good", &good.to_string());
    let (exit, told) = world.check("Cargo.lock", &good);
    assert_eq!((exit, &told["verdict"]), (0, &"accepted".into()), "{told}");
    assert_eq!(verdict_of(&told, "app"), &Value::Null, "the own source is not judged");
    assert_eq!(told["files"][0]["pins"][1]["line"], 5);
    let full = &told["files"][0]["pins"][1]["verdicts"][0];
    assert_eq!(full["artifact"]["purl"], "pkg:cargo/good@1.0.0");
    // Nobody speaks of it; then somebody swapped a digest.
    let unknown = good + &crate_pin("unknown", &Digest::of(b"unknown").to_string());
    let (exit, told) = world.check("Cargo.lock", &unknown);
    assert_eq!((exit, verdict_of(&told, "unknown")), (4, &"inconclusive".into()), "{told}");
    let swapped = unknown + &crate_pin("swapped", &Digest::of(b"another file").to_string());
    let (exit, told) = world.check("Cargo.lock", &swapped);
    assert_eq!((exit, verdict_of(&told, "swapped")), (3, &"rejected".into()), "{told}");
    assert_eq!(verdict_of(&told, "good"), "accepted");
    // For a person: the worst first, with the reason.
    let file = world.parent.path().join("Cargo.lock");
    let table = printed(&world.run(&[file.to_str().unwrap()]));
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[1].contains("rejected") && lines[1].contains("swapped 1.0.0"), "{table}");
    assert!(lines[1].contains("found ") && lines[1].contains("needed "), "{table}");
    assert!(table.contains("1 accepted, 1 rejected, 1 inconclusive, 1 local"), "{table}");
    // A lockfile with nothing in it shows nothing.
    assert_eq!(world.check("Cargo.lock", "version = 4\n").0, 4);
    // A renamed good file is another package.
    let renamed = crate_pin("unknown", &Digest::of(b"good").to_string());
    assert_eq!(world.check("Cargo.lock", &renamed).0, 4);
}

#[test]
fn a_python_release_needs_every_file_that_may_be_installed() {
    let world = World::new();
    let wheel = Digest::of(b"wheel");
    let purl = "pkg:pypi/demo@1.0?file_name=demo-1.0-py3-none-any.whl";
    world.consumer.reproduced(purl, wheel);
    let lock = |files: &str| {
        format!(
            "[[package]]\nname = \"Demo\"\nversion = \"1.0\"\nfiles = [{files}]\n[metadata]\nlock-version = \"2.1\"\n"
        )
    };
    let file = |name: &str, bytes: &[u8]| {
        format!("{{file = \"demo-1.0{name}\", hash = \"sha256:{}\"}},", Digest::of(bytes))
    };
    let (any, source) = (file("-py3-none-any.whl", b"wheel"), file(".tar.gz", b"source"));
    // A wheel for every machine leaves its source to nobody; a wheel for one does not.
    assert_eq!(world.check("poetry.lock", &lock(&(any.clone() + &source))).0, 0);
    let one = file("-cp311-cp311-linux_x86_64.whl", b"other");
    assert_eq!(world.check("poetry.lock", &lock(&(any.clone() + &one))).0, 4);
    assert_eq!(world.check("poetry.lock", &lock(&source)).0, 4);
    // Without names of files, evidence tells which file of the release a digest is, and no other.
    let pinned = |name: &str, rest: &str| format!("{name}==1.0 --hash=sha256:{wheel}{rest}\n");
    assert_eq!(world.check("requirements.txt", &pinned("demo", "")).0, 0);
    let (exit, told) = world.check("requirements.txt", &pinned("another", ""));
    assert_eq!(exit, 4, "a good file under another name: {told}");
    let more = format!(" --hash=sha256:{}", Digest::of(b"source"));
    assert_eq!(world.check("requirements.txt", &pinned("demo", &more)).0, 4);
}

#[test]
fn lockfiles_of_the_real_tools_are_read_whole() {
    let names = |pins: &Pins| -> Vec<String> {
        pins.pins.iter().map(|pin| format!("{} {}", pin.name, pin.version)).collect()
    };
    let python = ["attrs 24.3.0", "idna 3.10", "markupsafe 3.0.2"];
    for name in ["uv.lock", "poetry.lock", "pylock.toml", "requirements.txt"] {
        let pins = read(name);
        let wanted: Vec<&str> = match name {
            "uv.lock" => [&["app 0.1.0"], &python[..]].concat(),
            "poetry.lock" => python[..2].to_vec(),
            _ => python.to_vec(),
        };
        assert_eq!(names(&pins), wanted, "{name}");
        let attrs = pins.pins.iter().find(|pin| pin.name == "attrs").unwrap();
        let digest = "ac96cd038792094f438ad1f6ff80837353805ac950cd2aa0e0625ef19850c308";
        let wheel = attrs
            .files
            .iter()
            .find(|file| file.digests.sha256.is_some_and(|sha256| sha256.to_string() == digest));
        let purl = wheel.unwrap().purl.as_str();
        if name == "requirements.txt" {
            assert_eq!(purl, "pkg:pypi/attrs@24.3.0");
        } else {
            assert_eq!(purl, "pkg:pypi/attrs@24.3.0?file_name=attrs-24.3.0-py3-none-any.whl");
        }
        assert!(pins.pins.iter().all(|pin| pin.obstacle.is_none() && pin.line.is_some()), "{name}");
    }
    assert_eq!(
        names(&read("Cargo.lock")),
        ["app 0.1.0", "beside 0.1.0", "hex 0.4.3", "itoa 1.0.11"]
    );
    for name in ["npm2/package-lock.json", "npm3/package-lock.json"] {
        let pins = read(name);
        let wanted =
            [". 1.0.0", "@types/ms 2.1.0", "is-number 6.0.0", "is-odd 3.0.1", "left-pad 1.3.0"];
        assert_eq!(names(&pins)[1..], wanted[1..], "{name}");
        assert!(pins.pins[0].local);
        assert_eq!(pins.pins[1].files[0].purl.as_str(), "pkg:npm/%40types/ms@2.1.0");
        assert_eq!(pins.pins[1].files[0].digests.kinds(), "sha512");
        assert_eq!(pins.notes.is_empty(), name.starts_with("npm3"));
    }
    // This repository's own.
    let own = include_str!("../Cargo.lock");
    let pins = of(Format::Cargo, own).unwrap();
    assert_eq!(pins.pins.len(), own.matches("[[package]]").count());
    assert!(pins.pins.iter().all(|pin| pin.obstacle.is_none()));
    let line = pins.pins.iter().find(|pin| pin.name == "serde").unwrap().line.unwrap();
    assert_eq!(own.lines().nth(line).unwrap(), "name = \"serde\"");
}

#[test]
fn without_a_sha256_nothing_is_accepted() {
    let world = World::new();
    let lock = |integrity: &str| {
        format!(
            "{{\"lockfileVersion\":3,\"packages\":{{\"node_modules/a\":{{\"version\":\"1.0.0\",\"integrity\":\"{integrity}\"}}}}}}"
        )
    };
    let sha512 = lock(&format!("sha512-{}A==", "A".repeat(85)));
    let sha1 = lock("sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    for (text, kind) in [(sha512, "only sha512 is pinned"), (sha1, "only sha1 is pinned")] {
        let (exit, told) = world.check("package-lock.json", &text);
        assert_eq!(exit, 4, "{told}");
        assert_eq!(told["files"][0]["pins"][0]["reasons"][0]["found"], kind, "{told}");
    }
    for (integrity, what) in
        [("", "no digest"), ("sha256-AAA=", "for a digest"), ("x", "for a digest")]
    {
        let pins = of(Format::Npm, &lock(integrity)).unwrap();
        assert!(found(&pins.pins[0]).contains(what), "{integrity}: {:?}", pins.pins);
    }
}

#[test]
fn what_names_no_published_file_stays_in_the_list_with_its_reason() {
    let text = "-r more.txt\n-e ../beside\n./a.whl\nloose>=1\nstar==1.*\nurl @ https://x.test/a.whl\nbare==1.0\n\
                # a comment \\\nb[x]==1.0 ; python_version > '3' \\\n  --hash sha256:zz # why\n--no-binary :all:\n";
    let pins = of(Format::Requirements, text).unwrap().pins;
    let wanted = [
        "another file",
        "a path",
        "a path",
        "\"loose>=1\"",
        "\"star==1.*\"",
        "a file at an address",
        "no digest",
        "for a digest",
    ];
    assert_eq!(pins.len(), wanted.len(), "{pins:#?}");
    for (pin, wanted) in pins.iter().zip(wanted) {
        assert!(found(pin).contains(wanted), "{wanted}: {pin:?}");
    }
    assert_eq!(pins[7].line, Some(9));
    let git = "[[package]]\nname = \"a\"\nversion = \"1\"\nsource = \"git+https://x.test/a#1\"\n";
    assert!(found(&of(Format::Cargo, git).unwrap().pins[0]).contains("version control"));
    // A name that would climb out of a directory or paint over a terminal is only shown.
    let climbing = crate_pin("../../etc/passwd\\u001b[2J", &Digest::of(b"a").to_string());
    let pins = of(Format::Cargo, &climbing).unwrap().pins;
    assert!(!pins[0].name.contains('\u{1b}'), "{pins:?}");
}

#[test]
fn two_digests_for_one_name_bar_both() {
    let twice = crate_pin("a", &Digest::of(b"1").to_string())
        + &crate_pin("a", &Digest::of(b"2").to_string());
    let pins = of(Format::Cargo, &twice).unwrap().pins;
    assert_eq!(pins.len(), 2);
    assert!(pins.iter().all(|pin| found(pin).contains("contradict")), "{pins:?}");
    // The same twice is one.
    let same = crate_pin("a", &Digest::of(b"1").to_string()).repeat(2);
    assert_eq!(of(Format::Cargo, &same).unwrap().pins.len(), 1);
}

#[test]
fn hostile_lockfiles_are_refused_in_clear_words_and_never_judged() {
    let deep = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    let twice =
        "{\"lockfileVersion\":3,\"packages\":{\"node_modules/a\":{},\"node_modules/a\":{}}}";
    let many = crate_pin("a", "00").repeat(20_001);
    let cases: Vec<(Format, String, &str)> = vec![
        (Format::Npm, twice.to_owned(), "twice"),
        (Format::Npm, deep("[", "]"), "found"),
        (Format::Npm, "{\"lockfileVersion\":1}".to_owned(), "version 1"),
        (Format::Npm, "{\"lockfileVersion\":3}".to_owned(), "packages"),
        (Format::Cargo, format!("a = {}", deep("[", "]")), "line 1"),
        (Format::Cargo, "version = 4\nversion = 4".to_owned(), "line 2"),
        (Format::Cargo, "version = 9".to_owned(), "version 9"),
        (Format::Cargo, many, "more than 20000 pins"),
        (Format::Uv, "version = 2".to_owned(), "version 2"),
        (Format::Poetry, "[metadata]\nlock-version = \"1.1\"".to_owned(), "version 1.1"),
        (Format::Pylock, "lock-version = \"2.0\"".to_owned(), "version 2.0"),
    ];
    for (format, text, wanted) in cases {
        let error = of(format, &text).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.len() < 400, "{format:?}: {error}");
    }
    // What is deep in a part that nobody reads harms nobody.
    let ignored = format!("{{\"lockfileVersion\":3,\"packages\":{{}},\"x\":{}}}", deep("[", "]"));
    assert!(of(Format::Npm, &ignored).unwrap().pins.is_empty());
    let bytes = Pins::read("Cargo.lock", b"version = 4\n\xff", None).unwrap_err().to_string();
    assert!(bytes.contains("UTF-8 on line 2"), "{bytes}");
    let large = vec![b' '; 32 * 1024 * 1024 + 1];
    assert!(matches!(Pins::read("uv.lock", &large, None), Err(PinsError::Large { .. })));
    // Through the command: exit 1, which is no verdict, and nothing on standard output.
    let world = World::new();
    for (name, text) in
        [("Cargo.lock", "a = ["), ("lock", "version = 4\n"), ("package-lock.json", "[]")]
    {
        let file = world.parent.path().join(name);
        std::fs::write(&file, text).unwrap();
        let told = world.run(&[file.to_str().unwrap(), "--json"]);
        assert_eq!((told.status.code(), printed(&told).as_str()), (Some(1), ""), "{}", said(&told));
        assert!(said(&told).contains("needed"), "{}", said(&told));
    }
    assert_eq!(world.run(&[world.parent.path().to_str().unwrap()]).status.code(), Some(1));
}
