//! Real nodes that a bench starts: each follows one operator and ends with the value.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reattest::shell::control::{self, Answer, Ask};
use reattest::store::index::Selector;
use reattest_attestation::{Bundle, Digest, PublicKey};
use serde_json::Value;

use crate::worlds::{ARCHIVE, network};

/// How long anything may take before something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// A node that follows one operator, and ends with this value.
pub(crate) struct Node {
    program: PathBuf,
    home: PathBuf,
    process: Child,
}

impl Node {
    pub(crate) fn start(
        program: &Path,
        home: &Path,
        operator: &PublicKey,
        peers: &[String],
    ) -> Self {
        let network = network();
        let config = format!(
            "network = \"{network}\"\nroles = [\"consume\"]\ndata = \"data\"\npolicy = \"policy.toml\"\n\
             listen = [\"/ip4/127.0.0.1/tcp/0\"]\npeers = {peers:?}\n"
        );
        let policy = format!(
            "version = 1\nnetwork = \"{network}\"\nexpires = 2099-12-31T00:00:00Z\n\
             [[operator]]\nname = \"alder\"\nkey = \"{operator}\"\n\
             [[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = [\"{ARCHIVE}\"]\n\
             [quorum]\nneed = 1\nof = [\"alder\"]\n"
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

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// What `status` says, where the node answers.
    pub(crate) fn status(&self) -> Option<Value> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.home.join("config.toml")).args(["status", "--json"]);
        let output = command.output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    pub(crate) fn address(&self) -> String {
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

    /// Whether the node has a statement about these bytes, under any head.
    pub(crate) fn has_evidence(&self, file: Digest) -> bool {
        let answer =
            control::ask(&self.home.join("data/node.sock"), &Ask::Evidence(Selector::File(file)));
        match answer.unwrap() {
            Some(Answer::Evidence { bundle, .. }) => {
                !Bundle::parse(&bundle).unwrap().envelopes.is_empty()
            }
            _ => false,
        }
    }

    pub(crate) fn size(&self) -> u64 {
        let status = self.status().unwrap_or_default();
        status["logs"][0]["size"].as_u64().unwrap_or(0)
    }

    /// Resident bytes now.
    #[allow(clippy::cast_precision_loss, reason = "a table shows three digits")]
    pub(crate) fn resident(&self) -> f64 {
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
