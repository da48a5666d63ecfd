//! Step 1, announce: what a followed registry has, checked as for a rebuild and written down whole.
//!
//! The node compares it with what it saw before; nothing that is written here makes a release
//! believed, since the builder checks each one again before it builds it.

use std::collections::BTreeMap;

use reattest_attestation::Purl;
use reattest_rebuilder::release::{self, Part};
use reattest_rebuilder::{Cancel, Cas, Reference, Workshop};

use super::fetch::ThroughNode;
use crate::clock;
use crate::fault::Fault;
use crate::follow::{Follow, by_suite};
use crate::store::feed::{self, Seen};

/// What one look at a registry found, in words.
pub(super) fn look(
    follow: &Follow,
    data: &std::path::Path,
    workshop: &Workshop,
    mut fetch: ThroughNode<'_>,
    cancel: &Cancel,
) -> Result<String, Fault> {
    let mut look = Look { workshop, fetch: &mut fetch, cancel, builds: BTreeMap::new() };
    let said = if let Some(references) = follow.references()? {
        look.at_references(&references)?
    } else {
        let suite = follow.suite.as_deref().unwrap_or_default();
        look.at_suite(suite, &follow.part(), |_| true)?
    };
    feed::write_now(data, &follow.key(), &look.builds)
        .map_err(|error| Fault::new("what a followed registry has cannot be written", error))?;
    Ok(said)
}

struct Look<'a, 'n> {
    workshop: &'a Workshop,
    fetch: &'a mut ThroughNode<'n>,
    cancel: &'a Cancel,
    builds: Seen,
}

impl Look<'_, '_> {
    fn at_suite(
        &mut self,
        suite: &str,
        part: &Part,
        is_wanted: impl Fn(&Purl) -> bool,
    ) -> Result<String, Fault> {
        let now = clock::now().as_unix();
        let listing = release::list(suite, part, self.workshop, self.fetch, self.cancel, now)?;
        let wanted = listing.builds.into_iter().filter(|build| is_wanted(&build.purl));
        let before = self.builds.len();
        self.builds.extend(wanted.map(|build| (build.purl, build.source_bytes)));
        let count = self.builds.len().saturating_sub(before);
        Ok(format!("{count} builds in {} of {}", listing.codename, listing.date))
    }

    fn at_references(&mut self, references: &[Reference]) -> Result<String, Fault> {
        let (suites, others) = by_suite(references);
        let mut said = Vec::new();
        for (suite, wishes) in suites {
            let only = wishes.iter().map(|wish| wish.name.clone()).collect();
            let part = Part { only, ..Part::default() };
            let is_wanted = |purl: &Purl| wishes.iter().any(|wish| wish.is(purl));
            said.push(self.at_suite(&suite, &part, is_wanted)?);
        }
        let cas = Cas::below(&self.workshop.cache)?;
        for reference in &others {
            let (now, fetch) = (clock::now().as_unix(), &mut *self.fetch);
            let found = release::find(reference, self.workshop, &cas, fetch, &mut |_| {}, now)?;
            if let Some(published) = found.published().first() {
                self.builds.insert(published.purl.clone(), None);
            }
        }
        if !others.is_empty() {
            said.push(format!("{} Python packages", others.len()));
        }
        Ok(said.join(", "))
    }
}
