//! Two policies on everything that was decided here.

use std::path::Path;

use serde::Serialize;

use super::super::Exit;
use super::super::output::{self, BAD, GOOD, styled};
use crate::decisions::{Chain, Compared, Effect, Event, Outcome, compare};
use crate::fault::Fault;
use crate::limits::DECISION_FINDINGS;
use crate::setup;

/// What came of it.
#[derive(Serialize)]
struct Document {
    old: String,
    new: String,
    /// Decisions in the log.
    decisions: u64,
    /// The same comes of both policies.
    same: u64,
    /// Nothing was asked then, so that neither can be told.
    untold: u64,
    /// Something else comes of the new one.
    changed: u64,
    /// The first of those.
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    record: u64,
    purl: String,
    door: String,
    old: Outcome,
    new: Outcome,
}

pub(super) fn run(old: &Path, new: &Path, log: &Path, json: bool) -> Result<Exit, Fault> {
    let (old, new) = (setup::read_policy(old)?, setup::read_policy(new)?);
    let mut document = Document {
        old: format!("sha256:{}", old.digest()),
        new: format!("sha256:{}", new.digest()),
        decisions: 0,
        same: 0,
        untold: 0,
        changed: 0,
        changes: Vec::new(),
    };
    let chain = Chain::at(log);
    let shelf = chain.shelf();
    for line in chain.lines()? {
        let record = line?.record;
        let Event::Decision(decided) = &record.event else { continue };
        document.decisions = document.decisions.saturating_add(1);
        let count = match compare(&old, &new, decided, &shelf)? {
            Compared::Same => &mut document.same,
            Compared::Untold => &mut document.untold,
            Compared::Differs(both) => {
                let (old, new) = *both;
                if document.changes.len() < DECISION_FINDINGS {
                    document.changes.push(Change {
                        record: record.number,
                        purl: decided.request.purl.to_string(),
                        door: decided.request.door.to_string(),
                        old,
                        new,
                    });
                }
                &mut document.changed
            }
        };
        *count = count.saturating_add(1);
    }
    if json {
        output::json(&document)?;
    } else {
        show(&document);
    }
    Ok(if document.changed == 0 { Exit::Fine } else { Exit::Differs })
}

fn show(document: &Document) {
    let Document { decisions, same, untold, changed, changes, .. } = document;
    output::line(&format!("{same} of {decisions} decisions come out the same, {changed} change"));
    if *untold > 0 {
        output::line(&format!(
            "{untold} cannot be told: nothing was asked then, so there is no evidence"
        ));
    }
    for change in changes {
        output::line(&format!("record {}: {} by {}", change.record, change.purl, change.door));
        output::line(&format!("  old  {}", in_words(&change.old)));
        output::line(&format!("  new  {}", in_words(&change.new)));
    }
    let left = changed.saturating_sub(changes.len() as u64);
    if left > 0 {
        output::line(&format!("and {left} more"));
    }
}

fn in_words(outcome: &Outcome) -> String {
    let effect = match outcome.effect {
        Effect::Allowed => styled(GOOD, "allowed"),
        Effect::Refused => styled(BAD, "refused"),
    };
    let place = outcome.environment.as_deref().unwrap_or("no environment");
    let why = match serde_json::to_value(outcome.why) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    };
    let reasons = if outcome.reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", outcome.reasons.join(", "))
    };
    format!("{effect} in {place}: {why}{reasons}")
}
