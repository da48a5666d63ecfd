//! The simulator's model of gossip beside real nodes on this machine: bytes of an attestation, and when all have it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use reattest_simulations::scale::{Model, Sizes, day};

use crate::author::{Author, Play, Sent, attestation, operator, play};
use crate::nodes::Node;
use crate::programs;
use crate::table::{Table, Unit};
use reattest_attestation::Sign as _;

/// Nodes that are started, beside the one that this process plays.
const NODES: [usize; 3] = [5, 10, 20];

/// Attestations, fewer than a tile has, and how far apart they come.
const COUNT: u64 = 40;
const APART: Duration = Duration::from_secs(1);

/// Peers that each node is told to dial, of those before it.
const DIALS: usize = 6;

/// How long nothing comes, to see what nodes say anyway; and how long gossip goes on after the last head.
const BEFORE: Duration = Duration::from_secs(20);
const AFTER: Duration = Duration::from_secs(5);

/// Between two looks at the nodes' disks, and at their sockets.
const LOOK: Duration = Duration::from_millis(1);
const COUNTED: Duration = Duration::from_secs(1);

/// What real nodes did.
struct Measured {
    /// Bytes that a node received for each attestation, beyond what it receives anyway.
    bytes: f64,
    /// Seconds from a head until a node had the entry on its disk, of every node and entry, in order.
    seconds: Vec<f64>,
}

/// Starts nodes that know some of those before them.
fn start(program: &Path, home: &Path, count: usize) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut addresses: Vec<String> = Vec::new();
    for number in 0..count {
        // Spread over all before it, the same in each run.
        let step = number.div_ceil(DIALS).max(1);
        let peers: Vec<String> = addresses.iter().rev().step_by(step).cloned().collect();
        let home = home.join(number.to_string());
        let node = Node::start(program, &home, &operator().public_key(), &peers);
        addresses.push(node.address());
        nodes.push(node);
    }
    nodes
}

/// Payload bytes that the open connections of these processes have received, as the kernel counts them.
fn received(processes: &[u32]) -> u64 {
    let output = Command::new("ss").args(["-tinpOH", "state", "established"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let own = |line: &&str| processes.iter().any(|pid| line.contains(&format!("pid={pid},")));
    let bytes = |line: &str| -> Option<u64> {
        line.split_whitespace().find_map(|word| word.strip_prefix("bytes_received:")?.parse().ok())
    };
    text.lines().filter(own).filter_map(bytes).sum()
}

/// The file below a node's data that a log's first entries go into.
fn tail(directory: &Path) -> Option<PathBuf> {
    let mut entries =
        fs::read_dir(directory).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    entries.find_map(|path| {
        if path.is_dir() { tail(&path) } else { path.ends_with("tail-0").then_some(path) }
    })
}

/// Watches disks and sockets until all was sent and passed on.
fn watch(nodes: &[Node], homes: &[PathBuf], own: &Path, sent: &Receiver<Sent>) -> Measured {
    let processes: Vec<u32> = nodes.iter().map(Node::process).collect();
    let mut heads: Vec<(Instant, u64)> = Vec::new();
    let mut grown: Vec<Vec<(Instant, u64)>> = vec![Vec::new(); nodes.len()];
    let mut counted = vec![(Instant::now(), received(&processes))];
    loop {
        match sent.try_recv() {
            Ok((_, at)) => heads.push((at, fs::metadata(tail(own).unwrap()).unwrap().len())),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => unreachable!("the author ended"),
        }
        let now = Instant::now();
        for (grown, home) in grown.iter_mut().zip(homes) {
            let length = tail(home).and_then(|file| Some(fs::metadata(file).ok()?.len()));
            let length = length.unwrap_or(0);
            if grown.last().is_none_or(|(_, known)| *known != length) {
                grown.push((now, length));
            }
        }
        if counted.last().is_none_or(|(at, _)| now - *at >= COUNTED) {
            counted.push((now, received(&processes)));
        }
        let done = heads.len() == usize::try_from(COUNT).unwrap();
        if done && heads.last().is_some_and(|(at, _)| at.elapsed() > AFTER) {
            break;
        }
        std::thread::sleep(LOOK);
    }
    let seconds = grown.iter().flat_map(|grown| heads.iter().map(|head| arrival(*head, grown)));
    let mut seconds: Vec<f64> = seconds.collect();
    seconds.sort_by(f64::total_cmp);
    Measured { bytes: bytes(&counted, heads[0].0) / per(nodes.len()), seconds }
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn per(nodes: usize) -> f64 {
    nodes as f64 * COUNT as f64
}

/// Seconds from a head until the file had all up to it.
fn arrival((at, length): (Instant, u64), grown: &[(Instant, u64)]) -> f64 {
    let (there, _) = grown.iter().find(|(_, has)| *has >= length).unwrap();
    there.saturating_duration_since(at).as_secs_f64()
}

/// Bytes from the first head on, less what came in as long a time before.
#[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn bytes(counted: &[(Instant, u64)], first: Instant) -> f64 {
    let rate = |from: &(Instant, u64), until: &(Instant, u64)| {
        (until.1.saturating_sub(from.1)) as f64 / (until.0 - from.0).as_secs_f64()
    };
    // Connections begin with handshakes and a question for all heads.
    let calm = first.checked_sub(BEFORE / 2).unwrap();
    let before = counted.iter().find(|(at, _)| *at >= calm).unwrap();
    let begin = counted.iter().rev().find(|(at, _)| *at <= first).unwrap();
    let end = counted.last().unwrap();
    let seconds = (end.0 - begin.0).as_secs_f64();
    (rate(begin, end) - rate(before, begin)) * seconds
}

fn measure(program: &Path, count: usize) -> Measured {
    let (home, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let nodes = start(program, home.path(), count);
    let homes: Vec<PathBuf> =
        (0..count).map(|number| home.path().join(number.to_string()).join("data")).collect();
    let at: Vec<Multiaddr> =
        nodes.iter().take(DIALS).map(|node| node.address().parse().unwrap()).collect();
    let (sender, sent) = channel();
    let author = Author::new(own.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let played = Play { at, count: COUNT, apart: APART, before: BEFORE };
    let playing = runtime.spawn(play(played, author, sender));
    let measured = watch(&nodes, &homes, own.path(), &sent);
    playing.abort();
    measured
}

/// The same network, modelled: links of this machine, and messages of the same sizes.
fn model(count: usize) -> reattest_simulations::scale::Row {
    let own = tempfile::tempdir().unwrap();
    let mut author = Author::new(own.path());
    let (_, entry) = attestation(0);
    author.log(entry.clone());
    let sizes = Sizes::of(author.head.as_ref().unwrap(), &entry, author.origin()).unwrap();
    let model = Model {
        nodes: count + 1,
        rebuilders: 1,
        artifacts: usize::try_from(COUNT).unwrap(),
        copies: 1,
        need: 1,
        degree: DIALS,
        ways: (30, 100),
        bandwidth: 10_000_000_000,
        build_seconds: 1,
        followed: usize::try_from(COUNT).unwrap(),
        seed: 1,
    };
    day(&model, &sizes).unwrap()
}

/// Rows about real nodes beside the model.
pub(crate) fn rows(table: &mut Table) {
    let Some(program) = programs::reattest() else {
        return table.leave_out("real gossip beside its model", "no release build of reattest");
    };
    if programs::find("ss").is_none() {
        return table.leave_out("real gossip beside its model", "no `ss`; apt install iproute2");
    }
    for count in NODES {
        let (real, model) = (measure(&program, count), model(count));
        let row = |table: &mut Table, what: &str, numbers, unit| {
            table.row(&format!("{count} real nodes: {what}"), "the model", numbers, unit, None);
        };
        row(table, "received for an attestation", (real.bytes, model.bytes), Unit::Bytes);
        let at = |part: usize| real.seconds[(real.seconds.len() - 1) * part / 100];
        row(table, "head to entry, p50", (at(50), model.network_p50), Unit::Seconds);
        row(table, "head to entry, p99", (at(99), model.network_p99), Unit::Seconds);
    }
}
