//! What must hold: safety after every step, and liveness once faults stop.

use std::collections::{BTreeMap, BTreeSet};

use reattest::entry::claim_of;
use reattest::limits::{DOCUMENTS_ASKED, EARLY_QUESTIONS, RANGES};
use reattest::protocol::queue::State;
use reattest_attestation::log::tree::node_hash;
use reattest_attestation::log::{Origin, SignedCheckpoint, leaf_hash};
use reattest_attestation::{Claim, Digest, Purl};

use crate::disk::StoredLog;
use crate::liar::Forgery;
use crate::member::Member;
use crate::network::Name;
use crate::signer::Signer;
use crate::sybils::check_strangers;

/// Requests that a node may have open at once: three for heads to each of five peers (they are asked
/// every 5 seconds and given up after 10), the ranges and the documents that may be under way and as
/// many that were given up, and one question for consistency to each peer.
const OPEN_REQUESTS: usize = 3 * 5 + 2 * (RANGES + DOCUMENTS_ASKED) + 5;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// A stored log's entries hash to the root of its head, which its author signed.
    StoredRoot,
    /// A stored log is a prefix of what its author wrote.
    TruePrefix,
    /// No stored log becomes shorter under its head.
    NeverShrinks,
    /// What a core was told is stored stays on disk, through crashes.
    Acknowledged,
    /// Messages and queues stay within their limits.
    Bounds,
    /// Every request is answered exactly once: at once, or once its entries have come.
    OneAnswer,
    /// A key signs one history, whatever its disk forgot.
    OneHistory,
    /// A signer can sign, and its own node takes what it signs.
    SignerWorks,
    /// A node starts from what it stored.
    StartsAgain,
    /// A key attests a release once.
    AttestsOnce,
    /// Honest nodes do not drop honest nodes.
    HonestPeersKept,
    /// When faults stop, all honest nodes come to hold the same, and their consumers to conclude the
    /// same.
    Converges,
    /// What an honest consumer accepts, its policy allows, given what is true in the world.
    NoFalseAcceptance,
    /// A verdict is the one that the design words, given what is on the node's disk.
    Verdicts,
    /// A bundle gives the verdict of the logs that it was made from.
    BundlesAgree,
    /// A node that is asked by package or by file and a reader of its disk give one verdict.
    DoorsAgree,
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant:?}: {found}")]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// What was found instead.
    pub found: String,
}

impl Broken {
    /// What was found where the invariant should hold.
    pub fn new(invariant: Invariant, found: String) -> Self {
        Self { invariant, found }
    }
}

/// All nodes of the world.
pub type Members = BTreeMap<Name, Member>;

/// What the checkers remember of each log on each disk.
#[derive(Debug, Default)]
struct Seen {
    entries: usize,
    checkpoint: Vec<u8>,
    covered: u64,
    acknowledged: u64,
}

/// The checkers of safety: they look at the node that just took a step.
#[derive(Debug, Default)]
pub struct Checkers {
    seen: BTreeMap<(Name, Origin), Seen>,
    /// What nodes know since the last look.
    news: Vec<String>,
    /// By key, the entries that were looked at, and the releases that they attest.
    signed: BTreeMap<Origin, (usize, BTreeSet<Purl>)>,
}

impl Checkers {
    /// Checks one node.
    pub fn check(&mut self, name: Name, members: &Members) -> Result<(), Broken> {
        let Some(member) = members.get(&name) else { return Ok(()) };
        for (origin, log) in &member.disk.logs {
            let seen = self.seen.entry((name, origin.clone())).or_default();
            check_log(seen, origin, log, author(members, origin))?;
        }
        self.check_acknowledged(name, member, members)?;
        self.check_votes(member)?;
        check_strangers(member)?;
        check_queues(member)
    }

    /// A node's disk was replaced: what it held before is no measure any more.
    pub fn forget(&mut self, name: Name) {
        self.seen.retain(|(of, _), _| *of != name);
    }

    /// What nodes know since the last look, each log that grew with one.
    pub(crate) fn news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    fn check_acknowledged(
        &mut self,
        name: Name,
        member: &Member,
        members: &Members,
    ) -> Result<(), Broken> {
        let Some(life) = &member.life else { return Ok(()) };
        let sizes: BTreeMap<&Origin, u64> = life.core.logs().collect();
        for ((_, origin), seen) in self.seen.iter_mut().filter(|((of, _), _)| *of == name) {
            let size = sizes.get(origin).copied().unwrap_or(0);
            if size < seen.acknowledged || seen.covered < size {
                let found = format!(
                    "{origin}: {} entries were stored, the core knows {size}, the disk has {}",
                    seen.acknowledged, seen.covered
                );
                return Err(Broken::new(Invariant::Acknowledged, found));
            }
            if size > seen.acknowledged {
                let mut all = members.iter();
                let author = all.find(|(_, author)| author.author_of(origin).is_some());
                let author = author.map_or("nobody".to_owned(), |(author, _)| author.to_string());
                self.news.push(format!("{name} holds the log of {author} up to entry {size}"));
            }
            seen.acknowledged = size;
        }
        Ok(())
    }

    fn check_votes(&mut self, member: &Member) -> Result<(), Broken> {
        let (looked, attested) = self.signed.entry(member.signer.origin.clone()).or_default();
        let key = member.signer.public_key();
        for entry in member.signer.written.get(*looked..).unwrap_or_default() {
            *looked = looked.saturating_add(1);
            let Some(Claim::Rebuild(rebuild)) = claim_of(&key, entry) else { continue };
            if !attested.insert(rebuild.source.clone()) {
                let found = format!("{} twice", rebuild.source);
                return Err(Broken::new(Invariant::AttestsOnce, found));
            }
        }
        Ok(())
    }

    /// Whether a node attested a release, with one of its keys.
    pub(crate) fn attested(&self, member: &Member, purl: &Purl) -> bool {
        let mut signed = member.keys().filter_map(|signer| self.signed.get(&signer.origin));
        signed.any(|(_, attested)| attested.contains(purl))
    }
}

/// Whose log it is, and what else was signed into it.
#[derive(Debug, Clone, Copy)]
struct Author<'a> {
    signer: &'a Signer,
    forgery: Option<&'a Forgery>,
}

fn author<'a>(members: &'a Members, origin: &Origin) -> Option<Author<'a>> {
    members.values().find_map(|member| {
        let forgery = member.liar.as_ref().and_then(|liar| liar.forgery.as_ref());
        Some(Author { signer: member.author_of(origin)?, forgery })
    })
}

fn check_log(
    seen: &mut Seen,
    origin: &Origin,
    log: &StoredLog,
    author: Option<Author<'_>>,
) -> Result<(), Broken> {
    let checkpoint = log.head.as_ref().map_or(&[][..], |head| head.checkpoint.as_slice());
    if seen.entries == log.entries.len() && seen.checkpoint == checkpoint {
        return Ok(());
    }
    let broken = |invariant, what: &str| Err(Broken::new(invariant, format!("{origin}: {what}")));
    let Some(author) = author else {
        return broken(Invariant::TruePrefix, "it has no author in this world");
    };
    let covered = match &log.head {
        Some(_) => covered(checkpoint, log, author),
        None => Some(0),
    };
    let Some(covered) = covered else {
        return broken(Invariant::StoredRoot, "its entries do not lead to a head of its author");
    };
    // What no head covers may be torn, or turn out to be of another history, and is thrown away then.
    let under = log.entries.get(..usize::try_from(covered).unwrap_or(0)).unwrap_or_default();
    if !is_true(under, author) {
        return broken(Invariant::TruePrefix, "its author never wrote this");
    }
    if covered < seen.covered {
        return broken(Invariant::NeverShrinks, "it had more entries before");
    }
    seen.entries = log.entries.len();
    seen.checkpoint = checkpoint.to_vec();
    seen.covered = covered;
    Ok(())
}

/// The entries under a log's head, where the author signed it and the entries are there.
fn covered(checkpoint: &[u8], log: &StoredLog, author: Author<'_>) -> Option<u64> {
    let signed = SignedCheckpoint::parse(checkpoint).ok()?;
    let verified = signed.verify(&author.signer.public_key()).ok()?;
    let head = verified.checkpoint();
    let under = log.entries.get(..usize::try_from(head.size).ok()?)?;
    let leaves: Vec<Digest> = under.iter().map(|entry| leaf_hash(entry)).collect();
    (root(&leaves) == head.root).then_some(head.size)
}

/// RFC 6962's definition of the root (2.1), which is slow and shares nothing with the frontiers that
/// nodes keep.
fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            node_hash(root(left), root(right))
        }
    }
}

/// Whether entries are a beginning of what the author wrote, in one of its histories.
fn is_true(entries: &[Vec<u8>], author: Author<'_>) -> bool {
    let written = &author.signer.written;
    if written.starts_with(entries) {
        return true;
    }
    author.forgery.zip(entries.split_last()).is_some_and(|(forgery, (last, before))| {
        *last == forgery.entry
            && u64::try_from(before.len()) == Ok(forgery.index)
            && written.starts_with(before)
    })
}

fn check_queues(member: &Member) -> Result<(), Broken> {
    let Some(life) = &member.life else { return Ok(()) };
    let open = life.transport.asked.len();
    if open > OPEN_REQUESTS {
        let found = format!("{open} open requests, at most {OPEN_REQUESTS} have a reason");
        return Err(Broken::new(Invariant::Bounds, found));
    }
    if life.jobs.len() > 2 || life.jobs.values().collect::<BTreeSet<_>>().len() < life.jobs.len() {
        let found = format!("its builder works on {:?}", life.jobs);
        return Err(Broken::new(Invariant::Bounds, found));
    }
    let (open, early) = (life.transport.tickets.len(), life.core.early_questions());
    if open != early {
        let found = format!("{open} questions are open, and {early} of them wait for entries");
        return Err(Broken::new(Invariant::OneAnswer, found));
    }
    if early > EARLY_QUESTIONS {
        let found = format!("{early} questions wait for entries, needed at most {EARLY_QUESTIONS}");
        return Err(Broken::new(Invariant::Bounds, found));
    }
    Ok(())
}

/// Liveness: the first thing that keeps honest nodes from holding the same.
pub fn missing(members: &Members, announced: &BTreeSet<Purl>) -> Option<String> {
    let honest = || members.iter().filter(|(_, member)| member.liar.is_none());
    // Of a log that was forked, nodes hold what they held when they learned of it.
    let documents: BTreeSet<&Digest> =
        honest().flat_map(|(_, member)| member.keys().flat_map(Signer::documents)).collect();
    for (name, member) in honest() {
        let Some(life) = &member.life else {
            return Some(format!("{name} is down"));
        };
        let sizes: BTreeMap<&Origin, u64> = life.core.logs().collect();
        let logs =
            members.iter().flat_map(|(author, of)| of.keys().map(move |key| (author, of, key)));
        for (author, of, key) in logs {
            let log = &key.origin;
            let (has, all) = (sizes.get(log).copied().unwrap_or(0), key.written.len());
            if of.liar.is_none() && usize::try_from(has) != Ok(all) {
                return Some(format!("{name} has {has} of {all} entries of {author}"));
            }
            // A fork that nobody was shown cannot be known; one that somebody saw, all must know.
            let knows =
                |member: &Member| member.disk.logs.get(log).is_some_and(|log| log.fork.is_some());
            if !knows(member) && honest().any(|(_, other)| knows(other)) {
                return Some(format!("{name} was not told that {author} forked"));
            }
        }
        let held = &member.disk.documents;
        if let Some(document) = documents.iter().find(|digest| !held.contains_key(digest)) {
            return Some(format!("{name} lacks the document {document}"));
        }
        let attested: BTreeSet<&Purl> = member.keys().flat_map(Signer::attested).collect();
        let words: BTreeSet<&Vec<u8>> = honest().flat_map(|(_, other)| &other.disk.words).collect();
        if words.len() != member.disk.words.len() {
            let (has, all) = (member.disk.words.len(), words.len());
            return Some(format!("{name} has {has} of {all} words of operators"));
        }
        let given_up = |purl: &Purl| {
            let row = life.core.queue().row(purl);
            row.is_some_and(|row| matches!(row.state, State::GivenUp { .. }))
        };
        let open = announced.iter().find(|purl| !attested.contains(purl) && !given_up(purl));
        if let Some(purl) = open {
            let row = life.core.queue().row(purl).map(|row| (row.state, row.faults));
            return Some(format!("{name} neither attested nor gave up {purl}: {row:?}"));
        }
        if let Some(row) = life.core.queue().rows().find(|row| attested.contains(&row.purl)) {
            return Some(format!("{name} attested {} and still has it queued", row.purl));
        }
    }
    None
}
