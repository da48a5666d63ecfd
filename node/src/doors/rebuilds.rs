//! Who rebuilt what: rebuilders, everything that was said about a package, and where operators disagree.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use reattest_attestation::policy::Operator;
use reattest_attestation::{Digest, Evidence, Outcome, PublicKey, Purl, Timestamp};
use serde::{Deserialize, Serialize};

use super::catalog::Catalogs;
use super::held::Ground;
use super::network::page_size;
use super::problem::Problem;
use super::rebuilderd::stands;
use super::router::Shared;
use super::verdicts::{ground, purl, tagged};
use crate::fault::Fault;
use crate::store::Log;
use crate::store::index::Selector;

/// Which page of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    after: Option<String>,
    limit: Option<usize>,
}

/// Which page of what was said about a package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    purl: String,
    after: Option<String>,
    limit: Option<usize>,
}

/// One rebuilder: a key, and its log of one year.
#[derive(Debug, Serialize)]
struct Rebuilder {
    log: String,
    key: Option<String>,
    /// As the policy names it; null for an operator of no policy here.
    operator: Option<String>,
    /// Entries under its newest head.
    size: u64,
    /// Whether its word counts: its key showed one history, and its operator did not end it.
    stands: bool,
}

/// Rebuilders in the order of their logs; `next` is missing on the last page.
#[derive(Debug, Serialize)]
struct Rebuilders {
    rebuilders: Vec<Rebuilder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /v1/rebuilders?after=LOG&limit=N`
pub(super) async fn rebuilders(
    State(shared): State<Shared>,
    which: Result<Query<Which>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(Which { after, limit }) =
        which.map_err(|error| Problem::question(error.body_text()))?;
    let limit = page_size(limit)?;
    let page = ground(shared.grounds, move |ground| {
        let store = ground.held.store();
        let mut logs: BTreeMap<String, &Log> =
            store.logs().map(|log| (log.origin().to_string(), log)).collect();
        if let Some(after) = &after {
            logs.retain(|origin, _| origin > after);
        }
        let mut rest = logs.into_iter();
        let rebuilder = |(origin, log): (String, &Log)| {
            Ok(Rebuilder {
                log: origin,
                key: log.key().map(|key| key.to_string()),
                operator: operator_of(ground, log).map(|operator| operator.name.clone()),
                size: log.published(),
                stands: stands(store, log)?,
            })
        };
        let rebuilders: Vec<Rebuilder> =
            rest.by_ref().take(limit).map(rebuilder).collect::<Result<_, Fault>>()?;
        let more = rest.next().is_some();
        let next = rebuilders.last().filter(|_| more).map(|last| last.log.clone());
        Ok(Rebuilders { rebuilders, next })
    });
    tagged(&page.await?, &headers)
}

fn operator_of<'a>(ground: &'a Ground, log: &Log) -> Option<&'a Operator> {
    let key = log.operator()?;
    ground.policy.operators().iter().find(|operator| operator.key == key)
}

/// One statement about one artifact, whoever signed it.
#[derive(Debug, Serialize)]
struct Vote {
    /// Its place: key, year and index.
    place: String,
    /// The key that signed it.
    key: String,
    /// As the policy names it; null for an operator of no policy here.
    operator: Option<String>,
    /// SHA-256 of the envelope.
    envelope: Digest,
    published: Digest,
    outcome: Outcome,
    produced: Option<Digest>,
    /// When the build ended, by the rebuilder's clock.
    finished: Timestamp,
    /// Whether it was taken back later.
    retracted: bool,
}

/// Statements by key, oldest first; `next` is missing on the last page.
#[derive(Debug, Serialize)]
struct VotePage {
    purl: String,
    votes: Vec<Vote>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /v1/votes?purl=PURL&after=PLACE&limit=N`: all of them, and not what a policy makes of them.
pub(super) async fn votes(
    State(shared): State<Shared>,
    about: Result<Query<About>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(About { purl: text, after, limit }) =
        about.map_err(|error| Problem::question(error.body_text()))?;
    let (purl, limit) = (purl(&text)?, page_size(limit)?);
    let page = ground(shared.grounds, move |ground| {
        let (bundle, completeness) = ground.held.evidence(&Selector::Package(purl.clone()))?;
        let evidence = Evidence::verify(&bundle, ground.policy.network(), completeness);
        let mut votes = votes_on(ground, &evidence, &purl);
        votes.sort_by(|one, other| one.place.cmp(&other.place));
        let after = after.as_deref();
        let mut rest =
            votes.into_iter().filter(|vote| after.is_none_or(|after| *vote.place > *after));
        let votes: Vec<Vote> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let next = votes.last().filter(|_| more).map(|last| last.place.clone());
        Ok(VotePage { purl: purl.to_string(), votes, next })
    });
    tagged(&page.await?, &headers)
}

fn votes_on(ground: &Ground, evidence: &Evidence, purl: &Purl) -> Vec<Vote> {
    let mut names: BTreeMap<PublicKey, String> = BTreeMap::new();
    for certified in evidence.certificates() {
        let certificate = certified.certificate();
        let operators = ground.policy.operators().iter();
        let operator = operators.filter(|operator| operator.key == certificate.operator);
        names.extend(operator.map(|one| (certificate.rebuilder, one.name.clone())));
    }
    let mut votes = Vec::new();
    for logged in evidence.rebuilds() {
        let (key, position) = (logged.key(), logged.position());
        let of_it = logged.claim().artifacts.iter().filter(|artifact| artifact.purl == *purl);
        votes.extend(of_it.map(|artifact| Vote {
            place: format!("{}/{}/{:020}", key.digest(), position.year, position.index),
            key: key.to_string(),
            operator: names.get(&key).cloned(),
            envelope: logged.digest(),
            published: artifact.published,
            outcome: artifact.outcome,
            produced: artifact.produced,
            finished: logged.claim().facts.finished,
            retracted: evidence.retractions_of(&key).iter().any(|one| {
                one.claim().published == artifact.published
                    && one.claim().purl == *purl
                    && one.position() > position
            }),
        }));
    }
    votes
}

/// An operator's newest word about a package.
#[derive(Debug, Serialize)]
struct Word {
    operator: String,
    published: Digest,
    outcome: Outcome,
}

/// A package about which operators of the policy do not say the same.
#[derive(Debug, Serialize)]
struct Dispute {
    purl: String,
    words: Vec<Word>,
}

/// Disputes in the order of purls; `next` is missing on the last page.
#[derive(Debug, Serialize)]
struct Disputes {
    disputes: Vec<Dispute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /v1/disputes?after=PURL&limit=N`: among the newest words of the policy's operators.
pub(super) async fn disputes(
    State(shared): State<Shared>,
    which: Result<Query<Which>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(Which { after, limit }) =
        which.map_err(|error| Problem::question(error.body_text()))?;
    let limit = page_size(limit)?;
    let catalogs = shared.catalogs;
    let page = ground(shared.grounds, move |ground| {
        let words = words_after(ground, &catalogs, after.as_deref())?;
        let mut rest = words.into_iter().filter(|(_, words)| is_dispute(words));
        let dispute = |(purl, words): (Purl, Vec<Word>)| Dispute { purl: purl.to_string(), words };
        let disputes: Vec<Dispute> = rest.by_ref().take(limit).map(dispute).collect();
        let more = rest.next().is_some();
        let next = disputes.last().filter(|_| more).map(|last| last.purl.clone());
        Ok(Disputes { disputes, next })
    });
    tagged(&page.await?, &headers)
}

fn words_after(
    ground: &Ground,
    catalogs: &Catalogs,
    after: Option<&str>,
) -> Result<BTreeMap<Purl, Vec<Word>>, Fault> {
    let store = ground.held.store();
    let mut words: BTreeMap<Purl, Vec<Word>> = BTreeMap::new();
    for log in store.logs() {
        let Some(operator) = operator_of(ground, log) else { continue };
        if !stands(store, log)? {
            continue;
        }
        catalogs.with(log, |catalog| {
            for known in &catalog.binaries {
                let last = catalog
                    .last(known)
                    .filter(|_| after.is_none_or(|after| known.purl.as_str() > after));
                let word = last.and_then(|(_, artifact)| {
                    let (published, outcome) = (artifact.published, artifact.outcome?);
                    Some(Word { operator: operator.name.clone(), published, outcome })
                });
                if let Some(word) = word {
                    words.entry(known.purl.clone()).or_default().push(word);
                }
            }
        })?;
    }
    Ok(words)
}

/// One supports what another contradicts, or they were told different files for one name. That a
/// build failed contradicts nothing.
fn is_dispute(words: &[Word]) -> bool {
    let published: BTreeSet<Digest> = words.iter().map(|word| word.published).collect();
    let any = |wanted: [Outcome; 2]| words.iter().any(|word| wanted.contains(&word.outcome));
    published.len() > 1
        || any([Outcome::Reproduced, Outcome::Equivalent])
            && any([Outcome::Differs, Outcome::Unstable])
}
