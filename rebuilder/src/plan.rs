//! From a release and a lock to a recipe, and from a recipe to sandbox specs (step 3, pure).

use std::collections::BTreeMap;
use std::path::Path;

use reattest_attestation::Digest;

use crate::recipe::{FORMAT, Recipe, SourceInput, Step};
use crate::release::Release;
use crate::sandbox::{Access, Bind, Filter, Identity, Limits, Root, Spec};

/// The build's directory as Debian's build daemons name it; many builds leave it in their outputs.
pub const BUILD_PLACE: &str = "/build/reproducible-path";
/// Where the source's files are visible, read-only.
pub const INPUT_PLACE: &str = "/build/inputs";
/// Fixed, so that no build learns on which machine it runs.
pub const HOSTNAME: &str = "reattest";
/// Build profiles; the environment is resolved for them and the build is told of them.
pub const PROFILES: &str = "nocheck";
/// The search path of Debian's build daemons.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The recipe of a Debian build without `.buildinfo`: nothing is learned from the published artifact.
pub fn recipe(release: &Release, lock: Digest, parallel: usize) -> Recipe {
    let source = release.source_name();
    let tree = format!("{source}-{}", upstream(release.version()));
    let dsc = release.sources().first().map(|file| file.name.as_str()).unwrap_or_default();
    let class = if release.is_indep() { "--build=all" } else { "--build=any" };
    let unpack = ["dpkg-source", "--no-check", "-x", &format!("{INPUT_PLACE}/{dsc}"), &tree];
    let build = ["dpkg-buildpackage", "-us", "-uc", class];
    Recipe {
        format: FORMAT,
        source: release.source().clone(),
        files: release.sources().iter().map(source_input).collect(),
        lock,
        steps: vec![step(BUILD_PLACE, &unpack), step(&format!("{BUILD_PLACE}/{tree}"), &build)],
        environment: environment(parallel),
        hostname: HOSTNAME.to_owned(),
        user: Identity::Builder.id(),
        outputs: release.published().iter().map(|p| p.file_name.clone()).collect(),
        learned: BTreeMap::new(),
    }
}

/// What the step after the unpacking prints: the source time that the build will take.
pub fn source_time_step(recipe: &Recipe) -> Step {
    let directory = recipe.steps.last().map(|step| step.directory.clone()).unwrap_or_default();
    step(&directory, &["dpkg-parsechangelog", "-STimestamp"])
}

/// The spec of one step of a recipe.
pub fn spec(
    recipe: &Recipe,
    step: &Step,
    root: Root,
    scratch: &Path,
    inputs: &Path,
    limits: Limits,
) -> Spec {
    let bind = |source: &Path, target: &str, access| Bind {
        source: source.to_owned(),
        target: target.to_owned(),
        access,
    };
    Spec {
        root,
        root_access: Access::ReadOnly,
        binds: vec![
            bind(scratch, BUILD_PLACE, Access::Writable),
            bind(inputs, INPUT_PLACE, Access::ReadOnly),
        ],
        identity: Identity::Builder,
        hostname: recipe.hostname.clone(),
        environment: recipe.environment.clone(),
        directory: step.directory.clone(),
        command: step.command.clone(),
        filter: Filter::Build,
        limits,
    }
}

fn step(directory: &str, command: &[&str]) -> Step {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    Step { directory: directory.to_owned(), command }
}

fn source_input(file: &crate::release::SourceFile) -> SourceInput {
    SourceInput {
        name: file.name.clone(),
        sha256: file.sha256,
        size: file.size,
        location: file.location.clone(),
    }
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
pub fn upstream(version: &str) -> &str {
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
