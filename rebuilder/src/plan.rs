//! From a recipe to sandbox specs (step 3, pure): the same for every kind of package.

use std::path::Path;

use crate::recipe::{Recipe, Step};
use crate::sandbox::{Access, Bind, Filter, Identity, Limits, Root, Spec};

/// Where the source's files are visible, read-only; wheels in `wheels/` below it.
pub const INPUT_PLACE: &str = "/build/inputs";
/// Fixed, so that no build learns on which machine it runs.
pub const HOSTNAME: &str = "reattest";
/// The search path of Debian's build daemons.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
            bind(scratch, &recipe.place, Access::Writable),
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

/// A step from words.
pub(crate) fn step(directory: &str, command: &[&str]) -> Step {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    Step { directory: directory.to_owned(), command }
}
