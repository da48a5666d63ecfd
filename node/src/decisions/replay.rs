//! Every recorded decision drawn again from what the record names, and compared (step 10).

use reattest_attestation::{Bundle, Digest, Envelope, Policy, Verdict, canonical};
use serde::Serialize;

use super::decide::{environment_of, judge};
use super::record::{Applied, Basis, Decided};
use super::settle::{Found, settle};
use super::{LogError, Shelf};

/// What came of drawing one decision again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The record's number.
    pub record: u64,
    /// Whether the same came out.
    pub same: bool,
    /// What was not the same; empty where all was.
    pub differs: Vec<String>,
}

/// Draws a decision again.
pub fn replay(number: u64, decided: &Decided, shelf: &Shelf) -> Replayed {
    let differs = match again(decided, shelf) {
        Ok(differs) => differs,
        Err(why) => vec![why],
    };
    Replayed { record: number, same: differs.is_empty(), differs }
}

fn again(decided: &Decided, shelf: &Shelf) -> Result<Vec<String>, String> {
    let said = |error: LogError| error.to_string();
    let policy = match decided.policy {
        Some(policy) => policy_of(&shelf.get(&policy).map_err(said)?),
        None => Err("it could not be read".to_owned()),
    };
    let mut differs = Vec::new();
    let environment = policy
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|policy| environment_of(policy, &decided.request, decided.at));
    if environment.as_ref().ok().copied().map(Applied::from) != decided.environment {
        differs.push("another environment covers the request than the record names".to_owned());
    }
    let found = match (&environment, &decided.basis) {
        (Err(_), _) => Found::Misconfigured,
        (Ok(_), Basis::Unasked) => Found::Unasked,
        (Ok(_), Basis::Unavailable { .. }) => Found::Unavailable,
        (Ok(_), Basis::Unusable { .. }) => Found::Unusable,
        (Ok(environment), Basis::Had { bundle, scans, dissent, trust }) => {
            let bundle = shelf.get(bundle).map_err(said)?;
            let scans = scans.map(|scans| shelf.get(&scans)).transpose().map_err(said)?;
            let (request, scans) = (&decided.request, scans.unwrap_or_default());
            let policy = policy.as_ref().map_err(Clone::clone)?;
            let again = judge(policy, environment, &bundle, *dissent, &scans, request, decided.at)?;
            differs.extend(verdicts_differ(decided, *trust, &again));
            Found::Verdict(again.1.verdict)
        }
    };
    let told = settle(decided.environment.as_ref(), found, !decided.breakglass.is_empty());
    if told != (decided.effect, decided.why) {
        differs.push(format!(
            "the door would be told {told:?}, and the record has {:?}",
            (decided.effect, decided.why)
        ));
    }
    Ok(differs)
}

fn verdicts_differ(
    decided: &Decided,
    trust: Digest,
    (again, verdict): &(Digest, Verdict),
) -> Vec<String> {
    let mut differs = Vec::new();
    if *again != trust {
        differs.push("found another digest of whom was believed than the record's".to_owned());
    }
    if Some(verdict) != decided.verdict.as_ref() {
        let was = decided.verdict.as_ref().map_or_else(|| "none".to_owned(), told);
        let is = told(verdict);
        differs.push(format!("the verdict comes out as {is}, and the record has {was}"));
    }
    differs
}

fn told(verdict: &Verdict) -> String {
    let rules: Vec<&str> = verdict.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    format!("{} ({})", verdict.verdict, rules.join(", "))
}

/// A policy as it was kept.
pub(super) fn policy_of(bytes: &[u8]) -> Result<Policy, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    Policy::parse(text).map_err(|error| error.to_string())
}

/// SHA-256 over whom was believed: keys of the policy's operators and witnesses, and the digests of
/// the operators' words that came with the evidence, as canonical JSON.
pub(super) fn trusted(policy: &Policy, bundle: &Bundle) -> Digest {
    #[derive(Serialize)]
    struct Trust {
        operators: Vec<String>,
        witnesses: Vec<String>,
        words: Vec<Digest>,
    }
    let mut words: Vec<Digest> = bundle.certificates.iter().map(Envelope::digest).collect();
    words.sort();
    words.dedup();
    let trust = Trust {
        operators: policy.operators().iter().map(|one| one.key.fingerprint()).collect(),
        witnesses: policy.witnesses().iter().map(|one| one.key.to_string()).collect(),
        words,
    };
    // Texts and lists of them: there is always a spelling.
    Digest::of(&canonical::to_bytes(&trust).unwrap_or_default())
}
