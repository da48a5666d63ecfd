//! What one log says, arranged for lists: builds, and what is known last of each package.
//!
//! Numbers are places: a build's is its entry's index, an artifact's, a binary's and a source's how many
//! came before it in the log. A log only grows, so that none of them ever changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reattest_attestation::log::Origin;
use reattest_attestation::{Claim, Digest, Outcome, PublicKey, Purl, Rebuild, Timestamp};

use crate::entry::claim_of;
use crate::fault::Fault;
use crate::limits::{LISTED_ARTIFACTS, RESPONSE_ENTRY_BYTES};
use crate::store::Log;

/// One rebuild.
#[derive(Debug, Clone)]
pub(super) struct Build {
    pub(super) id: i32,
    /// The entry.
    pub(super) index: u64,
    pub(super) source: Purl,
    pub(super) architecture: String,
    pub(super) component: Option<String>,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
    /// Whether its claim names links for other tools.
    pub(super) has_links: bool,
    pub(super) artifacts: Vec<Artifact>,
}

/// One published file of a rebuild.
#[derive(Debug, Clone)]
pub(super) struct Artifact {
    pub(super) id: i32,
    pub(super) purl: Purl,
    pub(super) published: Digest,
    /// None where the rebuilder took its word back.
    pub(super) outcome: Option<Outcome>,
}

/// What is known last of a package.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) id: i32,
    pub(super) purl: Purl,
    /// The newest build, and the artifact in it; none where the rebuilder took its word back.
    pub(super) build: Option<(i32, usize)>,
}

/// Catalogs of logs that somebody asked for: of operators of the policy, and the own one.
#[derive(Debug, Default)]
pub(super) struct Catalogs {
    all: Mutex<BTreeMap<Origin, Arc<Mutex<Catalog>>>>,
}

impl Catalogs {
    /// Reads on in a log, and answers from what it says now; blocks. Nothing where the log has no key
    /// yet.
    pub(super) fn with<T>(
        &self,
        log: &Log,
        answer: impl FnOnce(&Catalog) -> T,
    ) -> Result<Option<T>, Fault> {
        let Some(key) = log.key() else { return Ok(None) };
        let catalog = {
            let mut all = whole(&self.all);
            let new = || Arc::new(Mutex::new(Catalog::new(key)));
            Arc::clone(all.entry(log.origin().clone()).or_insert_with(new))
        };
        let mut catalog = whole(&catalog);
        catalog.read_on(log)?;
        Ok(Some(answer(&catalog)))
    }
}

/// Whoever panicked with it had added whole entries only.
fn whole<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One log, as far as it was read.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) key: PublicKey,
    read: u64,
    artifacts: i32,
    pub(super) builds: BTreeMap<i32, Build>,
    pub(super) binaries: Vec<Known>,
    pub(super) sources: Vec<Known>,
    binary_at: BTreeMap<Purl, usize>,
    source_at: BTreeMap<Purl, usize>,
}

impl Catalog {
    pub(super) fn new(key: PublicKey) -> Self {
        Self {
            key,
            read: 0,
            artifacts: 0,
            builds: BTreeMap::new(),
            binaries: Vec::new(),
            sources: Vec::new(),
            binary_at: BTreeMap::new(),
            source_at: BTreeMap::new(),
        }
    }

    /// Reads what a published head covers and was not read yet. An entry that is no word of the
    /// log's key counts for nothing.
    pub(super) fn read_on(&mut self, log: &Log) -> Result<(), Fault> {
        let until = log.published();
        while self.read < until {
            let read = log.read(self.read, until, RESPONSE_ENTRY_BYTES);
            let entries = read.map_err(|error| Fault::text(error.to_string()))?;
            if entries.is_empty() {
                return Err(Fault::text("the log ends before its head"));
            }
            for entry in entries {
                match claim_of(&self.key, &entry) {
                    Some(Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild)) => {
                        self.add(&rebuild)?;
                    }
                    Some(Claim::Retraction(one)) => self.take_back(&one.purl, &one.published),
                    _ => {}
                }
                self.read = self.read.saturating_add(1);
            }
        }
        Ok(())
    }

    fn add(&mut self, rebuild: &Rebuild) -> Result<(), Fault> {
        let id = i32::try_from(self.read.saturating_add(1)).map_err(|_| too_many())?;
        let mut artifacts = Vec::with_capacity(rebuild.artifacts.len());
        for artifact in &rebuild.artifacts {
            self.artifacts = self.artifacts.saturating_add(1);
            if self.artifacts > LISTED_ARTIFACTS {
                return Err(too_many());
            }
            let place = artifacts.len();
            see(&mut self.binaries, &mut self.binary_at, &artifact.purl, (id, place))?;
            artifacts.push(Artifact {
                id: self.artifacts,
                purl: artifact.purl.clone(),
                published: artifact.published,
                outcome: Some(artifact.outcome),
            });
        }
        see(&mut self.sources, &mut self.source_at, &rebuild.source, (id, 0))?;
        let build = Build {
            id,
            index: self.read,
            source: rebuild.source.clone(),
            architecture: rebuild.facts.architecture.clone(),
            component: component(rebuild),
            started: rebuild.facts.started,
            finished: rebuild.facts.finished,
            has_links: rebuild.links.is_some(),
            artifacts,
        };
        self.builds.insert(id, build);
        Ok(())
    }

    fn take_back(&mut self, purl: &Purl, published: &Digest) {
        for build in self.builds.values_mut() {
            for artifact in &mut build.artifacts {
                if artifact.purl == *purl && artifact.published == *published {
                    artifact.outcome = None;
                }
            }
        }
        let Some(known) = self.binary_at.get(purl).and_then(|at| self.binaries.get_mut(*at)) else {
            return;
        };
        let artifact =
            known.build.and_then(|(id, place)| self.builds.get(&id)?.artifacts.get(place));
        if artifact.is_some_and(|artifact| artifact.published == *published) {
            known.build = None;
        }
    }

    /// The build and the artifact that are known last of a package.
    pub(super) fn last(&self, known: &Known) -> Option<(&Build, &Artifact)> {
        let (id, place) = known.build?;
        let build = self.builds.get(&id)?;
        Some((build, build.artifacts.get(place)?))
    }
}

fn see(
    all: &mut Vec<Known>,
    at: &mut BTreeMap<Purl, usize>,
    purl: &Purl,
    build: (i32, usize),
) -> Result<(), Fault> {
    if let Some(known) = at.get(purl).and_then(|at| all.get_mut(*at)) {
        known.build = Some(build);
        return Ok(());
    }
    at.insert(purl.clone(), all.len());
    let id = i32::try_from(all.len().saturating_add(1)).map_err(|_| too_many())?;
    all.push(Known { id, purl: purl.clone(), build: Some(build) });
    Ok(())
}

/// Where an archive keeps its sources: `main` of `debian:pool/main/n/netbase/netbase_6.5.dsc`.
fn component(rebuild: &Rebuild) -> Option<String> {
    let below = rebuild.sources.first()?.uri.split_once("pool/")?.1;
    below.split_once('/').map(|(component, _)| component.to_owned())
}

fn too_many() -> Fault {
    Fault::text(format!(
        "found a log of more than {LISTED_ARTIFACTS} artifacts, needed fewer for lists of them; ask /v1/verdicts instead"
    ))
}
