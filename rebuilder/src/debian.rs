//! From a Debian release and a lock to a recipe (step 3, pure): what its build daemons would have run.

mod learned;
mod binary_only;
mod reach;
mod buildinfo;
mod pin;

use std::collections::BTreeMap;

use reattest_attestation::Digest;

use crate::environment::Wish;
use crate::plan::{HOSTNAME, INPUT_PLACE, PATH, step};
use crate::recipe::{FORMAT, Recipe, Step};
use crate::release::DebianRelease;
use crate::sandbox::Identity;

pub(crate) use buildinfo::source_time;
pub use learned::LearnedError;
pub(crate) use learned::Told;
pub(crate) use pin::pin;

/// The build's directory as Debian's build daemons name it; many builds leave it in their outputs.
pub(crate) const BUILD_PLACE: &str = "/build/reproducible-path";
/// Build profiles; the environment is resolved for them and the build is told of them.
///
/// `nocheck`, though the archive's own builds run the tests: tests are most of the time of most
/// builds, many need a network, and what they need would double the environments and with that the
/// packages that must be at hand. A package that differs for it contradicts the profile's own rule
/// (it may not change what is built), and a `.buildinfo` of a build with tests runs them.
pub(crate) const PROFILES: &str = "nocheck";

/// Puts the entry, which is the first argument and never read as shell, on top of the changelog.
const WRITE_ENTRY: &str = "printf '%s\\n\\n' \"$1\" | cat - debian/changelog >../changelog && cat ../changelog >debian/changelog && rm ../changelog";

/// The recipe of a Debian build: from its source, and from what was told of the publisher's build.
pub(crate) fn recipe(
    release: &DebianRelease,
    told: &Told,
    lock: Digest,
    parallel: usize,
) -> Recipe {
    let buildinfo = told.buildinfo.as_ref();
    let usual = format!("{}-{}", release.source_name, upstream(&release.version));
    let (place, tree) = match buildinfo.and_then(|told| told.path.as_ref()) {
        Some((place, tree)) => (place.as_str(), tree.as_str()),
        None => (BUILD_PLACE, usual.as_str()),
    };
    let class = match buildinfo {
        Some(told) => told.class,
        None if release.is_indep => "--build=all",
        None => "--build=any",
    };
    Recipe {
        format: FORMAT,
        source: release.release.source().clone(),
        files: release.release.sources().iter().map(Into::into).collect(),
        wheels: Vec::new(),
        lock,
        place: place.to_owned(),
        steps: steps(release, told, (place, tree), class),
        environment: environment(parallel, told),
        hostname: HOSTNAME.to_owned(),
        user: Identity::Builder.id(),
        outputs: release.release.published().iter().map(|p| p.file_name.clone()).collect(),
        learned: told.learned(),
    }
}

fn steps(
    release: &DebianRelease,
    told: &Told,
    (place, tree): (&str, &str),
    class: &str,
) -> Vec<Step> {
    let dsc = release.release.sources().first().map(|file| file.name.as_str()).unwrap_or_default();
    let inside = format!("{place}/{tree}");
    // `release::dsc` has checked what dpkg-source would check.
    let unpack = ["dpkg-source", "--no-check", "-x", &format!("{INPUT_PLACE}/{dsc}"), tree];
    let mut steps = vec![step(place, &unpack)];
    if let Some(entry) = &told.entry {
        steps.push(step(&inside, &["sh", "-c", WRITE_ENTRY, "sh", entry.text()]));
    }
    steps.push(step(&inside, &["dpkg-buildpackage", "-us", "-uc", class]));
    steps
}

/// What the environment of a build must have: for the class of the asked artifact.
pub(crate) fn wish(release: &DebianRelease) -> Option<Wish> {
    Some(Wish::BuildDependencies {
        dsc: release.release.sources().first()?.clone(),
        source: format!("{} {}", release.source_name, release.version),
        is_indep: release.is_indep,
        requires_root: release.requires_root,
        profiles: PROFILES.to_owned(),
    })
}

/// Only what Debian's build daemons set as well, and what has to be said to skip tests; or what the
/// publisher's build was told, where that is known.
fn environment(parallel: usize, told: &Told) -> BTreeMap<String, String> {
    let options = format!("{PROFILES} parallel={parallel}");
    let always = [
        ("HOME", "/nonexistent"),
        ("LOGNAME", "builder"),
        ("PATH", PATH),
        ("SHELL", "/bin/sh"),
        ("USER", "builder"),
    ];
    let usual = [
        ("DEB_BUILD_OPTIONS", options.as_str()),
        ("DEB_BUILD_PROFILES", PROFILES),
        ("LC_ALL", "C.UTF-8"),
    ];
    let usual = if told.buildinfo.is_some() { &[][..] } else { usual.as_slice() };
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut environment: BTreeMap<String, String> = always.iter().chain(usual).map(owned).collect();
    if let Some(buildinfo) = &told.buildinfo {
        environment.extend(buildinfo.environment.clone());
    }
    environment
}

/// A version without epoch and Debian revision; deb-version(7).
pub(crate) fn upstream(version: &str) -> &str {
    let without_epoch = version.split_once(':').map_or(version, |(_, rest)| rest);
    without_epoch.rsplit_once('-').map_or(without_epoch, |(upstream, _)| upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_tree_is_named_as_on_a_build_daemon() {
        let table =
            [("6.5", "6.5"), ("1.13-1+deb13u1", "1.13"), ("2:1.0-rc1-3", "1.0-rc1"), ("1:4", "4")];
        for (version, expected) in table {
            assert_eq!(upstream(version), expected);
        }
    }
}
