//! The interpreter of a Python build (step 3): pinned Debian packages, as for any other build.

use super::name::Kind;
use super::release::PythonRelease;
use crate::environment::{self, Archive, Wish};
use crate::error::RebuildError;
use crate::means::Means;
use crate::recipe::{Document, Lock};
use crate::reference::DEFAULT_SUITE;
use crate::release::Suite;
use crate::sandbox::Sandbox;

/// What a wheel of pure Python is built in.
const PURE: &[&str] = &["python3"];
/// What a wheel for one architecture is built in.
const NATIVE: &[&str] = &["build-essential", "python3", "python3-dev"];

/// The lock of a build's environment, and the suite whose signed index covers its packages.
pub(super) fn lock(
    release: &PythonRelease,
    sandbox: &Sandbox,
    means: &mut Means<'_>,
) -> Result<((Lock, Document), Suite), RebuildError> {
    let is_pure = matches!(&release.wheel.kind, Kind::Wheel(tags) if tags.is_pure());
    let packages = if is_pure { PURE } else { NATIVE };
    let wish = Wish::Packages(packages.iter().map(|name| (*name).to_owned()).collect());
    let suite = Suite::find(DEFAULT_SUITE, means)?;
    let lock = environment::lock(&Archive::of(&suite), &wish, sandbox, means)?;
    Ok((lock, suite))
}
