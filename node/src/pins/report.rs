//! What a check found, file by file: the form that every output is made of.

use reattest_attestation::{Conclusion, Reason, Timestamp, Verdict};
use serde::Serialize;

use super::Judged;
use super::exemptions::{Exempt, Exemptions};
use crate::decisions::{Decision, Effect, Why};
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
    /// Pins that a door lets in although they are not accepted: a dry run, a breakglass, and so on.
    #[serde(skip_serializing_if = "is_zero")]
    pub allowed: usize,
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
    /// What a door was told about each of these files, where one asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Told>,
}

/// What a door was told about a file.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// Whether it may be installed.
    pub effect: Effect,
    /// Why.
    pub why: Why,
    /// The policy's environment that was applied, where one could be.
    pub environment: Option<String>,
    /// Number of the record in the decision log.
    pub record: Option<u64>,
    /// The same for people.
    pub words: String,
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
        let passing = |file: &Checked| {
            let shown = file.accepted + file.exempt + file.allowed > 0;
            shown && !file.pins.iter().any(Row::fails)
        };
        let passes = !files.is_empty() && files.iter().all(passing);
        let has =
            |wanted| files.iter().any(|file| file.pins.iter().any(|pin| pin.verdict == wanted));
        let verdict = if has(Some(Conclusion::Rejected)) {
            Conclusion::Rejected
        } else if passes && !has(Some(Conclusion::Inconclusive)) {
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
            let counts =
                |pin: &&Row| pin.exempt.is_none() && !pin.is_let_in() && pin.verdict == wanted;
            pins.iter().filter(counts).count()
        };
        Self {
            file,
            format,
            accepted: count(Some(Conclusion::Accepted)),
            rejected: count(Some(Conclusion::Rejected)),
            inconclusive: count(Some(Conclusion::Inconclusive)),
            exempt: pins.iter().filter(|pin| pin.exempt.is_some()).count(),
            allowed: pins.iter().filter(|pin| pin.is_let_in()).count(),
            local: count(None),
            notes,
            pins,
        }
    }
}

impl Row {
    fn of(judged: Judged, covering: Option<Exempt<'_>>) -> Self {
        let Judged { pin, conclusion, obstacles, verdicts, decisions } = judged;
        // A file of a pin that could not be asked about was decided on by nobody.
        let decisions = if obstacles.is_empty() { decisions } else { Vec::new() };
        let mut reasons: Vec<Reason> = obstacles.iter().map(reason).collect();
        let open = verdicts.iter().filter(|one| one.verdict != Conclusion::Accepted);
        for reason in open.flat_map(|verdict| &verdict.reasons) {
            if !reasons.contains(reason) {
                reasons.push(reason.clone());
            }
        }
        reasons.extend(decisions.iter().filter(|one| one.verdict.is_none()).map(undecided));
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
        let decisions = decisions.into_iter().map(Told::from).collect();
        Self { name, version, line, verdict: conclusion, exempt, reasons, verdicts, decisions }
    }

    /// Whether it fails the check: what a door was told counts, and where none asked, the verdict.
    pub fn fails(&self) -> bool {
        let open = !matches!(self.verdict, None | Some(Conclusion::Accepted));
        match self.decisions.as_slice() {
            [] => self.exempt.is_none() && open,
            decisions => decisions.iter().any(|one| one.effect == Effect::Refused),
        }
    }

    /// Whether a door lets it in although it is not accepted.
    pub fn is_let_in(&self) -> bool {
        !self.decisions.is_empty() && !self.fails() && self.verdict != Some(Conclusion::Accepted)
    }

    /// Why, in one sentence a reason.
    pub fn words(&self) -> Vec<String> {
        let words =
            |one: &Reason| format!("found {}, needed {}; {}", one.found, one.expected, one.fix);
        self.reasons.iter().map(words).collect()
    }
}

impl From<Decision> for Told {
    fn from(decision: Decision) -> Self {
        let Decision { effect, why, words, environment, record, .. } = decision;
        Self { effect, why, environment: environment.map(|one| one.name), record, words }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A decision for which no verdict was drawn.
fn undecided(decision: &Decision) -> Reason {
    Reason {
        rule: "decision".to_owned(),
        found: decision.words.clone(),
        expected: "evidence, and a policy that can be applied".to_owned(),
        fix: "see `reattest policy check` and `reattest status`".to_owned(),
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
