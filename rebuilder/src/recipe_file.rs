//! The recipe that people write (before step 3, pure): TOML with sources, packages, steps, outputs.
//!
//! Whoever publishes something that no registry rebuilds by rule says here how it is built. What is
//! signed is the [`Recipe`] that follows from it, in which everything stands by digest.

mod inputs;
mod pin;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use reattest_attestation::{Digest, Purl};
use serde::Deserialize;

pub use inputs::InputError;
pub use pin::Written;

use crate::limits;
use crate::plan::{HOSTNAME, INPUT_PLACE, PATH};
use crate::recipe::{FORMAT, Recipe, SourceInput, Step};
use crate::reference::{DEFAULT_SUITE, is_name};
use crate::sandbox::Identity;

/// Where a recipe's build runs, and the one directory that it may write to.
pub const PLACE: &str = "/build/recipe";

/// One recipe file, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeFile {
    /// What is built, as a purl with its version: `pkg:generic/hello@1.0`.
    pub source: Purl,
    /// The Debian suite that the packages are of.
    #[serde(default = "default_suite")]
    pub suite: String,
    /// Names of the Debian packages that the build needs, besides the essential ones.
    #[serde(default)]
    pub packages: Vec<String>,
    /// What the build reads.
    #[serde(default)]
    pub input: Vec<InputFile>,
    /// Environment variables; `PATH`, `HOME` and `LC_ALL` are set already.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What is run, one after the other.
    pub step: Vec<StepLine>,
    /// What must come out.
    pub output: Vec<OutputFile>,
}

/// One source: a file or a directory beside the recipe, or a file at a URL by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// A file or a directory, relative to the recipe; a directory becomes `NAME.tar`.
    pub path: Option<PathBuf>,
    /// Where a file is downloaded; `sha256` and `size` are needed then.
    pub url: Option<String>,
    /// Its name inside, below `/build/inputs`; without it, the last part of path or URL.
    pub name: Option<String>,
    /// Its digest; a file beside the recipe is checked against it where it is stated.
    pub sha256: Option<Digest>,
    /// Its size in bytes.
    pub size: Option<u64>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLine {
    /// Program and arguments; there is no shell around it.
    pub command: Vec<String>,
    /// Where it runs, relative to the build's directory.
    #[serde(default)]
    pub directory: PathBuf,
}

/// One file that the build makes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputFile {
    /// Where the build leaves it, relative to its directory.
    pub path: PathBuf,
    /// The purl that it is published under; without it, the source's with this file's name.
    pub purl: Option<Purl>,
    /// The published file's digest; without it there is nothing to compare with yet.
    pub sha256: Option<Digest>,
    /// The published file's size in bytes.
    pub size: Option<u64>,
    /// Where the published file can be fetched, to explain a difference.
    pub url: Option<String>,
}

fn default_suite() -> String {
    DEFAULT_SUITE.to_owned()
}

/// Why a file is no recipe. Its author's fault, always.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeFileError {
    /// Not TOML, an unknown key, or a missing one; the text has line and column.
    #[error("{0}")]
    Form(String),
    /// A key with a value that cannot be meant.
    #[error("found {key} = {found:?}; needed {needed}")]
    Value {
        /// The key.
        key: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        needed: &'static str,
    },
    /// Two of a kind with one name.
    #[error("found two {what} named {name:?}; needed a name for each")]
    Twice {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
    },
}

impl RecipeFile {
    /// Reads and checks a recipe.
    pub fn parse(text: &str) -> Result<Self, RecipeFileError> {
        let file: Self = toml::from_str(text).map_err(|e| RecipeFileError::Form(e.to_string()))?;
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), RecipeFileError> {
        if self.source.version().is_none() {
            return Err(value("source", &self.source, "a purl with a version"));
        }
        if !is_name(&self.suite) {
            return Err(value("suite", &self.suite, "a codename such as trixie"));
        }
        if let Some(name) = self.packages.iter().find(|name| !is_name(name)) {
            return Err(value("packages", name, "names of Debian packages"));
        }
        bounded("step", self.step.len(), "1 to 64 steps")?;
        bounded("output", self.output.len(), "1 to 64 outputs")?;
        for step in &self.step {
            if step.command.is_empty() || !is_inside(&step.directory) {
                let found = format!("{:?} in {}", step.command, step.directory.display());
                return Err(value("step", &found, "a command, and a directory below the build's"));
            }
        }
        let names: Vec<_> =
            self.input.iter().map(InputFile::checked_name).collect::<Result<_, _>>()?;
        unique("inputs", names.iter().map(String::as_str))?;
        let names: Vec<_> =
            self.output.iter().map(OutputFile::file_name).collect::<Result<_, _>>()?;
        unique("outputs", names.iter().map(String::as_str))
    }

    /// The recipe over inputs that are in the store and a lock.
    pub fn recipe(&self, files: Vec<SourceInput>, lock: Digest) -> Recipe {
        Recipe {
            format: FORMAT,
            source: self.source.clone(),
            files,
            wheels: Vec::new(),
            lock,
            place: PLACE.to_owned(),
            steps: self.step.iter().map(StepLine::step).collect(),
            environment: self.variables(),
            hostname: HOSTNAME.to_owned(),
            user: Identity::Builder.id(),
            outputs: self.output.iter().map(|o| o.path.display().to_string()).collect(),
            learned: BTreeMap::new(),
        }
    }

    fn variables(&self) -> BTreeMap<String, String> {
        let fixed =
            [("HOME", PLACE), ("INPUTS", INPUT_PLACE), ("LC_ALL", "C.UTF-8"), ("PATH", PATH)];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut variables = BTreeMap::from(fixed);
        variables.extend(self.environment.clone());
        variables
    }
}

impl InputFile {
    /// The name under which the build sees it.
    pub fn checked_name(&self) -> Result<String, RecipeFileError> {
        let place = match (&self.path, &self.url) {
            (Some(path), None) => path.file_name().map(|n| n.to_string_lossy().into_owned()),
            (None, Some(url)) if self.sha256.is_some() && self.size.is_some() => {
                url.rsplit('/').next().map(str::to_owned)
            }
            _ => {
                let found = self.name.clone().unwrap_or_default();
                return Err(value("input", &found, "either path, or url with sha256 and size"));
            }
        };
        let name = self.name.clone().or(place).unwrap_or_default();
        is_file_name(&name).then_some(name.clone()).ok_or_else(|| {
            value("input", &name, "a file name without slashes; say `name` where the path has none")
        })
    }
}

impl StepLine {
    fn step(&self) -> Step {
        let directory = Path::new(PLACE).join(&self.directory);
        let directory = directory.display().to_string();
        Step {
            directory: directory.trim_end_matches('/').to_owned(),
            command: self.command.clone(),
        }
    }
}

impl OutputFile {
    /// The last part of its path.
    pub fn file_name(&self) -> Result<String, RecipeFileError> {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let fine = name.filter(|name| is_file_name(name) && is_inside(&self.path));
        fine.ok_or_else(|| {
            value("output", &self.path.display(), "a path below the build's directory")
        })
    }
}

fn value(
    key: &'static str,
    found: &dyn std::fmt::Display,
    needed: &'static str,
) -> RecipeFileError {
    RecipeFileError::Value { key, found: found.to_string(), needed }
}

fn bounded(key: &'static str, count: usize, needed: &'static str) -> Result<(), RecipeFileError> {
    if (1..=limits::OUTPUTS).contains(&count) {
        return Ok(());
    }
    Err(value(key, &count, needed))
}

fn unique<'a>(
    what: &'static str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), RecipeFileError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(RecipeFileError::Twice { what, name: name.to_owned() });
        }
    }
    Ok(())
}

/// Whether a relative path stays below where it starts.
fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn is_file_name(name: &str) -> bool {
    let fine = |c: char| !c.is_control() && c != '/' && c != '\\';
    (1..=255).contains(&name.len()) && name.chars().all(fine) && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const HELLO: &str = r#"
source = "pkg:generic/hello@1.0"
packages = ["gcc", "libc6-dev"]
input = [{ path = "hello.c" }]
step = [{ command = ["cc", "-o", "hello", "/build/inputs/hello.c"] }]
output = [{ path = "hello" }]
"#;

    #[test]
    fn a_small_recipe_becomes_a_whole_one() {
        let file = RecipeFile::parse(HELLO).unwrap();
        assert_eq!((file.suite.as_str(), file.packages.len()), (DEFAULT_SUITE, 2));
        let recipe = file.recipe(Vec::new(), Digest::of(b"lock"));
        assert_eq!(recipe.steps.first().unwrap().directory, PLACE);
        assert_eq!(recipe.environment.get("HOME").map(String::as_str), Some(PLACE));
        let document = recipe.document().unwrap();
        assert_eq!(Recipe::parse(document.bytes()).unwrap(), recipe);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_is_needed() {
        let table = [
            ("pkg:generic/hello@1.0", "pkg:generic/hello", "a purl with a version"),
            ("[\"gcc\", \"libc6-dev\"]", "[\"--force\"]", "names of Debian packages"),
            (
                "{ path = \"hello.c\" }",
                "{ path = \"hello.c\", url = \"https://x.example/h\" }",
                "either path",
            ),
            ("{ path = \"hello.c\" }", "{ url = \"https://x.example/h\" }", "with sha256 and size"),
            ("{ path = \"hello.c\" }", "{ path = \"..\" }", "a file name"),
            (
                "{ path = \"hello.c\" }",
                "{ path = \"hello.c\" }, { path = \"src/hello.c\" }",
                "two inputs",
            ),
            (
                "output = [{ path = \"hello\" }]",
                "output = [{ path = \"../hello\" }]",
                "below the build's",
            ),
            ("output = [{ path = \"hello\" }]", "output = []", "1 to 64 outputs"),
            ("command = [", "shell = true, command = [", "unknown field"),
            ("[\"cc\", \"-o\", \"hello\", \"/build/inputs/hello.c\"]", "[]", "a command"),
        ];
        for (from, to, needed) in table {
            assert!(HELLO.contains(from), "{from}");
            let error = RecipeFile::parse(&HELLO.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(needed), "{needed:?} not in {error:?}");
        }
    }
}
