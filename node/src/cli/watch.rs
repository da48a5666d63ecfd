//! `reattest watch`: what was let in, judged again by today's policy, keys and evidence.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use reattest_rebuilder::retention::Age;
use serde::Serialize;

use super::output::{self, BAD, GOOD, styled};
use super::{Exit, config_file};
use crate::clock;
use crate::config::Config;
use crate::decisions::watch::{self, Kind, Noticed, Told};
use crate::decisions::{self, Answered, Asked, Chain, PolicyRead, Spool};
use crate::disk::FileSystem;
use crate::fault::Fault;
use crate::limits::WATCH_EVERY;
use crate::query::Source;
use crate::store::durable;

/// Judges again what was let in, whenever policy, keys or evidence change.
#[derive(Debug, Args)]
#[command(after_help = "Exit: 0 nothing found, 3 something found (with --once), 1 a fault.\n\
    Each new finding goes to the webhook and the system's log of [alarms].")]
pub(super) struct Watch {
    /// One round, and an exit code.
    #[arg(long)]
    once: bool,
    /// Time between two rounds, e.g. `10min`.
    #[arg(long, value_name = "TIME")]
    every: Option<Age>,
    /// Writes metrics in Prometheus' text format to this file after each round.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Reads the logs on disk, and asks no running node.
    #[arg(long)]
    offline: bool,
    /// One JSON document a round.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Round {
    deployments: usize,
    findings: Vec<Noticed>,
}

impl Watch {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let path = config_file(config)?;
        loop {
            // Read anew each time: it may have been edited.
            let config = Config::load(&path)?;
            let round = self.round(&config)?;
            if self.once {
                let fine = round.findings.is_empty();
                return Ok(if fine { Exit::Fine } else { Exit::Rejected });
            }
            let every = self.every.map_or(WATCH_EVERY, |every| every.0);
            std::thread::sleep(every.max(Duration::from_secs(1)));
        }
    }

    fn round(&self, config: &Config) -> Result<Round, Fault> {
        let directory = decisions::directory(config);
        let (chain, spool) = (Chain::at(&directory), Spool::beside(&directory, &config.alarms));
        let source = if self.offline {
            Source::Disk(config.data.clone())
        } else {
            Source::Node(Box::new(config.clone()))
        };
        let asked = Asked::of(source, config);
        let round = look(&chain, &PolicyRead::file(&config.policy), &asked)?;
        self.tell(&round, &directory, &spool)?;
        for untaken in spool.deliver()? {
            let why = &untaken.why;
            output::note(&format!("alarm {} was not taken: {why}; it waits", untaken.alarm));
        }
        Ok(round)
    }

    fn tell(&self, round: &Round, directory: &Path, spool: &Spool) -> Result<(), Fault> {
        if let Some(path) = &self.metrics {
            let fail = |error| Fault::new(path.display().to_string(), error);
            durable::write(&FileSystem, path, metrics(round).as_bytes()).map_err(fail)?;
        }
        if self.json {
            output::json(round)?;
        } else {
            lines(round);
        }
        if round.deployments == 0 && round.findings.is_empty() {
            return Ok(());
        }
        let mut told = Told::beside(directory);
        for finding in round.findings.iter().filter(|finding| told.is_new(finding)) {
            let kind = finding.kind.as_str();
            tracing::warn!(event = "finding", kind, record = finding.record, "{}", finding.found);
            let name = format!("{:012}-{}", finding.record, finding.name());
            let alarm = serde_json::json!({ "alarm": "finding", "finding": finding });
            spool.put(&name, &alarm)?;
        }
        Ok(told.remember(&round.findings)?)
    }
}

fn look(chain: &Chain, policy: &PolicyRead, asked: &Asked) -> Result<Round, Fault> {
    let (deployed, dropped) = watch::deployments(chain)?;
    let (mut findings, kept) = (Vec::new(), chain.shelf());
    if dropped > 0 {
        let what = format!("{dropped} decisions are about more files than are watched");
        findings.push(Noticed::general(Kind::TooMany, what));
    }
    if let Err(why) = policy.policy() {
        // Once, and not once for each deployment.
        findings.push(Noticed::general(Kind::Configuration, why.to_owned()));
        return Ok(Round { deployments: deployed.len(), findings });
    }
    let mut silent = None;
    for (number, decided) in &deployed {
        let answered = match &silent {
            None => asked.ask(&decided.request),
            Some(why) => Answered::Unavailable(String::clone(why)),
        };
        if let Answered::Unavailable(why) = &answered {
            if silent.is_none() {
                findings.push(Noticed::general(Kind::NoEvidence, why.clone()));
            }
            silent = Some(why.clone());
            continue;
        }
        let again = (*number, decided);
        findings.extend(watch::look_again(policy, again, answered, &kept, clock::now()));
    }
    Ok(Round { deployments: deployed.len(), findings })
}

fn lines(round: &Round) {
    for finding in &round.findings {
        let Noticed { kind, record, purl, found, .. } = finding;
        let purl =
            purl.as_ref().map_or_else(String::new, |purl| format!(" {purl} (record {record})"));
        output::line(&format!("{}  {}{purl}: {found}", styled(BAD, "finding"), kind.as_str()));
    }
    let (count, found) = (round.deployments, round.findings.len());
    let word = if found == 0 { styled(GOOD, "nothing found") } else { format!("{found} findings") };
    output::line(&format!("{word}; {count} files that were let in were judged again"));
}

fn metrics(round: &Round) -> String {
    let mut text = format!(
        "# HELP reattest_watch_deployments How many files that were let in are judged again?\n\
         # TYPE reattest_watch_deployments gauge\nreattest_watch_deployments {}\n\
         # HELP reattest_watch_round_seconds When did the last round end?\n\
         # TYPE reattest_watch_round_seconds gauge\nreattest_watch_round_seconds {}\n\
         # HELP reattest_watch_findings What does not hold any more?\n\
         # TYPE reattest_watch_findings gauge\n",
        round.deployments,
        clock::now().as_unix()
    );
    for kind in Kind::ALL {
        let count = round.findings.iter().filter(|finding| finding.kind == kind).count();
        let kind = kind.as_str();
        let _written = writeln!(text, "reattest_watch_findings{{kind=\"{kind}\"}} {count}");
    }
    text
}
