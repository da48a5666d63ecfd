//! Python wheels from source distributions (steps 1 to 3): what the registry says, and what a build needs.
//!
//! The way through: the project's [page] names sdist and wheel; the published [wheel]
//! teaches a source time and a backend's version ([learned]); the [sdist]'s own
//! `pyproject.toml` says which backend builds it ([project]); the backend and what it needs are
//! [resolved](mod@resolve) to pinned wheels; all of it becomes a [recipe]. Everything here but the
//! fetching is a pure function on bytes that an attacker may have made.

pub mod name;
pub mod page;
mod release;
pub mod wheel;
pub mod backend;
pub mod learned;
pub mod sdist;
pub mod requirement;
pub mod project;
pub mod resolve;
mod recipe;
mod environment;
mod pin;

pub(crate) use pin::pin;
pub(crate) use release::PythonRelease;

/// The interpreter of Debian 13, as markers call it.
const PYTHON: &str = "3.13";
/// The same in full, as the archive has it since its release.
const PYTHON_FULL: &str = "3.13.5";

/// Why a wheel cannot be rebuilt. Never an outcome: a build that fails by itself is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PythonError {
    /// A text that is no project's name.
    #[error(
        "found the project name {found:?}; needed letters, digits, and single - _ . between them"
    )]
    Name {
        /// What was found.
        found: String,
    },
    /// The index has no such project.
    #[error(
        "found no project {project:?} in the Python index ({asked}); needed the name of a published project"
    )]
    UnknownProject {
        /// The name asked for.
        project: String,
        /// Which index was asked.
        asked: String,
    },
    /// The page cannot be read or contradicts itself.
    #[error(
        "the registry's page of {project} cannot be used: {why}; run again, or use another index"
    )]
    Page {
        /// The project.
        project: String,
        /// What was found.
        why: String,
    },
    /// The project has no such version.
    #[error(
        "found no version {version} of {project}; needed one that the registry has (newest: {newest})"
    )]
    UnknownVersion {
        /// The project.
        project: String,
        /// What was asked for.
        version: String,
        /// Versions that are there.
        newest: String,
    },
    /// The maintainer withdrew it.
    #[error(
        "{project} {version} was withdrawn (yanked) by its maintainer; ask for another version (newest: {newest})"
    )]
    Yanked {
        /// The project.
        project: String,
        /// The version.
        version: String,
        /// Versions that are there.
        newest: String,
    },
    /// Nothing to build from.
    #[error(
        "{project} {version} has no source distribution (it has: {files}); needed a .tar.gz or .zip: a release without source cannot be rebuilt"
    )]
    NoSdist {
        /// The project.
        project: String,
        /// The version.
        version: String,
        /// Some of its files.
        files: String,
    },
    /// Nothing to compare with.
    #[error(
        "{project} {version} has no wheel {wanted} (it has: {files}); needed a published wheel to compare with: name one with file_name in a purl"
    )]
    NoWheel {
        /// The project.
        project: String,
        /// The version.
        version: String,
        /// Which wheel was looked for.
        wanted: String,
        /// Some of its files.
        files: String,
    },
    /// A wheel or source distribution is not one, or is beyond a bound.
    #[error("{file} cannot be read: {why}")]
    File {
        /// The file.
        file: String,
        /// What was found.
        why: String,
    },
    /// The source does not say how it is built.
    #[error("the source's pyproject.toml does not say how it is built: {why}")]
    BuildSystem {
        /// What was found.
        why: String,
    },
    /// A dependency that cannot be read.
    #[error("the requirement {text:?} cannot be used: {why}")]
    Requirement {
        /// Its text.
        text: String,
        /// What was found.
        why: String,
    },
    /// No version of a project does.
    #[error(
        "no wheel satisfies {wanted} as of the artifact's publication (the index has: {found}); the build's requirements cannot be pinned"
    )]
    Unsatisfiable {
        /// All that is required of the project, and by whom.
        wanted: String,
        /// Versions that are there.
        found: String,
    },
    /// The set grows beyond a bound, or never comes to rest.
    #[error("the build's requirements come to no set of wheels: {why}")]
    NoSet {
        /// Which bound was met.
        why: String,
    },
}
