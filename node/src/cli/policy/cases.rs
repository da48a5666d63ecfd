//! Test cases of a policy: what it must answer, in TOML beside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use reattest_attestation::deployment::judge;
use reattest_attestation::policy::{DeploymentRequest, Door, Mode};
use reattest_attestation::verdict::{Conclusion, Question, Verdict};
use reattest_attestation::{
    Bundle, Completeness, Digest, Evidence, HashedFile, Policy, Purl, Timestamp, scan,
};
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use super::super::verify;
use crate::clock;
use crate::fault::Fault;
use crate::limits::{POLICY_CASES, POLICY_CASES_BYTES};

/// The file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    version: i64,
    #[serde(default)]
    case: Vec<Case>,
}

/// One deployment, and what must come of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    purl: Purl,
    /// The file, beside the cases; or its digest.
    file: Option<PathBuf>,
    sha256: Option<Digest>,
    /// Its evidence, beside the cases; none without it.
    bundle: Option<PathBuf>,
    /// Whether the bundle is to be taken for whole logs.
    #[serde(default)]
    dissent: Dissent,
    door: Door,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// The time of the deployment; now without it.
    at: Option<Datetime>,
    expect: Expected,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Dissent {
    Checked,
    #[default]
    Unchecked,
}

/// What is left out is not compared; something must be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    environment: Option<String>,
    mode: Option<Mode>,
    verdict: Option<Conclusion>,
    deploys: Option<bool>,
    /// The rules of all reasons, in any order.
    rules: Option<Vec<String>>,
    /// A part of the error, where no environment can be applied.
    error: Option<String>,
}

/// How one case came out.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) case: String,
    pub(super) passed: bool,
    /// What came out differently, each with what was expected.
    pub(super) differs: Vec<String>,
}

/// The cases that belong to a policy: `NAME.cases.toml` beside `NAME.toml`, where it is there.
pub(super) fn beside(policy: &Path) -> Option<PathBuf> {
    let cases = policy.with_extension("cases.toml");
    cases.is_file().then_some(cases)
}

/// Runs every case against the policy.
pub(super) fn run(policy: &Policy, path: &Path) -> Result<Vec<Outcome>, Fault> {
    let cases = read(path)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    cases.case.iter().map(|case| outcome(policy, directory, case)).collect()
}

fn read(path: &Path) -> Result<Cases, Fault> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| Fault::new(path.display().to_string(), error))?;
    let read = file.take(POLICY_CASES_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| Fault::new(path.display().to_string(), error))?;
    let refuse = |why: String| Fault::text(format!("{}: {why}", path.display()));
    if text.len() as u64 > POLICY_CASES_BYTES {
        return Err(refuse(format!(
            "found more than {POLICY_CASES_BYTES} bytes of cases; split the file"
        )));
    }
    let cases: Cases = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    if cases.version != 1 {
        return Err(refuse(format!("found version {}, needed version = 1", cases.version)));
    }
    if cases.case.is_empty() || cases.case.len() > POLICY_CASES {
        return Err(refuse(format!(
            "found {} cases, needed 1 to {POLICY_CASES}; add a [[case]], or split the file",
            cases.case.len()
        )));
    }
    for case in &cases.case {
        let Expected { environment, mode, verdict, deploys, rules, error } = &case.expect;
        let result = environment.is_some()
            || mode.is_some()
            || verdict.is_some()
            || deploys.is_some()
            || rules.is_some();
        if result == error.is_some() {
            return Err(refuse(format!(
                "case {:?} expects {}, needed either an error or any of environment, mode, verdict, deploys, rules",
                case.name,
                if result { "a result and an error" } else { "nothing" }
            )));
        }
        if case.file.is_some() == case.sha256.is_some() {
            return Err(refuse(format!("case {:?} needs either file or sha256", case.name)));
        }
    }
    Ok(cases)
}

/// A mistake in the case itself is a fault; that the policy answers otherwise is none.
fn outcome(policy: &Policy, directory: &Path, case: &Case) -> Result<Outcome, Fault> {
    let refuse = |why: String| Fault::text(format!("case {:?}: {why}", case.name));
    let now = match &case.at {
        None => clock::now(),
        Some(at) => at.to_string().parse().map_err(|error| refuse(format!("at: {error}")))?,
    };
    let request = DeploymentRequest::new(case.purl.clone(), case.door, case.labels.clone())
        .map_err(|error| refuse(error.to_string()))?;
    let (environment, expect) = match (policy.environment_for(&request, now), &case.expect.error) {
        (Ok(environment), None) => (environment, &case.expect),
        (Ok(environment), Some(part)) => {
            let found = format!("environment {:?}", environment.name);
            return Ok(case.told(vec![differs("error", &found, part)]));
        }
        (Err(error), Some(part)) if error.to_string().contains(part) => {
            return Ok(case.told(Vec::new()));
        }
        (Err(error), expected) => {
            let expected = expected.clone().unwrap_or_else(|| "an environment".to_owned());
            return Ok(case.told(vec![differs("error", &error.to_string(), &expected)]));
        }
    };
    let verdict = verdict(policy, environment, directory, case, now)?;
    // Off asks nothing, a dry run stops nothing.
    let deploys = environment.mode != Mode::Enforce || verdict.verdict == Conclusion::Accepted;
    let mut wrong = Vec::new();
    let mut compare = |what, found: String, expected: Option<String>| {
        wrong.extend(expected.filter(|e| *e != found).map(|e| differs(what, &found, &e)));
    };
    compare("environment", environment.name.clone(), expect.environment.clone());
    let word = |mode: Mode| mode.as_str().to_owned();
    compare("mode", word(environment.mode), expect.mode.map(word));
    compare("verdict", verdict.verdict.to_string(), expect.verdict.map(|v| v.to_string()));
    compare("deploys", deploys.to_string(), expect.deploys.map(|d| d.to_string()));
    let rules = verdict.reasons.iter().map(|reason| reason.rule.clone()).collect();
    compare("rules", sorted(rules), expect.rules.clone().map(sorted));
    Ok(case.told(wrong))
}

fn verdict(
    policy: &Policy,
    environment: &reattest_attestation::policy::Environment,
    directory: &Path,
    case: &Case,
    now: Timestamp,
) -> Result<Verdict, Fault> {
    let bytes = match &case.bundle {
        Some(name) => verify::read_bundle(&directory.join(name))?,
        None => Vec::new(),
    };
    let bundle = Bundle::parse(&bytes)
        .map_err(|error| Fault::text(format!("case {:?}: {error}", case.name)))?;
    let whole = match case.dissent {
        Dissent::Checked => Completeness::Complete,
        Dissent::Unchecked => Completeness::Excerpt,
    };
    let evidence = Evidence::verify(&bundle, policy.network(), whole);
    let question = match (&case.file, case.sha256) {
        (Some(file), _) => verify::question(&directory.join(file), Some(&case.purl), Some(policy))?,
        (None, digest) => {
            let name = case.purl.file_name().unwrap_or_default();
            let file = HashedFile::elsewhere(&name, digest.unwrap_or_else(|| Digest::of(b"")));
            Question::about(file, Some(case.purl.clone()))
        }
    };
    let scans = scan::read(&bytes, policy, now);
    Ok(judge(policy, environment, &evidence, &question, &scans, now))
}

impl Case {
    fn told(&self, differs: Vec<String>) -> Outcome {
        Outcome { case: self.name.clone(), passed: differs.is_empty(), differs }
    }
}

fn differs(what: &str, found: &str, expected: &str) -> String {
    format!("{what}: found {found}, expected {expected}")
}

fn sorted(mut rules: Vec<String>) -> String {
    rules.sort_unstable();
    rules.dedup();
    rules.join(" ")
}
