//! What a check found, file by file: the form that every output is made of.

use reattest_attestation::{Conclusion, Reason, Timestamp, Verdict};
use serde::Serialize;

use super::Judged;
use super::exemptions::{Exempt, Exemptions};
use crate::lockfiles::{Format, Obstacle};

/// Everything that one check found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The worst pin, exempt ones too.
    pub verdict: Conclusion,
    /// Whether every pin is accepted or exempt, and there is one.
    pub passes: bool,
    /// The files, in the order in which they were named.
    pub files: Vec<Checked>,
}

/// One lockfile, bill, directory or system.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// As it was named.
    pub file: String,
    /// Its form.
    pub format: Format,
    /// Pins that the policy accepts.
    pub accepted: usize,
    /// Pins that it rejects.
    pub rejected: usize,
    /// Pins of which not enough is known, without those that are exempt.
    pub inconclusive: usize,
    /// Pins that pass by an exemption.
    pub exempt: usize,
    /// The user's own sources.
    pub local: usize,
    /// What is left out on purpose.
    pub notes: Vec<String>,
    /// The pins, in the file's order.
    pub pins: Vec<Row>,
}

/// One pin.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its line in the file.
    pub line: Option<usize>,
    /// Null for the user's own source.
    pub verdict: Option<Conclusion>,
    /// What lets it pass, where it is not accepted.
    pub exempt: Option<Pass>,
    /// Why it is not accepted.
    pub reasons: Vec<Reason>,
    /// The verdict on each file that it may install.
    pub verdicts: Vec<Verdict>,
}

/// An exemption as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct Pass {
    /// Why it passes.
    pub reason: String,
    /// Until when.
    pub expires: Timestamp,
}

impl Report {
    /// The report on files.
    pub fn of(files: Vec<Checked>) -> Self {
        let any = |count: fn(&Checked) -> usize| files.iter().any(|file| count(file) > 0);
        let passing = |file: &Checked| {
            file.rejected == 0 && file.inconclusive == 0 && file.accepted + file.exempt > 0
        };
        let passes = !files.is_empty() && files.iter().all(passing);
        let verdict = if any(|file| file.rejected) {
            Conclusion::Rejected
        } else if passes && !any(|file| file.exempt) {
            Conclusion::Accepted
        } else {
            Conclusion::Inconclusive
        };
        Self { verdict, passes, files }
    }
}

impl Checked {
    /// What was judged of one file, with the exemptions that hold now.
    pub fn of(
        (file, format): (String, Format),
        notes: Vec<String>,
        judged: Vec<Judged>,
        exemptions: &Exemptions,
        now: Timestamp,
    ) -> Self {
        let row = |one: Judged| {
            let covering = exemptions.covering(format, &one, now);
            Row::of(one, covering)
        };
        let pins: Vec<Row> = judged.into_iter().map(row).collect();
        let count = |wanted| {
            pins.iter().filter(|pin| pin.exempt.is_none() && pin.verdict == wanted).count()
        };
        Self {
            file,
            format,
            accepted: count(Some(Conclusion::Accepted)),
            rejected: count(Some(Conclusion::Rejected)),
            inconclusive: count(Some(Conclusion::Inconclusive)),
            exempt: pins.iter().filter(|pin| pin.exempt.is_some()).count(),
            local: count(None),
            notes,
            pins,
        }
    }
}

impl Row {
    fn of(judged: Judged, covering: Option<Exempt<'_>>) -> Self {
        let Judged { pin, conclusion, obstacles, verdicts } = judged;
        let mut reasons: Vec<Reason> = obstacles.iter().map(reason).collect();
        let open = verdicts.iter().filter(|one| one.verdict != Conclusion::Accepted);
        for reason in open.flat_map(|verdict| &verdict.reasons) {
            if !reasons.contains(reason) {
                reasons.push(reason.clone());
            }
        }
        let exempt = match covering {
            Some(Exempt::Until(one)) => {
                Some(Pass { reason: one.reason.clone(), expires: one.expires })
            }
            Some(Exempt::Expired(one)) => {
                reasons.insert(0, expired(one.expires));
                None
            }
            None => None,
        };
        let (name, version, line) = (pin.name, pin.version, pin.line);
        Self { name, version, line, verdict: conclusion, exempt, reasons, verdicts }
    }

    /// Whether it fails the check.
    pub fn fails(&self) -> bool {
        self.exempt.is_none() && !matches!(self.verdict, None | Some(Conclusion::Accepted))
    }

    /// Why, in one sentence a reason.
    pub fn words(&self) -> Vec<String> {
        let words =
            |one: &Reason| format!("found {}, needed {}; {}", one.found, one.expected, one.fix);
        self.reasons.iter().map(words).collect()
    }
}

fn expired(at: Timestamp) -> Reason {
    Reason {
        rule: "exemption".to_owned(),
        found: format!("an exemption that expired at {at}"),
        expected: "a verdict, or an exemption in force".to_owned(),
        fix: "find rebuilders for it, or review the exemption and set a later `expires`".to_owned(),
    }
}

fn reason(obstacle: &Obstacle) -> Reason {
    Reason {
        rule: "pin".to_owned(),
        found: obstacle.found.clone(),
        expected: obstacle.needed.to_owned(),
        fix: obstacle.fix.to_owned(),
    }
}
