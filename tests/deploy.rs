//! The systemd units of docs/deploy: systemd accepts them, what they leave open stays bounded, and
//! under their filter a signer signs and builds come out as elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reattest_tests::network::Member;
use reattest_tests::{at_hand, directory, printed, program, said, skip};

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

/// Whether units can be judged here.
fn is_able(what: &str) -> bool {
    let version = Command::new("systemd-analyze").arg("--version").output();
    let is_able = version.is_ok_and(|output| output.status.success());
    if !is_able {
        skip(what, "systemd-analyze is not here");
    }
    is_able
}

/// The unit with the drop-in's settings at its end.
fn follower() -> String {
    let (service, drop_in) = (deploy("reattest.service"), deploy("reattest-follower.conf"));
    let (above, install) = service.split_once("[Install]").unwrap();
    format!("{above}\n{}\n[Install]{install}", drop_in.split_once("[Service]").unwrap().1)
}

#[test]
fn the_units_are_accepted_and_closed_as_far_as_sandboxes_allow() {
    if !is_able("systemd units") {
        return;
    }
    let home = directory();
    let builds = unit(home.path(), &deploy("reattest.service"));
    let verified =
        Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&builds).output().unwrap();
    assert!(verified.status.success(), "{}", said(&verified));
    assert!(!said(&verified).contains("reattest.service"), "{}", said(&verified));
    let with_sandboxes = exposure(&builds);
    assert!(with_sandboxes <= 33, "exposure {with_sandboxes} tenths");
    let without = exposure(&unit(home.path(), &follower()));
    assert!(without < 20, "exposure {without} tenths");
}

/// systemd's groups of system calls, by name.
fn groups() -> BTreeMap<String, Vec<String>> {
    let listed = Command::new("systemd-analyze").arg("syscall-filter").output().unwrap();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut group = String::new();
    for line in printed(&listed).lines() {
        match line.strip_prefix("    ").map(str::trim) {
            Some(comment) if comment.starts_with('#') => {}
            Some(call) => groups.entry(group.clone()).or_default().push(call.to_owned()),
            None => line.trim().clone_into(&mut group),
        }
    }
    groups
}

/// The calls that a word of a filter means.
fn calls(groups: &BTreeMap<String, Vec<String>>, word: &str) -> BTreeSet<String> {
    match groups.get(word) {
        Some(calls_of) => calls_of.iter().flat_map(|word| calls(groups, word)).collect(),
        None => BTreeSet::from([word.to_owned()]),
    }
}

/// What a unit's `SystemCallFilter=` lines allow, as `systemd.exec(5)` reads them, and what of all
/// others systemd knows: those are answered EPERM, and newer ones ENOSYS.
fn filter(service: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let groups = groups();
    let mut allowed = BTreeSet::new();
    for line in service.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (minus, words) = line.strip_prefix('~').map_or((false, line), |rest| (true, rest));
        if words.is_empty() {
            allowed.clear();
        }
        for call in words.split_whitespace().flat_map(|word| calls(&groups, word)) {
            if minus {
                allowed.remove(&call)
            } else {
                allowed.insert(call)
            };
        }
    }
    allowed.extend(calls(&groups, "@default"));
    let denied = calls(&groups, "@known").difference(&allowed).cloned().collect();
    (allowed, denied)
}

/// The numbers of system calls, from the kernel's header.
fn numbers() -> Option<BTreeMap<String, u32>> {
    let places = ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"];
    let text = places.iter().find_map(|path| fs::read_to_string(path).ok())?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("#define __NR_"));
    Some(lines.filter_map(|line| line.split_once(' ')).map(number).collect())
}

fn number((name, number): (&str, &str)) -> (String, u32) {
    (name.to_owned(), number.trim().parse().unwrap())
}

#[test]
fn the_unit_denies_no_call_that_the_sandbox_leaves_to_builds() {
    if !is_able("the unit's system calls beside the sandbox's") {
        return;
    }
    let Some(numbers) = numbers() else {
        return skip("the unit's system calls", "the kernel's headers are not here");
    };
    let (_, denied) = filter(&deploy("reattest.service"));
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rebuilder/src/sandbox/calls.rs");
    let table = fs::read_to_string(table).unwrap();
    let of_sandbox: BTreeSet<&str> = table
        .split("libc::SYS_")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        .collect();
    // No kernel has had these for years.
    let gone = calls(&groups(), "@obsolete");
    let otherwise: Vec<&String> = denied
        .iter()
        .filter(|call| numbers.contains_key(*call) && !gone.contains(*call))
        .filter(|call| !of_sandbox.contains(call.as_str()))
        .collect();
    assert_eq!(otherwise, [""; 0], "a build would fail under systemd and nowhere else");
}

/// The unit's filter as systemd has the kernel run it: an instruction is 16 bits of code, two jumps of
/// 8 bits, and 32 bits of value; `filter.h` of Linux.
fn program_of(service: &str, numbers: &BTreeMap<String, u32>) -> Vec<u8> {
    const ALLOW: u32 = 0x7fff_0000;
    const NOT_PERMITTED: u32 = 0x0005_0001;
    const NOT_KNOWN: u32 = 0x0005_0026;
    let instruction = |code: u16, jump_if_not: u8, value: u32| {
        [&code.to_ne_bytes()[..], &[0, jump_if_not], &value.to_ne_bytes()].concat()
    };
    let (allowed, denied) = filter(service);
    let mut program = instruction(0x20, 0, 0);
    for (calls, answer) in [(allowed, ALLOW), (denied, NOT_PERMITTED)] {
        for number in calls.iter().filter_map(|call| numbers.get(call)) {
            program.extend(instruction(0x15, 1, *number));
            program.extend(instruction(0x06, 0, answer));
        }
    }
    program.extend(instruction(0x06, 0, NOT_KNOWN));
    program
}

/// What runs a command as the unit does, as far as that goes without systemd: as an ordinary user
/// without capabilities, under the unit's filter of system calls.
fn as_unit(home: &Path, service: &str) -> Option<Vec<String>> {
    let numbers = numbers()?;
    let path = home.join("filter");
    fs::write(&path, program_of(service, &numbers)).unwrap();
    let script = format!(
        "exec bwrap --dev-bind / / --unshare-user --uid 1000 --gid 1000 --cap-drop ALL --seccomp 9 \
         --die-with-parent -- \"$@\" 9<{}",
        path.display()
    );
    let command = ["sh", "-c", &script, "sh"].map(str::to_owned);
    let tried = Command::new("sh").args(&command[1..]).arg("true").output();
    tried.is_ok_and(|output| output.status.success()).then(|| command.into())
}

#[test]
fn under_the_units_filter_the_signer_signs_and_a_build_comes_out_as_elsewhere() {
    if !is_able("a build under the unit's filter") || !at_hand("a build under the unit's filter") {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        // systemd delegates a cgroup, which counts a build's memory; here only root has one.
        return skip("a build under the unit's filter", "no cgroup counts its memory");
    }
    let home = directory();
    let service = deploy("reattest.service");
    let Some(command) = as_unit(home.path(), &service) else {
        return skip("a build under the unit's filter", "no headers, or no user namespaces");
    };
    let mut rebuild = Command::new(&command[0]);
    rebuild.args(&command[1..]).arg(program()).args(["rebuild", "deb:netbase"]);
    let output = rebuild.env("NO_COLOR", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(printed(&output).starts_with("reproduced"), "{}", printed(&output));

    // The node answers once its signer has shut itself in and its builder is alone.
    let mut member = Member::init(home.path(), "ash");
    member.start_in(&command, "/ip4/127.0.0.1/tcp/0", &[]);
}
