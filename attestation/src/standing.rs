//! An operator's key under a policy at one time: certified, revoked, forked, and how freshly witnessed (step 9).

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::evidence::{Evidence, Logged, Under};
use crate::key::PublicKey;
use crate::limits::CLOCK_AHEAD_MAX;
use crate::log::{Checkpoint, VerifiedCheckpoint};
use crate::policy::{Operator, Policy, Witness};
use crate::statement::{Certified, Revoked};
use crate::time::Timestamp;

/// What is known of one key of one operator.
pub(crate) struct Standing<'a> {
    pub(crate) key: PublicKey,
    certificates: Vec<&'a Certified>,
    revocations: Vec<&'a Revoked>,
    pub(crate) forked: bool,
    /// Heads with the time by which enough witnesses had cosigned each.
    witnessed: BTreeMap<&'a Checkpoint, Timestamp>,
    /// Since when enough witnesses say that nothing newer was shown to them.
    pub(crate) fresh: Option<Timestamp>,
}

/// How a statement's place in its log is vouched for.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Place {
    /// Under a head that the operator's offline key named: closed, and good for ever.
    Vouched,
    /// Under a head that the log's key signed, with the time by which witnesses had seen it where
    /// the policy asks for witnesses.
    Signed(Option<Timestamp>),
}

/// Why a place does not count at all.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(crate) enum Void {
    /// The key was revoked, and the place is under none of the heads that its operator left good.
    Revoked,
    /// The key signed two histories, and its operator has vouched for neither.
    Forked,
    /// No certificate holds at the time that counts.
    Uncertified,
}

impl<'a> Standing<'a> {
    pub(crate) fn of(
        policy: &Policy,
        evidence: &'a Evidence,
        operator: &Operator,
        key: PublicKey,
        now: Timestamp,
    ) -> Self {
        let certificates = evidence.certificates().iter().filter(|certified| {
            let certificate = certified.certificate();
            certificate.operator == operator.key && certificate.rebuilder == key
        });
        let revocations = evidence.revocations().iter().filter(|revoked| {
            let revocation = revoked.revocation();
            revocation.operator == operator.key && revocation.rebuilder == key
        });
        let seen = Seen::of(policy, evidence, operator, key, now);
        let needed = policy.demands().witnesses;
        Self {
            key,
            certificates: certificates.collect(),
            revocations: revocations.collect(),
            forked: evidence.forked().contains(&key),
            witnessed: seen.heads_seen_by(needed),
            fresh: seen.newest_seen_by(needed),
        }
    }

    /// Whether its operator still means it to sign.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.revocations.is_empty() && self.certificates.iter().any(|c| c.holds_at(now))
    }

    /// Whether its own key or its own operator put a statement into the log. Otherwise somebody
    /// else's revocation named that head, which must not even be told of.
    pub(crate) fn knows<T>(&self, logged: &Logged<T>) -> bool {
        let named = || self.revocations.iter().any(|revoked| vouches(revoked, logged.under()));
        logged.under().iter().any(|under| under.signed) || named()
    }

    /// Where a statement stands, or why that place counts for nothing.
    pub(crate) fn place<T>(
        &self,
        logged: &Logged<T>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Place, Void> {
        let under = logged.under();
        if !self.revocations.is_empty() {
            let every = self.revocations.iter().all(|revoked| vouches(revoked, under));
            return if every { Ok(Place::Vouched) } else { Err(Void::Revoked) };
        }
        if self.forked {
            return Err(Void::Forked);
        }
        if !under.iter().any(|under| under.signed) {
            // Named only by somebody else's revocation.
            return Err(Void::Uncertified);
        }
        let seen = under.iter().filter_map(|under| self.witnessed.get(&under.head)).min().copied();
        // A rebuilder's own clock is a claim: without witnesses, only now is certain.
        let needed = policy.demands().witnesses > 0;
        let time = if needed { seen.unwrap_or(now) } else { now };
        // Now is enough too: else who adds a cosignature from before the certificate silences it.
        let holds = |certified: &&'a Certified| certified.holds_at(time) || certified.holds_at(now);
        if !self.certificates.iter().any(holds) {
            return Err(Void::Uncertified);
        }
        Ok(Place::Signed(seen))
    }

    /// The operator's statements that this standing rests on.
    pub(crate) fn words(&self) -> impl Iterator<Item = Digest> {
        let certificates = self.certificates.iter().map(|certified| certified.envelope());
        certificates.chain(self.revocations.iter().map(|revoked| revoked.envelope()))
    }
}

fn vouches(revoked: &Revoked, under: &BTreeSet<Under>) -> bool {
    under.iter().any(|under| revoked.revocation().last_good.contains(&under.head))
}

/// Every key that the operator ever certified or revoked, as far as the evidence shows.
pub(crate) fn keys_of(evidence: &Evidence, operator: &Operator) -> BTreeSet<PublicKey> {
    let certificates = evidence.certificates().iter().map(Certified::certificate);
    let certified = certificates.filter(|c| c.operator == operator.key).map(|c| c.rebuilder);
    let revocations = evidence.revocations().iter().map(Revoked::revocation);
    let revoked = revocations.filter(|r| r.operator == operator.key).map(|r| r.rebuilder);
    certified.chain(revoked).collect()
}

/// By witness, the first and the last time at which it cosigned a head.
type Times = BTreeMap<PublicKey, (Timestamp, Timestamp)>;

/// The first and the last time at which each independent witness cosigned each head.
struct Seen<'a> {
    heads: Vec<(&'a Checkpoint, Times)>,
}

impl<'a> Seen<'a> {
    fn of(
        policy: &Policy,
        evidence: &'a Evidence,
        operator: &Operator,
        key: PublicKey,
        now: Timestamp,
    ) -> Self {
        if policy.demands().witnesses == 0 {
            return Self { heads: Vec::new() };
        }
        let own = keys_of(evidence, operator);
        let independent = |witness: &&Witness| {
            let key = witness.key.key();
            witness.run_by.as_ref() != Some(&operator.name)
                && key != operator.key
                && !own.contains(&key)
        };
        let witnesses: Vec<_> = policy.witnesses().iter().filter(independent).collect();
        let latest = Timestamp::from_unix(now.as_unix().saturating_add(CLOCK_AHEAD_MAX));
        let times = |head: &VerifiedCheckpoint| {
            let time = |witness: &&Witness| {
                // A false line is worth as much as none: whoever passed it on could have cut it.
                let mut times = head.cosigned_by(&witness.key).unwrap_or_default();
                times.retain(|time| *time <= latest);
                Some((witness.key.key(), (*times.first()?, *times.last()?)))
            };
            witnesses.iter().filter_map(time).collect()
        };
        Self {
            heads: evidence
                .heads(&key)
                .iter()
                .map(|head| (head.checkpoint(), times(head)))
                .collect(),
        }
    }

    /// The time by which this many witnesses had cosigned each head.
    fn heads_seen_by(&self, needed: usize) -> BTreeMap<&'a Checkpoint, Timestamp> {
        let mut merged: BTreeMap<&Checkpoint, BTreeMap<PublicKey, Timestamp>> = BTreeMap::new();
        for (head, times) in &self.heads {
            let known = merged.entry(head).or_default();
            for (witness, (time, _)) in times {
                let first = known.entry(*witness).or_insert(*time);
                *first = (*first).min(*time);
            }
        }
        let by = |times: BTreeMap<PublicKey, Timestamp>| {
            let mut times: Vec<_> = times.into_values().collect();
            times.sort_unstable();
            times.get(needed.checked_sub(1)?).copied()
        };
        merged.into_iter().filter_map(|(head, times)| Some((head, by(times)?))).collect()
    }

    /// The newest time at or after which this many witnesses cosigned any head of the key.
    fn newest_seen_by(&self, needed: usize) -> Option<Timestamp> {
        let mut newest: BTreeMap<PublicKey, Timestamp> = BTreeMap::new();
        for (witness, (_, time)) in self.heads.iter().flat_map(|(_, times)| times) {
            let known = newest.entry(*witness).or_insert(*time);
            *known = (*known).max(*time);
        }
        let mut times: Vec<_> = newest.into_values().collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.get(needed.checked_sub(1)?).copied()
    }
}
