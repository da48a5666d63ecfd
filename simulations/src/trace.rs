//! What happened: a digest of all of it, the last lines of it, and figures.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use reattest_attestation::{Digest, Digester};

use crate::odds::Millis;

/// Lines that a failure shows.
const SHOWN: usize = 40;

/// The trace of a run. Every line is hashed; the last ones are kept.
#[derive(Debug)]
pub struct Trace {
    digester: Digester,
    last: VecDeque<String>,
    knew: VecDeque<String>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { digester: Digester::new(), last: VecDeque::new(), knew: VecDeque::new() }
    }
}

impl Trace {
    /// Writes a line.
    pub fn line(&mut self, at: Millis, what: &dyn fmt::Display) {
        let line = format!("{:>7}.{:03} {what}", at / 1000, at % 1000);
        self.digester.update(line.as_bytes());
        self.digester.update(b"\n");
        if self.last.len() == SHOWN {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Somebody knows something since now; no part of the digest.
    pub fn knows(&mut self, at: Millis, what: &dyn fmt::Display) {
        if self.knew.len() == SHOWN {
            self.knew.pop_front();
        }
        self.knew.push_back(format!("{:>7}.{:03} {what}", at / 1000, at % 1000));
    }

    /// Who knew what, the last of it.
    pub fn knew(&self) -> Vec<String> {
        self.knew.iter().cloned().collect()
    }

    /// The last lines.
    pub fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    /// The digest of all lines.
    pub fn digest(&self) -> Digest {
        self.digester.clone().finish()
    }
}

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Virtual milliseconds in all.
    pub lasted: Millis,
    /// Virtual milliseconds from the end of faults until all held the same.
    pub converged: Millis,
    /// What kept them from it to the end.
    pub last_missing: String,
    /// Things that happened.
    pub events: u64,
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that came, repeated ones included.
    pub came: u64,
    /// Nodes that lost their power.
    pub crashes: u64,
    /// Disks that were full for a while.
    pub full: u64,
    /// Disks that came back old.
    pub restored: u64,
    /// Nodes over an old disk that saw it and stopped.
    pub held: u64,
    /// Clocks that were set, forth or back.
    pub clocks: u64,
    /// Keys that were revoked or rotated.
    pub keys: u64,
    /// Keys of operators whom nobody knows, that were shown around.
    pub sybils: u64,
    /// Partitions.
    pub splits: u64,
    /// Entries that honest nodes logged.
    pub entries: usize,
    /// Lies that the liar told.
    pub lies: u64,
    /// Verdicts that consumers were given, by their word.
    pub verdicts: BTreeMap<String, u64>,
    /// What was refused, and of whom: a liar or an honest node.
    pub refused: BTreeMap<(&'static str, &'static str), u64>,
    /// The digest of the whole trace.
    pub digest: Option<Digest>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "lasted     {} virtual ms; all held the same {} ms after faults stopped",
            self.lasted, self.converged
        )?;
        writeln!(
            f,
            "happened   {} events, {} crashes, {} partitions",
            self.events, self.crashes, self.splits
        )?;
        writeln!(
            f,
            "disks      {} full for a while, {} came back old, {} nodes stopped over an old one; {} clocks set, {} keys ended, {} Sybils",
            self.full, self.restored, self.held, self.clocks, self.keys, self.sybils
        )?;
        writeln!(f, "messages   {} sent, {} came", self.sent, self.came)?;
        writeln!(
            f,
            "logged     {} entries of honest nodes; {} lies were told",
            self.entries, self.lies
        )?;
        if !self.last_missing.is_empty() {
            writeln!(f, "at last    {}", self.last_missing)?;
        }
        let verdicts = self.verdicts.iter().map(|(word, times)| format!("{times} {word}"));
        let verdicts: Vec<String> = verdicts.collect();
        writeln!(f, "verdicts   {}", verdicts.join(", "))?;
        for ((whose, what), times) in &self.refused {
            writeln!(f, "refused    {times} times of {whose}: {what}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "trace      sha256:{digest}"),
            None => write!(f, "trace      none"),
        }
    }
}
