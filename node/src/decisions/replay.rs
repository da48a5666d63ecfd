//! Every recorded decision drawn again from what the record names, and compared (step 10).

use reattest_attestation::{
    Bundle, Completeness, Digest, Envelope, Evidence, Policy, Timestamp, Verdict, canonical,
    conclude,
};
use serde::Serialize;

use super::record::{Basis, Decided};
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
    let mut differs = Vec::new();
    let Basis::Had { bundle, dissent, trust } = &decided.basis else {
        return Ok(differs);
    };
    let policy = decided.policy.ok_or("found evidence without a policy, needed both")?;
    let policy = policy_of(&shelf.get(&policy).map_err(said)?)?;
    let bytes = shelf.get(bundle).map_err(said)?;
    let bundle = Bundle::parse(&bytes).map_err(|error| error.to_string())?;
    if trusted(&policy, &bundle) != *trust {
        differs.push("found another digest of whom was believed than the record's".to_owned());
    }
    let verdict = verdict_of(&policy, &bundle, *dissent, decided, decided.at);
    if Some(&verdict) != decided.verdict.as_ref() {
        let was = decided.verdict.as_ref().map(|verdict| verdict.verdict.to_string());
        differs.push(format!(
            "the verdict comes out as {}, and the record has {}",
            told(&verdict),
            was.unwrap_or_else(|| "none".to_owned())
        ));
    }
    Ok(differs)
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

/// The verdict of a policy on what a record asked, at a time.
pub(super) fn verdict_of(
    policy: &Policy,
    bundle: &Bundle,
    dissent: Completeness,
    decided: &Decided,
    at: Timestamp,
) -> Verdict {
    let evidence = Evidence::verify(bundle, policy.network(), dissent);
    conclude(policy, &evidence, &decided.request.question(), at)
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
