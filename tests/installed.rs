//! What lies in a directory or is installed before a policy, by real dpkg and real lists of apt.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use reattest_tests::{document, said, skip};
use serde_json::Value;

use crate::pins::World;

const TRIXIE: &str = "deb.test_debian_dists_trixie_";

fn purl(name: &str, version: &str) -> String {
    format!("pkg:deb/debian/{name}@{version}?arch=all&distro=trixie")
}

/// A root directory with dpkg's database and apt's lists.
struct System(PathBuf);

impl System {
    fn new(parent: &Path) -> Self {
        let system = Self(parent.join("root"));
        for directory in ["var/lib/dpkg/info", "var/lib/apt/lists"] {
            std::fs::create_dir_all(system.0.join(directory)).unwrap();
        }
        system
    }

    fn installed(&self, packages: &[(&str, &str, &str)]) {
        let mut status = String::new();
        for (name, version, state) in packages {
            write!(
                status,
                "Package: {name}\nStatus: {state}\nMaintainer: T <t@x.test>\nArchitecture: all\nVersion: {version}\nDescription: x\n\n"
            )
            .unwrap();
        }
        std::fs::write(self.0.join("var/lib/dpkg/status"), status).unwrap();
    }

    fn listed(&self, beginning: &str, codename: &str, packages: &[(&str, &str, Digest)]) {
        let lists = self.0.join("var/lib/apt/lists");
        let release = format!("Origin: Debian\nCodename: {codename}\n");
        std::fs::write(lists.join(format!("{beginning}InRelease")), release).unwrap();
        let mut list = String::new();
        for (name, version, sha256) in packages {
            write!(
                list,
                "Package: {name}\nVersion: {version}\nArchitecture: all\nSHA256: {sha256}\n\n"
            )
            .unwrap();
        }
        let name = format!("{beginning}main_binary-amd64_Packages");
        std::fs::write(lists.join(name), list).unwrap();
    }

    fn scan(&self, world: &World) -> (i32, Value) {
        let root = self.0.to_str().unwrap();
        let mut command = world.consumer.member.command(&["scan", "--json", "--root", root]);
        let told = command.output().unwrap();
        let json = if told.stdout.is_empty() { said(&told).into() } else { document(&told) };
        (told.status.code().unwrap(), json)
    }
}

fn verdicts(told: &Value) -> Vec<(String, String)> {
    let pins = told["files"][0]["pins"].as_array().unwrap();
    let text = |one: &Value| one.as_str().unwrap_or_default().to_owned();
    pins.iter().map(|pin| (text(&pin["name"]), text(&pin["verdict"]))).collect()
}

/// Whether this machine has what is tried here; dpkg and apt are of Debian alone.
fn is_debian(test: &str) -> bool {
    let there =
        Path::new("/usr/lib/apt/apt-helper").exists() && Path::new("/usr/bin/dpkg-query").exists();
    if !there {
        skip(test, "dpkg or apt is not here");
    }
    there
}

#[test]
fn everything_that_is_installed_is_judged_by_the_bytes_that_its_archive_lists() {
    if !is_debian("scan") {
        return;
    }
    let world = World::new();
    let system = System::new(world.parent.path());
    let digest = |name: &str| Digest::of(name.as_bytes());
    let ok = "install ok installed";
    system.installed(&[
        ("good", "1:2.0-1", ok),
        ("gone", "1.0", "deinstall ok config-files"),
        ("other", "1.0", ok),
        ("unknown", "1.0", ok),
        ("unlisted", "0.9", ok),
    ]);
    system.listed(
        TRIXIE,
        "trixie",
        &[
            ("good", "1:2.0-1", digest("good")),
            ("other", "1.0", digest("listed")),
            ("unknown", "1.0", digest("unknown")),
            ("unlisted", "1.0", digest("newer")),
        ],
    );
    world.consumer.reproduced(&purl("good", "1:2.0-1"), digest("good"));
    world.consumer.reproduced(&purl("other", "1.0"), digest("rebuilt"));
    let (exit, told) = system.scan(&world);
    let wanted = [
        ("good", "accepted"),
        ("other", "rejected"),
        ("unknown", "inconclusive"),
        ("unlisted", "inconclusive"),
    ];
    assert_eq!(
        verdicts(&told),
        wanted.map(|(name, verdict)| (name.into(), verdict.into())),
        "{told}"
    );
    assert_eq!(exit, 3);
    let why = &told["files"][0]["pins"][3]["reasons"][0]["found"];
    assert_eq!(why, "a version that no list of apt has");
    // The same bytes in a second release: evidence tells which one it is about.
    system.installed(&[("good", "1:2.0-1", ok)]);
    let security = "deb.test_security_dists_trixie-security_";
    system.listed(security, "trixie-security", &[("good", "1:2.0-1", digest("good"))]);
    assert_eq!(system.scan(&world).0, 0);
    // Lists that contradict each other prove nothing.
    system.listed(security, "trixie-security", &[("good", "1:2.0-1", digest("evil"))]);
    let (exit, told) = system.scan(&world);
    assert_eq!(exit, 4, "{told}");
    assert!(
        told["files"][0]["pins"][0]["reasons"][0]["found"].as_str().unwrap().contains("contradict")
    );
    // No system there.
    std::fs::remove_dir_all(system.0.join("var/lib/dpkg")).unwrap();
    let (exit, told) = system.scan(&world);
    assert!(exit == 1 && told.as_str().unwrap().contains("needed a Debian system"), "{told}");
}

#[test]
fn a_directory_of_packages_is_judged_file_by_file() {
    let world = World::new();
    let directory = world.parent.path().join("packages");
    std::fs::create_dir(&directory).unwrap();
    let check = || {
        let told = world.run(&[directory.to_str().unwrap(), "--json"]);
        let json = if told.stdout.is_empty() { said(&told).into() } else { document(&told) };
        (told.status.code().unwrap(), json)
    };
    let (exit, told) = check();
    assert!(exit == 1 && told.as_str().unwrap().contains("found no .deb file"), "{told}");
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.join(name), bytes).unwrap();
    write("README", b"no package");
    write("good_2.0-1_all.deb", b"good");
    world.consumer.reproduced(&purl("good", "1:2.0-1"), Digest::of(b"good"));
    let (exit, told) = check();
    assert_eq!((exit, verdicts(&told)), (0, vec![("good".into(), "accepted".into())]), "{told}");
    assert_eq!(
        told["files"][0]["pins"][0]["verdicts"][0]["artifact"]["purl"],
        purl("good", "1:2.0-1")
    );
    // Good bytes under another name or version, bytes that nobody knows, and no name at all.
    write("better_2.0-1_all.deb", b"good");
    write("good_2.1-1_all.deb", b"good");
    write("good_2.0-1_amd64.deb", b"good");
    write("unknown_1_all.deb", b"unknown");
    write("odd.deb", b"odd");
    let (exit, told) = check();
    assert_eq!((exit, &told["files"][0]["accepted"]), (4, &1.into()), "{told}");
    assert_eq!(told["files"][0]["inconclusive"], 5, "{told}");
}
