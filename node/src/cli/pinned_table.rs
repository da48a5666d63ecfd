//! The table of `check` and `scan`: a line a pin, the worst first, and below it what to do about them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::Conclusion;

use super::output::{BAD, BOLD, DIM, GOOD, UNSURE, styled};
use super::{output, render};
use crate::decisions::Why;
use crate::pins::{Checked, Row};

/// Most fixes below one table.
const FIXES: usize = 8;

/// How bad: the worst comes first in the table.
fn rank(row: &Row) -> u8 {
    match (row.verdict, &row.exempt) {
        (Some(Conclusion::Accepted), _) if !row.fails() => 4,
        _ if row.is_let_in() => 2,
        (Some(Conclusion::Rejected), _) => 0,
        (Some(Conclusion::Inconclusive | Conclusion::Accepted), None) => 1,
        (Some(_), Some(_)) => 3,
        (None, _) => 5,
    }
}

fn why(row: &Row) -> String {
    if row.is_let_in() {
        let lenient = row.decisions.iter().find(|told| told.why != Why::Accepted);
        return lenient.map(|told| first_line(&told.words)).unwrap_or_default();
    }
    match (row.verdict, &row.exempt, row.reasons.as_slice()) {
        (None, ..) => "your own source; nobody publishes it".to_owned(),
        (Some(Conclusion::Accepted), _, []) => quorum(row),
        (_, Some(pass), _) => format!("until {}: {}", pass.expires, pass.reason),
        (.., []) => String::new(),
        (.., [one]) => format!("found {}, needed {}", one.found, one.expected),
        (.., [one, more @ ..]) => {
            format!("found {}, needed {} (and {} more)", one.found, one.expected, more.len())
        }
    }
}

fn first_line(words: &str) -> String {
    words.lines().next().unwrap_or_default().to_owned()
}

fn quorum(row: &Row) -> String {
    let counts = row.verdicts.iter().map(|one| (one.quorum.have, one.quorum.of));
    counts.min().map(|(have, of)| format!("{have} of {of}")).unwrap_or_default()
}

/// One aligned line a pin; lines of the file are shown where it has any.
fn table(rows: &[&Row]) -> Vec<String> {
    let name = |row: &Row| format!("{} {}", row.name, row.version);
    if rows.iter().all(|row| row.line.is_none()) {
        let cells: Vec<[String; 2]> = rows.iter().map(|row| [name(row), why(row)]).collect();
        return render::align(&cells);
    }
    let line = |row: &Row| row.line.map(|line| format!("line {line}")).unwrap_or_default();
    let cells: Vec<[String; 3]> = rows.iter().map(|row| [name(row), line(row), why(row)]).collect();
    render::align(&cells)
}

/// What to do about the pins that fail, each once, the one that most pins need first.
fn fixes(checked: &Checked) -> Vec<(usize, &str)> {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for row in checked.pins.iter().filter(|row| row.fails()) {
        let of_row: BTreeSet<&str> = row.reasons.iter().map(|reason| reason.fix.as_str()).collect();
        for fix in of_row {
            *counted.entry(fix).or_default() += 1;
        }
    }
    let mut fixes: Vec<(usize, &str)> =
        counted.into_iter().map(|(fix, count)| (count, fix)).collect();
    fixes.sort_by_key(|(count, _)| Reverse(*count));
    fixes.truncate(FIXES);
    fixes
}

pub(super) fn show(checked: &Checked) {
    output::line(&styled(BOLD, &checked.file));
    let mut rows: Vec<&Row> = checked.pins.iter().collect();
    rows.sort_by_key(|row| rank(row));
    for (row, line) in rows.iter().zip(table(&rows)) {
        let word = match rank(row) {
            0 => styled(BAD, "rejected    "),
            1 => styled(UNSURE, "inconclusive"),
            2 => styled(UNSURE, "allowed     "),
            3 => styled(DIM, "exempt      "),
            4 => styled(GOOD, "accepted    "),
            _ => styled(DIM, "local       "),
        };
        output::line(&format!("  {word}  {line}"));
    }
    for (count, fix) in fixes(checked) {
        output::line(&format!("  fix for {count}: {fix}"));
    }
    for note in &checked.notes {
        output::line(&format!("  note: {note}"));
    }
    output::line(&format!("  {}", sum(checked)));
}

fn sum(checked: &Checked) -> String {
    let Checked { accepted, rejected, inconclusive, exempt, allowed, local, .. } = checked;
    let more = |count: usize, what: &str| {
        if count > 0 { format!(", {count} {what}") } else { String::new() }
    };
    format!(
        "{accepted} accepted, {rejected} rejected, {inconclusive} inconclusive{}{}{}",
        more(*allowed, "allowed all the same"),
        more(*exempt, "exempt"),
        more(*local, "local"),
    )
}
