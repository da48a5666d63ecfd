//! The same log from one node to another over loopback: from the wire into the indexed store, with a
//! question asked again and again meanwhile; and what the follower then takes when it is idle.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reattest_attestation::{PublicKey, SecretKey, Sign as _};
use serde_json::Value;

use crate::pairs::Pair;
use crate::programs;
use crate::table::{Table, Unit};
use crate::worlds::network;

/// Resident memory of an idle node.
const RESIDENT: f64 = 64.0 * 1024.0 * 1024.0;

/// How long a catch-up may take before something is wrong.
const PATIENCE: Duration = Duration::from_mins(10);

/// A node that follows one operator, and ends with this value.
struct Node {
    program: PathBuf,
    home: PathBuf,
    process: Child,
}

impl Node {
    fn start(program: &Path, home: &Path, operator: &PublicKey, peers: &[String]) -> Self {
        let network = network();
        let config = format!(
            "network = \"{network}\"\nroles = [\"consume\"]\ndata = \"data\"\npolicy = \"policy.toml\"\n\
             listen = [\"/ip4/127.0.0.1/tcp/0\"]\npeers = {peers:?}\n"
        );
        let policy = format!(
            "version = 1\nnetwork = \"{network}\"\nexpires = 2099-12-31T00:00:00Z\n\
             [[operator]]\nname = \"alder\"\nkey = \"{operator}\"\n\
             [[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = [\"{}\"]\n\
             [quorum]\nneed = 1\nof = [\"alder\"]\n",
            "A".repeat(40)
        );
        std::fs::create_dir_all(home.join("data")).unwrap();
        std::fs::write(home.join("config.toml"), config).unwrap();
        std::fs::write(home.join("policy.toml"), policy).unwrap();
        let said = std::fs::File::create(home.join("said")).unwrap();
        let mut command = Command::new(program);
        command.arg("--config").arg(home.join("config.toml")).arg("node");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let process = command.spawn().unwrap();
        Self { program: program.to_owned(), home: home.to_owned(), process }
    }

    /// What `status` says, where the node answers.
    fn status(&self) -> Option<Value> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.home.join("config.toml")).args(["status", "--json"]);
        let output = command.output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    fn address(&self) -> String {
        let begun = Instant::now();
        loop {
            let status = self.status();
            let address = status.as_ref().and_then(|status| status["listening"][0].as_str());
            if let Some(address) = address {
                return address.to_owned();
            }
            let said = std::fs::read_to_string(self.home.join("said")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the node does not answer: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn size(&self) -> u64 {
        let status = self.status().unwrap_or_default();
        status["logs"][0]["size"].as_u64().unwrap_or(0)
    }

    /// Resident bytes now.
    #[allow(clippy::cast_precision_loss, reason = "a table shows three digits")]
    fn resident(&self) -> f64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() as f64 * 1024.0
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _waited = self.process.wait();
    }
}

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
    let mut slowest = Duration::ZERO;
    // Every question is answered while the log comes in; the last one says that it is whole.
    while follower.size() < count {
        let asked = Instant::now();
        let answered = follower.status().is_some();
        if answered {
            slowest = slowest.max(asked.elapsed());
        }
        assert!(begun.elapsed() < PATIENCE, "{} of {count} came", follower.size());
        std::thread::sleep(Duration::from_millis(100));
    }
    #[expect(clippy::cast_precision_loss, reason = "a million")]
    let each = begun.elapsed().as_secs_f64() / count as f64;
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
