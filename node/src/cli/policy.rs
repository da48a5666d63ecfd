//! `reattest policy`: what a policy says, before it judges anything.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reattest_attestation::policy::{Group, Member};
use serde::Serialize;

use super::{Exit, config_file, output};
use crate::config::Config;
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
    /// Reads a policy, refuses its mistakes with line and column, and tells what it asks.
    Check {
        /// The policy; without it, the one that the configuration names.
        file: Option<PathBuf>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
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
}

impl Policy {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let Action::Check { file, json } = &self.action;
        let path = match file {
            Some(path) => path.clone(),
            None => Config::load(&config_file(config)?)?.policy,
        };
        let policy = setup::policy_in_force(&path)?;
        let names: Vec<&str> = policy.voters().map(|operator| operator.name.as_str()).collect();
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
        };
        if *json {
            output::json(&summary)?;
        } else {
            show(&path, &summary);
        }
        Ok(Exit::Fine)
    }
}

fn show(path: &Path, summary: &Summary) {
    output::line(&format!("{} is in order", path.display()));
    output::line(&format!("  digest   {}", summary.policy));
    output::line(&format!("  network  {}", summary.network));
    output::line(&format!("  expires  {}", summary.expires));
    if summary.voters == 0 {
        output::line("  quorum   trusts nobody yet: every verdict is inconclusive");
        return;
    }
    output::line(&format!("  quorum   {}", summary.quorum));
    output::line(&format!(
        "  accepts  with {} to {} operators in support, and at most {} dissenting",
        summary.fewest, summary.voters, summary.max_dissent
    ));
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
