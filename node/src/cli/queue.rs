//! `reattest queue`: what the running node builds, what waits, and what was given up.

use clap::Args;

use super::render::align;
use super::{Exit, output};
use crate::config::Config;
use crate::fault::Fault;
use crate::shell::control::{self, Answer, Ask};
use crate::shell::jobs::{QueueStatus, QueuedRelease};

/// What the running node builds, what waits, and what was given up.
#[derive(Debug, Args)]
pub(super) struct Queue {
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

impl Queue {
    pub(super) fn run(&self, config: &Config) -> Result<Exit, Fault> {
        let Answer::Queue(queue) = control::ask_running(&config.socket(), &Ask::Queue)? else {
            return Err(Fault::text("the node answered another question"));
        };
        if self.json {
            output::json(&queue)?;
            return Ok(Exit::Fine);
        }
        for line in lines(&queue) {
            output::line(&line);
        }
        Ok(Exit::Fine)
    }
}

fn lines(queue: &QueueStatus) -> Vec<String> {
    let QueueStatus { jobs, waiting, running, given_up, releases, .. } = queue;
    let mut lines =
        vec![format!("{running} of {jobs} built now, {waiting} wait, {given_up} given up")];
    if releases.is_empty() {
        return lines;
    }
    let head = ["STATE", "WANTED BY", "SIZE", "ATTEMPTS", "SINCE", "NEXT TRY", "RELEASE", "WHY"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(releases.iter().map(row));
    lines.extend(align(&rows));
    let all = running.saturating_add(*waiting).saturating_add(*given_up);
    let hidden = all.saturating_sub(releases.len() as u64);
    if hidden > 0 {
        lines.push(format!("and {hidden} more"));
    }
    lines
}

fn row(release: &QueuedRelease) -> [String; 8] {
    [
        release.state.clone(),
        word(serde_json::to_value(release.wanted)),
        word(serde_json::to_value(release.class)),
        release.attempts.to_string(),
        release.since.to_string(),
        release.next_try.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        release.purl.to_string(),
        // A table has one line a release, whatever a fault's message has.
        release.why.as_deref().unwrap_or("-").split_whitespace().collect::<Vec<_>>().join(" "),
    ]
}

/// The word that the JSON form has for it.
fn word(value: serde_json::Result<serde_json::Value>) -> String {
    let value = value.unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
