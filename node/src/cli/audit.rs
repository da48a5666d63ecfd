//! `reattest audit`: what was decided here, whether the log of it is whole, and whether it comes out the same again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reattest_attestation::{Digest, PublicKey, Sign};
use serde::Serialize;

use super::output::{self, BAD, BOLD, GOOD, UNSURE, styled};
use super::render::{align, verdict_lines};
use super::{Exit, load};
use crate::decisions::{self, Chain, Decided, Effect, Event, Findings, Line, Record, Replayed};
use crate::fault::Fault;
use crate::limits::DECISION_FINDINGS;
use crate::signer::custody::read_key;

/// What was decided here, and whether that can be shown.
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
    /// The directory of the decision log; without it, the one of the configuration's node.
    #[arg(long, global = true, value_name = "DIR")]
    log: Option<PathBuf>,
    /// One JSON document.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The latest records, a line each.
    List {
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 50)]
        last: usize,
        /// Only what was refused.
        #[arg(long)]
        refused: bool,
        /// Only what was let in without a verdict that lets it in.
        #[arg(long, conflicts_with = "refused")]
        owed: bool,
    },
    /// One record, with its verdict.
    Show {
        /// Its number, or `sha256:` and the beginning of its hash.
        id: String,
    },
    /// Reads the whole log, and everything that it names; the first damage ends it.
    #[command(
        after_help = "Keep the number and the hash that it prints on another machine, and give \
        them back later:\n  reattest audit verify --at 4211:9216a2e3…"
    )]
    Verify {
        /// A record that the log must have, as it was kept elsewhere.
        #[arg(long, value_name = "NUMBER:SHA256", value_parser = anchor)]
        at: Option<(u64, Digest)>,
        /// A key that may sign breakglasses, as `ssh-ed25519 AAAA...`, several times where it changed;
        /// without any, the consumer's key of the configuration.
        #[arg(long = "signer", value_name = "KEY")]
        signers: Vec<PublicKey>,
    },
    /// Draws every recorded verdict again from the recorded evidence, policy and time.
    Replay {
        /// Only this record.
        id: Option<u64>,
    },
}

fn anchor(text: &str) -> Result<(u64, Digest), String> {
    let needed = || "needed a record's number, a colon, and 64 hexadecimal digits".to_owned();
    let (number, hash) = text.split_once(':').ok_or_else(needed)?;
    let number = number.parse().map_err(|_| needed())?;
    Ok((number, hash.parse().map_err(|_| needed())?))
}

/// A record as `--json` prints it.
#[derive(Serialize)]
struct Shown<'a> {
    hash: Digest,
    #[serde(flatten)]
    record: &'a Record,
}

impl<'a> Shown<'a> {
    fn of(line: &'a Line) -> Self {
        Self { hash: line.hash, record: &line.record }
    }
}

impl Audit {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let (directory, consumer) = if let Some(directory) = &self.log {
            (directory.clone(), None)
        } else {
            let config = load(config)?;
            (decisions::directory(&config), config.consumer_key)
        };
        let chain = Chain::at(&directory);
        match &self.command {
            Command::List { last, refused, owed } => self.list(&chain, *last, |decided| {
                (!refused || decided.effect == Effect::Refused) && (!owed || decided.is_owed())
            }),
            Command::Show { id } => self.show(&chain, id),
            Command::Verify { at, signers } if !signers.is_empty() => {
                self.verify(&chain, *at, signers)
            }
            Command::Verify { at, .. } => {
                let signer = consumer.map(|path| read_key(&path)).transpose()?;
                let signer: Vec<_> = signer.iter().map(Sign::public_key).collect();
                self.verify(&chain, *at, &signer)
            }
            Command::Replay { id } => self.replay(&chain, *id),
        }
    }

    fn list(
        &self,
        chain: &Chain,
        last: usize,
        wanted: impl Fn(&Decided) -> bool,
    ) -> Result<Exit, Fault> {
        let mut lines = VecDeque::new();
        for line in chain.lines()? {
            let line = line?;
            let is_wanted = match &line.record.event {
                Event::Decision(decided) => wanted(decided),
                // Exceptions are shown among whatever is listed.
                Event::Breakglass(_) | Event::Reviewed { .. } | Event::Mended { .. } => true,
            };
            if is_wanted {
                lines.push_back(line);
            }
            if lines.len() > last {
                lines.pop_front();
            }
        }
        if self.json {
            output::json(&lines.iter().map(Shown::of).collect::<Vec<_>>())?;
            return Ok(Exit::Fine);
        }
        if lines.is_empty() {
            output::line("nothing was decided here yet");
        }
        let rows: Vec<[String; 5]> = lines.iter().map(|line| row(&line.record)).collect();
        for row in align(&rows) {
            output::line(&row);
        }
        Ok(Exit::Fine)
    }

    fn show(&self, chain: &Chain, id: &str) -> Result<Exit, Fault> {
        let line = find(chain, id)?;
        if self.json {
            output::json(&Shown::of(&line))?;
            return Ok(Exit::Fine);
        }
        let record = &line.record;
        let program = format!("reattest {}", record.version);
        output::line(&format!("record    {}, sha256:{}", record.number, line.hash));
        output::line(&format!("clock     {}, by {program}", record.clock));
        match &record.event {
            Event::Decision(decided) => {
                for line in decision(decided) {
                    output::line(&line);
                }
            }
            Event::Breakglass(one) => {
                output::line(&format!("broken    {} until {}", one.artifact, one.expires));
                output::line(&format!("by        {}", one.by));
                output::line(&format!("reason    {}", one.reason));
            }
            Event::Reviewed { breakglass, by, remark } => {
                output::line(&format!("reviewed  breakglass {breakglass}, by {by}: {remark}"));
            }
            Event::Mended { bytes, sha256 } => output::line(&format!(
                "mended    {bytes} torn bytes of sha256:{sha256} were cut off the end"
            )),
        }
        match &record.signature {
            Some(one) => output::line(&format!("signed    by {}", one.key.fingerprint())),
            None if record.is_answered_for() => output::line("signed    by nobody"),
            None => {}
        }
        Ok(Exit::Fine)
    }

    fn verify(
        &self,
        chain: &Chain,
        at: Option<(u64, Digest)>,
        signers: &[PublicKey],
    ) -> Result<Exit, Fault> {
        let findings = chain.verify(at, signers)?;
        let exit = if findings.found == 0 { Exit::Fine } else { Exit::Differs };
        if self.json {
            output::json(&findings)?;
            return Ok(exit);
        }
        let Findings { records, head, shelved, found, signed, .. } = &findings;
        output::line(&format!(
            "{}  {records} records, each with the hash of the one before; {shelved} documents by their digests",
            styled(GOOD, "whole")
        ));
        if *signed > 0 {
            output::line(&format!("signed {signed} breakglasses and reviews"));
        }
        output::line(&format!("head   {records}:{head}"));
        for finding in &findings.findings {
            output::line(&format!(
                "{}  record {}: {}",
                styled(BAD, "finding"),
                finding.record,
                finding.found
            ));
        }
        if *found > findings.findings.len() as u64 {
            output::line(&format!("{found} findings in all"));
        }
        Ok(exit)
    }

    fn replay(&self, chain: &Chain, id: Option<u64>) -> Result<Exit, Fault> {
        #[derive(Serialize)]
        struct Document {
            decisions: u64,
            same: u64,
            differs: Vec<Replayed>,
        }
        let mut document = Document { decisions: 0, same: 0, differs: Vec::new() };
        let kept = chain.shelf();
        for line in chain.lines()? {
            let record = line?.record;
            let Event::Decision(decided) = &record.event else { continue };
            if id.is_some_and(|id| id != record.number) {
                continue;
            }
            document.decisions = document.decisions.saturating_add(1);
            let replayed = decisions::replay(record.number, decided, &kept);
            if replayed.same {
                document.same = document.same.saturating_add(1);
            } else if document.differs.len() < DECISION_FINDINGS {
                document.differs.push(replayed);
            }
        }
        if let Some(id) = id.filter(|_| document.decisions == 0) {
            return Err(Fault::text(format!(
                "found no decision of number {id}; `reattest audit list` has them"
            )));
        }
        let whole = document.same == document.decisions;
        let exit = if whole { Exit::Fine } else { Exit::Differs };
        if self.json {
            output::json(&document)?;
            return Ok(exit);
        }
        let Document { decisions: all, same, differs } = &document;
        output::line(&format!("{same} of {all} decisions come out the same again"));
        for one in differs {
            let why = one.differs.join("; ");
            output::line(&format!("{}  record {}: {why}", styled(BAD, "differs"), one.record));
        }
        Ok(exit)
    }
}

/// The record of a number, or the one whose hash begins so.
fn find(chain: &Chain, id: &str) -> Result<Line, Fault> {
    let number = id.parse::<u64>().ok();
    let hash = id.strip_prefix("sha256:").filter(|hash| hash.len() >= 8);
    let mut found = None;
    for line in chain.lines()? {
        let line = line?;
        let is_it = number == Some(line.record.number)
            || hash.is_some_and(|hash| line.hash.to_string().starts_with(hash));
        if is_it {
            found = Some(line);
        }
    }
    found.ok_or_else(|| {
        Fault::text(format!(
            "found no record {id}; needed a number of `reattest audit list`, or sha256: and at least 8 digits of its hash"
        ))
    })
}

fn row(record: &Record) -> [String; 5] {
    let (what, why, about) = match &record.event {
        Event::Decision(decided) => (
            word(decided.effect),
            name(&decided.why),
            format!("{} at {}", decided.request.purl, decided.request.door),
        ),
        Event::Breakglass(one) => {
            let about = format!("{} until {}: {}", one.artifact, one.expires, one.reason);
            (styled(UNSURE, "broken"), one.by.to_string(), about)
        }
        Event::Reviewed { breakglass, by, remark } => {
            ("reviewed".to_owned(), by.to_string(), format!("breakglass {breakglass}: {remark}"))
        }
        Event::Mended { bytes, .. } => {
            ("mended".to_owned(), String::new(), format!("{bytes} torn bytes were cut off"))
        }
    };
    [record.number.to_string(), record.clock.to_string(), what, why, about]
}

fn word(effect: Effect) -> String {
    match effect {
        Effect::Allowed => styled(GOOD, "allowed"),
        Effect::Refused => styled(BAD, "refused"),
    }
}

/// The word that JSON has for it.
fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn decision(decided: &Decided) -> Vec<String> {
    let request = &decided.request;
    let environment = decided.environment.as_ref();
    let place = environment.map_or_else(
        || "no environment could be told".to_owned(),
        |one| format!("{}, {}", one.name, name(&one.mode)),
    );
    let mut lines = vec![
        format!("door      {}", request.door),
        format!("asked     {} of sha256:{}", request.purl, request.sha256),
        format!("place     {place}"),
        format!("answer    {}: {}", word(decided.effect), decided.words),
    ];
    if let Some(policy) = decided.policy {
        lines.push(format!("policy    sha256:{policy}"));
    }
    if !decided.breakglass.is_empty() {
        lines.push(format!("{} {:?}", styled(BOLD, "breakglass"), decided.breakglass));
    }
    lines.extend(decided.verdict.iter().flat_map(verdict_lines));
    lines
}
