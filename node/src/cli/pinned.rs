//! What `check` and `scan` share: who is asked, what is exempt, and how the answer is written.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reattest_attestation::policy::Door;
use reattest_attestation::{Conclusion, Policy, Question, Timestamp, Verdict};
use reattest_rebuilder::retention::Age;

use super::deciding::Deciding;
use super::verify::EvidenceFrom;
use super::{Exit, output, pinned_table};
use crate::clock;
use crate::decisions::{Effect, Why};
use crate::doors::client;
use crate::fault::Fault;
use crate::limits::{EXEMPTIONS_BYTES, PINS_AT_ONCE};
use crate::lockfiles::{Format, Pins};
use crate::pins::{self, Answer, Checked, Exemptions, Judged, Report, Row};
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
    #[command(flatten)]
    ratchet: Ratchet,
    /// Decides as the policy's environment for the door `check` says, and records each decision.
    #[arg(long, conflicts_with_all = ["init", "tighten"])]
    decide: bool,
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

/// The exemptions, and what is done to them.
#[derive(Debug, Args)]
struct Ratchet {
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
        // A door hears what was decided, and no exemption from it.
        let exemptions = if self.decide { Exemptions::default() } else { self.read_exemptions()? };
        let judged = self.judge(config, named)?;
        let exemptions = if self.ratchet.init {
            self.write_new(&judged)?
        } else if self.ratchet.tighten {
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
        let asker = if self.decide {
            Asker::Decides(Box::new(Deciding::open(&self.evidence, config, Door::Check)?))
        } else {
            Asker::judging(&self.evidence, config)?
        };
        let judge = |named: Named| {
            let Named { file, pins: Pins { format, pins, notes } } = named;
            let judged = pins::judge(pins, |questions| asker.ask(questions))?;
            Ok(OfFile { file, format, notes, judged })
        };
        named.into_iter().map(judge).collect()
    }

    fn read_exemptions(&self) -> Result<Exemptions, Fault> {
        let shown = self.ratchet.exemptions.display().to_string();
        let file = match File::open(&self.ratchet.exemptions) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.is_default() => {
                return Ok(Exemptions::default());
            }
            Err(error) => return Err(Fault::new(shown, error)),
        };
        if self.ratchet.init {
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
        self.ratchet.init || self.ratchet.exemptions == Path::new(EXEMPTIONS)
    }

    fn write_new(&self, judged: &[OfFile]) -> Result<Exemptions, Fault> {
        let seconds = i64::try_from(self.ratchet.expires.0.as_secs()).unwrap_or(i64::MAX);
        let expires = Timestamp::from_unix(clock::now().as_unix().saturating_add(seconds));
        let exemptions = Exemptions::of(pairs(judged), &self.ratchet.reason, expires);
        let text = exemptions.to_text().map_err(Fault::text)?;
        // What would not be read again is not written.
        Exemptions::parse(text.as_bytes()).map_err(|error| Fault::text(error.to_string()))?;
        setup::write_new(&self.ratchet.exemptions, text.as_bytes(), 0o644)?;
        output::note(&format!(
            "wrote {} with {} exemptions until {expires}",
            self.ratchet.exemptions.display(),
            exemptions.count()
        ));
        Ok(exemptions)
    }

    fn write_tightened(&self, old: Exemptions, judged: &[OfFile]) -> Result<Exemptions, Fault> {
        let all: Vec<(Format, &Judged)> = pairs(judged).collect();
        let (exemptions, removed) = old.tightened(&all);
        if removed > 0 {
            let text = exemptions.to_text().map_err(Fault::text)?;
            replace(&self.ratchet.exemptions, text.as_bytes())?;
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
        report.files.iter().for_each(pinned_table::show);
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

/// Who answers.
enum Asker {
    /// The policy's quorum and rules alone.
    Judges { policy: Box<Policy>, source: Source, socket: Option<PathBuf> },
    /// A door.
    Decides(Box<Deciding>),
}

impl Asker {
    fn judging(evidence: &EvidenceFrom, config: Option<&Path>) -> Result<Self, Fault> {
        let (policy, source) = evidence.open(config)?;
        // A running node judges by its own policy; any other judges here.
        let socket = match &source {
            Source::Node(config) if evidence.is_of_node() => Some(config.service_socket()),
            _ => None,
        };
        Ok(Self::Judges { policy: Box::new(policy), source, socket })
    }

    fn ask(&self, questions: &[Question]) -> Result<Vec<Answer>, Fault> {
        let bar = bar("judging", questions.len());
        let mut told = |done: usize| bar.set_position(done as u64);
        let answers = match self {
            Self::Decides(door) => {
                door.decide(questions)?.into_iter().map(Answer::Decision).collect()
            }
            Self::Judges { policy, source, socket } => {
                let asked = socket.as_deref().map(|at| client::verdicts(at, questions, &mut told));
                let verdicts = match asked.transpose()?.flatten() {
                    Some(verdicts) => verdicts,
                    None => judge_here(policy, source, questions, &mut told)?,
                };
                verdicts.into_iter().map(Answer::Verdict).collect()
            }
        };
        bar.finish_and_clear();
        Ok(answers)
    }
}

/// Judges by the logs on disk or a bundle, opened once.
fn judge_here(
    policy: &Policy,
    source: &Source,
    questions: &[Question],
    told: &mut dyn FnMut(usize),
) -> Result<Vec<Verdict>, Fault> {
    let source = source.held()?;
    let mut verdicts = Vec::with_capacity(questions.len());
    for question in questions {
        verdicts.push(query::judge(policy, &source, question)?);
        if verdicts.len().is_multiple_of(PINS_AT_ONCE) {
            told(verdicts.len());
        }
    }
    Ok(verdicts)
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
    let failing = || report.files.iter().flat_map(|file| &file.pins).filter(|row| row.fails());
    let has = |wanted| failing().any(|row| row.verdict == Some(wanted));
    if report.passes {
        Exit::Fine
    } else if has(Conclusion::Rejected) {
        Exit::Rejected
    } else if failing().any(could_not_be_decided) {
        Exit::Fault
    } else {
        Exit::Inconclusive
    }
}

/// Whether a door stays shut for want of a verdict or of a record.
fn could_not_be_decided(row: &Row) -> bool {
    let faults = [Why::Misconfigured, Why::Unavailable, Why::Unusable, Why::Unrecorded];
    row.decisions.iter().any(|told| told.effect == Effect::Refused && faults.contains(&told.why))
}
