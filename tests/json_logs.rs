//! `--log-format json`: every line that a node's processes write to standard error is one JSON object
//! with its fields; without it they are the lines for people.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File};
use std::process::{Child, Stdio};

use reattest_attestation::Timestamp;
use reattest_tests::network::{Member, PATIENCE};
use reattest_tests::processes::{signal, wait_until};
use reattest_tests::{directory, reattest};
use serde_json::Value;

/// A node with JSON on standard error; it ends with the test.
struct Logging(Child);

impl Logging {
    fn start(member: &Member) -> Self {
        member.configure(&[("listen", "[\"/ip4/127.0.0.1/tcp/0\"]".to_owned())]);
        let log = File::create(member.home.join("node.log")).unwrap();
        let mut node = member.command(&["node", "--log-format", "json"]);
        Self(node.stdin(Stdio::null()).stderr(Stdio::from(log)).spawn().unwrap())
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        signal(self.0.id(), "TERM");
        let _status = self.0.wait();
    }
}

/// The lines as JSON, each with what every line has.
fn parsed(log: &str) -> Vec<Value> {
    let parsed = log.lines().map(|line| {
        let value: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{error} in the line {line:?}"));
        let time = value["timestamp"].as_str().unwrap();
        assert!(time.parse::<Timestamp>().is_ok() || time.ends_with('Z'), "{line}");
        assert!(["DEBUG", "INFO", "WARN", "ERROR"].contains(&value["level"].as_str().unwrap()));
        assert!(value["target"].as_str().unwrap().starts_with("reattest"), "{line}");
        assert!(value["fields"]["message"].is_string(), "{line}");
        value
    });
    parsed.collect()
}

/// The fields of the first event of a name.
fn event<'a>(lines: &'a [Value], name: &str) -> Option<&'a Value> {
    lines.iter().map(|line| &line["fields"]).find(|fields| fields["event"] == name)
}

/// A member of another network, who dials where it has no business.
fn stranger(home: &std::path::Path, name: &str) -> Member {
    let member = Member::init(home, name);
    let roles = "[\"consume\"]".to_owned();
    member.configure(&[("network", "\"elsewhere\"".to_owned()), ("roles", roles)]);
    let path = member.home.join("policy.toml");
    let policy = fs::read_to_string(&path).unwrap();
    fs::write(&path, policy.replace("\"test\"", "\"elsewhere\"")).unwrap();
    member
}

#[test]
fn a_node_and_the_processes_that_it_starts_log_json_with_fields() {
    let home = directory();
    let member = Member::init(home.path(), "ash");
    let node = Logging::start(&member);
    let lines = || parsed(&member.log());
    let address = || Some(event(&lines(), "listening")?["address"].as_str()?.to_owned());
    wait_until("it listens", PATIENCE, || address().is_some());
    let address = address().unwrap();

    let mut other = stranger(home.path(), "elm");
    other.start(std::slice::from_ref(&address));
    wait_until("the stranger is dropped", PATIENCE, || event(&lines(), "dropped").is_some());
    let lines = lines();
    let refused = event(&lines, "refused").unwrap();
    assert_eq!(refused["cause"], "other-protocol");
    assert_eq!(refused["peer"], event(&lines, "dropped").unwrap()["peer"]);
    let started = lines.iter().filter(|line| line["fields"]["event"] == "started");
    let mut roles: Vec<&str> =
        started.map(|line| line["fields"]["role"].as_str().unwrap()).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["builder", "node", "signer"]);

    // What the stranger wrote meanwhile, for people.
    let refused = "refused from ";
    let human = other.log();
    assert!(human.starts_with("listening at /ip4/127.0.0.1/tcp/"), "{human}");
    for line in human.lines().skip(1) {
        assert!(
            line.starts_with(refused) && address.contains(&line[refused.len()..][..52]),
            "{line}"
        );
    }
    drop(node);
    let after = parsed(&member.log());
    assert!(event(&after, "stopping").is_some());
}

#[test]
fn a_fault_is_one_object_too() {
    let config = "/nonexistent/reattest.toml";
    let output = reattest(&["--log-format", "json", "--config", config, "node"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let lines = parsed(&said);
    assert_eq!(lines.len(), 1, "{said}");
    assert_eq!(lines[0]["level"], "ERROR");
    let fault = event(&lines, "fault").unwrap()["message"].as_str().unwrap();
    assert!(fault.contains(config) && fault.contains("reattest init"), "{fault}");
}
