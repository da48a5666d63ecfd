//! The command line on real files: a small artifact with three votes, and one of a gigabyte.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use reattest_attestation::{Digest, Digester};

use crate::metablock;
use crate::pairs::side_by_side;
use crate::programs::{find, peak_memory, quiet, reattest, run};
use crate::table::{Table, Unit};
use crate::votes::votes;
use crate::worlds::P;

const SMALL: &str = "a small artifact, 3 votes: verify";
const LARGE: &str = "a file of 1 GB: verify";
const NAME: &str = "netbase_6.5_all.deb";
const MEMORY: f64 = 32.0 * 1_048_576.0;

/// An artifact on disk with the evidence that three operators reproduced it.
struct Scene {
    directory: tempfile::TempDir,
    artifact: PathBuf,
}

/// Every row about files.
pub(crate) fn rows(table: &mut Table) {
    let Some(program) = reattest() else {
        table.leave_out("files", "no reattest beside this bench; run make bench");
        return;
    };
    small(table, &program);
    large(table, &program);
}

fn small(table: &mut Table, program: &Path) {
    let scene = Scene::new(1);
    let mut verify = scene.verify(program);
    let Some(threshold) = find("repro-threshold") else {
        table.leave_out(SMALL, "repro-threshold is not in target/oracles/bin, nor on the path");
        return;
    };
    let mut theirs = scene.threshold(&threshold);
    let pair = side_by_side(201, || run(&mut verify, 0), || run(&mut theirs, 0));
    table.times(SMALL, "repro-threshold plumbing verify", pair, Some(1.0));
    // What starting any program costs here: the floor under both.
    if let Some(nothing) = find("true") {
        let mut nothing = quiet(&nothing);
        let pair = side_by_side(201, || run(&mut verify, 0), || run(&mut nothing, 0));
        table.times(SMALL, "true(1), which does nothing", pair, None);
    }
}

fn large(table: &mut Table, program: &Path) {
    let scene = Scene::new(1_000_000_000);
    let mut verify = scene.verify(program);
    for (name, arguments, goal) in
        [("openssl", &["dgst", "-sha256"][..], Some(1.1)), ("sha256sum", &[][..], None)]
    {
        let Some(other) = find(name) else {
            table.leave_out(LARGE, &format!("{name} is not on the path"));
            continue;
        };
        let mut other = quiet(&other);
        other.args(arguments).arg(&scene.artifact);
        let pair = side_by_side(7, || run(&mut verify, 0), || run(&mut other, 0));
        table.times(LARGE, &[&[name], arguments].concat().join(" "), pair, goal);
    }
    let memory = peak_memory(&mut verify);
    table.row(&format!("{LARGE}, peak memory"), "32 MiB", (memory, MEMORY), Unit::Bytes, Some(1.0));
}

impl Scene {
    /// A package of at least these bytes, and the evidence on it.
    fn new(bytes: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let artifact = directory.path().join(NAME);
        let sha256 = write(&artifact, bytes);
        let scene = Self { directory, artifact };
        let votes = votes(3, sha256);
        scene.keep("policy.toml", votes.policy.as_bytes());
        scene.keep("bundle", &votes.bundle.to_bytes().unwrap());
        for (number, (key, said)) in votes.rebuilders.iter().zip(&votes.rebuilds).enumerate() {
            let link = metablock::link(key, said);
            scene.keep(&format!("l{number}.link"), &link.link);
            scene.keep(&format!("k{number}.pub"), link.pem.as_bytes());
        }
        scene
    }

    fn keep(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.at(name), bytes).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn verify(&self, program: &Path) -> Command {
        let mut command = quiet(program);
        command.arg("verify").arg(&self.artifact).args(["--as", P]);
        command.arg("--bundle").arg(self.at("bundle"));
        command.arg("--policy").arg(self.at("policy.toml"));
        command
    }

    fn threshold(&self, program: &Path) -> Command {
        let mut command = quiet(program);
        command.args(["plumbing", "verify", "-t", "2"]);
        for number in 0..3 {
            command.arg("-S").arg(self.at(&format!("k{number}.pub")));
            command.arg("-A").arg(self.at(&format!("l{number}.link")));
        }
        command.arg(&self.artifact);
        command
    }
}

/// Writes a file that begins as a Debian package does, and is not all zeros.
fn write(path: &Path, bytes: usize) -> Digest {
    let mut file = std::fs::File::create(path).unwrap();
    let mut digester = Digester::new();
    let mut put = |bytes: &[u8]| {
        digester.update(bytes);
        file.write_all(bytes).unwrap();
    };
    put(b"!<arch>\ndebian-binary   ");
    let block: Vec<u8> = (0..=u8::MAX).cycle().take(1_000_000).collect();
    (0..bytes / block.len()).for_each(|_| put(&block));
    digester.finish()
}
