//! The systemd units of docs/deploy: systemd accepts them, and what they leave open stays bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reattest_tests::{directory, printed, program, said, skip};

fn deploy(name: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(top.join("docs/deploy").join(name)).unwrap()
}

/// The unit of this name in a directory, with the program that was built here.
fn unit(home: &Path, text: &str) -> PathBuf {
    let path = home.join("reattest.service");
    let program = program().display().to_string();
    fs::write(&path, text.replace("/usr/bin/reattest", &program)).unwrap();
    path
}

/// The exposure by systemd's own count, from 0 to 10, in tenths.
fn exposure(unit: &Path) -> u32 {
    let mut command = Command::new("systemd-analyze");
    let output =
        command.args(["security", "--no-pager", "--offline=true"]).arg(unit).output().unwrap();
    let text = printed(&output);
    let line = text.lines().find(|line| line.contains("Overall exposure level")).expect("a score");
    let score = line.split_whitespace().find(|word| word.contains('.') && word.len() < 5).unwrap();
    score.replace('.', "").parse().unwrap()
}

#[test]
fn the_units_are_accepted_and_closed_as_far_as_sandboxes_allow() {
    let version = Command::new("systemd-analyze").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        return skip("systemd units", "systemd-analyze is not here");
    }
    let home = directory();
    let service = deploy("reattest.service");
    let builds = unit(home.path(), &service);
    let verified =
        Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&builds).output().unwrap();
    assert!(verified.status.success(), "{}", said(&verified));
    assert!(!said(&verified).contains("reattest.service"), "{}", said(&verified));
    let with_sandboxes = exposure(&builds);
    assert!(with_sandboxes <= 32, "exposure {with_sandboxes} tenths");

    let drop_in = deploy("reattest-follower.conf");
    let (above, install) = service.split_once("[Install]").unwrap();
    let settings = drop_in.split_once("[Service]").unwrap().1;
    let follower = unit(home.path(), &format!("{above}\n{settings}\n[Install]{install}"));
    let without = exposure(&follower);
    assert!(without < 20, "exposure {without} tenths");
}
