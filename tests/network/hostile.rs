//! Peers that crowd around a node, or throw at it whatever they can.

use std::time::{Duration, Instant};

use reattest::codec;
use reattest::protocol::{Gossip, Head, Request};
use reattest::store::Store;
use reattest_tests::directory;
use reattest_tests::network::Member;
use reattest_tests::processes::wait_until;
use serde_bytes::ByteBuf;

use super::flood::throw;
use super::lab::Side;
use super::net::{Net, PATIENCE, announce};

/// Hostile peers around one node.
const CROWD: usize = 20;

#[test]
fn a_crowd_of_one_address_range_does_not_keep_a_node_from_the_others() {
    let places = [("ash", Side::Left, "10.1.0.1"), ("beech", Side::Right, "10.2.0.1")];
    let Some(mut net) = Net::new("an eclipse", &places) else { return };
    let friends = net.nodes.len();
    for number in 1..=CROWD {
        let host = net.lab.host(Side::Right, &format!("10.66.0.{number}"));
        net.nodes.push(Member::init(net.home.path(), &format!("crowd{number}")));
        net.hosts.push(host);
    }
    // The crowd follows logs of its own only; it passes nothing on of what ash and beech sign.
    let crowd: Vec<&Member> = net.nodes.iter().skip(friends).collect();
    net.trust(&crowd, "");
    let operators: Vec<&Member> = net.nodes.iter().take(friends).collect();
    Net::trust_at(&net.nodes[..friends], &operators, "");
    for node in 0..net.nodes.len() {
        net.find_peers(node);
    }
    for node in friends..net.nodes.len() {
        net.nodes[node].configure(&[("roles", "[\"consume\"]".to_owned())]);
    }
    // All of it dials ash, before and after ash knows anybody else; ash is given no other peer.
    let first = friends;
    net.start(first, &[0]);
    for node in first + 1..net.nodes.len() {
        let (elsewhere, listen, peers) = net.place(node, &[0, first]);
        net.nodes[node].launch(&elsewhere, &listen, &peers);
    }
    net.start(0, &[first]);
    net.crowded(0, CROWD);
    // Beech knows one of the crowd, and nobody knows beech but by asking around.
    net.start(1, &[first]);
    net.announce(1, &["one", "two"]);
    net.announce(0, &["three"]);
    net.hold(&[0, 1], &[(0, 1), (1, 2)]);
    net.are_one(&[0, 1], 2);
    for node in first..net.nodes.len() {
        assert_eq!(net.on_disk(node).len(), 0, "the crowd carried nothing");
    }
}

/// Resident memory of a process, in bytes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// What is thrown: nothing of any form, too long, and what was said before.
fn garbage(node: &Member) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let noise = |seed: u64, length: usize| -> Vec<u8> {
        let mut state = seed;
        let byte = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[1]
        };
        (0..length).map(byte).collect()
    };
    let store = Store::read_only(&node.home.join("data")).unwrap();
    let log = store.logs().next().unwrap();
    let head = Head {
        certificate: ByteBuf::from(
            std::fs::read(node.home.join("data/keys/certificate.json")).unwrap(),
        ),
        checkpoint: ByteBuf::from(log.checkpoint().unwrap().as_bytes()),
    };
    let replayed = Gossip::Head(head).encode().unwrap();
    let heads = codec::encode(&Request::Heads { after: String::new() }).unwrap();
    let huge = Request::Entries {
        origin: log.origin().to_string(),
        from: 0,
        until: u64::MAX,
        head: u64::MAX,
    };
    let gossip =
        vec![replayed.clone(), noise(1, 40_000), replayed.clone(), noise(2, 500_000), replayed];
    let requests = vec![heads, noise(3, 900), noise(4, 1 << 20), codec::encode(&huge).unwrap()];
    (gossip, requests)
}

#[test]
fn a_flood_is_dropped_in_bounded_memory_while_the_others_converge() {
    let home = directory();
    let mut nodes: Vec<Member> =
        ["ash", "beech"].map(|name| Member::init(home.path(), name)).into();
    Net::trust_at(&nodes, &nodes.iter().collect::<Vec<_>>(), "");
    let at = nodes[0].start(&[]);
    nodes[1].start(std::slice::from_ref(&at));
    announce(&nodes[0], "before").unwrap();
    let (victim, (gossip, requests)) = (nodes[0].id(), garbage(&nodes[0]));

    let until = Instant::now() + Duration::from_secs(15);
    let only_replayed = [gossip[0].clone()];
    let (mut most, mut announced) = (0, 1);
    let thrown = std::thread::scope(|scope| {
        let all = scope.spawn(|| throw(&at, &gossip, &requests, until));
        let replays = scope.spawn(|| throw(&at, &only_replayed, &requests[..1], until));
        while Instant::now() < until {
            for node in &nodes {
                announce(node, &format!("meanwhile{announced}")).unwrap();
            }
            announced += 1;
            most = most.max(resident(victim));
            std::thread::sleep(Duration::from_millis(500));
        }
        [all.join().unwrap(), replays.join().unwrap()]
    });
    for (log, size) in [("ash", announced), ("beech", announced - 1)] {
        for node in &nodes {
            wait_until("both hold all", PATIENCE, || node.log_size(log) == size);
        }
    }
    assert!(most < 256 << 20, "{} MiB resident: {thrown:?}", most >> 20);
    for thrown in &thrown {
        assert!(thrown.gossip + thrown.requests > 1000, "that is no flood: {thrown:?}");
    }
    assert!(thrown[0].dropped > 0, "it was borne: {thrown:?}");
    assert!(!nodes[1].log().contains("refused from"), "some was passed on: {}", nodes[1].log());
}
