//! A verdict for one environment: the quorum, and the rules that the environment adds (steps 9 and 10).
//!
//! Rules about how a file was rebuilt are asked of each supporting operator: the quorum must hold
//! among those whose rebuilds keep them, so that hiding a rebuild never helps. Rules about the
//! file itself, its version and what a scan found, forbid it. All failing rules are told at once.

mod supports;

use crate::artifact::Purl;
use crate::evidence::Evidence;
use crate::limits::{CLOCK_AHEAD_MAX, REASONS_MAX};
use crate::policy::{Environment, Policy, ScanRule};
use crate::quorum::conclude;
use crate::quoted::quoted;
use crate::relevant::Relevant;
use crate::scan::{Scan, Scans};
use crate::time::Timestamp;
use crate::verdict::{Conclusion, Question, Reason, Verdict};
use crate::version::{order, same_package};
use supports::Supports;

/// Concludes whether the file of `question`, which must say what it is meant to be, may be
/// deployed to the environment. Its mode is not applied here, only named in the verdict.
pub fn judge(
    policy: &Policy,
    environment: &Environment,
    evidence: &Evidence,
    question: &Question,
    scans: &Scans,
    now: Timestamp,
) -> Verdict {
    let mut verdict = conclude(policy, evidence, question, now);
    verdict.policy.mode = environment.mode;
    // Rules are asked of a file as the purl that it was judged as.
    let Some(purl) = verdict.artifact.purl.clone() else { return verdict };
    let relevant = Relevant::of(evidence, question, &purl);
    let forbidding = forbidding(environment, relevant, scans, now);
    let unmet = unmet(policy, environment, relevant, scans, now);
    if forbidding.is_empty() && unmet.is_empty() {
        return verdict;
    }
    if verdict.verdict == Conclusion::Accepted {
        verdict.verdict = Conclusion::Inconclusive;
        verdict.reasons.clear();
    }
    if !forbidding.is_empty() {
        verdict.verdict = Conclusion::Rejected;
    }
    // What forbids stands first: it must not fall behind the bound.
    let told = std::mem::take(&mut verdict.reasons);
    verdict.reasons = forbidding.into_iter().chain(unmet).chain(told).take(REASONS_MAX).collect();
    verdict
}

/// Rules about the file that no further evidence can mend.
fn forbidding(
    environment: &Environment,
    relevant: Relevant<'_>,
    scans: &Scans,
    now: Timestamp,
) -> Vec<Reason> {
    let rules = &environment.rules;
    let floor =
        rules.minimum_versions.iter().find_map(|floor| below(environment, floor, relevant.purl()));
    let found = rules.scan.as_ref().and_then(|rule| {
        let fresh = fresh(rule, relevant, scans, now);
        fresh.iter().find_map(|scan| vulnerable(environment, rule, scan))
    });
    floor.into_iter().chain(found).collect()
}

/// Rules that more evidence may still meet.
fn unmet(
    policy: &Policy,
    environment: &Environment,
    relevant: Relevant<'_>,
    scans: &Scans,
    now: Timestamp,
) -> Vec<Reason> {
    let supports = Supports::of(policy, relevant, now);
    let mut reasons = supports.reasons(environment, now);
    if let Some(rule) = &environment.rules.scan
        && fresh(rule, relevant, scans, now).is_empty()
    {
        reasons.push(unscanned(environment, rule, relevant, scans, now));
    }
    reasons
}

fn below(environment: &Environment, floor: &Purl, purl: &Purl) -> Option<Reason> {
    if !same_package(floor, purl) {
        return None;
    }
    let (least, found) = (floor.version().unwrap_or_default(), purl.version().unwrap_or_default());
    let fix = format!(
        "deploy {least} or a later version of {}; to allow this one, lower minimum_versions in the rules of environment {:?}",
        purl.name(),
        quoted(&environment.name)
    );
    match order(purl.kind(), &found, &least) {
        Some(order) if order.is_ge() => None,
        Some(_) => Some(Reason::new(
            "minimum-version",
            format!("version {found} of {}", purl.name()),
            format!("{least} or later"),
            fix,
        )),
        None => Some(Reason::new(
            "minimum-version",
            format!("version {:?} of {}, which cannot be compared", quoted(&found), purl.name()),
            format!("{least} or later"),
            fix,
        )),
    }
}

/// Of each scanner that the rule names, its newest scan of the file, where that is recent enough.
fn fresh<'a>(
    rule: &ScanRule,
    relevant: Relevant<'_>,
    scans: &'a Scans,
    now: Timestamp,
) -> Vec<&'a Scan> {
    let newest = rule.by.iter().filter_map(|name| newest(name, relevant, scans));
    newest.filter(|scan| recent(scan, rule, now)).collect()
}

fn newest<'a>(name: &str, relevant: Relevant<'_>, scans: &'a Scans) -> Option<&'a Scan> {
    let of_file =
        scans.scans.iter().filter(|scan| scan.scanner() == name && scan.is_about(relevant.file()));
    // Of two at one second, the one that found more.
    of_file.max_by_key(|scan| (scan.finished(), scan.findings().values().max().copied()))
}

fn recent(scan: &Scan, rule: &ScanRule, now: Timestamp) -> bool {
    let age = now.as_unix().saturating_sub(scan.finished().as_unix());
    (-CLOCK_AHEAD_MAX..=i64::try_from(rule.within).unwrap_or(i64::MAX)).contains(&age)
}

fn vulnerable(environment: &Environment, rule: &ScanRule, scan: &Scan) -> Option<Reason> {
    let from = rule.refuse_from?;
    let bad = scan.findings().iter().filter(|(_, severity)| **severity >= from);
    let told: Vec<String> =
        bad.map(|(id, severity)| format!("{id} ({})", severity.as_str())).collect();
    (!told.is_empty()).then(|| {
        Reason::new(
            "scan",
            format!("{} findings by {} at {}: {}", told.len(), scan.scanner(), scan.finished(), first(&told)),
            format!("no finding of severity {} or worse", from.as_str()),
            format!("deploy a version without them; where they do not matter here, have {} scan again, or raise refuse_from in the rules of environment {:?}", scan.scanner(), quoted(&environment.name)),
        )
    })
}

fn unscanned(
    environment: &Environment,
    rule: &ScanRule,
    relevant: Relevant<'_>,
    scans: &Scans,
    now: Timestamp,
) -> Reason {
    let by = rule.by.iter().map(String::as_str).collect::<Vec<_>>().join(" or ");
    let newest = rule
        .by
        .iter()
        .filter_map(|name| newest(name, relevant, scans))
        .max_by_key(|scan| scan.finished());
    let found = match (newest, scans.refused.first()) {
        (Some(scan), _) => {
            format!("a scan by {} that ended at {}; it is {now}", scan.scanner(), scan.finished())
        }
        (None, Some(why)) => {
            format!("no scan of this file that may be used; one was passed over: {why}")
        }
        (None, None) => "no scan of this file".to_owned(),
    };
    Reason::new(
        "scan",
        found,
        format!("a scan by {by} within {}", duration(rule.within)),
        format!(
            "have {by} scan sha256:{} and add its envelope as a line of the bundle; or change scan in the rules of environment {:?}",
            relevant.file(),
            quoted(&environment.name)
        ),
    )
}

/// The first few of a list, for a person.
fn first(list: &[String]) -> String {
    const SHOWN: usize = 3;
    let more = list.len().saturating_sub(SHOWN);
    let shown: Vec<&str> = list.iter().take(SHOWN).map(String::as_str).collect();
    let tail = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{tail}", shown.join("; "))
}

/// Seconds as a policy writes them.
pub fn duration(seconds: u64) -> String {
    [(86_400, 'd'), (3_600, 'h'), (60, 'm')]
        .into_iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit))
        .map_or_else(|| format!("{seconds} s"), |(unit, name)| format!("{}{name}", seconds / unit))
}
