//! From a head that a peer gossips to a verdict on another node, while attestations go on coming.

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use libp2p::Multiaddr;
use reattest::config::Config;
use reattest::query::{Source, judge_package};
use reattest::setup::read_policy;
use reattest_attestation::{Conclusion, Sign as _};

use crate::author::{Author, Play, Sent, operator, play};
use crate::nodes::Node;
use crate::pairs::Pair;
use crate::programs;
use crate::table::Table;

/// Attestations, and how far apart they come: a hundred a second.
const COUNT: u64 = 1_000;
const APART: Duration = Duration::from_millis(10);

/// Who asks at the same time.
const CONSUMERS: usize = 3;

/// Seconds from each head to the verdict on its attestation, as consumers of the node get it: each asks
/// about one attestation until it counts, and then about the next that nobody asks about.
fn verdicts(home: &Path, sent: Receiver<Sent>) -> Vec<f64> {
    let sent = Mutex::new(sent.into_iter().take(usize::try_from(COUNT).unwrap()));
    let ask = || {
        let mut took = Vec::new();
        let config = Config::load(&home.join("config.toml")).unwrap();
        let policy = read_policy(&home.join("policy.toml")).unwrap();
        let source = Source::Node(Box::new(config));
        loop {
            let Some((purl, at)) = sent.lock().unwrap().next() else { return took };
            loop {
                let verdicts = judge_package(&policy, &source, &purl).unwrap();
                if verdicts.iter().any(|verdict| verdict.verdict == Conclusion::Accepted) {
                    break;
                }
                assert!(at.elapsed() < Duration::from_secs(30), "{purl}: {verdicts:?}");
                std::thread::sleep(Duration::from_millis(2));
            }
            took.push(at.elapsed().as_secs_f64());
        }
    };
    let mut took: Vec<f64> = std::thread::scope(|scope| {
        let consumers: Vec<_> = (0..CONSUMERS).map(|_| scope.spawn(ask)).collect();
        consumers.into_iter().flat_map(|consumer| consumer.join().unwrap()).collect()
    });
    took.sort_by(f64::total_cmp);
    took
}

/// Rows about how soon a new attestation counts on another node.
pub(crate) fn rows(table: &mut Table) {
    let Some(program) = programs::reattest() else {
        return table.leave_out("head to verdict", "no release build of reattest");
    };
    let (home, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Node::start(&program, home.path(), &operator().public_key(), &[]);
    let at: Multiaddr = node.address().parse().unwrap();
    let (sender, sent) = channel();
    let author = Author::new(own.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let before = Duration::from_secs(2);
    let playing = runtime.spawn(play(
        Play { at: vec![at], count: COUNT, apart: APART, before },
        author,
        sender,
    ));
    let took = verdicts(home.path(), sent);
    playing.abort();
    for (name, place, goal) in
        [("p50", took.len() / 2, None), ("p99", took.len() * 99 / 100, Some(1.0))]
    {
        let what = format!("head to verdict on another node, 100 a second: {name}");
        let pair = Pair { ours: took[place], theirs: 0.1 };
        table.times(&what, "100 ms", pair, goal);
    }
}
