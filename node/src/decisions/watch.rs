//! What was let in, judged again by today's policy and evidence: what no longer holds is a finding (step 10).
//!
//! Apart from enforcement: a finding stops nothing, and no decision is changed by it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use reattest_attestation::statement::Revoked;
use reattest_attestation::{
    Bundle, Completeness, Conclusion, Digest, Evidence, Outcome, Policy, Purl, Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};

use super::asking::{Answered, PolicyRead};
use super::decide::{environment_of, judge};
use super::record::{Basis, Decided, Effect, Event, Why};
use super::{Chain, LogError, Shelf};
use crate::disk::{Disk as _, FileSystem};
use crate::limits::{WATCH_STATE_BYTES, WATCHED};
use crate::store::durable;

/// What no longer holds.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It was accepted, and is not any more.
    AcceptedBefore,
    /// An operator that did not dissent before does now.
    NewDissent,
    /// A key that it was let in by is revoked by its operator.
    RevokedKey,
    /// It was let in because nobody could be asked, and the answer is no.
    UnavailableThen,
    /// It was let in by breakglass, and is still not accepted.
    BreakglassThen,
    /// The evidence cannot be had or used now.
    NoEvidence,
    /// The policy cannot be read, or applied to it.
    Configuration,
    /// There is more than can be watched.
    TooMany,
}

impl Kind {
    /// All of them, for metrics.
    pub const ALL: [Self; 8] = [
        Self::AcceptedBefore,
        Self::NewDissent,
        Self::RevokedKey,
        Self::UnavailableThen,
        Self::BreakglassThen,
        Self::NoEvidence,
        Self::Configuration,
        Self::TooMany,
    ];

    /// The word of JSON and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AcceptedBefore => "accepted-before",
            Self::NewDissent => "new-dissent",
            Self::RevokedKey => "revoked-key",
            Self::UnavailableThen => "unavailable-then",
            Self::BreakglassThen => "breakglass-then",
            Self::NoEvidence => "no-evidence",
            Self::Configuration => "configuration",
            Self::TooMany => "too-many",
        }
    }
}

/// Something that a person should look at.
#[derive(Clone, Eq, PartialEq, Debug, Serialize)]
pub struct Noticed {
    /// What.
    pub kind: Kind,
    /// The record that let it in; 0 where it is about no single one.
    pub record: u64,
    /// What was let in.
    pub purl: Option<Purl>,
    /// Its digest.
    pub sha256: Option<Digest>,
    /// What was found, and what to do.
    pub found: String,
}

impl Noticed {
    fn about(record: u64, decided: &Decided, kind: Kind, found: String) -> Self {
        let request = &decided.request;
        Self { kind, record, purl: Some(request.purl.clone()), sha256: Some(request.sha256), found }
    }

    /// A finding about no single deployment.
    pub fn general(kind: Kind, found: String) -> Self {
        Self { kind, record: 0, purl: None, sha256: None, found }
    }

    /// The same finding in another round has the same name.
    pub fn name(&self) -> String {
        let about = format!("{} {} {}", self.kind.as_str(), self.record, self.found);
        Digest::of(about.as_bytes()).to_string().chars().take(32).collect()
    }
}

/// What was let in and is in the log: the latest decision on each file at each place, and how many
/// more there are than can be watched.
pub fn deployments(chain: &Chain) -> Result<(Vec<(u64, Decided)>, usize), LogError> {
    let mut latest: BTreeMap<String, (u64, Decided)> = BTreeMap::new();
    let mut dropped = 0_usize;
    for line in chain.lines()? {
        let record = line?.record;
        let Event::Decision(decided) = record.event else { continue };
        if decided.effect != Effect::Allowed || decided.why == Why::Off {
            continue;
        }
        let request = &decided.request;
        let place =
            format!("{} {} {} {:?}", request.purl, request.sha256, request.door, request.labels);
        if latest.len() >= WATCHED && !latest.contains_key(&place) {
            dropped = dropped.saturating_add(1);
            continue;
        }
        latest.insert(place, (record.number, *decided));
    }
    let mut found: Vec<(u64, Decided)> = latest.into_values().collect();
    found.sort_by_key(|(number, _)| *number);
    Ok((found, dropped))
}

/// Judges one deployment again.
pub fn look_again(
    policy: &PolicyRead,
    (number, decided): (u64, &Decided),
    answered: Answered,
    shelf: &Shelf,
    now: Timestamp,
) -> Vec<Noticed> {
    let noticed = |kind, found| Noticed::about(number, decided, kind, found);
    let applied = policy.policy().map_err(str::to_owned).and_then(|policy| {
        environment_of(policy, &decided.request, now).map(|environment| (policy, environment))
    });
    let (policy, environment) = match applied {
        Ok(applied) => applied,
        Err(why) => return vec![noticed(Kind::Configuration, why)],
    };
    let (bundle, dissent, scans) = match answered {
        Answered::Had { bundle, dissent, scans } => (bundle, dissent, scans),
        Answered::Unavailable(why) | Answered::Unusable(why) => {
            return vec![noticed(Kind::NoEvidence, why)];
        }
    };
    let request = &decided.request;
    let verdict = match judge(policy, environment, &bundle, dissent, &scans, request, now) {
        Ok((_, verdict)) => verdict,
        Err(why) => return vec![noticed(Kind::NoEvidence, why)],
    };
    let mut found = Vec::new();
    if verdict.verdict != Conclusion::Accepted {
        let kind = match decided.why {
            Why::Accepted => Some(Kind::AcceptedBefore),
            Why::Unavailable => Some(Kind::UnavailableThen),
            Why::Breakglass => Some(Kind::BreakglassThen),
            _ => None,
        };
        found.extend(kind.map(|kind| noticed(kind, told(&verdict))));
    }
    for operator in dissenters(&verdict).difference(&dissenters_before(decided)) {
        let what = format!("operator {operator} says now that it comes out different");
        found.push(noticed(Kind::NewDissent, what));
    }
    let revoked = revoked(policy, &bundle);
    for key in revoked.difference(&revoked_before(policy, decided, shelf)) {
        if keys_of(decided).contains(key.as_str()) {
            let what = format!("key {key}, which it was judged by, is revoked by its operator");
            found.push(noticed(Kind::RevokedKey, what));
        }
    }
    found
}

fn told(verdict: &Verdict) -> String {
    let reasons: Vec<String> = verdict
        .reasons
        .iter()
        .map(|reason| format!("{}: found {}; {}", reason.rule, reason.found, reason.fix))
        .collect();
    format!("{} now: {}", verdict.verdict, reasons.join("; "))
}

fn dissenters(verdict: &Verdict) -> BTreeSet<String> {
    let against = |outcome| matches!(outcome, Outcome::Differs | Outcome::Unstable);
    let votes = verdict.votes.iter().filter(|vote| against(vote.outcome));
    votes.map(|vote| vote.operator.clone()).collect()
}

fn dissenters_before(decided: &Decided) -> BTreeSet<String> {
    decided.verdict.as_ref().map(dissenters).unwrap_or_default()
}

fn keys_of(decided: &Decided) -> BTreeSet<&str> {
    decided
        .verdict
        .iter()
        .flat_map(|verdict| &verdict.votes)
        .map(|vote| vote.key.as_str())
        .collect()
}

/// Fingerprints of the keys that an operator of the policy revoked. What strangers say about keys
/// is nothing.
fn revoked(policy: &Policy, bundle: &[u8]) -> BTreeSet<String> {
    let Ok(bundle) = Bundle::parse(bundle) else { return BTreeSet::new() };
    let evidence = Evidence::verify(&bundle, policy.network(), Completeness::Excerpt);
    let revocations = evidence.revocations().iter().map(Revoked::revocation);
    revocations
        .filter(|one| policy.operators().iter().any(|operator| operator.key == one.operator))
        .map(|one| one.rebuilder.fingerprint())
        .collect()
}

fn revoked_before(policy: &Policy, decided: &Decided, shelf: &Shelf) -> BTreeSet<String> {
    match &decided.basis {
        Basis::Had { bundle, .. } => {
            shelf.get(bundle).map(|bytes| revoked(policy, &bytes)).unwrap_or_default()
        }
        _ => BTreeSet::new(),
    }
}

/// Findings that alarms went out for already: a file beside the log. Losing it costs alarms that
/// come twice.
#[derive(Debug)]
pub struct Told {
    path: PathBuf,
    names: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
struct State {
    told: BTreeSet<String>,
}

impl Told {
    /// What was told so far.
    pub fn beside(decisions: &Path) -> Self {
        let path = decisions.join("watch");
        let short = FileSystem.length(&path).is_ok_and(|length| length <= WATCH_STATE_BYTES);
        let bytes = short.then(|| FileSystem.read(&path).ok()).flatten().unwrap_or_default();
        let names = serde_json::from_slice(&bytes).map(|state: State| state.told);
        Self { path, names: names.unwrap_or_default() }
    }

    /// Whether it was not told yet.
    pub fn is_new(&self, noticed: &Noticed) -> bool {
        !self.names.contains(&noticed.name())
    }

    /// Remembers what stands now, and forgets what does not any more.
    pub fn remember(&mut self, noticed: &[Noticed]) -> Result<(), LogError> {
        self.names = noticed.iter().map(Noticed::name).collect();
        let bytes = serde_json::to_vec(&State { told: self.names.clone() })
            .map_err(|error| LogError::Unwritable(error.to_string()))?;
        durable::write(&FileSystem, &self.path, &bytes)
            .map_err(|source| LogError::disk(&self.path, source))
    }
}
