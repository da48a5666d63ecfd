//! Why a statement of a voting operator does not count, or may not support, in words to act on (step 9).

use std::collections::BTreeSet;

use crate::artifact::{NetworkId, Purl};
use crate::key::PublicKey;
use crate::policy::{Operator, Policy};
use crate::standing::Void;
use crate::statement::{Authority, Rebuild};
use crate::time::Timestamp;
use crate::verdict::Reason;

pub(crate) fn network(found: &NetworkId, policy: &Policy) -> Reason {
    Reason::new(
        "network",
        format!("evidence of network {found}"),
        format!("network {}, as the policy says", policy.network()),
        "ask for evidence of that network, or correct \"network\" in the policy",
    )
}

pub(crate) fn operator_expiry(operator: &Operator, expires: Timestamp, now: Timestamp) -> Reason {
    Reason::new(
        "operator-expiry",
        format!("{} believed until {expires}; it is {now}", operator.name),
        "an operator that the policy still believes",
        format!("review {} and set a later \"expires\" in its [[operator]] table", operator.name),
    )
}

pub(crate) fn void(void: Void, operator: &Operator, key: &PublicKey, now: Timestamp) -> Reason {
    let (name, key) = (&operator.name, key.fingerprint());
    match void {
        Void::Uncertified => Reason::new(
            "certificate",
            format!("{name}'s key {key} without a certificate valid at {now}"),
            "a certificate by the operator's key that is valid now",
            format!("ask {name} for a new certificate, or check this machine's clock"),
        ),
        Void::Revoked => Reason::new(
            "revocation",
            format!("a statement of {name}'s revoked key {key} outside its last good heads"),
            "a statement under a head that the operator vouches for",
            format!("wait until {name} rebuilds with its new key"),
        ),
        Void::Forked => Reason::new(
            "fork",
            format!("{name}'s key {key} signed two histories of one log"),
            "one append-only log for each key",
            format!("tell {name}: its key is stolen, or its state was restored from an old copy"),
        ),
    }
}

pub(crate) fn authority(
    rule: &str,
    operator: &Operator,
    found: &Authority,
    purl: &Purl,
    named: &BTreeSet<&str>,
) -> Reason {
    let expected = if named.is_empty() {
        "an [[authority]] of the policy whose pattern covers the purl".to_owned()
    } else {
        format!("one of {}", named.iter().copied().collect::<Vec<_>>().join(", "))
    };
    let what =
        if rule == "authority" { purl.to_string() } else { format!("the environment of {purl}") };
    Reason::new(
        rule,
        format!("{} relies on {} for {what}", operator.name, found.signers.join(", ")),
        expected,
        "check that key, then name it in an [[authority]] of the policy; or have the operator rebuild from the right index",
    )
}

pub(crate) fn normalizers(operator: &Operator, rebuild: &Rebuild) -> Reason {
    let named = rebuild.facts.normalizers.iter().map(|n| format!("{}@{}", n.name, n.version));
    Reason::new(
        "normalizers",
        format!(
            "{} found the file equal under {}, which was not run on it here",
            operator.name,
            named.collect::<Vec<_>>().join(", ")
        ),
        "the same digest from the same normalizers, computed here",
        "install these normalizers for the check, or wait for rebuilds that are equal bit for bit",
    )
}

pub(crate) fn clock(operator: &Operator, finished: Timestamp, now: Timestamp) -> Reason {
    Reason::new(
        "clock",
        format!("a statement of {} dated {finished}; it is {now}", operator.name),
        "a build that ended before now",
        format!("check this machine's clock, and ask {} to check its own", operator.name),
    )
}

pub(crate) fn max_age(operator: &Operator, since: Timestamp, age: u64) -> Reason {
    Reason::new(
        "max-age",
        format!("a statement of {} from {since}", operator.name),
        format!("one at most {} old", duration(age)),
        format!("ask {} to rebuild, or raise \"max_age\" in [quorum]", operator.name),
    )
}

pub(crate) fn witnesses(operator: &Operator, needed: usize) -> Reason {
    Reason::new(
        "witnesses",
        format!(
            "a statement of {} under no head that {needed} of the policy's witnesses cosigned",
            operator.name
        ),
        format!("{needed} witnesses that {} does not run", operator.name),
        "follow a node that carries cosigned heads, or wait for the witnesses",
    )
}

pub(crate) fn max_head_age(
    operator: &Operator,
    fresh: Option<Timestamp>,
    now: Timestamp,
) -> Reason {
    let found = match fresh {
        Some(seen) => format!("heads of {} last cosigned at {seen}; it is {now}", operator.name),
        None => format!("no head of {} that enough witnesses cosigned", operator.name),
    };
    Reason::new(
        "max-head-age",
        found,
        "a head that witnesses saw within \"max_head_age\"",
        "follow the operator's log again: somebody may be showing you an old state of it",
    )
}

/// Seconds in the largest unit that is whole, as policies write them.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s => format!("{}m", s / 60),
    }
}
