//! Nodes on the hosts of a network, by their places in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reattest::shell::control::{self, Answer, Ask};
use reattest::store::{Log, Store};
use reattest_attestation::log::WitnessKey;
use reattest_attestation::{Bundle, PublicKey};
use reattest_tests::directory;
use reattest_tests::network::Member;
use reattest_tests::processes::wait_until;
use tempfile::TempDir;

use super::lab::{Host, Lab, Side};

/// How long anything may take on a busy machine: a lost connection is noticed after 35 s.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// Nodes and where they are; what stands first ends first.
pub(crate) struct Net {
    pub(crate) nodes: Vec<Member>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) lab: Lab,
    pub(crate) home: TempDir,
}

impl Net {
    /// One operator on each host, all in one policy.
    pub(crate) fn new(what: &str, operators: &[(&str, Side, &str)]) -> Option<Self> {
        let mut lab = Lab::new(what)?;
        let home = directory();
        let nodes: Vec<Member> =
            operators.iter().map(|(name, _, _)| Member::init(home.path(), name)).collect();
        let hosts = operators.iter().map(|(_, side, ip)| lab.host(*side, ip)).collect();
        let net = Self { nodes, hosts, lab, home };
        net.trust(&net.nodes.iter().collect::<Vec<_>>(), "");
        Some(net)
    }

    /// One operator more, whom the policy names with the others.
    pub(crate) fn join(&mut self, name: &str, host: Host) {
        self.nodes.push(Member::init(self.home.path(), name));
        self.hosts.push(host);
        self.trust(&self.nodes.iter().collect::<Vec<_>>(), "");
    }

    /// One policy for all: whom it names, and what else it says.
    pub(crate) fn trust(&self, operators: &[&Member], more: &str) {
        Self::trust_at(&self.nodes, operators, more);
    }

    /// The same, for some nodes only.
    pub(crate) fn trust_at(nodes: &[Member], operators: &[&Member], more: &str) {
        let tables: Vec<&str> = operators.iter().map(|member| member.table()).collect();
        let names: Vec<&str> = operators.iter().map(|member| member.name.as_str()).collect();
        let policy = format!(
            "version = 1\nnetwork = \"test\"\nexpires = 2100-01-01T00:00:00Z\n\n{}\n{more}\n\
             [quorum]\nneed = 1\nof = {names:?}\n",
            tables.join("\n")
        );
        for node in nodes {
            std::fs::write(node.home.join("policy.toml"), &policy).unwrap();
        }
    }

    /// Lets a node ask its peers for others.
    pub(crate) fn find_peers(&self, node: usize) {
        let config = self.nodes[node].config();
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("find.peers = true\n{text}")).unwrap();
    }

    /// Waits until a node has so many peers.
    pub(crate) fn crowded(&self, node: usize, peers: usize) {
        wait_until("all peers are there", PATIENCE, || {
            self.nodes[node].status()["peers"].as_array().unwrap().len() >= peers
        });
    }

    /// Starts a node that dials these.
    pub(crate) fn start(&mut self, node: usize, peers: &[usize]) {
        let (elsewhere, listen, peers) = self.place(node, peers);
        self.nodes[node].start_in(&elsewhere, &listen, &peers);
    }

    pub(crate) fn place(&self, node: usize, peers: &[usize]) -> (Vec<String>, String, Vec<String>) {
        let peers = peers.iter().map(|peer| self.hosts[*peer].address()).collect();
        (self.hosts[node].room.enter(), self.hosts[node].address(), peers)
    }

    /// Has a node announce releases of a kind that nobody rebuilds.
    pub(crate) fn announce(&self, node: usize, names: &[&str]) {
        for name in names {
            self.try_announce(node, name).unwrap();
        }
    }

    pub(crate) fn try_announce(&self, node: usize, name: &str) -> Result<u64, String> {
        announce(&self.nodes[node], name)
    }

    /// Waits until these nodes hold logs of these sizes.
    pub(crate) fn hold(&self, nodes: &[usize], sizes: &[(usize, u64)]) {
        for node in nodes {
            let node = &self.nodes[*node];
            let what = format!("{} holds {sizes:?}\n{}", node.name, node.log());
            wait_until(&what, PATIENCE, || {
                sizes.iter().all(|(log, size)| node.log_size(&self.nodes[*log].name) == *size)
            });
        }
    }

    /// The entries of every log on a node's disk that has a head; each head holds.
    pub(crate) fn on_disk(&self, node: usize) -> Vec<(String, Vec<Vec<u8>>)> {
        let store = Store::read_only(&self.nodes[node].home.join("data")).unwrap();
        let mut logs: Vec<_> = store
            .logs()
            .filter_map(|log| {
                let head = log.checkpoint()?.unverified();
                assert_eq!(log.frontier(head.size).unwrap().root(), head.root);
                let entries = (0..head.size).map(|at| log.entry(at).unwrap().unwrap()).collect();
                Some((log.origin().to_string(), entries))
            })
            .collect();
        logs.sort();
        logs
    }

    /// The same bytes on all disks, and no fork anywhere.
    pub(crate) fn are_one(&self, nodes: &[usize], logs: usize) {
        let first = self.on_disk(nodes[0]);
        assert_eq!(first.len(), logs);
        for node in nodes {
            assert_eq!(self.on_disk(*node), first, "{}", self.nodes[*node].name);
            let status = self.nodes[*node].status();
            assert!(status["logs"].as_array().unwrap().iter().all(|log| log["forked"] == false));
        }
    }

    pub(crate) fn data(&self, node: usize) -> PathBuf {
        self.nodes[node].home.join("data")
    }

    /// Copies a node's whole data directory.
    pub(crate) fn back_up(&self, node: usize) {
        copy(&self.data(node), &self.home.path().join("backup"));
    }

    /// Puts the copy in its place.
    pub(crate) fn restore(&self, node: usize) {
        std::fs::remove_dir_all(self.data(node)).unwrap();
        copy(&self.home.path().join("backup"), &self.data(node));
    }

    /// Starts a node that ends by itself; what it said this time.
    pub(crate) fn refuses_to_go_on(&mut self, node: usize, peers: &[usize]) -> String {
        let before = self.nodes[node].log().len();
        let (elsewhere, listen, peers) = self.place(node, peers);
        self.nodes[node].launch(&elsewhere, &listen, &peers);
        wait_until("it ends by itself", PATIENCE, || self.nodes[node].has_ended());
        self.nodes[node].log().split_off(before)
    }

    /// The log of an operator as a node has it on disk.
    pub(crate) fn read<T>(
        &self,
        node: usize,
        operator: usize,
        read: impl Fn(&Log, PublicKey) -> T,
    ) -> T {
        let key = public_key(&self.nodes[operator].home);
        let store = Store::read_only(&self.data(node)).unwrap();
        let log = store.logs().find(|log| log.origin().key_digest() == key.digest());
        read(log.unwrap(), key)
    }

    /// `SIZE:ROOT` of the newest head.
    pub(crate) fn head(&self, node: usize, operator: usize) -> String {
        self.read(node, operator, |log, _| {
            let head = log.checkpoint().unwrap().unverified();
            format!("{}:{}", head.size, head.root)
        })
    }

    /// Makes a node a witness with a key of its own: how policies name it.
    pub(crate) fn become_witness(&self, node: usize) -> String {
        let keys = Member::init(self.home.path(), "witness");
        let config = self.nodes[node].config();
        let text = std::fs::read_to_string(&config).unwrap();
        let key = keys.home.join("data/keys/rebuilder.key");
        let table =
            format!("{text}\n[witness]\nname = \"{WITNESS}\"\nkey = \"{}\"\n", key.display());
        std::fs::write(&config, table).unwrap();
        self.nodes[node].configure(&[("roles", "[\"witness\", \"consume\"]".to_owned())]);
        WitnessKey::new(WITNESS, public_key(&keys.home)).unwrap().to_string()
    }

    /// Waits until a node's copy of an operator's newest head has the witness's line.
    pub(crate) fn cosigned(&self, node: usize, operator: usize) {
        let witness =
            WitnessKey::new(WITNESS, public_key(&self.home.path().join("witness"))).unwrap();
        wait_until("the newest head is cosigned", PATIENCE, || {
            self.read(node, operator, |log, key| {
                let head = log.checkpoint().unwrap().verify(&key).unwrap();
                head.cosigned_by(&witness).unwrap().len() == 1
            })
        });
    }

    /// The proof on a node's disk holds, and a bundle carries it.
    pub(crate) fn proves_fork(&self, node: usize, operator: usize) {
        let (origin, key) = self.read(node, operator, |log, key| (log.origin().to_string(), key));
        let file = self.data(node).join("logs").join(origin).join("fork");
        let bundle = Bundle::parse(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(bundle.forks.len(), 1);
        let forked = bundle.forks[0].verify(&key).unwrap();
        assert_eq!(forked.key(), key);
        let other = public_key(&self.nodes[1].home);
        assert!(bundle.forks[0].verify(&other).is_err(), "it accuses nobody else");
    }
}

/// The name of the witness.
pub(crate) const WITNESS: &str = "wren.example/w";

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a", "--"]).args([from, to]).status().unwrap();
    assert!(copied.success());
}

/// Has a node announce a release of a kind that nobody rebuilds; its place in the log.
pub(crate) fn announce(node: &Member, name: &str) -> Result<u64, String> {
    let purl = format!("pkg:generic/{name}@1").parse().unwrap();
    let socket = node.home.join("data/node.sock");
    match control::ask(&socket, &Ask::Announce { purl, again: false }) {
        Ok(Some(Answer::Announced(index))) => Ok(index),
        Ok(Some(Answer::Failed(why))) => Err(why),
        other => Err(format!("{other:?}")),
    }
}

/// The public half of a rebuilder's key, as `init` wrote it.
pub(crate) fn public_key(home: &Path) -> PublicKey {
    let text = std::fs::read_to_string(home.join("data/keys/rebuilder.key.pub")).unwrap();
    text.trim().rsplit_once(' ').unwrap().0.parse().unwrap()
}
