//! Step 10, query: the evidence of a store as a bundle, and the verdict that a policy draws from it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reattest_attestation::canonical;
use reattest_attestation::export::LinkDocument;
use reattest_attestation::limits::DOCUMENT_MAX;
use reattest_attestation::log::Origin;
use reattest_attestation::{
    Bundle, Completeness, Conclusion, Digest, Envelope, Evidence, HashedFile, LoggedAt,
    OperatorWord, Policy, PublicKey, Purl, Question, Revocation, Verdict, conclude,
};

use crate::clock;
use crate::config::Config;
use crate::doors::Held;
use crate::entry::{claim_of, documents_of};
use crate::fault::Fault;
use crate::limits::{FILE_PACKAGES, VOUCHED_HEADS};
use crate::shell::control::{self, Answer, Ask};
use crate::store::index::{Index, Place, Selector};
use crate::store::{Log, LogError, Store};
use crate::words::{Words, WordsError};

/// Evidence that a store cannot give.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The store's own fault.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The words of operators cannot be read.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// Bytes that very many packages publish, such as the empty file: judging all of them would
    /// cost far more than any other question.
    #[error(
        "found a file that is published under more than {FILE_PACKAGES} names, needed one; say what it is meant to be with --as PURL"
    )]
    TooManyNames,
}

/// All evidence of a store on a package, or on every package that some bytes are said to be.
///
/// The heads of all logs come along: who is silent must be seen to be silent lately. So does what
/// operators say about the keys of these logs: a revocation that is withheld would leave a stolen key
/// its votes.
///
/// A log that is caught up with answers already, under the head that it is on its way to. What has not
/// come yet may hold a dissent: such evidence is an excerpt.
pub fn evidence(
    store: &Store,
    index: &dyn Index,
    selector: &Selector,
) -> Result<(Bundle, Completeness), EvidenceError> {
    let mut places: BTreeSet<Place> = index.find(selector)?.into_iter().collect();
    if matches!(selector, Selector::File(_)) {
        // What others published under the same name decides too.
        for purl in packages(store, &places)? {
            places.extend(index.find(&Selector::Package(purl))?);
        }
    }
    let keys = store.logs().map(|log| log.origin().key_digest()).collect();
    let words = Words::open_on(store.disk().clone(), store.data())?;
    let mut bundle =
        Bundle { certificates: words.about(&keys).cloned().collect(), ..Bundle::default() };
    for log in store.logs() {
        bundle.checkpoints.extend(log.checkpoint().cloned());
        bundle.forks.extend(log.fork()?);
        let certificate = log.certificate().and_then(|bytes| Envelope::parse(bytes).ok());
        // A rotation is a certificate too, and may be among the words already.
        bundle.certificates.extend(certificate.filter(|one| !words.holds(&one.digest())));
    }
    let vouched = vouched(store, &bundle.certificates);
    for place in &places {
        if let Some(log) = store.log(&place.origin) {
            let sizes = vouched.get(&place.origin).map_or(&[][..], Vec::as_slice);
            add_entry(&mut bundle, store, log, place.index, sizes)?;
        }
    }
    let mut complete = Completeness::Complete;
    for log in store.logs().filter(|log| log.ahead().is_some()) {
        let of_log = places.iter().filter(|place| place.origin == *log.origin());
        let beyond = of_log.map(|place| place.index).filter(|index| *index >= log.published());
        let added = add_ahead(&mut bundle, store, log, beyond)?;
        if added || log.published() == 0 {
            complete = Completeness::Excerpt;
        }
    }
    Ok((bundle, complete))
}

/// Adds the entries of a log that no published head covers yet and the head covers that the log is on
/// its way to, with that head; whether there were any.
fn add_ahead(
    bundle: &mut Bundle,
    store: &Store,
    log: &Log,
    places: impl Iterator<Item = u64>,
) -> Result<bool, LogError> {
    let Some(ahead) = log.ahead() else { return Ok(false) };
    let Some(key) = ahead.key() else { return Ok(false) };
    let (size, mut added) = (ahead.checkpoint().unverified().size, false);
    for index in places {
        let Some(proof) = log.inclusion_ahead(index)? else { continue };
        let Some(envelope) = log.entry(index)?.and_then(|entry| Envelope::parse(&entry).ok())
        else {
            continue;
        };
        add_documents(bundle, store, &key, envelope.as_bytes());
        let (digest, origin) = (envelope.digest(), log.origin().clone());
        bundle.proofs.push(LoggedAt { envelope: digest, origin, size, proof });
        bundle.envelopes.push(envelope);
        added = true;
    }
    if added {
        bundle.checkpoints.push(ahead.checkpoint().clone());
        let known = |one: &Envelope| bundle.certificates.contains(one);
        let certificate = ahead.certificate().filter(|one| !known(one));
        bundle.certificates.extend(certificate);
    }
    Ok(added)
}

/// Up to where the operator that certified a log's key vouches for the log, where it ended the key.
fn vouched(store: &Store, certificates: &[Envelope]) -> BTreeMap<Origin, Vec<u64>> {
    let mut sizes: BTreeMap<Origin, Vec<u64>> = BTreeMap::new();
    let words = certificates.iter().filter_map(|envelope| OperatorWord::verify(envelope).ok());
    for revoked in words.filter_map(|word| word.revoked()) {
        let Revocation { operator, last_good, .. } = revoked.revocation();
        for head in last_good {
            let own =
                store.log(&head.origin).and_then(Log::operator).is_some_and(|o| o == *operator);
            let named = sizes.entry(head.origin.clone()).or_default();
            if own && named.len() < VOUCHED_HEADS && !named.contains(&head.size) {
                named.push(head.size);
            }
        }
    }
    sizes
}

fn packages(store: &Store, places: &BTreeSet<Place>) -> Result<BTreeSet<Purl>, EvidenceError> {
    let mut found = BTreeSet::new();
    for place in places {
        let Some(log) = store.log(&place.origin) else {
            continue;
        };
        let (Some(key), Some(entry)) = (log.key(), log.entry(place.index)?) else {
            continue;
        };
        for selector in crate::store::index::selectors(&key, &entry) {
            if let Selector::Package(purl) = selector {
                found.insert(purl);
            }
        }
        if found.len() > FILE_PACKAGES {
            return Err(EvidenceError::TooManyNames);
        }
    }
    Ok(found)
}

/// Adds an entry that a checkpoint covers, with its place under that and under every head that an
/// operator vouches for: after a revocation only the latter count.
fn add_entry(
    bundle: &mut Bundle,
    store: &Store,
    log: &Log,
    index: u64,
    vouched: &[u64],
) -> Result<(), LogError> {
    let Some(size) = log.checkpoint().map(|signed| signed.unverified().size) else {
        return Ok(());
    };
    let (Some(key), Some(entry)) = (log.key(), log.entry(index)?) else {
        return Ok(());
    };
    let (Ok(envelope), Some(proof)) = (Envelope::parse(&entry), log.inclusion(index, size)?) else {
        return Ok(());
    };
    add_documents(bundle, store, &key, &entry);
    let (digest, origin) = (envelope.digest(), log.origin().clone());
    for other in vouched.iter().filter(|other| index < **other && **other < size) {
        if let Some(proof) = log.inclusion(index, *other)? {
            let origin = origin.clone();
            bundle.proofs.push(LoggedAt { envelope: digest, origin, size: *other, proof });
        }
    }
    bundle.proofs.push(LoggedAt { envelope: digest, origin, size, proof });
    bundle.envelopes.push(envelope);
    Ok(())
}

/// Adds the documents that an entry names and that are here.
fn add_documents(bundle: &mut Bundle, store: &Store, key: &PublicKey, entry: &[u8]) {
    for digest in claim_of(key, entry).iter().flat_map(documents_of) {
        let Some(document) = store.document(digest) else {
            continue;
        };
        let shelf = if LinkDocument::parse(&document).is_ok() {
            &mut bundle.links
        } else if reattest_rebuilder::Lock::parse(&document).is_ok() {
            &mut bundle.locks
        } else if canonical::value_from_bytes(&document, "a document", DOCUMENT_MAX).is_ok() {
            &mut bundle.recipes
        } else {
            // An operator may name any bytes; no bundle could be written with these in it.
            continue;
        };
        if !shelf.contains(&document) {
            shelf.push(document);
        }
    }
}

/// Where evidence comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The node of this user: asked when it runs, its logs read when it does not.
    Node(Box<Config>),
    /// The logs in a data directory, whether a node runs there or not.
    Disk(PathBuf),
    /// The logs on disk as they were opened, for many questions.
    Held(Arc<Held>),
    /// A bundle file, which cannot show that nobody dissents.
    Bundle(Vec<u8>),
}

impl Source {
    /// The same for very many questions: logs are opened once, whether a node runs on them or not.
    pub fn held(&self) -> Result<Self, Fault> {
        Ok(match self {
            Self::Node(config) => Self::Held(Arc::new(open(&config.data)?)),
            Self::Disk(data) => Self::Held(Arc::new(open(data)?)),
            Self::Held(_) | Self::Bundle(_) => self.clone(),
        })
    }

    /// The evidence on a selector, unverified, and whether a dissent would be in it.
    pub fn gather(&self, selector: &Selector) -> Result<(Bundle, Completeness), Fault> {
        match self {
            Self::Bundle(bytes) => Ok((parse(bytes)?, Completeness::Excerpt)),
            Self::Disk(data) => from_disk(data, selector),
            Self::Held(held) => held.evidence(selector),
            Self::Node(config) => {
                let ask = Ask::Evidence(selector.clone());
                match control::ask(&config.socket(), &ask)? {
                    Some(Answer::Evidence { bundle, complete }) => Ok((parse(&bundle)?, complete)),
                    Some(Answer::Failed(why)) => Err(Fault::new("the node failed", why)),
                    Some(_) => Err(Fault::text("the node answered another question")),
                    None => from_disk(&config.data, selector),
                }
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Bundle, Fault> {
    Bundle::parse(bytes).map_err(|error| Fault::text(error.to_string()))
}

/// Evidence from the logs on disk, where no node runs.
pub fn from_disk(data: &Path, selector: &Selector) -> Result<(Bundle, Completeness), Fault> {
    open(data)?.evidence(selector)
}

/// Opens the logs on disk, for many questions.
pub fn open(data: &Path) -> Result<Held, Fault> {
    if !data.is_dir() {
        return Err(Fault::text(format!(
            "no evidence: {} does not exist; run `reattest node`, or name a bundle with --bundle",
            data.display()
        )));
    }
    Held::open(data)
}

/// What evidence on a question is looked up by.
pub fn selector(question: &Question) -> Selector {
    match &question.purl {
        Some(purl) => Selector::Package(purl.clone()),
        None => Selector::File(question.file.sha256()),
    }
}

/// The verdict on a file.
///
/// A purl may leave open which file of a release is meant, as a requirement with only a digest does.
/// Then what evidence calls these bytes is taken, where it is a file of that very release, and nothing else.
pub fn judge(policy: &Policy, source: &Source, question: &Question) -> Result<Verdict, Fault> {
    let Some(release) = question.purl.as_ref().filter(|purl| leaves_open(purl)) else {
        return judge_exactly(policy, source, question);
    };
    let verdict = judge_unnamed(policy, source, question)?;
    match &verdict.artifact.purl {
        Some(known) if is_of(known, release) => {
            judge_exactly(policy, source, &called(question, known))
        }
        Some(_) => judge_exactly(policy, source, question),
        // Nobody speaks of these bytes, or they have several names.
        None => {
            let exactly = judge_exactly(policy, source, question)?;
            Ok(if exactly.votes.is_empty() { verdict } else { exactly })
        }
    }
}

/// The question with what evidence calls these bytes, where its purl leaves that open.
pub fn named(policy: &Policy, source: &Source, question: &Question) -> Result<Question, Fault> {
    let Some(release) = question.purl.as_ref().filter(|purl| leaves_open(purl)) else {
        return Ok(question.clone());
    };
    let verdict = judge_unnamed(policy, source, question)?;
    let known = verdict.artifact.purl.filter(|known| is_of(known, release));
    Ok(known.map_or_else(|| question.clone(), |known| called(question, &known)))
}

fn called(question: &Question, known: &Purl) -> Question {
    Question { purl: Some(known.clone()), ..question.clone() }
}

fn judge_unnamed(policy: &Policy, source: &Source, question: &Question) -> Result<Verdict, Fault> {
    let unnamed = HashedFile::elsewhere("", question.file.sha256());
    judge_exactly(policy, source, &Question::about(unnamed, None))
}

fn judge_exactly(policy: &Policy, source: &Source, question: &Question) -> Result<Verdict, Fault> {
    let (bundle, completeness) = source.gather(&selector(question))?;
    let evidence = Evidence::verify(&bundle, policy.network(), completeness);
    Ok(conclude(policy, &evidence, question, clock::now()))
}

/// Whether a purl is of a release rather than of one of its files.
fn leaves_open(purl: &Purl) -> bool {
    let lacks = |key| purl.qualifier(key).is_none();
    match purl.kind() {
        "pypi" => lacks("file_name"),
        "deb" => purl.namespace().is_none() || lacks("arch") || lacks("distro"),
        _ => false,
    }
}

/// Whether a file is one of a release: everything that the release says is true of the file.
fn is_of(file: &Purl, release: &Purl) -> bool {
    let says = |part: Option<String>, of: Option<String>| part.is_none() || part == of;
    // An archive's pool names files without the epoch.
    let without_epoch = |version: &String| {
        version.split_once(':').map_or_else(|| version.clone(), |(_, rest)| rest.to_owned())
    };
    let same_version = release.version() == file.version()
        || (file.kind() == "deb"
            && release.version() == file.version().as_ref().map(without_epoch));
    file.kind() == release.kind()
        && file.name() == release.name()
        && same_version
        && says(release.namespace(), file.namespace())
        && ["arch", "distro", "file_name"]
            .iter()
            .all(|key| says(release.qualifier(key), file.qualifier(key)))
}

/// What the network says of a package, without a file at hand: the file that is accepted, or the
/// verdict on each file that someone says was published.
pub fn judge_package(policy: &Policy, source: &Source, purl: &Purl) -> Result<Vec<Verdict>, Fault> {
    let (bundle, completeness) = source.gather(&Selector::Package(purl.clone()))?;
    let evidence = Evidence::verify(&bundle, policy.network(), completeness);
    let name = purl.file_name().unwrap_or_else(|| purl.name());
    let now = clock::now();
    let verdict = |sha256: Digest| {
        let file = HashedFile::elsewhere(&name, sha256);
        conclude(policy, &evidence, &Question::about(file, Some(purl.clone())), now)
    };
    let published = evidence.published_of(purl);
    let verdicts: Vec<Verdict> = published.into_iter().map(verdict).collect();
    let accepted = verdicts.iter().position(|verdict| verdict.verdict == Conclusion::Accepted);
    Ok(match accepted {
        Some(place) => verdicts.into_iter().skip(place).take(1).collect(),
        None => verdicts,
    })
}
