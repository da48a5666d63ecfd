//! From a Debian release and a lock to a recipe (step 3, pure): what its build daemons would have run.

use std::collections::BTreeMap;

use reattest_attestation::Digest;

use crate::environment::Wish;
use crate::plan::{HOSTNAME, INPUT_PLACE, PATH, step};
use crate::recipe::{FORMAT, Recipe};
use crate::release::DebianRelease;
use crate::sandbox::Identity;

/// The build's directory as Debian's build daemons name it; many builds leave it in their outputs.
pub(crate) const BUILD_PLACE: &str = "/build/reproducible-path";
/// Build profiles; the environment is resolved for them and the build is told of them.
pub(crate) const PROFILES: &str = "nocheck";

/// The recipe of a Debian build without `.buildinfo`: nothing is learned from the published artifact.
pub(crate) fn recipe(release: &DebianRelease, lock: Digest, parallel: usize) -> Recipe {
    let source = &release.source_name;
    let tree = format!("{source}-{}", upstream(&release.version));
    let sources = release.release.sources();
    let dsc = sources.first().map(|file| file.name.as_str()).unwrap_or_default();
    let class = if release.is_indep { "--build=all" } else { "--build=any" };
    let unpack = ["dpkg-source", "--no-check", "-x", &format!("{INPUT_PLACE}/{dsc}"), &tree];
    let build = ["dpkg-buildpackage", "-us", "-uc", class];
    Recipe {
        format: FORMAT,
        source: release.release.source().clone(),
        files: sources.iter().map(Into::into).collect(),
        wheels: Vec::new(),
        lock,
        place: BUILD_PLACE.to_owned(),
        steps: vec![step(BUILD_PLACE, &unpack), step(&format!("{BUILD_PLACE}/{tree}"), &build)],
        environment: environment(parallel),
        hostname: HOSTNAME.to_owned(),
        user: Identity::Builder.id(),
        outputs: release.release.published().iter().map(|p| p.file_name.clone()).collect(),
        learned: BTreeMap::new(),
    }
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

/// Only what Debian's build daemons set as well, and what has to be said to skip tests.
fn environment(parallel: usize) -> BTreeMap<String, String> {
    let options = format!("{PROFILES} parallel={parallel}");
    let variables = [
        ("DEB_BUILD_OPTIONS", options.as_str()),
        ("DEB_BUILD_PROFILES", PROFILES),
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C.UTF-8"),
        ("LOGNAME", "builder"),
        ("PATH", PATH),
        ("SHELL", "/bin/sh"),
        ("USER", "builder"),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
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
