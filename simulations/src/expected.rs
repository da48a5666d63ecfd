//! What the design says of one question, read off the entries of one disk by plain conditions (step 9).
//!
//! This is the naive reading that production's verdicts are held against, in the manner of
//! `tests/exhausted_worlds.rs`; nothing else may use it.

use std::collections::BTreeMap;

use reattest::entry::claim_of;
use reattest_attestation::limits::CLOCK_AHEAD_MAX;
use reattest_attestation::log::{Origin, SignedCheckpoint};
use reattest_attestation::{
    Claim, Conclusion, Digest, Envelope, OperatorWord, PublicKey, Purl, Rebuild, Timestamp,
};

use crate::checkers::Members;
use crate::consumers::About;
use crate::disk::StoredLog;
use crate::rules::Rules;

/// What one operator says about a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stance {
    Silent,
    Supports(Digest),
    Against(Digest),
    Contradicts,
}

impl Stance {
    /// What two keys of one operator say together.
    fn and(self, says: Self) -> Self {
        match self {
            Self::Silent => says,
            same if same == says => says,
            _ => Self::Contradicts,
        }
    }
}

/// A verdict and the supporters behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The answer.
    pub(crate) verdict: Conclusion,
    /// Operators that support the file.
    pub(crate) have: usize,
}

/// What the entries about a package say: by key, the newest rebuild, and whether the log is known
/// to be forked.
pub(crate) fn newest(
    about: &BTreeMap<&Origin, Vec<About<'_>>>,
    members: &Members,
    words: &[Vec<u8>],
    purl: &Purl,
) -> BTreeMap<PublicKey, Said> {
    let mut said = BTreeMap::new();
    for (origin, entries) in about {
        let Some(author) = members.values().find_map(|member| member.author_of(origin)) else {
            continue;
        };
        let key = author.public_key();
        // Of a key that was revoked only the entries count that every revocation leaves it.
        let held = entries.first().map_or(0, |about| under(about.log).len());
        let held = u64::try_from(held).unwrap_or(0);
        let good = revoked(words, (origin, held), &key);
        let counts = |about: &&About<'_>| good.is_none_or(|good| about.index < good);
        let mut rebuilds = entries.iter().rev().filter(counts).filter_map(|about| {
            let claim = claim_of(&key, about.entry)?;
            let Claim::Rebuild(rebuild) = claim else { return None };
            rebuild.artifacts.iter().any(|artifact| artifact.purl == *purl).then_some(rebuild)
        });
        let newest = rebuilds.next();
        let forked = entries.first().is_some_and(|about| about.log.fork.is_some());
        let forked = forked && good.is_none();
        said.insert(key, Said { operator: author.operator, newest, forked });
    }
    said
}

/// How many entries of a log count after its key was revoked, where it was: those under the head that
/// its operator names, once the log is here up to that.
fn revoked(words: &[Vec<u8>], (origin, held): (&Origin, u64), key: &PublicKey) -> Option<u64> {
    let words = words.iter().filter_map(|word| Envelope::parse(word).ok());
    let words = words.filter_map(|word| OperatorWord::verify(&word).ok()?.revoked());
    let of_key = words.filter(|revoked| revoked.revocation().rebuilder == *key);
    let good = of_key.map(|revoked| {
        let heads = &revoked.revocation().last_good;
        let named = heads.iter().find(|head| head.origin == *origin);
        named.map(|head| head.size).filter(|size| *size <= held).unwrap_or(0)
    });
    good.min()
}

/// What one key says.
#[derive(Debug)]
pub(crate) struct Said {
    operator: PublicKey,
    newest: Option<Rebuild>,
    forked: bool,
}

/// The entries that a log's head covers.
pub(crate) fn under(log: &StoredLog) -> &[Vec<u8>] {
    let head = log.head.as_ref().and_then(|head| SignedCheckpoint::parse(&head.checkpoint).ok());
    let size = head.and_then(|head| usize::try_from(head.unverified().size).ok());
    log.entries.get(..size.unwrap_or(0)).unwrap_or_default()
}

/// The verdict on a file.
pub(crate) fn expected(
    rules: &Rules,
    said: &BTreeMap<PublicKey, Said>,
    purl: &Purl,
    file: Digest,
    now: Timestamp,
) -> Expected {
    let believed = |at: usize| at > 0 || rules.believed_until.is_none_or(|until| now <= until);
    let stances = rules.voters.iter().enumerate().map(|(at, voter)| {
        if believed(at) { stance(rules, said, voter, purl, now) } else { Stance::Silent }
    });
    let stances: Vec<Stance> = stances.collect();
    let count = |is: &dyn Fn(&Stance) -> bool| stances.iter().filter(|stance| is(stance)).count();
    let behind = |file: Digest| count(&|stance| *stance == Stance::Supports(file));
    let (have, silent) = (behind(file), count(&|stance| *stance == Stance::Silent));
    let dissent = count(&|stance| [Stance::Contradicts, Stance::Against(file)].contains(stance));
    let other = stances.iter().any(|stance| match stance {
        Stance::Supports(other) => *other != file && behind(*other) >= rules.need,
        _ => false,
    });
    let out_of_reach = have.saturating_add(silent) < rules.need;
    let verdict = match (other || dissent > rules.limit() || out_of_reach, have >= rules.need) {
        (true, _) => Conclusion::Rejected,
        (false, true) => Conclusion::Accepted,
        (false, false) => Conclusion::Inconclusive,
    };
    Expected { verdict, have }
}

fn stance(
    rules: &Rules,
    said: &BTreeMap<PublicKey, Said>,
    voter: &PublicKey,
    purl: &Purl,
    now: Timestamp,
) -> Stance {
    // What its keys say, and what of it may count: support that is dated in the future may not yet.
    let (mut said_newest, mut stance) = (Stance::Silent, Stance::Silent);
    let latest = now.as_unix().saturating_add(CLOCK_AHEAD_MAX);
    for one in said.values().filter(|one| one.operator == *voter && !one.forked) {
        let Some(rebuild) = &one.newest else { continue };
        let named = |signer: &String| {
            rules.archives.iter().any(|archive| *signer == format!("openpgp:{archive}"))
        };
        let artifact = rebuild.artifacts.iter().find(|artifact| artifact.purl == *purl);
        let counts = rebuild.authority.signers.iter().any(named);
        let Some(artifact) = artifact.filter(|_| counts) else { continue };
        let says = if artifact.produced == Some(artifact.published) {
            Stance::Supports(artifact.published)
        } else {
            Stance::Against(artifact.published)
        };
        said_newest = said_newest.and(says);
        let early = rebuild.facts.finished.as_unix() > latest;
        if !early || matches!(says, Stance::Against(_)) {
            stance = stance.and(says);
        }
    }
    if said_newest == Stance::Contradicts { said_newest } else { stance }
}
