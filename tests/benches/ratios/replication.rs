//! The same log from one node to another over loopback: from the wire into the indexed store, with a
//! question asked again and again meanwhile; and what the follower then takes when it is idle.

use std::path::Path;
use std::time::{Duration, Instant};

use reattest_attestation::{Digest, SecretKey, Sign as _};

use crate::nodes::{Node, PATIENCE};
use crate::pairs::Pair;
use crate::programs;
use crate::table::{Table, Unit};

/// Resident memory of an idle node.
const RESIDENT: f64 = 64.0 * 1024.0 * 1024.0;

/// Rows about a log that lies in `home/data`, and `verifying` one of its entries.
pub(crate) fn rows(table: &mut Table, home: &Path, count: u64, verifying: f64) {
    let Some(program) = programs::reattest() else {
        return table.leave_out("catching up from a peer", "no release build of reattest");
    };
    let operator = SecretKey::from_seed(&[8; 32]).public_key();
    let holder = Node::start(&program, home, &operator, &[]);
    let address = holder.address();
    let other = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let follower = Node::start(&program, other.path(), &operator, &[address]);
    let (mut slowest, mut first) = (Duration::ZERO, None);
    // Every question is answered while the log comes in; the last one says that it is whole.
    while follower.size() < count {
        let asked = Instant::now();
        let answered = follower.status().is_some();
        if answered {
            slowest = slowest.max(asked.elapsed());
        }
        if first.is_none() && follower.has_evidence(Digest::of(&0_u64.to_be_bytes())) {
            first = Some(begun.elapsed());
        }
        assert!(begun.elapsed() < PATIENCE, "{} of {count} came", follower.size());
        std::thread::sleep(Duration::from_millis(100));
    }
    #[expect(clippy::cast_precision_loss, reason = "a million")]
    let each = begun.elapsed().as_secs_f64() / count as f64;
    if let Some(first) = first {
        let pair = Pair { ours: first.as_secs_f64(), theirs: begun.elapsed().as_secs_f64() };
        table.times("first evidence while the log comes in", "the whole log", pair, None);
    }
    let what = format!("catch up from one peer, an entry of {count}");
    let pair = Pair { ours: each, theirs: verifying };
    table.times(&what, "verify its signature", pair, Some(1.0 / 3.0));
    let pair = Pair { ours: slowest.as_secs_f64(), theirs: 1.0 };
    table.times("slowest answer of a node meanwhile", "a second", pair, Some(1.0));
    std::thread::sleep(Duration::from_secs(3));
    let what = format!("idle node after it pulled {count} entries: resident memory");
    table.row(&what, "64 MiB", (follower.resident(), RESIDENT), Unit::Bytes, Some(1.0));
    let what = format!("idle node that serves {count} entries: resident memory");
    table.row(&what, "64 MiB", (holder.resident(), RESIDENT), Unit::Bytes, Some(1.0));
}
