//! Whose rebuilds are listed: one rebuilder at each name, for clients count one vote at each.

use axum::http::{HeaderMap, header};
use reattest_attestation::export::LinkDocument;
use reattest_attestation::{Claim, Envelope, OperatorWord, Outcome};

use crate::doors::catalog::{Artifact, Build, Catalog, Catalogs};
use crate::doors::held::Ground;
use crate::entry::claim_of;
use crate::fault::Fault;
use crate::store::{Log, Store};
use crate::words::Words;

/// Whom a request names as its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// This machine: the node's own rebuilder.
    Own,
    /// An operator of the policy, as `NAME.localhost`.
    Operator(String),
}

impl Host {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
        match name.strip_suffix(".localhost") {
            Some(operator) => Self::Operator(operator.to_owned()),
            None => Self::Own,
        }
    }
}

/// One rebuilder: its log, and what the catalog says of it.
pub(super) struct Voter<'a> {
    store: &'a Store,
    log: &'a Log,
    /// Whether its word still counts: neither two histories, nor an operator that took its key back.
    pub(super) stands: bool,
    pub(super) catalog: &'a Catalog,
}

/// Answers from the log that a host names; blocks. `own` is the origin of the node's own log.
pub(super) fn with<T>(
    catalogs: &Catalogs,
    ground: &Ground,
    host: &Host,
    own: Option<&str>,
    answer: impl FnOnce(&Voter<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let store = ground.held.store();
    let Some(log) = log_of(store, ground, host, own) else { return Ok(None) };
    let stands = stands(store, log)?;
    let answered = catalogs.with(log, |catalog| answer(&Voter { store, log, stands, catalog }))?;
    answered.transpose()
}

/// The own log, or the one of an operator that has most entries: after a rotation there are two.
fn log_of<'a>(
    store: &'a Store,
    ground: &Ground,
    host: &Host,
    own: Option<&str>,
) -> Option<&'a Log> {
    match host {
        Host::Own => {
            store.logs().find(|log| own.is_some_and(|own| log.origin().to_string() == own))
        }
        Host::Operator(name) => {
            let operators = ground.policy.operators();
            let operator = operators.iter().find(|one| one.name.eq_ignore_ascii_case(name))?;
            let of_it = store.logs().filter(|log| log.operator() == Some(operator.key));
            of_it.max_by_key(|log| log.published())
        }
    }
}

/// Whether a log's word counts still: it has no second history, and its operator did not end its key.
pub(in crate::doors) fn stands(store: &Store, log: &Log) -> Result<bool, Fault> {
    let Some(key) = log.key() else { return Ok(false) };
    let failed = |error: String| Fault::new("the words of operators cannot be read", error);
    if log.fork().map_err(|error| Fault::text(error.to_string()))?.is_some() {
        return Ok(false);
    }
    let words = Words::open_on(store.disk().clone(), store.data());
    let words = words.map_err(|error| failed(error.to_string()))?;
    let revokes = |envelope: &Envelope| {
        let word = OperatorWord::verify(envelope).ok();
        word.and_then(|word| word.revoked().map(|one| one.revocation().clone()))
            .is_some_and(|one| one.rebuilder == key && log.operator() == Some(one.operator))
    };
    Ok(!words.about(&[key.digest()].into()).any(revokes))
}

impl Voter<'_> {
    /// The link on an artifact, where there is one: its signatures hold, it is the one that the log
    /// names, and the rebuilder's word counts.
    pub(super) fn attestation(&self, build: &Build, artifact: &Artifact) -> Option<Vec<u8>> {
        let is_good = artifact.outcome == Some(Outcome::Reproduced);
        if !self.stands || !is_good || !build.has_links {
            return None;
        }
        let entry = self.log.entry(build.index).ok()??;
        let Claim::Rebuild(rebuild) = claim_of(&self.catalog.key, &entry)? else { return None };
        let document = LinkDocument::parse(&self.store.document(rebuild.links?)?).ok()?;
        if Some(document.digest()) != rebuild.links {
            return None;
        }
        let links = document.verify(&self.catalog.key, &rebuild).ok()?;
        let of_file = |one: &&_| -> bool {
            let one: &reattest_attestation::export::LinkFiles = one;
            one.product().sha256 == artifact.published
        };
        links.all().iter().find(of_file).map(|links| links.rebuilderd().bytes.clone())
    }

    /// Whether there may be a link, without looking at it.
    pub(super) fn may_have_attestation(&self, build: &Build, artifact: &Artifact) -> bool {
        self.stands && build.has_links && artifact.outcome == Some(Outcome::Reproduced)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_name_below_localhost_is_an_operator() {
        let host = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            Host::of(&headers)
        };
        for own in ["localhost", "localhost:4190", "127.0.0.1:4190", "[::1]:80", "node.example"] {
            assert_eq!(host(own), Host::Own, "{own}");
        }
        for name in ["alder.localhost", "Alder.localhost:4190"] {
            assert_eq!(host(name), Host::Operator("alder".to_owned()), "{name}");
        }
    }
}
