//! A node that is killed misses nothing, forges nothing and forgets nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use reattest_tests::network::{Member, PATIENCE, trust_each_other};
use reattest_tests::processes::wait_until;
use reattest_tests::{at_hand, directory, document, printed, run, said};

/// The keys that signed the archive's index today, as a rebuild's statement would name them.
pub(crate) fn archive_keys() -> Vec<String> {
    let home = directory();
    let keep = home.path().join("k");
    // The demo's policy names the keys that it saw sign the index.
    let output = run(&["demo", "--nodes", "1", "--json", "--keep", keep.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    let policy = std::fs::read_to_string(keep.join("policy.toml")).unwrap();
    let line = policy.lines().find(|line| line.starts_with("openpgp")).unwrap();
    line.split('"').filter(|part| part.len() >= 40).map(str::to_owned).collect()
}

#[test]
fn a_node_killed_with_9_and_started_again_misses_nothing() {
    if !at_hand("three nodes, one killed") {
        return;
    }
    let home = directory();
    let mut members: Vec<Member> =
        ["ash", "beech", "cork"].map(|name| Member::init(home.path(), name)).into();
    trust_each_other(&members, 2, &archive_keys());
    let mut peers = Vec::new();
    for member in &mut members {
        peers.push(member.start(&peers));
    }
    let [ash, beech, cork] = &mut members[..] else { unreachable!() };

    cork.kill();
    let announced = ash.command(&["announce", "deb:netbase"]).output().unwrap();
    assert!(announced.status.success(), "{}", said(&announced));
    wait_until("ash announced and attested", PATIENCE, || ash.log_size("ash") == 2);
    wait_until("beech attested", PATIENCE, || beech.log_size("beech") == 1);

    // It comes back, learns what it missed, and votes.
    cork.start(&peers[..2]);
    wait_until("cork holds the logs of both", PATIENCE, || {
        cork.log_size("ash") == 2 && cork.log_size("beech") == 1
    });
    wait_until("cork attested", PATIENCE, || cork.log_size("cork") == 1);

    // Killed right after it signed, it neither forgets nor signs again.
    cork.kill();
    cork.start(&peers[..2]);
    assert_eq!(cork.log_size("cork"), 1, "{}", cork.log());
    wait_until("ash holds it too", PATIENCE, || ash.log_size("cork") == 1);

    let purl = printed(&announced).split(' ').next().unwrap().to_owned();
    let asked = cork.command(&["query", &purl, "--json"]).output().unwrap();
    assert_eq!(asked.status.code(), Some(0), "{}", said(&asked));
    assert_eq!(document(&asked)["quorum"]["have"], 3);
}
