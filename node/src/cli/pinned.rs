//! What `check` and `scan` share: who is asked, what is exempt, and how the answer is written.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reattest_attestation::{Conclusion, Policy, Question, Timestamp, Verdict};
use reattest_rebuilder::retention::Age;

use super::output::{BAD, BOLD, DIM, GOOD, UNSURE, styled};
use super::verify::EvidenceFrom;
use super::{Exit, output, render};
use crate::clock;
use crate::doors::client;
use crate::fault::Fault;
use crate::limits::{EXEMPTIONS_BYTES, PINS_AT_ONCE};
use crate::lockfiles::{Format, Pins};
use crate::pins::{self, Checked, Exemptions, Judged, Report, Row};
use crate::query::{self, Source};
use crate::setup;

/// Where exemptions are, where nobody says it.
const EXEMPTIONS: &str = "reattest-exemptions.toml";

/// What is pinned, and where.
pub(super) struct Named {
    pub(super) file: String,
    pub(super) pins: Pins,
}

/// How pins are judged, and what is made of it.
#[derive(Debug, Args)]
pub(super) struct Judging {
    #[command(flatten)]
    evidence: EvidenceFrom,
    /// Pins that may pass unverified; read where it exists.
    #[arg(long, value_name = "FILE", default_value = EXEMPTIONS)]
    exemptions: PathBuf,
    /// Writes the exemptions: all pins of which not enough is known today. Those that are rejected get none.
    #[arg(long, conflicts_with = "tighten")]
    init: bool,
    /// Takes out the exemptions that no pin needs any more.
    #[arg(long)]
    tighten: bool,
    /// Why they may pass.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "init",
        default_value = "not verified when the ratchet was set"
    )]
    reason: String,
    /// For how long they may pass.
    #[arg(long, value_name = "TIME", requires = "init", default_value = "90d")]
    expires: Age,
    /// Writes a SARIF 2.1.0 document as well.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Writes a JUnit document as well.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

/// What was judged of one file.
struct OfFile {
    file: String,
    format: Format,
    notes: Vec<String>,
    judged: Vec<Judged>,
}

impl Judging {
    pub(super) fn run(&self, config: Option<&Path>, named: Vec<Named>) -> Result<Exit, Fault> {
        let exemptions = self.read_exemptions()?;
        let judged = self.judge(config, named)?;
        let exemptions = if self.init {
            self.write_new(&judged)?
        } else if self.tighten {
            self.write_tightened(exemptions, &judged)?
        } else {
            exemptions
        };
        let now = clock::now();
        let checked = |one: OfFile| {
            let OfFile { file, format, notes, judged } = one;
            Checked::of((file, format), notes, judged, &exemptions, now)
        };
        let report = Report::of(judged.into_iter().map(checked).collect());
        self.write(&report)?;
        Ok(exit(&report))
    }

    fn judge(&self, config: Option<&Path>, named: Vec<Named>) -> Result<Vec<OfFile>, Fault> {
        let (policy, source) = self.evidence.open(config)?;
        // A running node judges by its own policy; any other judges here.
        let socket = match &source {
            Source::Node(config) if self.evidence.is_of_node() => Some(config.service_socket()),
            _ => None,
        };
        let asker = Asker { policy, source, socket };
        let judge = |named: Named| {
            let Named { file, pins: Pins { format, pins, notes } } = named;
            let judged = pins::judge(pins, |questions| asker.ask(questions))?;
            Ok(OfFile { file, format, notes, judged })
        };
        named.into_iter().map(judge).collect()
    }

    fn read_exemptions(&self) -> Result<Exemptions, Fault> {
        let shown = self.exemptions.display().to_string();
        let file = match File::open(&self.exemptions) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.is_default() => {
                return Ok(Exemptions::default());
            }
            Err(error) => return Err(Fault::new(shown, error)),
        };
        if self.init {
            return Err(Fault::text(format!(
                "{shown} exists already, and --init would let new pins pass; remove it first, or use --tighten"
            )));
        }
        let mut bytes = Vec::new();
        let limit = (EXEMPTIONS_BYTES as u64).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes).map_err(|error| Fault::new(&shown, error))?;
        Exemptions::parse(&bytes).map_err(|error| Fault::new(shown, error))
    }

    /// Whether no file needs to be there.
    fn is_default(&self) -> bool {
        self.init || self.exemptions == Path::new(EXEMPTIONS)
    }

    fn write_new(&self, judged: &[OfFile]) -> Result<Exemptions, Fault> {
        let seconds = i64::try_from(self.expires.0.as_secs()).unwrap_or(i64::MAX);
        let expires = Timestamp::from_unix(clock::now().as_unix().saturating_add(seconds));
        let exemptions = Exemptions::of(pairs(judged), &self.reason, expires);
        let text = exemptions.to_text().map_err(Fault::text)?;
        // What would not be read again is not written.
        Exemptions::parse(text.as_bytes()).map_err(|error| Fault::text(error.to_string()))?;
        setup::write_new(&self.exemptions, text.as_bytes(), 0o644)?;
        output::note(&format!(
            "wrote {} with {} exemptions until {expires}",
            self.exemptions.display(),
            exemptions.count()
        ));
        Ok(exemptions)
    }

    fn write_tightened(&self, old: Exemptions, judged: &[OfFile]) -> Result<Exemptions, Fault> {
        let all: Vec<(Format, &Judged)> = pairs(judged).collect();
        let (exemptions, removed) = old.tightened(&all);
        if removed > 0 {
            let text = exemptions.to_text().map_err(Fault::text)?;
            replace(&self.exemptions, text.as_bytes())?;
        }
        let left = exemptions.count();
        output::note(&format!("{removed} exemptions taken out, {left} are left"));
        Ok(exemptions)
    }

    fn write(&self, report: &Report) -> Result<(), Fault> {
        if let Some(path) = &self.sarif {
            let text = serde_json::to_vec_pretty(&pins::sarif(report))
                .map_err(|error| Fault::new("the SARIF document cannot be written", error))?;
            replace(path, &text)?;
        }
        if let Some(path) = &self.junit {
            replace(path, pins::junit(report)?.as_bytes())?;
        }
        if self.json {
            return output::json(report);
        }
        report.files.iter().for_each(show);
        Ok(())
    }
}

fn pairs(judged: &[OfFile]) -> impl Iterator<Item = (Format, &Judged)> {
    judged.iter().flat_map(|file| file.judged.iter().map(|one| (file.format, one)))
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let fail = |error: std::io::Error| Fault::new(path.display().to_string(), error);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}

/// Who judges.
struct Asker {
    policy: Policy,
    source: Source,
    socket: Option<PathBuf>,
}

impl Asker {
    fn ask(&self, questions: &[Question]) -> Result<Vec<Verdict>, Fault> {
        let bar = bar("judging", questions.len());
        let mut told = |done: usize| bar.set_position(done as u64);
        if let Some(socket) = &self.socket
            && let Some(verdicts) = client::verdicts(socket, questions, &mut told)?
        {
            bar.finish_and_clear();
            return Ok(verdicts);
        }
        // Opened once, whether a node runs on them or not.
        let source = self.source.held()?;
        let mut verdicts = Vec::with_capacity(questions.len());
        for question in questions {
            verdicts.push(query::judge(&self.policy, &source, question)?);
            if verdicts.len().is_multiple_of(PINS_AT_ONCE) {
                told(verdicts.len());
            }
        }
        bar.finish_and_clear();
        Ok(verdicts)
    }
}

fn bar(what: &'static str, count: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(count as u64), output::bars());
    // The template is a constant; where it were wrong, the usual bar is shown.
    if let Ok(style) = ProgressStyle::with_template("  {msg} {bar:30} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

/// A spinner that names each file that is read.
pub(super) fn hashing() -> (ProgressBar, impl FnMut(&Path)) {
    let bar = ProgressBar::with_draw_target(None, output::bars());
    bar.enable_steady_tick(Duration::from_millis(120));
    let shown = bar.clone();
    (bar, move |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        shown.set_message(format!("reading {name}"));
    })
}

fn exit(report: &Report) -> Exit {
    match (report.passes, report.files.iter().any(|file| file.rejected > 0)) {
        (true, _) => Exit::Fine,
        (false, true) => Exit::Rejected,
        (false, false) => Exit::Inconclusive,
    }
}

/// How bad: the worst comes first in the table.
fn rank(row: &Row) -> u8 {
    match (row.verdict, &row.exempt) {
        (Some(Conclusion::Rejected), _) => 0,
        (Some(Conclusion::Inconclusive), None) => 1,
        (Some(Conclusion::Inconclusive), Some(_)) => 2,
        (Some(Conclusion::Accepted), _) => 3,
        (None, _) => 4,
    }
}

fn cells(row: &Row) -> [String; 3] {
    let line = row.line.map(|line| format!("line {line}")).unwrap_or_default();
    let why = match (row.verdict, &row.exempt, row.reasons.as_slice()) {
        (None, ..) => "your own source; nobody publishes it".to_owned(),
        (Some(Conclusion::Accepted), ..) => quorum(row),
        (_, Some(pass), _) => format!("until {}: {}", pass.expires, pass.reason),
        (.., []) => String::new(),
        (.., [one]) => format!("found {}, needed {}", one.found, one.expected),
        (.., [one, more @ ..]) => {
            format!("found {}, needed {} (and {} more)", one.found, one.expected, more.len())
        }
    };
    [format!("{} {}", row.name, row.version), line, why]
}

fn quorum(row: &Row) -> String {
    let counts = row.verdicts.iter().map(|one| (one.quorum.have, one.quorum.of));
    counts.min().map(|(have, of)| format!("{have} of {of}")).unwrap_or_default()
}

fn show(checked: &Checked) {
    let Checked { file, accepted, rejected, inconclusive, exempt, local, .. } = checked;
    output::line(&styled(BOLD, file));
    let mut rows: Vec<&Row> = checked.pins.iter().collect();
    rows.sort_by_key(|row| rank(row));
    let cells: Vec<[String; 3]> = rows.iter().map(|row| cells(row)).collect();
    for (row, line) in rows.iter().zip(render::align(&cells)) {
        let word = match rank(row) {
            0 => styled(BAD, "rejected    "),
            1 => styled(UNSURE, "inconclusive"),
            2 => styled(DIM, "exempt      "),
            3 => styled(GOOD, "accepted    "),
            _ => styled(DIM, "local       "),
        };
        output::line(&format!("  {word}  {line}"));
    }
    for note in &checked.notes {
        output::line(&format!("  note: {note}"));
    }
    let more = |count: usize, what: &str| {
        if count > 0 { format!(", {count} {what}") } else { String::new() }
    };
    output::line(&format!(
        "  {accepted} accepted, {rejected} rejected, {inconclusive} inconclusive{}{}",
        more(*exempt, "exempt"),
        more(*local, "local"),
    ));
}
