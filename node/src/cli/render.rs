//! A verdict as a person reads it: the conclusion, who said what, and what to do about it.

use reattest_attestation::{Completeness, Conclusion, Verdict};

use super::output::{BAD, BOLD, DIM, GOOD, UNSURE, styled};
use crate::shell::report::short;

/// One question that the demo asks, and what came of it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Case {
    /// What was asked.
    pub case: String,
    /// What must not come out, or must.
    pub expected: &'static str,
    /// Whether it came out so.
    pub held: bool,
    /// The verdict.
    pub verdict: serde_json::Value,
}

/// The lines of a verdict.
pub fn verdict_lines(verdict: &Verdict) -> Vec<String> {
    let mut lines = vec![headline(verdict)];
    lines.extend(votes(verdict));
    for reason in &verdict.reasons {
        lines.push(format!("  {}: found {}", styled(BOLD, &reason.rule), reason.found));
        lines.push(format!("  {}  needed {}", " ".repeat(reason.rule.len()), reason.expected));
        // An accepted file asks nothing of anybody.
        if verdict.verdict != Conclusion::Accepted {
            lines.push(format!("  {}  fix: {}", " ".repeat(reason.rule.len()), reason.fix));
        }
    }
    lines
}

fn headline(verdict: &Verdict) -> String {
    let word = match verdict.verdict {
        Conclusion::Accepted => styled(GOOD, "accepted"),
        Conclusion::Rejected => styled(BAD, "rejected"),
        Conclusion::Inconclusive => styled(UNSURE, "inconclusive"),
    };
    let artifact = &verdict.artifact;
    let as_purl = artifact.purl.as_ref().map(|purl| format!(" as {purl}")).unwrap_or_default();
    let quorum = &verdict.quorum;
    let dissent = match verdict.dissent {
        Completeness::Complete => "checked",
        Completeness::Excerpt => {
            "unchecked: not all of the logs is here, so somebody may dissent unseen"
        }
    };
    let met = if verdict.verdict == Conclusion::Accepted { "quorum met: " } else { "" };
    format!(
        "{word}  {}{as_purl}\n  {met}{} of {} in the quorum reproduced these bytes, {} needed; dissent {dissent}",
        artifact.name, quorum.have, quorum.of, quorum.need
    )
}

/// One aligned line a vote.
fn votes(verdict: &Verdict) -> Vec<String> {
    let rows: Vec<[String; 5]> = verdict
        .votes
        .iter()
        .map(|vote| {
            let made = vote.sha256.map_or("nothing".to_owned(), |digest| {
                format!("sha256:{}…", short(&digest.to_string()))
            });
            [
                vote.operator.clone(),
                vote.outcome.to_string(),
                made,
                format!("entry {}", vote.log_index),
                vote.attested_at.to_string(),
            ]
        })
        .collect();
    align(&rows).into_iter().map(|row| styled(DIM, &format!("    {row}"))).collect()
}

/// Columns as wide as their widest cell.
pub(super) fn align<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths);
            let padded: Vec<String> =
                cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
            padded.join("  ").trim_end().to_owned()
        })
        .collect()
}
