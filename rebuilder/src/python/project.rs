//! Which backend builds a source tree, and what that needs (step 3, pure): PEP 517 and PEP 518.
//!
//! Only the sdist says it. What its `pyproject.toml` leaves out has one meaning, that of pip and build.

use serde::Deserialize;

use super::PythonError;
use super::name::Name;
use super::requirement::Requirement;
use crate::limits;

/// What a tree without `build-backend` is built with.
const LEGACY: &str = "setuptools.build_meta:__legacy__";

/// The build system of one source tree.
#[derive(Debug, Clone)]
pub struct BuildSystem {
    /// `MODULE` or `MODULE:OBJECT`.
    pub backend: String,
    /// Directories of the tree that the backend is imported from; relative, inside.
    pub path: Vec<String>,
    /// What must be installed to import the backend.
    pub requires: Vec<Requirement>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "build-system")]
    build_system: Option<Table>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Table {
    requires: Vec<String>,
    build_backend: Option<String>,
    #[serde(default)]
    backend_path: Vec<String>,
}

impl BuildSystem {
    /// Reads the text of `pyproject.toml`, or takes what its absence means.
    pub fn of(project: Option<&str>) -> Result<Self, PythonError> {
        let problem = |why: String| PythonError::BuildSystem { why };
        let document = project.map(toml::from_str::<Document>).transpose();
        let document = document.map_err(|e| problem(e.message().chars().take(200).collect()))?;
        let Some(table) = document.and_then(|document| document.build_system) else {
            let requires =
                vec![Requirement::of("setuptools", ">=40.8.0")?, Requirement::of("wheel", "")?];
            return Ok(Self { backend: LEGACY.to_owned(), path: Vec::new(), requires });
        };
        if table.requires.len() > limits::REQUIREMENTS {
            let found = table.requires.len();
            return Err(problem(format!(
                "{found} requirements, more than {}",
                limits::REQUIREMENTS
            )));
        }
        let backend = table.build_backend.unwrap_or_else(|| LEGACY.to_owned());
        if !is_object(&backend) {
            let named: String = backend.chars().take(80).collect();
            return Err(problem(format!(
                "build-backend = {named:?}, needed MODULE or MODULE:OBJECT"
            )));
        }
        if table.backend_path.len() > limits::BACKEND_PATHS
            || !table.backend_path.iter().all(|p| is_inside(p))
        {
            return Err(problem("a backend-path that leaves the source tree".to_owned()));
        }
        let requires = table.requires.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Ok(Self { backend, path: table.backend_path, requires })
    }

    /// The projects that the tree itself requires.
    pub fn required(&self) -> Vec<Name> {
        self.requires.iter().map(|requirement| requirement.name.clone()).collect()
    }
}

/// Names as Python has them, joined by dots; it becomes an argument of the driver.
fn is_object(text: &str) -> bool {
    let is_path = |path: &str| path.split('.').all(is_identifier);
    let fits = match text.split_once(':') {
        Some((module, object)) => is_path(module) && is_path(object),
        None => is_path(text),
    };
    fits && text.len() <= limits::REQUIREMENT_BYTES
}

fn is_identifier(part: &str) -> bool {
    let starts_well = part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_inside(path: &str) -> bool {
    let fine = |part: &str| {
        part != ".." && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    !path.is_empty() && !path.starts_with('/') && path.len() <= 255 && path.split('/').all(fine)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_sdist_alone_says_which_backend_builds_it() {
        let hatch = "[build-system]\nrequires = ['hatchling', 'hatch-vcs']\nbuild-backend = 'hatchling.build'\n";
        let own = "[build-system]\nrequires = []\nbuild-backend = 'own:it'\nbackend-path = ['.', 'src/x']\n";
        let table = [
            (None, LEGACY, "setuptools wheel"),
            (Some("[project]\nname = 'x'\n"), LEGACY, "setuptools wheel"),
            (Some("[build-system]\nrequires = ['setuptools']\n"), LEGACY, "setuptools"),
            (Some(hatch), "hatchling.build", "hatchling hatch-vcs"),
            (Some(own), "own:it", ""),
        ];
        for (text, backend, required) in table {
            let system = BuildSystem::of(text).unwrap();
            let names: Vec<_> = system.required().iter().map(ToString::to_string).collect();
            assert_eq!((system.backend.as_str(), names.join(" ")), (backend, required.to_owned()));
        }
        assert_eq!(BuildSystem::of(Some(own)).unwrap().path, [".", "src/x"]);
    }

    #[test]
    fn a_hostile_build_system_is_refused() {
        let many = format!("[build-system]\nrequires = [{}]\n", "'a',".repeat(100_000));
        let deep = format!("x = {}", "[".repeat(100_000));
        let system = |rest: &str| format!("[build-system]\nrequires = []\n{rest}\n");
        let table = [
            many,
            deep,
            "not toml".to_owned(),
            "[build-system]\nbuild-backend = 'x'\n".to_owned(),
            "[build-system]\nrequires = 'setuptools'\n".to_owned(),
            "[build-system]\nrequires = ['a @ https://host/x.whl']\n".to_owned(),
            system("build-backend = 'os; import x'"),
            system("build-backend = '--help'"),
            system("build-backend = '..x'"),
            system("build-backend = 'a:b:c'"),
            system("build-backend = ''"),
            system("build-backend = 'a'\nbackend-path = ['../x']"),
            system("build-backend = 'a'\nbackend-path = ['/usr/lib']"),
            system("build-backend = 'a'\nbackend-path = ['x/../..']"),
        ];
        for text in &table {
            assert!(
                BuildSystem::of(Some(text)).is_err(),
                "{}",
                text.chars().take(80).collect::<String>()
            );
        }
    }
}
