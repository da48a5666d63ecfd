//! From a Debian reference to everything by digest (steps 1 to 3): source, environment, recipe.

use super::buildinfo::BuildInfo;
use super::learned::{LearnedError, Told};
use super::reach::Listed;
use super::{binary_only, recipe, wish};
use crate::environment::{self, Archive, Resolved, Wish};
use crate::error::RebuildError;
use crate::means::Means;
use crate::pin::{Pinned, bring, tell_found};
use crate::recipe::{Document, Lock, SourceInput};
use crate::reference::DebianReference;
use crate::release::{DebianRelease, Index, dsc};
use crate::sandbox::Sandbox;

/// Checks the archive's authority and derives the recipe; `buildinfo` is the record of the
/// publisher's build, where the user has one.
pub(crate) fn pin(
    reference: &DebianReference,
    buildinfo: Option<&[u8]>,
    sandbox: &Sandbox,
    means: &mut Means<'_>,
) -> Result<Pinned, RebuildError> {
    let found = DebianRelease::find(reference, means)?;
    tell_found(&found.release, means);
    let buildinfo = buildinfo.map(|bytes| BuildInfo::parse(bytes, &found)).transpose()?;
    let files: Vec<SourceInput> = found.release.sources().iter().map(Into::into).collect();
    // First of all inputs: a mirror that lacks the source is noticed before an environment is made.
    bring(&files, means)?;
    dsc::check(&found, means.cas)?;
    let told = Told { entry: binary_only::learn(&found, means)?, buildinfo };
    let lock = lock(&found, &told, sandbox, means)?;
    let recipe = recipe(&found, &told, lock.1.digest(), means.workshop.parallel);
    Pinned::new(found.release, found.suite, recipe, lock, means)
}

fn lock(
    found: &DebianRelease,
    told: &Told,
    sandbox: &Sandbox,
    means: &mut Means<'_>,
) -> Result<(Lock, Document), RebuildError> {
    let archive = Archive::of(&found.suite);
    let Some(buildinfo) = &told.buildinfo else {
        let wish = wish(found).ok_or_else(|| RebuildError::Environment {
            step: "resolve the packages".to_owned(),
            why: "the release names no source file".to_owned(),
        })?;
        return environment::lock(&archive, &wish, sandbox, means);
    };
    let exact = Wish::Exact(buildinfo.pins.clone());
    match environment::resolve(&archive, &exact, sandbox, means)? {
        Resolved::Missing { missing, .. } => {
            let suite = found.suite.codename().to_owned();
            Err(LearnedError::Unavailable { suite, missing }.into())
        }
        Resolved::Lock(lock, document) => {
            let listed =
                Listed::read(&Index::open(means.cas, found.suite.packages())?, &buildinfo.pins)?;
            listed.check(&found.build_depends).map_err(LearnedError::BuildInfo)?;
            Ok((*lock, document))
        }
    }
}
