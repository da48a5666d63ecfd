//! `reattest policy`: what a policy says, before it judges anything.

mod cases;
mod diff;
mod explain;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reattest_attestation::limits::POLICY_MAX;
use reattest_attestation::policy::{Group, Member, MetaPolicy};
use reattest_attestation::verdict::Reason;
use serde::Serialize;

use super::{Exit, config_file, load, output};
use crate::clock;
use crate::config::Config;
use crate::decisions;
use crate::fault::Fault;
use crate::setup;

/// Checks a policy before it judges anything.
#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Reads a policy, refuses its mistakes with line and column, runs its test cases, and tells what it asks.
    Check {
        /// The policy; without it, the one that the configuration names.
        file: Option<PathBuf>,
        /// A policy about policies that this one must keep.
        #[arg(long, value_name = "FILE")]
        meta: Option<PathBuf>,
        /// Test cases; without it, NAME.cases.toml beside NAME.toml, where it is there.
        #[arg(long, value_name = "FILE")]
        cases: Option<PathBuf>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// What a new policy would have decided otherwise, of all that was decided here.
    #[command(
        after_help = "Each recorded request is judged by both policies, on the evidence and at the \
        time of its record. Exit 0 where nothing changes, 11 where something does."
    )]
    Diff {
        /// The policy as it is.
        old: PathBuf,
        /// The policy as it would be.
        new: PathBuf,
        /// The directory of the decision log; without it, the one of the configuration's node.
        #[arg(long, value_name = "DIR")]
        log: Option<PathBuf>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Says in plain words what a policy accepts, and where.
    Explain {
        /// The policy; without it, the one that the configuration names.
        file: Option<PathBuf>,
    },
}

#[derive(Serialize)]
struct Summary {
    policy: String,
    network: String,
    expires: String,
    operators: usize,
    voters: usize,
    quorum: String,
    fewest: usize,
    max_dissent: usize,
    environments: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Vec<Reason>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cases: Option<Vec<cases::Outcome>>,
}

impl Policy {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let at = |file: &Option<PathBuf>| -> Result<PathBuf, Fault> {
            match file {
                Some(path) => Ok(path.clone()),
                None => Ok(Config::load(&config_file(config)?)?.policy),
            }
        };
        match &self.action {
            Action::Check { file, meta, cases, json } => {
                check(&at(file)?, meta.as_deref(), cases.as_deref(), *json)
            }
            Action::Diff { old, new, log, json } => {
                let log = match log {
                    Some(directory) => directory.clone(),
                    None => decisions::directory(&load(config)?),
                };
                diff::run(old, new, &log, *json)
            }
            Action::Explain { file } => {
                for line in explain::lines(&setup::policy_in_force(&at(file)?)?) {
                    output::line(&line);
                }
                Ok(Exit::Fine)
            }
        }
    }
}

/// A policy that breaks the meta-policy, or that answers a case otherwise, is refused (exit 3); a
/// mistake in a file is a fault (exit 1).
fn check(
    path: &Path,
    meta: Option<&Path>,
    cases: Option<&Path>,
    json: bool,
) -> Result<Exit, Fault> {
    let policy = setup::policy_in_force(path)?;
    let names: Vec<&str> = policy.voters().map(|operator| operator.name.as_str()).collect();
    let broken = meta.map(read_meta).transpose()?.map(|meta| meta.broken_by(&policy, clock::now()));
    let cases = cases.map(Path::to_owned).or_else(|| cases::beside(path));
    let outcomes = cases.map(|cases| cases::run(&policy, &cases)).transpose()?;
    let summary = Summary {
        policy: format!("sha256:{}", policy.digest()),
        network: policy.network().to_string(),
        expires: policy.expires().to_string(),
        operators: policy.operators().len(),
        voters: policy.of(),
        quorum: if names.is_empty() {
            "nobody".to_owned()
        } else {
            in_words(policy.formula(), &names)
        },
        fewest: policy.formula().fewest(),
        max_dissent: policy.demands().max_dissent,
        environments: policy.environments().iter().map(|each| each.name.clone()).collect(),
        meta: broken,
        cases: outcomes,
    };
    if json {
        output::json(&summary)?;
    } else {
        show(path, &summary);
    }
    Ok(if summary.holds() { Exit::Fine } else { Exit::Rejected })
}

fn read_meta(path: &Path) -> Result<MetaPolicy, Fault> {
    let refuse = |why: String| Fault::text(format!("{}: {why}", path.display()));
    let mut text = String::new();
    // One byte more than allowed, so that the meta-policy's own check names the limit.
    let read = |file: File| file.take(POLICY_MAX as u64 + 1).read_to_string(&mut text);
    File::open(path).and_then(read).map_err(|error| refuse(error.to_string()))?;
    let meta = MetaPolicy::parse(&text).and_then(|meta| meta.in_force(clock::now()));
    meta.map_err(|error| refuse(error.to_string().replacen("policy line", "meta-policy line", 1)))
}

impl Summary {
    fn holds(&self) -> bool {
        self.meta.iter().flatten().next().is_none()
            && self.cases.iter().flatten().all(|outcome| outcome.passed)
    }
}

fn show(path: &Path, summary: &Summary) {
    let word = if summary.holds() { "is in order" } else { "is refused" };
    output::line(&format!("{} {word}", path.display()));
    output::line(&format!("  digest   {}", summary.policy));
    output::line(&format!("  network  {}", summary.network));
    output::line(&format!("  expires  {}", summary.expires));
    if summary.voters == 0 {
        output::line("  quorum   trusts nobody yet: every verdict is inconclusive");
    } else {
        output::line(&format!("  quorum   {}", summary.quorum));
        output::line(&format!(
            "  accepts  with {} to {} operators in support, and at most {} dissenting",
            summary.fewest, summary.voters, summary.max_dissent
        ));
    }
    if !summary.environments.is_empty() {
        output::line(&format!("  places   {}", summary.environments.join(", ")));
    }
    for Reason { rule, found, expected, fix } in summary.meta.iter().flatten() {
        output::line(&format!("  meta     {rule}: found {found}; needed {expected}"));
        output::line(&format!("           {fix}"));
    }
    for outcome in summary.cases.iter().flatten() {
        let word = if outcome.passed { "passed" } else { "FAILED" };
        output::line(&format!("  case     {word}: {}", outcome.case));
        for line in &outcome.differs {
            output::line(&format!("           {line}"));
        }
    }
}

/// `2 of (alder, 1 of (birch, cedar))`.
fn in_words(group: &Group, names: &[&str]) -> String {
    let member = |member: &Member| match member {
        Member::Operator(voter) => names.get(*voter).copied().unwrap_or_default().to_owned(),
        Member::Group(inner) => in_words(inner, names),
    };
    let members: Vec<String> = group.of().iter().map(member).collect();
    format!("{} of ({})", group.need(), members.join(", "))
}
