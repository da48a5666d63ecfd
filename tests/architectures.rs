//! The three ways to a verifiable build, each as a policy: one trusted builder, the own rebuild, a quorum of rebuilders (Q9).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use reattest_attestation::Conclusion::{Accepted, Inconclusive, Rejected};
use reattest_tests::network::{Member, trust_each_other};
use reattest_tests::{at_hand, directory, document, files_below, printed, said};

use crate::restart::archive_keys;
use crate::worlds::{judge, world};

#[test]
fn a_trusted_builder_is_a_quorum_of_one_of_one() {
    for (line, expected) in [
        ("a1+F", Accepted),
        ("a1-F", Rejected),
        ("a1+G", Rejected),
        ("a1!F", Inconclusive),
        // Nobody else's word is asked.
        ("b1+F c1+F", Inconclusive),
        ("a1+F b1-F c1-F", Accepted),
    ] {
        assert_eq!(judge("1/a", &world(line), "F as P").verdict, expected, "{line}");
    }
}

#[test]
fn a_quorum_of_rebuilders_holds_without_each_of_them_and_against_one() {
    for (line, expected) in [
        ("a1+F b1+F", Accepted),
        ("a1+F b1+F c1-F", Accepted),
        ("a1+F", Inconclusive),
        ("a1+F b1-F c1-F", Rejected),
    ] {
        assert_eq!(judge("2/3", &world(line), "F as P").verdict, expected, "{line}");
    }
}

#[test]
fn the_own_rebuild_is_evidence_where_the_policy_has_the_own_operator() {
    if !at_hand("verify --rebuild") {
        return;
    }
    let home = directory();
    let mut members: Vec<Member> =
        ["ash", "beech"].map(|name| Member::init(home.path(), name)).into();
    trust_each_other(&members[..1], 1, &archive_keys());
    let policy = std::fs::read(members[0].home.join("policy.toml")).unwrap();
    let ash = &mut members[0];
    ash.start(&[]);
    let out = home.path().join("out");
    let rebuilt = ash.command(&["rebuild", "deb:netbase", "--json", "--out"]).arg(&out).output();
    let rebuilt = rebuilt.unwrap();
    assert_eq!(rebuilt.status.code(), Some(0), "{}", said(&rebuilt));
    let purl = document(&rebuilt)["artifacts"][0]["purl"].as_str().unwrap().to_owned();
    let files = files_below(&out);
    let file = files.iter().find(|file| file.extension().is_some_and(|end| end == "deb")).unwrap();
    let file = file.to_str().unwrap();

    let before = ash.command(&["verify", file, "--as", &purl]).output().unwrap();
    assert_eq!(before.status.code(), Some(4), "{}{}", printed(&before), said(&before));
    let after = ash.command(&["verify", file, "--as", &purl, "--rebuild", "--json"]).output();
    let after = after.unwrap();
    assert_eq!(after.status.code(), Some(0), "{}{}", printed(&after), said(&after));
    let verdict = document(&after);
    assert_eq!(verdict["votes"][0]["operator"], "ash", "{verdict:#}");
    assert_eq!(verdict["votes"][0]["outcome"], "reproduced", "{verdict:#}");

    // Another's node, whose operator that policy does not have: it would rebuild for nothing.
    let beech = &members[1];
    std::fs::write(beech.home.join("policy.toml"), policy).unwrap();
    let nothing = beech.command(&["verify", file, "--as", &purl, "--rebuild"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(1), "{}", printed(&nothing));
    assert!(said(&nothing).contains("counts for nothing"), "{}", said(&nothing));
}
