//! `reattest check`: every pin of a lockfile before your policy.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use reattest_attestation::{Conclusion, Policy, Verdict};
use serde::Serialize;

use super::output::{BAD, BOLD, DIM, GOOD, UNSURE, styled};
use super::verify::EvidenceFrom;
use super::{Exit, output, render};
use crate::fault::Fault;
use crate::limits::PINS_FILE_BYTES;
use crate::pins::{self, Format, Judged, Pins};
use crate::query::Source;

/// The verdict of your policy on every pin of lockfiles.
#[derive(Debug, Args)]
#[command(
    after_help = "Known: Cargo.lock, package-lock.json (2 and 3), requirements.txt with hashes, \
    uv.lock, poetry.lock, pylock.toml.\nExamples:\n  reattest check Cargo.lock\n  \
    reattest check uv.lock --json\n  reattest check locked.txt --format requirements"
)]
pub(super) struct Check {
    /// Lockfiles.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Which form they have, where their names do not tell it.
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    evidence: EvidenceFrom,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    verdict: Conclusion,
    files: Vec<Checked>,
}

/// One lockfile.
#[derive(Serialize)]
struct Checked {
    file: String,
    format: Format,
    accepted: usize,
    rejected: usize,
    inconclusive: usize,
    local: usize,
    notes: Vec<String>,
    pins: Vec<Row>,
}

/// One pin.
#[derive(Serialize)]
struct Row {
    name: String,
    version: String,
    line: Option<usize>,
    /// Null for the user's own source.
    verdict: Option<Conclusion>,
    reasons: Vec<Why>,
    verdicts: Vec<Verdict>,
}

/// Why a pin is not accepted.
#[derive(Serialize)]
struct Why {
    rule: String,
    found: String,
    expected: String,
    fix: String,
}

impl Check {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        // All files are read before any is judged: a mistake in the last is told at once.
        let read: Vec<(String, Pins)> =
            self.files.iter().map(|path| self.read(path)).collect::<Result<_, _>>()?;
        let (policy, source) = self.evidence.open_for_many(config)?;
        let files: Vec<Checked> = read
            .into_iter()
            .map(|(file, pins)| checked(file, pins, &policy, &source))
            .collect::<Result<_, _>>()?;
        let verdict = worst(&files);
        if self.json {
            output::json(&Document { verdict, files })?;
        } else {
            files.iter().for_each(show);
        }
        Ok(match verdict {
            Conclusion::Accepted => Exit::Fine,
            Conclusion::Rejected => Exit::Rejected,
            Conclusion::Inconclusive => Exit::Inconclusive,
        })
    }

    fn read(&self, path: &Path) -> Result<(String, Pins), Fault> {
        let shown = path.display().to_string();
        let fail = |error| Fault::new(shown.clone(), error);
        let file = File::open(path).map_err(fail)?;
        if !file.metadata().map_err(fail)?.is_file() {
            return Err(Fault::text(format!("{shown} is not a file; name a lockfile")));
        }
        let mut bytes = Vec::new();
        // One byte more than allowed, so that the reader names the limit.
        let limit = (PINS_FILE_BYTES as u64).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes).map_err(fail)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match Pins::read(&name, &bytes, self.format) {
            Ok(pins) => Ok((shown, pins)),
            Err(error) => Err(Fault::text(format!("{shown}: {error}"))),
        }
    }
}

fn checked(file: String, pins: Pins, policy: &Policy, source: &Source) -> Result<Checked, Fault> {
    let Pins { format, pins, notes } = pins;
    let pins: Vec<Row> = pins
        .into_iter()
        .map(|pin| Ok(Row::of(pins::judge(policy, source, pin)?)))
        .collect::<Result<_, Fault>>()?;
    let count = |wanted| pins.iter().filter(|pin| pin.verdict == wanted).count();
    Ok(Checked {
        file,
        format,
        accepted: count(Some(Conclusion::Accepted)),
        rejected: count(Some(Conclusion::Rejected)),
        inconclusive: count(Some(Conclusion::Inconclusive)),
        local: count(None),
        notes,
        pins,
    })
}

/// The worst pin counts; of none, nothing is known.
fn worst(files: &[Checked]) -> Conclusion {
    if files.iter().any(|file| file.rejected > 0) {
        Conclusion::Rejected
    } else if files.iter().all(|file| file.inconclusive == 0 && file.accepted > 0) {
        Conclusion::Accepted
    } else {
        Conclusion::Inconclusive
    }
}

impl Row {
    fn of(judged: Judged) -> Self {
        let Judged { pin, conclusion, obstacles, verdicts } = judged;
        let mut reasons: Vec<Why> = obstacles
            .into_iter()
            .map(|one| Why {
                rule: "pin".to_owned(),
                found: one.found,
                expected: one.needed.to_owned(),
                fix: one.fix.to_owned(),
            })
            .collect();
        let open = verdicts.iter().filter(|one| one.verdict != Conclusion::Accepted);
        reasons.extend(open.flat_map(|verdict| &verdict.reasons).map(|one| Why {
            rule: one.rule.clone(),
            found: one.found.clone(),
            expected: one.expected.clone(),
            fix: one.fix.clone(),
        }));
        let (name, version, line) = (pin.name, pin.version, pin.line);
        Self { name, version, line, verdict: conclusion, reasons, verdicts }
    }

    /// How bad: the worst comes first in the table.
    fn rank(&self) -> u8 {
        match self.verdict {
            Some(Conclusion::Rejected) => 0,
            Some(Conclusion::Inconclusive) => 1,
            Some(Conclusion::Accepted) => 2,
            None => 3,
        }
    }

    fn cells(&self) -> [String; 3] {
        let line = self.line.map(|line| format!("line {line}")).unwrap_or_default();
        let why = match (self.verdict, self.reasons.as_slice()) {
            (None, _) => "your own source; nobody publishes it".to_owned(),
            (Some(Conclusion::Accepted), _) => self.quorum(),
            (_, []) => String::new(),
            (_, [one]) => format!("found {}, needed {}", one.found, one.expected),
            (_, [one, more @ ..]) => {
                format!("found {}, needed {} (and {} more)", one.found, one.expected, more.len())
            }
        };
        [format!("{} {}", self.name, self.version), line, why]
    }

    fn quorum(&self) -> String {
        let counts = self.verdicts.iter().map(|one| (one.quorum.have, one.quorum.of));
        counts.min().map(|(have, of)| format!("{have} of {of}")).unwrap_or_default()
    }
}

fn show(checked: &Checked) {
    let Checked { file, accepted, rejected, inconclusive, local, .. } = checked;
    output::line(&styled(BOLD, file));
    let mut rows: Vec<&Row> = checked.pins.iter().collect();
    rows.sort_by_key(|row| row.rank());
    let cells: Vec<[String; 3]> = rows.iter().map(|row| row.cells()).collect();
    for (row, line) in rows.iter().zip(render::align(&cells)) {
        let word = match row.verdict {
            Some(Conclusion::Rejected) => styled(BAD, "rejected    "),
            Some(Conclusion::Inconclusive) => styled(UNSURE, "inconclusive"),
            Some(Conclusion::Accepted) => styled(GOOD, "accepted    "),
            None => styled(DIM, "local       "),
        };
        output::line(&format!("  {word}  {line}"));
    }
    for note in &checked.notes {
        output::line(&format!("  note: {note}"));
    }
    let local = if *local > 0 { format!(", {local} local") } else { String::new() };
    output::line(&format!(
        "  {accepted} accepted, {rejected} rejected, {inconclusive} inconclusive{local}"
    ));
}
