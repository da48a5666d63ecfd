//! Bugs that are planted on purpose: each must be caught by the checkers, or they check nothing.
//!
//! No canary lives in production code. Each bends what goes into it or what comes out of it, as a
//! node with that bug would: the disk's answers, the order of its writes, the policy, the evidence
//! and the clock that a verdict is asked with.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use reattest::protocol::{Event, Gossip};
use reattest_attestation::log::{Origin, SignedCheckpoint};
use reattest_attestation::{
    Bundle, Certificate, Completeness, Digest, Envelope, SecretKey, Sign as _, Timestamp,
};

use crate::checkers::Members;
use crate::disk::DATA;
use crate::member::Member;
use crate::network::Name;
use crate::rebuilds::STRANGE_ARCHIVE;
use crate::rules::Rules;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Canary {
    /// A disk loses the last entry of what is pulled, and reports it as stored.
    LosesEntries,
    /// A node publishes whatever head it hears of last, even one that makes its log shorter.
    AcceptsShrinkingLogs,
    /// The tail of the own log is acknowledged before it is durable: a power cut takes the last
    /// entry, and the head over it is signed already.
    SignsBeforeDurable,
    /// A verdict gives every key a vote, also where one operator has several.
    CountsKeys,
    /// A verdict believes an operator beyond the day that its policy names.
    IgnoresExpiry,
    /// A verdict asks for a majority of those who answered, not of the policy's operators.
    CountsResponders,
    /// A verdict leaves out who could not reproduce the file.
    DropsDissent,
    /// A verdict counts a rebuild whose sources nobody in the policy vouches for.
    CountsUnauthorised,
    /// A verdict counts a key that signed two histories.
    ForgetsForks,
    /// A verdict takes a bundle for whole logs, as if nobody could have cut a dissent out.
    BelievesBundles,
}

/// What a consumer hands to the production code.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its policy.
    pub rules: Rules,
    /// The evidence.
    pub bundle: Bundle,
    /// Whether that is everything there is.
    pub completeness: Completeness,
    /// The time.
    pub now: Timestamp,
}

impl Canary {
    /// Asks as a consumer with this bug would.
    pub(crate) fn bend(self, asked: &mut Asked, members: &Members) {
        match self {
            Self::CountsKeys => a_voter_for_each_key(asked, members),
            Self::IgnoresExpiry => asked.rules.believed_until = None,
            Self::CountsResponders => {
                let answered = |operator| {
                    let own = members.values().filter(|member| member.signer.operator == operator);
                    let keys: Vec<_> = own.map(|m| m.signer.public_key().fingerprint()).collect();
                    asked.bundle.envelopes.iter().any(|one| keys.iter().any(|k| k == one.keyid()))
                };
                let voters = asked.rules.voters.iter().copied();
                let answering: Vec<_> = voters.filter(|voter| answered(*voter)).collect();
                if !answering.is_empty() {
                    asked.rules.need = asked.rules.need.min(answering.len() / 2 + 1);
                    asked.rules.voters = answering;
                }
            }
            Self::DropsDissent => {
                asked.bundle.envelopes.retain(|envelope| {
                    let text = String::from_utf8_lossy(envelope.unverified_payload());
                    !text.contains("\"outcome\":\"differs\"")
                });
            }
            Self::CountsUnauthorised => asked.rules.archives.push(STRANGE_ARCHIVE),
            Self::ForgetsForks => asked.bundle.forks.clear(),
            Self::BelievesBundles => asked.completeness = Completeness::Complete,
            Self::LosesEntries | Self::AcceptsShrinkingLogs | Self::SignsBeforeDurable => {}
        }
    }

    /// What a node with this bug does before its core hears of an event.
    pub(crate) fn hear(self, member: &mut Member, event: &Event) {
        let Event::Gossiped { bytes, .. } = event else { return };
        let (Self::AcceptsShrinkingLogs, Ok(Gossip::Head(head))) = (self, Gossip::decode(bytes))
        else {
            return;
        };
        let Ok(signed) = SignedCheckpoint::parse(&head.checkpoint) else { return };
        let log = log_directory(&signed.unverified().origin);
        // Of a log that has no head yet there is no such file.
        let _planted = member.disk.memory.plant(&log.join("checkpoint"), &head.checkpoint);
    }

    /// What the disk of a node with this bug does.
    pub(crate) fn spoil(self, member: &mut Member) {
        match self {
            Self::LosesEntries if member.name == Name(0) => member.disk.loses_entries = true,
            Self::SignsBeforeDurable => {
                member.disk.memory.hurry(log_directory(&member.signer.origin));
            }
            _ => {}
        }
    }
}

fn log_directory(origin: &Origin) -> PathBuf {
    Path::new(DATA).join("logs").join(origin.to_string())
}

/// As if each key were an operator of its own: it certifies itself, so to say.
fn a_voter_for_each_key(asked: &mut Asked, members: &Members) {
    let mut voters = Vec::new();
    for member in members.values() {
        if !asked.rules.voters.contains(&member.signer.operator) {
            continue;
        }
        let key = member.signer.public_key();
        let boss = SecretKey::from_seed(Digest::of(&key.to_bytes()).as_bytes());
        let day =
            |days: i64| Timestamp::from_unix(asked.now.as_unix().saturating_add(86_400 * days));
        let (operator, rebuilder) = (boss.public_key(), key);
        let certificate =
            Certificate { operator, rebuilder, not_before: day(-1), not_after: day(1) };
        let payload = certificate.to_payload().ok();
        let signed = payload.and_then(|payload| Envelope::sign(payload, &boss).ok());
        asked.bundle.certificates.extend(signed);
        voters.push(operator);
    }
    asked.rules.voters = voters;
}
