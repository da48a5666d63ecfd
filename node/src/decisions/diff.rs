//! What another policy would have decided on everything that was decided here (step 10).

use reattest_attestation::Policy;
use reattest_attestation::policy::Mode;
use serde::Serialize;

use super::decide::{environment_of, judge};
use super::record::{Applied, Basis, Decided, Effect, Why};
use super::settle::{Found, settle};
use super::{LogError, Shelf};

/// What a policy makes of a recorded request and its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The environment; null where none can be applied.
    pub environment: Option<String>,
    /// What the door is told.
    pub effect: Effect,
    /// Why.
    pub why: Why,
    /// The rules of the verdict's reasons, or what keeps the policy from being applied.
    pub reasons: Vec<String>,
}

/// Two policies on one recorded decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// The same comes of both.
    Same,
    /// Something else comes of the second.
    Differs(Box<(Outcome, Outcome)>),
    /// Nothing was asked then, so that there is no evidence that a policy could judge.
    Untold,
}

/// Asks both policies about a recorded decision, at its own time.
pub fn compare(
    old: &Policy,
    new: &Policy,
    decided: &Decided,
    shelf: &Shelf,
) -> Result<Compared, LogError> {
    let evidence = match &decided.basis {
        Basis::Had { bundle, scans, .. } => {
            let scans = scans.map(|scans| shelf.get(&scans)).transpose()?;
            Some((shelf.get(bundle)?, scans.unwrap_or_default()))
        }
        _ => None,
    };
    let evidence = evidence.as_ref().map(|(bundle, scans)| (bundle.as_slice(), scans.as_slice()));
    let was = outcome(old, decided, evidence);
    let is = outcome(new, decided, evidence);
    Ok(match (was, is) {
        (Some(was), Some(is)) if was == is => Compared::Same,
        (Some(was), Some(is)) => Compared::Differs(Box::new((was, is))),
        _ => Compared::Untold,
    })
}

fn outcome(
    policy: &Policy,
    decided: &Decided,
    evidence: Option<(&[u8], &[u8])>,
) -> Option<Outcome> {
    let broken = !decided.breakglass.is_empty();
    let environment = match environment_of(policy, &decided.request, decided.at) {
        Ok(environment) => environment,
        Err(why) => {
            let (effect, because) = settle(None, Found::Misconfigured, broken);
            let environment = None;
            return Some(Outcome { environment, effect, why: because, reasons: vec![why] });
        }
    };
    let applied = Applied::from(environment);
    let told = |found, reasons| {
        let (effect, why) = settle(Some(&applied), found, broken);
        Some(Outcome { environment: Some(applied.name.clone()), effect, why, reasons })
    };
    // An environment that asks nothing needs no evidence to be compared.
    if applied.mode == Mode::Off {
        return told(Found::Unasked, Vec::new());
    }
    match (&decided.basis, evidence) {
        (Basis::Had { dissent, .. }, Some((bundle, scans))) => {
            let (request, at) = (&decided.request, decided.at);
            match judge(policy, environment, bundle, *dissent, scans, request, at) {
                Ok((_, verdict)) => {
                    let rules = verdict.reasons.iter().map(|reason| reason.rule.clone()).collect();
                    told(Found::Verdict(verdict.verdict), rules)
                }
                Err(why) => told(Found::Unusable, vec![why]),
            }
        }
        (Basis::Unavailable { .. }, _) => told(Found::Unavailable, Vec::new()),
        (Basis::Unusable { .. }, _) => told(Found::Unusable, Vec::new()),
        _ => None,
    }
}
