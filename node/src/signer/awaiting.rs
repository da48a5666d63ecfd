//! A signer that starts does not know whether its disk came back from a backup: witnesses do.
//!
//! Where the policy names witnesses, nothing is signed until enough of them cosigned a head of the own
//! log anew, since this start. Each cosigns only the largest head that it ever saw: so a newer head
//! than this signer's state comes to light, and stops it for good (`seen.rs`).

use std::collections::BTreeSet;

use reattest_attestation::log::{VerifiedCheckpoint, WitnessKey};
use reattest_attestation::{PublicKey, Timestamp};

use crate::config::Config;
use crate::config::place::Key as Step;
use crate::fault::Fault;
use crate::limits::WITNESS_CLOCK_SECONDS;
use crate::setup;

/// The witnesses that are waited for.
#[derive(Debug)]
pub struct Awaiting {
    witnesses: Vec<WitnessKey>,
    needed: usize,
    /// When this signer began.
    since: Timestamp,
    heard: BTreeSet<PublicKey>,
}

impl Awaiting {
    /// Whom a signer waits for that begins now: those of the policy, but not this node's own.
    pub(super) fn of(
        config: &Config,
        own: Option<PublicKey>,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        if config.await_witnesses == Some(0) {
            return Ok(Self::nobody());
        }
        let policy = setup::read_policy(&config.policy)?;
        let witnesses = policy.witnesses().iter().map(|witness| witness.key.clone());
        let witnesses: Vec<_> = witnesses.filter(|witness| Some(witness.key()) != own).collect();
        let needed = config.await_witnesses.unwrap_or(usize::from(!witnesses.is_empty()));
        if needed > witnesses.len() {
            let why = format!(
                "found {needed}, needed at most the {} witnesses that the policy {} names besides \
                 this node itself; add [[witness]] tables there, or wait for fewer",
                witnesses.len(),
                config.policy.display()
            );
            return Err(config.mistake(&[Step::Of("await_witnesses")], why));
        }
        Ok(Self::these(witnesses, needed, now))
    }

    /// So many of these are waited for by a signer that begins now.
    pub fn these(witnesses: Vec<WitnessKey>, needed: usize, now: Timestamp) -> Self {
        Self { witnesses, needed, since: now, heard: BTreeSet::new() }
    }

    /// A clock that was ahead when this signer began and is right now: it is as if it began now. Else
    /// no cosignature would be new enough until the wrong time has come.
    pub(super) fn set_back(&mut self, now: Timestamp) {
        self.since = self.since.min(now);
    }

    /// Nobody is waited for.
    pub fn nobody() -> Self {
        let since = Timestamp::from_unix(0);
        Self { witnesses: Vec::new(), needed: 0, since, heard: BTreeSet::new() }
    }

    /// Whether nothing may be signed yet.
    pub(super) fn waits(&self) -> bool {
        self.heard.len() < self.needed
    }

    /// Takes in a head of the own log that is not beyond the state; whether that ends the wait.
    pub(super) fn heard(&mut self, head: &VerifiedCheckpoint) -> bool {
        let waited = self.waits();
        let since = self.since.as_unix().saturating_sub(WITNESS_CLOCK_SECONDS);
        for witness in &self.witnesses {
            let times = head.cosigned_by(witness).unwrap_or_default();
            if times.last().is_some_and(|time| time.as_unix() >= since) {
                self.heard.insert(witness.key());
            }
        }
        waited && !self.waits()
    }

    /// Why a request is refused meanwhile.
    pub(super) fn refusal(&self) -> String {
        format!(
            "the signer waits until {} of its {} witnesses have cosigned its log anew, and heard {}: \
             connect to a node with the role \"witness\" that follows this operator, or set \
             `await_witnesses = 0` when this disk never came from a backup",
            self.needed,
            self.witnesses.len(),
            self.heard.len()
        )
    }
}
