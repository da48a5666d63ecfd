//! Whether one relevant statement counts under the policy, and whether it may support (step 9).

use std::collections::BTreeSet;

use crate::limits::CLOCK_AHEAD_MAX;
use crate::objections;
use crate::outcome::Outcome;
use crate::policy::{Authorities, Operator, Policy};
use crate::relevant::{About, Relevant};
use crate::standing::{Place, Standing};
use crate::statement::Authority;
use crate::time::Timestamp;
use crate::verdict::{Level, Reason, Vote};
use crate::voice::Subject;

/// Everything that statements are judged by.
pub(crate) struct Court<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) relevant: Relevant<'a>,
    pub(crate) authorities: Authorities<'a>,
    pub(crate) now: Timestamp,
}

/// A statement about the purl that counts under the policy: its key is certified by an operator
/// that votes, its place in the log is good, and named authorities stand behind it. Made only by
/// [`count`].
#[derive(Clone, Debug)]
pub(crate) struct Counted<'a> {
    pub(crate) about: About<'a>,
    near_enough: bool,
    /// It would be near enough if the verifier's own normalizers agreed, and they were not run.
    pub(crate) open: bool,
    /// Why it may not support, where it may not. A dissent needs none of this: whoever could make
    /// a dissent unfit could turn a refusal into an acceptance.
    pub(crate) unfit: Option<Reason>,
}

impl<'a> Court<'a> {
    pub(crate) fn new(policy: &'a Policy, relevant: Relevant<'a>, now: Timestamp) -> Self {
        let authorities = policy.authorities_of(relevant.purl(), now);
        Self { policy, relevant, authorities, now }
    }

    /// Whether enough witnesses saw the key's logs lately; always where the policy does not ask.
    pub(crate) fn is_fresh(&self, standing: &Standing<'_>) -> bool {
        let Some(age) = self.policy.demands().max_head_age else { return true };
        standing
            .fresh
            .is_some_and(|seen| self.seconds_since(seen) <= i64::try_from(age).unwrap_or(i64::MAX))
    }

    fn seconds_since(&self, time: Timestamp) -> i64 {
        self.now.as_unix().saturating_sub(time.as_unix())
    }
}

impl Counted<'_> {
    pub(crate) fn outcome(&self) -> Outcome {
        self.about.artifact.outcome
    }

    /// Whether it comes as near to its published file as the policy asks.
    pub(crate) fn is_support(&self) -> bool {
        self.near_enough
    }

    pub(crate) fn subject(&self) -> Subject {
        let sources = self.about.logged.claim().sources.iter().map(|source| source.digest);
        Subject { published: self.about.artifact.published, sources: sources.collect() }
    }

    pub(crate) fn vote(&self, operator: &Operator) -> Vote {
        let level = match self.outcome() {
            Outcome::Equivalent => Level::Equivalent,
            _ => Level::Bitwise,
        };
        Vote {
            operator: operator.name.clone(),
            key: self.about.logged.key().fingerprint(),
            outcome: self.outcome(),
            sha256: self.about.artifact.produced,
            level,
            log_index: self.about.logged.position().index,
            attested_at: self.about.logged.claim().facts.finished,
        }
    }
}

/// Judges one statement; the reason is the first thing that is wrong.
pub(crate) fn count<'a>(
    court: &Court<'a>,
    operator: &Operator,
    standing: &Standing<'_>,
    about: About<'a>,
) -> Result<Counted<'a>, Reason> {
    let found = &about.logged.claim().network;
    if found != court.policy.network() {
        return Err(objections::network(found, court.policy));
    }
    if let Some(expires) = operator.expires.filter(|expires| court.now > *expires) {
        return Err(objections::operator_expiry(operator, expires, court.now));
    }
    let place = standing
        .place(about.logged, court.policy, court.now)
        .map_err(|void| objections::void(void, operator, &standing.key, court.now))?;
    bound(court, operator, about)?;
    let (mut near_enough, mut open) = (about.artifact.outcome == Outcome::Reproduced, false);
    if about.artifact.outcome == Outcome::Equivalent {
        let allowed = court.policy.demands().accept.allows(&about.logged.claim().facts.normalizers)
            && about.artifact.published == court.relevant.file();
        let computed = court.relevant.normalizes_to(about);
        near_enough = allowed && computed == Some(true);
        open = allowed && computed.is_none();
    }
    Ok(Counted { about, near_enough, open, unfit: unfit(court, operator, standing, place, about) })
}

/// The authorities that the policy names stand behind the release, and behind each index that
/// covers packages of its environment.
fn bound(court: &Court<'_>, operator: &Operator, about: About<'_>) -> Result<(), Reason> {
    let rebuild = about.logged.claim();
    let purl = court.relevant.purl();
    let by = |authority: &Authority, named: &BTreeSet<&str>| {
        authority.signers.iter().any(|signer| named.contains(signer.as_str()))
    };
    let (releases, locks) = (&court.authorities.releases, &court.authorities.locks);
    if !by(&rebuild.authority, releases) {
        return Err(objections::authority(
            "authority",
            operator,
            &rebuild.authority,
            purl,
            releases,
        ));
    }
    let covering = match rebuild.lock_authorities.as_slice() {
        [] => std::slice::from_ref(&rebuild.authority),
        several => several,
    };
    match covering.iter().find(|authority| !by(authority, locks)) {
        None => Ok(()),
        Some(stranger) => {
            Err(objections::authority("lock-authority", operator, stranger, purl, locks))
        }
    }
}

/// What keeps a statement from supporting: its own date, its age, and what witnesses saw.
fn unfit(
    court: &Court<'_>,
    operator: &Operator,
    standing: &Standing<'_>,
    place: Place,
    about: About<'_>,
) -> Option<Reason> {
    let demands = court.policy.demands();
    let finished = about.logged.claim().facts.finished;
    if -court.seconds_since(finished) > CLOCK_AHEAD_MAX {
        return Some(objections::clock(operator, finished, court.now));
    }
    let seen = match place {
        Place::Vouched => None,
        Place::Signed(seen) => seen,
    };
    if let Some(age) = demands.max_age {
        // Witnesses bound a time from above; whoever hides an early cosignature makes nothing young.
        let since = seen.map_or(finished, |seen| seen.min(finished));
        if court.seconds_since(since) > i64::try_from(age).unwrap_or(i64::MAX) {
            return Some(objections::max_age(operator, since, age));
        }
    }
    if matches!(place, Place::Signed(None)) && demands.witnesses > 0 {
        return Some(objections::witnesses(operator, demands.witnesses));
    }
    if place != Place::Vouched && !court.is_fresh(standing) {
        return Some(objections::max_head_age(operator, standing.fresh, court.now));
    }
    None
}
