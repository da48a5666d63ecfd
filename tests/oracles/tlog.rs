//! Heads, cosignatures, proofs and tiles of our logs, checked by the Go checksum database's own packages.
//!
//! `tests/oracles/tlog/main.go` is the program that asks them. It needs `golang-go` and
//! `golang-golang-x-mod-dev` of Debian; without them this is a skip, or a failure where
//! `REATTEST_ORACLES=required` is set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reattest_attestation::log::tiles::tile_path;
use reattest_attestation::log::{ConsistencyProof, SignedCheckpoint, WitnessKey};
use reattest_attestation::{Digest, Envelope, Sign};
use reattest_tests::{directory, skip};
use tempfile::TempDir;

use crate::log_attacks::tiled_log::TiledLog;
use crate::worlds::{NOW, P, at, file, outcome, rebuild, rebuilder};

/// Where Debian keeps the sources of Go packages.
const PACKAGES: &str = "/usr/share/gocode";

/// What Go's packages say, on files below one directory.
struct Reference {
    program: PathBuf,
    home: TempDir,
}

impl Reference {
    /// Builds the program; `None` is a skip that was told.
    fn build() -> Option<Self> {
        let missing = if Command::new("go").arg("version").output().is_err() {
            "go is not installed: apt-get install golang-go"
        } else if !Path::new(PACKAGES).join("src/golang.org/x/mod/sumdb/tlog").exists() {
            "golang.org/x/mod is not installed: apt-get install golang-golang-x-mod-dev"
        } else {
            let home = directory();
            let program = home.path().join("reference");
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let mut go = Command::new("go");
            go.args(["build", "-o"]).arg(&program).arg(source());
            go.env("GO111MODULE", "off")
                .env("GOPATH", PACKAGES)
                .env("GOFLAGS", "")
                .env("GOENV", "off");
            let output = go.env("GOCACHE", kept.join("go")).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            return Some(Self { program, home });
        };
        let required = std::env::var("REATTEST_ORACLES").is_ok_and(|value| value == "required");
        assert!(!required, "{missing}");
        skip("logs read by the Go checksum database's packages", missing);
        None
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes each text to a file, and asks; the first words stay as they are.
    fn ask(&self, words: &[&str], files: &[&[u8]]) -> Output {
        let mut asked = Command::new(&self.program);
        asked.args(words);
        for (n, bytes) in files.iter().enumerate() {
            asked.arg(self.write(&format!("file-{n}"), bytes));
        }
        asked.output().unwrap()
    }

    fn accepts(&self, words: &[&str], files: &[&[u8]]) -> bool {
        judged(&self.ask(words, files))
    }

    /// Writes a log as it would be served, and has it read.
    fn reads(&self, log: &TiledLog, files: &BTreeMap<String, Vec<u8>>) -> Output {
        let size = log.entries.len() as u64;
        let served = self.home.path().join("log");
        std::fs::remove_dir_all(&served).ok();
        self.write("log/checkpoint", log.signed(size).as_bytes());
        for (path, bytes) in files {
            self.write(&format!("log/{path}"), bytes);
        }
        self.ask(&["tiles", &vkey(log), served.to_str().unwrap()], &[])
    }
}

/// Whether Go reads a node's own log directory: every tile, entry and head in it.
pub(crate) fn go_reads(vkey: &str, directory: &Path) -> Option<bool> {
    let reference = Reference::build()?;
    Some(judged(&reference.ask(&["tiles", vkey, directory.to_str().unwrap()], &[])))
}

/// Whether Go takes the entry as proven in the log of this verifier key.
pub(crate) fn go_proves(vkey: &str, proof: &[u8], entry: &[u8]) -> Option<bool> {
    let reference = Reference::build()?;
    Some(reference.accepts(&["proof", vkey], &[proof, entry]))
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles/tlog/main.go")
}

/// Accepted or refused; anything else says nothing about us.
fn judged(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => true,
        code => {
            assert!(code == Some(1) && said.starts_with("refused:"), "{code:?}: {said}");
            false
        }
    }
}

fn vkey(log: &TiledLog) -> String {
    log.origin().vkey(&log.public()).unwrap()
}

/// A log of real envelopes; the same bytes each time.
fn envelopes(count: usize) -> TiledLog {
    let key = rebuilder('a', '1');
    let mut rebuild = rebuild(outcome(P, file('F'), '+'));
    let entries = (0..count).map(|n| {
        rebuild.facts.invocation = format!("run {n}");
        let payload = rebuild.to_payload(&key.public_key()).unwrap();
        Envelope::sign(payload, &key).unwrap().as_bytes().to_vec()
    });
    let entries = entries.collect();
    TiledLog::new(key, entries)
}

fn lines(hashes: &[Digest]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash.as_bytes())).collect()
}

/// A text with a word put for another, which must be there.
fn changed(text: &str, word: &str, by: &str) -> Vec<u8> {
    assert!(text.contains(word), "{word} is not in {text}");
    text.replace(word, by).into_bytes()
}

/// A note whose last line has one bit of one byte of its signature changed.
fn bit_of_last_line(note: &str, byte: usize) -> Vec<u8> {
    let (rest, blob) = note.trim_end().rsplit_once(' ').unwrap();
    let mut blob = STANDARD.decode(blob).unwrap();
    blob[byte] ^= 1;
    format!("{rest} {}\n", STANDARD.encode(blob)).into_bytes()
}

fn last_line(note: &str) -> &str {
    note.lines().last().unwrap()
}

#[test]
fn go_accepts_our_heads_and_refuses_changed_ones() {
    let Some(reference) = Reference::build() else { return };
    let log = envelopes(5);
    let (key, head) = (vkey(&log), log.signed(5));
    let accepts = |note: &[u8]| reference.accepts(&["head", &key], &[note]);
    assert!(accepts(head.as_bytes()));
    let cosigned = head.cosign("witness.example", &rebuilder('b', '1'), at(NOW)).unwrap();
    assert!(accepts(cosigned.as_bytes()), "with a line of somebody else");
    assert!(!accepts(&changed(head.as_str(), "\n5\n", "\n6\n")));
    assert!(!accepts(&changed(head.as_str(), "/2026\n5", "/2027\n5")));
    assert!(!accepts(&bit_of_last_line(head.as_str(), 4)));
    assert!(!accepts(&bit_of_last_line(head.as_str(), 3)), "another key id");
    let other = TiledLog::new(rebuilder('c', '1'), log.entries.clone());
    assert!(!accepts(other.signed(5).as_bytes()));
}

#[test]
fn go_accepts_our_cosignatures_and_refuses_changed_ones() {
    let Some(reference) = Reference::build() else { return };
    let (log, name, key) = (envelopes(5), "witness.example/w1", rebuilder('b', '1'));
    let witness = WitnessKey::new(name, key.public_key()).unwrap().to_string();
    let (log_key, moment) = (vkey(&log), at(NOW));
    let ask = |note: &[u8]| reference.ask(&["cosigned", &log_key, &witness], &[note]);
    let refuses = |note: &[u8]| !judged(&ask(note));
    let head = log.signed(5).cosign(name, &key, moment).unwrap();
    let answer = ask(head.as_bytes());
    assert!(judged(&answer));
    assert_eq!(String::from_utf8_lossy(&answer.stdout), format!("{NOW}\n"));
    // Others' lines beside it, and an older one of its own: the newest stands first.
    let beside = log.signed(5).cosign("another", &rebuilder('c', '1'), at(1)).unwrap();
    let older = beside.cosign(name, &key, at(NOW - 1)).unwrap();
    let merged = older.with_signatures_of(&head).unwrap();
    let answer = ask(merged.as_bytes());
    assert!(judged(&answer));
    assert_eq!(String::from_utf8_lossy(&answer.stdout), format!("{NOW}\n"));

    for (byte, what) in [(3, "key id"), (11, "time"), (12, "signature"), (75, "signature's end")] {
        assert!(refuses(&bit_of_last_line(head.as_str(), byte)), "{what}");
    }
    let moved = format!("{}{}\n", log.signed(4).as_str(), last_line(head.as_str()));
    assert!(refuses(moved.as_bytes()), "on another head");
    assert!(refuses(&changed(head.as_str(), "example/w1", "example/w2")), "another name");
    assert!(refuses(log.signed(5).as_bytes()), "no line at all");
    let typed = log_key.replace(&log.origin().to_string(), name);
    assert!(!reference.accepts(&["cosigned", &log_key, &typed], &[head.as_bytes()]), "type 0x01");
}

#[test]
fn go_accepts_our_tlog_proofs_and_refuses_changed_ones() {
    let Some(reference) = Reference::build() else { return };
    let (log, one) = (envelopes(300), envelopes(1));
    let key = vkey(&log);
    let accepts = |text: &[u8], entry: &[u8]| reference.accepts(&["proof", &key], &[text, entry]);
    assert!(accepts(one.proof(0, one.signed(1)).to_text().as_bytes(), &one.entries[0]));
    for (index, size) in [(0, 300), (255, 256), (255, 257), (256, 300), (299, 300)] {
        let entry = &log.entries[usize::try_from(index).unwrap()];
        assert!(accepts(log.proof(index, log.signed(size)).to_text().as_bytes(), entry));
    }
    let head = log.signed(300).cosign("w", &rebuilder('b', '1'), at(NOW)).unwrap();
    let (text, entry) = (log.proof(41, head).to_text(), log.entries[41].clone());
    assert!(accepts(text.as_bytes(), &entry));
    assert!(!accepts(text.as_bytes(), &log.entries[42]));
    assert!(!accepts(&changed(&text, "index 41", "index 40"), &entry));
    assert!(!accepts(&changed(&text, "index 41", "index 300"), &entry));
    let hashes: Vec<&str> = text.lines().skip(2).take_while(|line| !line.is_empty()).collect();
    assert_eq!(hashes.len(), 9);
    assert!(!accepts(&changed(&text, &format!("{}\n", hashes[4]), ""), &entry));
    assert!(!accepts(&changed(&text, hashes[0], hashes[1]), &entry));
    assert!(!accepts(&changed(&text, hashes[8], &format!("{0}\n{0}", hashes[8])), &entry));
    let older = log.signed(299);
    let under_another =
        text.split_once("\n\n").map(|(path, _)| format!("{path}\n\n{}", older.as_str()));
    assert!(!accepts(under_another.unwrap().as_bytes(), &entry));
}

#[test]
fn go_accepts_our_consistency_proofs_and_refuses_changed_ones() {
    let Some(reference) = Reference::build() else { return };
    let log = envelopes(300);
    let key = vkey(&log);
    let accepts = |old: &SignedCheckpoint, new: &SignedCheckpoint, proof: &ConsistencyProof| {
        let hashes = lines(&proof.hashes).join("\n");
        let files = [old.as_bytes(), new.as_bytes(), hashes.as_bytes()];
        reference.accepts(&["growth", &key], &files)
    };
    for (old, new) in [(1, 1), (1, 300), (7, 8), (128, 256), (255, 300), (256, 300), (300, 300)] {
        let proof = log.consistency(old, new);
        assert!(accepts(&log.signed(old), &log.signed(new), &proof), "{old} {new}");
    }
    let (old, new, proof) = (log.signed(41), log.signed(300), log.consistency(41, 300));
    assert!(!accepts(&new, &old, &proof), "a log that shrank");
    assert!(!accepts(&log.signed(42), &new, &proof), "from another size");
    assert!(!accepts(&old, &log.signed(299), &proof), "to another size");
    assert!(!accepts(&old, &new, &ConsistencyProof { hashes: Vec::new() }), "nothing");
    let mut fork = log.entries.clone();
    fork[40].push(b' ');
    let fork = TiledLog::new(rebuilder('a', '1'), fork);
    assert!(!accepts(&fork.signed(41), &new, &proof), "a fork");
    assert!(!accepts(&old, &fork.signed(300), &fork.consistency(41, 300)), "a fork");
    for at in 0..proof.hashes.len() {
        let mut less = proof.clone();
        less.hashes.remove(at);
        assert!(!accepts(&old, &new, &less), "without hash {at}");
    }
}

#[test]
fn go_reads_our_tiles_and_proves_from_them_what_we_prove() {
    let Some(reference) = Reference::build() else { return };
    // One entry, below, at and above a full tile, and a tree of three levels of tiles.
    let long = TiledLog::of(65_536 + 300, "a long log");
    for log in [envelopes(1), envelopes(255), envelopes(256), envelopes(300), long] {
        let size = log.entries.len() as u64;
        let output = reference.reads(&log, &log.files);
        assert!(judged(&output), "a log of {size}");
        let mut proofs = 0;
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let mut words = line.split(' ');
            let (what, n) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
            let ours = match what {
                "record" => log.inclusion(n, size).hashes,
                _ => log.consistency(n, size).hashes,
            };
            assert_eq!(words.collect::<Vec<_>>(), lines(&ours), "{what} {n} of {size}");
            proofs += 1;
        }
        assert!(proofs >= 2 * size.min(900), "{proofs} proofs of a log of {size}");
    }
}

#[test]
fn go_refuses_tiles_that_are_not_those_of_the_head() {
    let Some(reference) = Reference::build() else { return };
    let log = envelopes(300);
    for (path, bytes) in &log.files {
        for place in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut files = log.files.clone();
            files.get_mut(path).unwrap()[place] ^= 1;
            assert!(!judged(&reference.reads(&log, &files)), "byte {place} of {path}");
        }
        let mut files = log.files.clone();
        files.get_mut(path).unwrap().pop();
        assert!(!judged(&reference.reads(&log, &files)), "{path}, cut short");
    }
    // The right bytes at another path.
    let mut files = log.files.clone();
    let partial = files.remove(&tile_path(0, 1, 44)).unwrap();
    files.insert(tile_path(0, 1, 45), partial);
    assert!(!judged(&reference.reads(&log, &files)));
}

#[test]
fn the_reference_is_in_the_form_of_its_language() {
    let Ok(output) = Command::new("gofmt").arg("-l").arg(source()).output() else {
        skip("the form of the Go program", "gofmt is not installed");
        return;
    };
    assert!(output.status.success() && output.stdout.is_empty(), "run gofmt -w on it");
}
