//! From a Python release and its wheels to a recipe (step 3, pure): what `build` would have run.
//!
//! No installer takes part. Wheels are unpacked into a virtual environment by a script that stands in
//! the recipe, so what it does is covered by the recipe's digest.

use std::collections::BTreeMap;

use reattest_attestation::Digest;

use super::learned::{Learned, SOURCE_TIME};
use super::project::BuildSystem;
use super::release::PythonRelease;
use crate::plan::{HOSTNAME, INPUT_PLACE, PATH, step};
use crate::recipe::{FORMAT, Recipe, SourceInput, Step};
use crate::sandbox::Identity;

/// Where a build works. No backend leaves it in a wheel of pure Python.
pub(super) const BUILD_PLACE: &str = crate::debian::BUILD_PLACE;
/// Where the hook that asks for more requirements leaves its answer, below [`BUILD_PLACE`].
pub(super) const REQUIRES_FILE: &str = "requires.json";
/// The steps up to and with that hook.
pub(super) const ASKING_STEPS: usize = 2;

const UNPACK: &str = include_str!("unpack.py");
const HOOKS: &str = include_str!("hooks.py");

/// Everything of a Python build but its environment's packages.
pub(super) struct Parts<'a> {
    pub(super) release: &'a PythonRelease,
    pub(super) system: &'a BuildSystem,
    /// The source's top directory.
    pub(super) tree: &'a str,
    pub(super) learned: &'a Learned,
    pub(super) wheels: &'a [SourceInput],
}

/// The recipe of a wheel.
pub(super) fn recipe(parts: &Parts<'_>, lock: Digest) -> Recipe {
    let release = &parts.release.release;
    let wheel = &parts.release.wheel.name;
    Recipe {
        format: FORMAT,
        source: release.source().clone(),
        files: release.sources().iter().map(Into::into).collect(),
        wheels: parts.wheels.to_vec(),
        lock,
        place: BUILD_PLACE.to_owned(),
        steps: steps(parts, wheel),
        environment: environment(parts.learned),
        hostname: HOSTNAME.to_owned(),
        user: Identity::Builder.id(),
        outputs: vec![wheel.clone()],
        learned: parts.learned.values(),
    }
}

fn steps(parts: &Parts<'_>, wheel: &str) -> Vec<Step> {
    let sdist = &parts.release.sdist.name;
    let unpack = ["/usr/bin/python3", "-I", "-S", "-c", UNPACK, INPUT_PLACE, sdist, HOOKS];
    let tree = format!("{BUILD_PLACE}/{}", parts.tree);
    let hook = |name: &str| {
        let (python, script) =
            (format!("{BUILD_PLACE}/env/bin/python"), format!("{BUILD_PLACE}/hooks.py"));
        let mut command = vec![python.as_str(), "-I", &script, name, &parts.system.backend, wheel];
        command.extend(parts.system.path.iter().map(String::as_str));
        step(&tree, &command)
    };
    vec![step(BUILD_PLACE, &unpack), hook("get_requires_for_build_wheel"), hook("build_wheel")]
}

/// A home that can be written and is gone after the step: some tools keep a cache there.
fn environment(learned: &Learned) -> BTreeMap<String, String> {
    let path = format!("{BUILD_PLACE}/env/bin:{PATH}");
    let variables = [
        ("HOME", "/tmp"),
        ("LC_ALL", "C.UTF-8"),
        ("LOGNAME", "builder"),
        ("PATH", path.as_str()),
        ("SHELL", "/bin/sh"),
        ("USER", "builder"),
    ];
    let fixed = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let values = learned.values();
    let time = values.get(SOURCE_TIME).map(|time| ("SOURCE_DATE_EPOCH".to_owned(), time.clone()));
    fixed.chain(time).collect()
}
