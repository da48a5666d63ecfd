//! Real nodes across a real network: what gets lost, cut off, hidden or forged on the way, and what comes of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for real processes"
)]

mod lab;
mod net;
mod histories;
mod flood;
mod hostile;
mod slow;

use std::time::{Duration, Instant};

use lab::{Room, Side};
use net::Net;
use reattest_tests::skip;

#[test]
fn five_nodes_in_a_line_come_to_hold_the_same_logs() {
    let places = [
        ("ash", Side::Left, "10.1.0.1"),
        ("beech", Side::Left, "10.2.0.1"),
        ("cork", Side::Right, "10.3.0.1"),
        ("dogwood", Side::Right, "10.4.0.1"),
        ("elm", Side::Right, "10.5.0.1"),
    ];
    let Some(mut net) = Net::new("five nodes in a line", &places) else { return };
    // Each knows the one before it; the last ones find all of the past.
    net.start(0, &[]);
    net.announce(0, &["one", "two"]);
    for node in 1..5 {
        net.start(node, &[node - 1]);
    }
    for node in 1..5 {
        net.announce(node, &["three"]);
    }
    net.announce(0, &["four"]);
    net.hold(&[0, 1, 2, 3, 4], &[(0, 3), (1, 1), (2, 1), (3, 1), (4, 1)]);
    net.are_one(&[0, 1, 2, 3, 4], 5);
    for (node, peers) in [(0, 1), (1, 2), (2, 2), (3, 2), (4, 1)] {
        let status = net.nodes[node].status();
        assert_eq!(status["peers"].as_array().unwrap().len(), peers, "a line stays a line");
    }
}

#[test]
fn both_sides_of_a_partition_write_on_and_are_one_when_it_heals() {
    let places = [
        ("ash", Side::Left, "10.1.0.1"),
        ("beech", Side::Left, "10.2.0.1"),
        ("cork", Side::Right, "10.3.0.1"),
        ("dogwood", Side::Right, "10.4.0.1"),
    ];
    let Some(mut net) = Net::new("a partition", &places) else { return };
    net.start(0, &[]);
    net.start(1, &[0]);
    net.start(2, &[0, 1]);
    net.start(3, &[2, 1]);
    net.announce(0, &["before"]);
    net.hold(&[0, 1, 2, 3], &[(0, 1)]);

    net.lab.connect(false);
    for node in 0..4 {
        net.announce(node, &["meanwhile", "later"]);
    }
    net.hold(&[0, 1], &[(0, 3), (1, 2), (2, 0), (3, 0)]);
    net.hold(&[2, 3], &[(0, 1), (1, 0), (2, 2), (3, 2)]);
    net.lab.connect(true);
    net.hold(&[0, 1, 2, 3], &[(0, 3), (1, 2), (2, 2), (3, 2)]);
    net.are_one(&[0, 1, 2, 3], 4);
}

#[test]
fn a_fifth_of_all_packets_lost_and_the_rest_late_only_takes_longer() {
    let places = [
        ("ash", Side::Left, "10.1.0.1"),
        ("beech", Side::Left, "10.2.0.1"),
        ("cork", Side::Right, "10.3.0.1"),
    ];
    let Some(mut net) = Net::new("a network that loses packets", &places) else { return };
    if let Err(why) = net.lab.lose_and_delay(&net.hosts) {
        return skip("a fifth of all packets lost, 200 ms of delay", &why);
    }
    net.start(0, &[]);
    net.start(1, &[0]);
    let begun = Instant::now();
    net.start(2, &[0, 1]);
    for node in 0..3 {
        net.announce(node, &["one", "two", "three"]);
    }
    net.hold(&[0, 1, 2], &[(0, 3), (1, 3), (2, 3)]);
    // Two handshakes, heads and entries, each there and back in 400 ms.
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1_600), "in {took:?}: that was no bad network");
    net.are_one(&[0, 1, 2], 3);
}

#[test]
fn a_node_behind_address_translation_takes_full_part_by_dialling_out() {
    let places = [("ash", Side::Left, "10.1.0.1"), ("beech", Side::Right, "10.2.0.1")];
    let Some(mut net) = Net::new("a node behind address translation", &places) else { return };
    let translated = net.lab.behind_a_router("10.3.0.1", "192.168.7.2");
    let (router, host) = match translated {
        Ok(both) => both,
        Err(why) => {
            skip("address translation; a node that nobody can dial stands in for it", &why);
            return takes_full_part_by_dialling_out(net, None);
        }
    };
    net.join("cork", host);
    // Nobody reaches it from outside: there is a way to its router, and none to it.
    let outside = &net.hosts[1].room;
    outside.run("ip route get 10.3.0.1");
    assert!(outside.try_run("ip route get 192.168.7.2").is_err(), "it is not behind anything");
    takes_full_part_by_dialling_out(net, Some(router));
}

/// The third node reaches the first, and nobody reaches it.
fn takes_full_part_by_dialling_out(mut net: Net, router: Option<Room>) {
    if router.is_none() {
        let host = net.lab.host(Side::Left, "10.3.0.1");
        net.join("cork", host);
    }
    net.start(0, &[]);
    net.start(1, &[0]);
    if router.is_some() {
        net.start(2, &[0]);
    } else {
        let (elsewhere, _, peers) = net.place(2, &[0]);
        net.nodes[2].start_in(&elsewhere, "/ip4/127.0.0.1/tcp/4101", &peers);
    }
    for node in 0..3 {
        net.announce(node, &["one", "two"]);
    }
    net.hold(&[0, 1, 2], &[(0, 2), (1, 2), (2, 2)]);
    net.are_one(&[0, 1, 2], 3);
    drop(router);
}
