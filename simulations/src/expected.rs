//! What the design says of one question, read off the entries of one disk by plain conditions (step 9).
//!
//! This is the naive reading that production's verdicts are held against, in the manner of
//! `tests/exhausted_worlds.rs`; nothing else may use it.

use std::collections::BTreeMap;

use reattest::entry::claim_of;
use reattest_attestation::log::{Origin, SignedCheckpoint};
use reattest_attestation::{Claim, Conclusion, Digest, PublicKey, Purl, Rebuild, Timestamp};

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
    purl: &Purl,
) -> BTreeMap<PublicKey, Said> {
    let mut said = BTreeMap::new();
    for (origin, entries) in about {
        let Some(author) = members.values().find(|member| member.signer.origin == **origin) else {
            continue;
        };
        let key = author.signer.public_key();
        let mut rebuilds = entries.iter().rev().filter_map(|about| {
            let claim = claim_of(&key, about.entry)?;
            let Claim::Rebuild(rebuild) = claim else { return None };
            rebuild.artifacts.iter().any(|artifact| artifact.purl == *purl).then_some(rebuild)
        });
        let newest = rebuilds.next();
        let forked = entries.first().is_some_and(|about| about.log.fork.is_some());
        said.insert(key, Said { operator: author.signer.operator, newest, forked });
    }
    said
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
        if believed(at) { stance(rules, said, voter, purl) } else { Stance::Silent }
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
) -> Stance {
    let mut stance = Stance::Silent;
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
        stance = match stance {
            Stance::Silent => says,
            same if same == says => says,
            _ => Stance::Contradicts,
        };
    }
    stance
}
