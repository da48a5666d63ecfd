//! Keys that would sign, or did sign, two histories of one log.

use reattest_tests::network::Member;
use reattest_tests::processes::wait_until;
use reattest_tests::said;

use super::lab::Side;
use super::net::{Net, PATIENCE};

#[test]
fn a_node_from_an_old_backup_signs_no_second_history() {
    let places = [("ash", Side::Left, "10.1.0.1"), ("beech", Side::Left, "10.2.0.1")];
    let Some(mut net) = Net::new("a node from an old backup", &places) else { return };
    net.start(1, &[]);
    net.start(0, &[1]);
    net.announce(0, &["one"]);
    net.hold(&[1], &[(0, 1)]);
    net.nodes[0].kill();
    net.back_up(0);
    net.start(0, &[1]);
    net.announce(0, &["two", "three"]);
    net.hold(&[1], &[(0, 3)]);
    let head = net.head(1, 0);
    net.nodes[0].kill();

    net.restore(0);
    let resume = format!("reattest log resume --at {head}");
    let why = net.refuses_to_go_on(0, &[1]);
    assert!(why.contains(&resume) && why.contains("Nothing more is signed"), "{why}");
    // Nor does it at the next start, with nobody to tell it.
    let why = net.refuses_to_go_on(0, &[]);
    assert!(why.contains(&resume), "{why}");
    net.hold(&[1], &[(0, 3)]);

    // It fetches what it lost, and goes on where its log is.
    net.nodes[0].configure(&[("roles", "[\"consume\"]".to_owned())]);
    net.start(0, &[1]);
    net.hold(&[0], &[(0, 3)]);
    net.nodes[0].kill();
    let resumed = net.nodes[0].command(&["log", "resume", "--at", &head]).output().unwrap();
    assert!(resumed.status.success(), "{}", said(&resumed));
    net.nodes[0].configure(&[("roles", "[\"rebuild\", \"consume\"]".to_owned())]);
    net.start(0, &[1]);
    net.announce(0, &["four"]);
    net.hold(&[0, 1], &[(0, 4)]);
    net.are_one(&[0, 1], 1);
}

#[test]
fn a_witness_keeps_a_node_from_signing_behind_its_own_log() {
    let places = [
        ("ash", Side::Left, "10.1.0.1"),
        ("beech", Side::Left, "10.2.0.1"),
        ("wren", Side::Right, "10.3.0.1"),
    ];
    let Some(mut net) = Net::new("a witness", &places) else { return };
    let operators: Vec<&Member> = net.nodes.iter().take(2).collect();
    net.trust(&operators, &format!("[[witness]]\nkey = \"{}\"\n", net.become_witness(2)));
    // A log that has nothing yet is behind nothing, and waits for nobody.
    net.start(0, &[]);
    net.announce(0, &["one"]);
    net.start(1, &[0]);
    net.start(2, &[0]);
    net.hold(&[1, 2], &[(0, 1)]);
    for node in 0..3 {
        net.cosigned(node, 0);
    }

    // With a log, it signs nothing until the witness has spoken anew.
    net.nodes[2].kill();
    net.nodes[0].kill();
    net.back_up(0);
    net.start(0, &[1, 2]);
    let why = net.try_announce(0, "two").unwrap_err();
    assert!(why.contains("waits until 1 of its 1 witnesses"), "{why}");
    net.start(2, &[]);
    let mut announced = Err(String::new());
    wait_until("the signer heard its witness", PATIENCE, || {
        announced = net.try_announce(0, "two");
        announced.is_ok()
    });
    assert_eq!(announced, Ok(1), "nothing was signed while it waited");
    net.hold(&[1, 2], &[(0, 2)]);
    for node in 0..3 {
        net.cosigned(node, 0);
    }

    // The witness alone brings to light that the disk is an old one.
    let head = net.head(2, 0);
    net.nodes[0].kill();
    net.nodes[1].kill();
    net.restore(0);
    let why = net.refuses_to_go_on(0, &[2]);
    assert!(why.contains(&format!("reattest log resume --at {head}")), "{why}");
    assert_eq!(net.on_disk(2).len(), 1);
    net.hold(&[2], &[(0, 2)]);
}

#[test]
fn who_sees_two_histories_of_one_key_proves_it_to_everybody() {
    let places = [
        ("ash", Side::Left, "10.1.0.1"),
        ("beech", Side::Right, "10.2.0.1"),
        ("cork", Side::Right, "10.3.0.1"),
    ];
    let Some(mut net) = Net::new("a fork", &places) else { return };
    // The same key on a second machine; neither knows of the other.
    let twin = net.nodes[0].twin("twin");
    net.nodes.push(twin);
    net.hosts.push(net.lab.host(Side::Left, "10.4.0.1"));
    net.start(0, &[]);
    net.start(3, &[]);
    net.announce(0, &["one", "two"]);
    net.announce(3, &["three", "four"]);
    net.start(1, &[0]);
    net.hold(&[1], &[(0, 2)]);
    assert_eq!(net.nodes[1].status()["logs"][0]["forked"], false);

    // Who sees the second one asks, and has a proof that holds without either of them.
    net.start(2, &[1]);
    net.hold(&[2], &[(0, 2)]);
    net.nodes[1].kill();
    net.start(1, &[0, 2, 3]);
    for node in [1, 2] {
        wait_until("the fork is known", PATIENCE, || {
            net.nodes[node].status()["logs"]
                .as_array()
                .unwrap()
                .iter()
                .any(|log| log["forked"] == true)
        });
        net.proves_fork(node, 0);
    }
    // Both machines learn of it, and their signers stop.
    for node in [0, 3] {
        wait_until("the key's signer stops", PATIENCE, || net.nodes[node].has_ended());
        let why = net.nodes[node].log();
        assert!(why.contains("Nothing more is signed"), "{why}");
    }
}
