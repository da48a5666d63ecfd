//! The hook before dpkg runs: every file that it is about to unpack is judged, and one refusal stops all.

use std::collections::BTreeSet;
use std::io::{self, Read as _};

use reattest_attestation::Digest;

use super::door::{Answer, Door, Meant, hashed};
use super::lists::Names;
use super::transaction::{Planned, Transaction};
use crate::fault::Fault;
use crate::limits::{APT_EXPLAINED, APT_TRANSACTION_BYTES};

/// What the hook found: refusals, one text each, and how many packages there were.
#[derive(Debug, Default)]
pub struct Judged {
    /// Why a package is not to be installed, with its name.
    pub refused: Vec<String>,
    /// What was allowed although it was not proven.
    pub notes: Vec<String>,
    /// All packages.
    pub packages: usize,
}

/// Judges what apt tells on standard input.
pub fn judge() -> Result<Judged, Fault> {
    let mut text = String::new();
    let fail = |error| Fault::new("what apt tells its hook cannot be read", error);
    io::stdin().lock().take(APT_TRANSACTION_BYTES).read_to_string(&mut text).map_err(fail)?;
    let transaction = Transaction::parse(&text).map_err(|error| Fault::text(error.to_string()))?;
    let mut door = Door::default();
    let config = transaction.config.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    door.configure(config);
    judge_files(&door, &transaction.files)
}

fn judge_files(door: &Door, files: &[Planned]) -> Result<Judged, Fault> {
    let mut digests = Vec::new();
    for planned in files {
        digests.push(hashed(&planned.file)?.sha256());
    }
    let wanted: BTreeSet<Digest> = digests.iter().copied().collect();
    let listed = door.listing(&wanted)?;
    let meant = |(planned, sha256): (&Planned, Digest)| {
        let names = Names {
            package: planned.package.clone(),
            version: planned.version.clone(),
            architecture: planned.architecture.clone(),
        };
        // A list that has the very bytes under other names is a mistake of its archive: no evidence
        // is about such a package, and its verdict will say so.
        let release = listed.get(&sha256).filter(|(listed, _)| *listed == names);
        let release = release.map(|(_, release)| release.clone());
        Meant { names: Some(names), release, sha256 }
    };
    let answers = door.judge(files.iter().zip(digests).map(meant).collect());
    let mut judged = Judged { packages: files.len(), ..Judged::default() };
    for (planned, answer) in files.iter().zip(answers) {
        let name = format!("{} {}", planned.package, planned.version);
        match answer {
            Answer::Allowed(None) => {}
            Answer::Allowed(Some(note)) => judged.notes.push(format!("{name}: {note}")),
            Answer::Refused(why) => judged.refused.push(format!("{name}: {why}")),
        }
    }
    Ok(judged)
}

impl Judged {
    /// What is written where the administrator looks, a line each.
    pub fn lines(&self) -> Vec<String> {
        let shown = |all: &[String]| -> Vec<String> {
            all.iter().take(APT_EXPLAINED).map(|why| format!("reattest: {why}")).collect()
        };
        let mut lines = shown(&self.notes);
        lines.extend(shown(&self.refused));
        let more = self.refused.len().saturating_sub(APT_EXPLAINED);
        if more > 0 {
            lines.push(format!("reattest: and {more} more are refused"));
        }
        if !self.refused.is_empty() {
            lines.push(format!(
                "reattest: {} of {} packages are refused, so nothing is installed",
                self.refused.len(),
                self.packages
            ));
        }
        lines
    }
}
