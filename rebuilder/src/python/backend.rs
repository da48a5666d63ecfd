//! The build backends that this version knows (step 3, pure): which project, and who signs `Generator:`.
//!
//! A published wheel may choose a version of the backend that the sdist names, and nothing else. Which
//! program that can be is written here, so no wheel can say it.

use pep440_rs::Version;

use super::name::{Name, version};

/// A backend module, and the programs that write `Generator:` in its wheels: (program, project).
struct Backend {
    module: &'static str,
    generators: &'static [(&'static str, &'static str)],
}

/// setuptools wrote wheels by the project `wheel` (its program is `bdist_wheel`) until 70.1.
const SETUPTOOLS: &[(&str, &str)] = &[("setuptools", "setuptools"), ("bdist_wheel", "wheel")];
/// flit's core, also where another backend only adds a version to it.
const FLIT: &[(&str, &str)] = &[("flit", "flit-core")];
const POETRY: &[(&str, &str)] = &[("poetry-core", "poetry-core")];

/// By the first part of `build-backend`. Seen in the wheels of each.
const BACKENDS: &[Backend] = &[
    Backend { module: "setuptools", generators: SETUPTOOLS },
    Backend { module: "hatchling", generators: &[("hatchling", "hatchling")] },
    Backend { module: "flit_core", generators: FLIT },
    Backend { module: "flit_scm", generators: FLIT },
    Backend { module: "poetry", generators: POETRY },
    Backend { module: "poetry_dynamic_versioning", generators: POETRY },
    Backend {
        module: "pdm",
        generators: &[("pdm-backend", "pdm-backend"), ("pdm-pep517", "pdm-pep517")],
    },
    Backend { module: "maturin", generators: &[("maturin", "maturin")] },
    Backend {
        module: "scikit_build_core",
        generators: &[("scikit-build-core", "scikit-build-core")],
    },
    Backend { module: "mesonpy", generators: &[("meson-python", "meson-python")] },
    Backend { module: "uv_build", generators: &[("uv", "uv-build")] },
    Backend { module: "whey", generators: &[("whey", "whey")] },
];

/// The last version of setuptools that left `Generator:` to the project `wheel`.
pub const SETUPTOOLS_WITH_WHEEL: &str = "<70.1";

/// When setuptools 66.1.1 was out (2023-01-20), the first that runs on Python 3.12 and later; Unix
/// seconds. For an older artifact it stands in for the version of its day, which is not known anyway:
/// only newer ones write their version into wheels.
pub const SETUPTOOLS_RUNS_SINCE: i64 = 1_674_259_200;

/// Whether wheels of this backend carry the clock's times where no source time was set: those of
/// setuptools everywhere, and files that flit's companion writes before flit packs them.
pub fn stamps_by_clock(module: &str) -> bool {
    matches!(module.split(['.', ':']).next(), Some("setuptools" | "flit_scm"))
}

/// A program and its version, as `Generator:` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generator {
    /// The program.
    pub program: String,
    /// Its version.
    pub version: Version,
}

impl Generator {
    /// Reads `PROGRAM VERSION` or `PROGRAM (VERSION)`, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (program, rest) = text.trim().split_once(' ')?;
        let inner = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        // A canonical name has no character that could mean anything elsewhere.
        Name::canonical(program)?;
        Some(Self { program: program.to_owned(), version: version(inner.unwrap_or(rest))? })
    }

    /// The project that this program is a version of, where the sdist's backend names it.
    ///
    /// A known backend has its own programs only. Behind an unknown one (a module in the sdist itself,
    /// say) stands one of the known ones, if the sdist requires it.
    pub fn project(&self, backend: &str, required: &[Name]) -> Option<Name> {
        let module = backend.split(['.', ':']).next().unwrap_or_default();
        let of = |known: &Backend| {
            let mut all = known.generators.iter();
            all.find(|(program, _)| *program == self.program).map(|(_, project)| *project)
        };
        if let Some(known) = BACKENDS.iter().find(|known| known.module == module) {
            return of(known).and_then(Name::canonical);
        }
        let project = BACKENDS.iter().find_map(of).and_then(Name::canonical)?;
        let family = required.contains(&project)
            || (self.program == "bdist_wheel"
                && required.iter().any(|n| n.as_str() == "setuptools"));
        family.then_some(project)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_generator_chooses_a_version_of_the_named_backend_and_nothing_else() {
        let table = [
            ("hatchling 1.27.0", "hatchling.build", "", Some("hatchling 1.27.0")),
            ("flit 3.9.0", "flit_core.buildapi", "", Some("flit-core 3.9.0")),
            ("flit 3.9.0", "flit_scm:buildapi", "", Some("flit-core 3.9.0")),
            ("bdist_wheel (0.43.0)", "setuptools.build_meta", "", Some("wheel 0.43.0")),
            (
                "setuptools (75.6.0)",
                "setuptools.build_meta:__legacy__",
                "",
                Some("setuptools 75.6.0"),
            ),
            ("poetry-core 1.9.0", "poetry.core.masonry.api", "", Some("poetry-core 1.9.0")),
            ("pdm-backend (2.4.3)", "pdm.backend", "", Some("pdm-backend 2.4.3")),
            ("setuptools (75.6.0)", "own_backend", "setuptools", Some("setuptools 75.6.0")),
            ("bdist_wheel (0.37.0)", "own_backend", "setuptools", Some("wheel 0.37.0")),
            // Another program than the sdist names.
            ("evil 1.0", "hatchling.build", "", None),
            ("setuptools (75.6.0)", "hatchling.build", "setuptools", None),
            ("hatchling 1.27.0", "own_backend", "setuptools", None),
            ("requests 2.0", "own_backend", "requests", None),
        ];
        for (text, backend, required, expected) in table {
            let required: Vec<Name> =
                required.split_whitespace().filter_map(Name::canonical).collect();
            let generator = Generator::parse(text).unwrap();
            let project = generator.project(backend, &required);
            let found = project.map(|project| format!("{project} {}", generator.version));
            assert_eq!(found.as_deref(), expected, "{text} for {backend}");
        }
    }

    #[test]
    fn a_generator_of_another_form_says_nothing() {
        let table = [
            "",
            "hatchling",
            "hatchling https://host/evil.whl",
            "hatchling 1.0; touch /tmp/x",
            "hatchling $(id)",
            "hatchling @ git+https://host/evil",
            "hatchling 1.0 --index-url=evil",
            "hatchling (1.0",
            "../../evil 1.0",
            "--evil 1.0",
            "hatchling 1.0\u{0}",
            "pdm-backend (0.0.0+local) x",
        ];
        for text in table {
            assert_eq!(Generator::parse(text), None, "{text}");
        }
    }
}
