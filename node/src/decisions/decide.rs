//! The one function by which every door decides: policy, evidence, mode, breakglass, and a record before the answer (step 10).

use std::path::Path;

use reattest_attestation::policy::{DeploymentRequest, Environment};
use reattest_attestation::{
    Bundle, Completeness, Conclusion, Digest, Evidence, Policy, Timestamp, Verdict, deployment,
    scan,
};
use serde::Serialize;

use super::asking::{Answered, PolicyRead};
use super::record::{Applied, Basis, Decided, Effect, Event, Request, Why};
use super::replay::trusted;
use super::settle::{Found, settle};
use super::{Chain, LogError};
use crate::config::Config;
use crate::limits::DECISION_WORDS_BYTES;

/// What a door is told, and what it tells its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether it may go on. Nothing else of a decision opens a door.
    pub effect: Effect,
    /// Why.
    pub why: Why,
    /// For people: what was found, what was needed, what to do; a line for each reason.
    pub words: String,
    /// The verdict, where evidence was had; in a dry run the one that would have counted.
    pub verdict: Option<Verdict>,
    /// The environment that was applied.
    pub environment: Option<Applied>,
    /// Number of the record; none where it could not be written, which an enforcing door is told as
    /// a refusal and any other as a warning in `words`.
    pub record: Option<u64>,
}

impl Decision {
    /// Whether the door may go on.
    pub fn is_allowed(&self) -> bool {
        self.effect == Effect::Allowed
    }
}

/// Where doors of one machine decide: the log of decisions, and the clock.
#[derive(Debug, Clone)]
pub struct Desk {
    chain: Chain,
    clock: fn() -> Timestamp,
}

impl Desk {
    /// The desk of a node's configuration.
    pub fn of(config: &Config) -> Self {
        Self::at(&super::directory(config))
    }

    /// A desk whose decisions are kept in a directory.
    pub fn at(directory: &Path) -> Self {
        Self { chain: Chain::at(directory), clock: crate::clock::now }
    }

    /// With another clock than this machine's.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Self {
        Self { chain: self.chain.with_clock(clock), clock }
    }

    /// The log of decisions.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Decides about one file. When this returns, the decision is recorded, or it says that it is
    /// not; it never fails.
    ///
    /// - `policy` is read once by the door, with [`PolicyRead::file`].
    /// - `request` says which door asks, what the file is meant to be, its digest **as the door
    ///   hashed it**, and the labels of the machine's configuration.
    /// - `ask` fetches the evidence, mostly [`super::ask`]; it is not called where the environment
    ///   is off or the policy cannot be applied.
    pub fn decide(
        &self,
        policy: &PolicyRead,
        request: Request,
        ask: impl FnOnce(&Request) -> Answered,
    ) -> Decision {
        let mut ask = Some(ask);
        let mut once = |request: &Request| match ask.take() {
            Some(ask) => ask(request),
            None => Answered::Unusable("evidence was asked for twice".to_owned()),
        };
        let decided = self.decide_all(policy, vec![request], &mut once);
        decided.into_iter().next().unwrap_or_else(nothing_decided)
    }

    /// Decides about many files, in their order, with one write for all of them. Where that fails,
    /// it fails for all.
    pub fn decide_all(
        &self,
        policy: &PolicyRead,
        requests: Vec<Request>,
        ask: &mut dyn FnMut(&Request) -> Answered,
    ) -> Vec<Decision> {
        let now = (self.clock)();
        let found: Vec<(Decided, Found, Kept)> =
            requests.into_iter().map(|request| find(policy, request, ask, now)).collect();
        match self.record(policy, found.clone()) {
            Ok(decisions) => decisions,
            Err(error) => found.into_iter().map(|one| unrecorded(one, &error)).collect(),
        }
    }

    /// Settles and writes down, under the log's lock: a breakglass that is reviewed or opened
    /// meanwhile is seen or not, never half.
    fn record(
        &self,
        policy: &PolicyRead,
        found: Vec<(Decided, Found, Kept)>,
    ) -> Result<Vec<Decision>, LogError> {
        let kept = found.iter().flat_map(|(_, _, kept)| [&kept.bundle, &kept.scans]).flatten();
        let kept = kept.map(Vec::as_slice).chain(policy.bytes.as_deref());
        self.chain.shelf().put_all(kept)?;
        let mut taken = self.chain.take()?;
        let now = taken.now();
        let mut events = Vec::with_capacity(found.len());
        for (mut decided, found, _) in found {
            decided.breakglass = taken.open_for(&decided.request, now)?;
            conclude_by(&mut decided, found);
            events.push(Event::Decision(Box::new(decided)));
        }
        let lines = taken.append(events)?;
        let decision = |number: u64, event: Event| match event {
            Event::Decision(decided) => Some(told(*decided, Some(number))),
            _ => None,
        };
        let lines = lines.into_iter();
        Ok(lines.filter_map(|line| decision(line.record.number, line.record.event)).collect())
    }
}

/// What goes to the shelf.
#[derive(Debug, Clone, Default)]
struct Kept {
    bundle: Option<Vec<u8>>,
    scans: Option<Vec<u8>>,
}

/// Everything but the breakglass and what follows from it.
fn find(
    policy: &PolicyRead,
    request: Request,
    ask: &mut dyn FnMut(&Request) -> Answered,
    now: Timestamp,
) -> (Decided, Found, Kept) {
    let mut decided = Decided {
        request,
        environment: None,
        at: now,
        policy: policy.bytes.as_deref().map(Digest::of),
        basis: Basis::Unasked,
        verdict: None,
        breakglass: Vec::new(),
        effect: Effect::Refused,
        why: Why::Misconfigured,
        words: String::new(),
    };
    let applied = policy.policy().map_err(str::to_owned).and_then(|policy| {
        let environment = environment_of(policy, &decided.request, now)?;
        Ok((policy, environment))
    });
    let (policy, environment) = match applied {
        Ok(applied) => applied,
        Err(why) => {
            decided.words = why;
            return (decided, Found::Misconfigured, Kept::default());
        }
    };
    decided.environment = Some(Applied::from(environment));
    if environment.mode == reattest_attestation::policy::Mode::Off {
        return (decided, Found::Unasked, Kept::default());
    }
    let (basis, verdict, kept) = match ask(&decided.request) {
        Answered::Unavailable(why) => (Basis::Unavailable { why }, None, Kept::default()),
        Answered::Unusable(why) => (Basis::Unusable { why }, None, Kept::default()),
        Answered::Had { bundle, dissent, scans } => {
            let judged =
                judge(policy, environment, &bundle, dissent, &scans, &decided.request, now);
            match judged {
                Err(why) => (Basis::Unusable { why }, None, Kept::default()),
                Ok((trust, verdict)) => {
                    let scans = Some(scans).filter(|scans| !scans.is_empty());
                    let basis = Basis::Had {
                        bundle: Digest::of(&bundle),
                        scans: scans.as_deref().map(Digest::of),
                        dissent,
                        trust,
                    };
                    (basis, Some(verdict), Kept { bundle: Some(bundle), scans })
                }
            }
        }
    };
    let found = match (&basis, &verdict) {
        (_, Some(verdict)) => Found::Verdict(verdict.verdict),
        (Basis::Unavailable { .. }, None) => Found::Unavailable,
        _ => Found::Unusable,
    };
    (decided.basis, decided.verdict) = (basis, verdict);
    (decided, found, kept)
}

/// The one environment of a policy that covers a request.
pub(super) fn environment_of<'a>(
    policy: &'a Policy,
    request: &Request,
    now: Timestamp,
) -> Result<&'a Environment, String> {
    let Request { purl, door, labels, .. } = request;
    let request = DeploymentRequest::new(purl.clone(), *door, labels.clone());
    let request = request.map_err(|error| error.to_string())?;
    policy.environment_for(&request, now).map_err(|error| error.to_string())
}

/// Whom was believed, and the verdict, from bytes alone: what replay does again.
pub(super) fn judge(
    policy: &Policy,
    environment: &Environment,
    bundle: &[u8],
    dissent: Completeness,
    scans: &[u8],
    request: &Request,
    now: Timestamp,
) -> Result<(Digest, Verdict), String> {
    let parsed = Bundle::parse(bundle).map_err(|error| error.to_string())?;
    let evidence = Evidence::verify(&parsed, policy.network(), dissent);
    let lines = [bundle, b"\n", scans].concat();
    let scans = scan::read(&lines, policy, now);
    let question = request.question();
    let verdict = deployment::judge(policy, environment, &evidence, &question, &scans, now);
    Ok((trusted(policy, &parsed), verdict))
}

/// Fills in what the door is told.
fn conclude_by(decided: &mut Decided, found: Found) {
    let broken = !decided.breakglass.is_empty();
    (decided.effect, decided.why) = settle(decided.environment.as_ref(), found, broken);
    decided.words = words(decided, found);
}

/// What people are told: the finding, and what it leads to.
fn words(decided: &Decided, found: Found) -> String {
    let finding = match (found, &decided.basis, &decided.verdict) {
        (Found::Misconfigured, _, _) => {
            format!("no policy can be applied, so nothing was judged: {}", decided.words)
        }
        (_, _, Some(verdict)) => reasons(verdict),
        (_, Basis::Unavailable { why }, _) => {
            format!(
                "the evidence could not be asked for: {why}; start `reattest node`, and look at `reattest status`"
            )
        }
        (_, Basis::Unusable { why }, _) => {
            format!("the evidence cannot be used: {why}; see `reattest doctor`")
        }
        _ => "this environment is off, so nothing was asked".to_owned(),
    };
    let name = decided.environment.as_ref().map_or("", |one| one.name.as_str());
    let about = match (decided.effect, decided.why) {
        (Effect::Allowed, Why::DryRun) => {
            format!("allowed, since environment {name:?} is a dry run; it would be refused: ")
        }
        (Effect::Allowed, Why::Unavailable) => format!(
            "allowed, since environment {name:?} says so where evidence is not to be had; it will be looked at again: "
        ),
        (Effect::Allowed, Why::Breakglass) => {
            format!("allowed by breakglass {:?}; it would be refused: ", decided.breakglass)
        }
        _ => String::new(),
    };
    bounded(about + &finding)
}

/// A verdict's reasons, as a person acts on them.
fn reasons(verdict: &Verdict) -> String {
    if verdict.verdict == Conclusion::Accepted {
        let quorum = &verdict.quorum;
        return format!(
            "accepted: {} of {} rebuilt it bit for bit, {} needed",
            quorum.have, quorum.of, quorum.need
        );
    }
    let line = |reason: &reattest_attestation::verdict::Reason| {
        format!(
            "{}: found {}, needed {}; {}",
            reason.rule, reason.found, reason.expected, reason.fix
        )
    };
    let lines: Vec<String> = verdict.reasons.iter().map(line).collect();
    format!("{}: {}", verdict.verdict, lines.join("\n"))
}

/// A record has room for many reasons, and a terminal for some.
fn bounded(mut words: String) -> String {
    if words.len() > DECISION_WORDS_BYTES {
        let end = (0..=DECISION_WORDS_BYTES).rev().find(|at| words.is_char_boundary(*at));
        words.truncate(end.unwrap_or(0));
        words.push('…');
    }
    words
}

fn told(decided: Decided, record: Option<u64>) -> Decision {
    let Decided { effect, why, words, verdict, environment, .. } = decided;
    Decision { effect, why, words, verdict, environment, record }
}

/// A decision that could not be written down: an enforcing door must not open on it.
fn unrecorded(one: (Decided, Found, Kept), error: &LogError) -> Decision {
    let (mut decided, found, _) = one;
    conclude_by(&mut decided, found);
    let enforces = decided
        .environment
        .as_ref()
        .is_none_or(|one| one.mode == reattest_attestation::policy::Mode::Enforce);
    tracing::error!(event = "decision_unrecorded", purl = %decided.request.purl, "{error}");
    if enforces {
        decided.effect = Effect::Refused;
        decided.why = Why::Unrecorded;
        decided.words = format!("the decision cannot be recorded, so nothing is let in: {error}");
    } else {
        decided.words = format!("WARNING: NOT RECORDED: {error}; {}", decided.words);
    }
    told(decided, None)
}

/// Cannot be: one request gives one decision. A door must not open on it.
fn nothing_decided() -> Decision {
    Decision {
        effect: Effect::Refused,
        why: Why::Unrecorded,
        words: "nothing was decided; this is a fault of this program".to_owned(),
        verdict: None,
        environment: None,
        record: None,
    }
}
