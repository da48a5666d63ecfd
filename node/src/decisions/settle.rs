//! From what was found to what a door is told: the whole table, without I/O (step 10).

use reattest_attestation::Conclusion;
use reattest_attestation::policy::{Mode, WhenUnavailable};

use super::record::{Applied, Effect, Why};

/// What was found out about a request.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Found {
    /// A verdict.
    Verdict(Conclusion),
    /// The service that holds the evidence could not be asked.
    Unavailable,
    /// It answered with what cannot be used.
    Unusable,
    /// The policy cannot be read or applied.
    Misconfigured,
    /// Nothing was asked, since the mode is off.
    Unasked,
}

/// What a door is told, and why.
///
/// `environment` is none where none could be told: then nothing is let in but by a breakglass.
/// `when_unavailable` is asked about [`Found::Unavailable`] alone.
pub fn settle(environment: Option<&Applied>, found: Found, breakglass: bool) -> (Effect, Why) {
    let mode = environment.map_or(Mode::Enforce, |one| one.mode);
    let lenient = environment.map(|one| one.when_unavailable) == Some(WhenUnavailable::Allow);
    let why = match found {
        Found::Verdict(Conclusion::Accepted) => Why::Accepted,
        Found::Verdict(Conclusion::Rejected) => Why::Rejected,
        Found::Verdict(Conclusion::Inconclusive) => Why::Inconclusive,
        Found::Unavailable => Why::Unavailable,
        Found::Unusable => Why::Unusable,
        Found::Misconfigured => Why::Misconfigured,
        Found::Unasked => Why::Off,
    };
    match (mode, why) {
        (Mode::Off, _) => (Effect::Allowed, Why::Off),
        (_, Why::Accepted) => (Effect::Allowed, why),
        (Mode::DryRun, _) => (Effect::Allowed, Why::DryRun),
        (Mode::Enforce, Why::Unavailable) if lenient => (Effect::Allowed, why),
        (Mode::Enforce, _) if breakglass => (Effect::Allowed, Why::Breakglass),
        (Mode::Enforce, _) => (Effect::Refused, why),
    }
}
