//! What the kernel keeps from the processes of a real node: the signer from everything, the builder from the network.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use reattest_tests::network::{Member, PATIENCE};
use reattest_tests::processes::{naming, wait_until};
use reattest_tests::{directory, skip};

/// The process of a member that runs this role.
fn process(member: &Member, role: &str) -> Option<u32> {
    naming(&member.home).into_iter().find(|id| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.windows(2).any(|pair| pair == [&b"role"[..], role.as_bytes()])
    })
}

/// A field of `/proc/PID/status`; `proc_pid_status(5)`.
fn field(id: u32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let lines = status.lines().filter_map(|line| line.split_once(":\t"));
    lines.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
}

#[test]
fn the_signer_of_a_node_is_walled_in_and_its_builder_has_no_network() {
    if reattest_rebuilder::sandbox::probe(None).is_err() {
        return skip("walls of a node's processes", "this machine can make no namespaces");
    }
    let home = directory();
    let mut member = Member::init(home.path(), "ash");
    member.start(&[]);
    wait_until("the signer is behind a filter", PATIENCE, || {
        let signer = process(&member, "signer");
        signer.and_then(|id| field(id, "Seccomp")).as_deref() == Some("2")
    });
    let signer = process(&member, "signer").unwrap();
    assert_eq!(field(signer, "NoNewPrivs").as_deref(), Some("1"));
    // Whoever may not look into a process does not own its files below /proc: root does.
    let owner =
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("/proc/{signer}/mem")).unwrap());
    assert_eq!(owner, 0);
    let namespace = |id: u32| fs::read_link(format!("/proc/{id}/ns/net")).unwrap();
    let builder = process(&member, "builder").unwrap();
    assert_ne!(namespace(builder), namespace(std::process::id()));
    let interfaces = fs::read_to_string(format!("/proc/{builder}/net/dev")).unwrap();
    let names: Vec<&str> =
        interfaces.lines().skip(2).filter_map(|l| Some(l.split_once(':')?.0.trim())).collect();
    assert_eq!(names, ["lo"]);
}
