//! Why a rebuild gave no outcome (every step): each of these is an own fault, and never attested.

use std::io;
use std::path::{Path, PathBuf};

use crate::cas::CasError;
use crate::debian::LearnedError;
use crate::fetch::FetchProblem;
use crate::python::PythonError;
use crate::release::IndexError;
use crate::sandbox::SandboxError;

/// An operational fault; `Rebuilt` without outputs is the outcome `build-failed` instead.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// An input did not come.
    #[error(transparent)]
    Fetch(FetchProblem),
    /// The archive's index cannot be trusted or read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index has no such package.
    #[error("found no package {name:?} in {suite}{}; needed the name of a binary package there", near(.suggestions))]
    UnknownPackage {
        /// The name asked for.
        name: String,
        /// Where it was looked for.
        suite: String,
        /// Names that are close.
        suggestions: Vec<String>,
    },
    /// The index has the package in another version or architecture only.
    #[error(
        "found {name} {found} in {suite}, needed {wanted}; ask for that one, or use a mirror that still has the old index"
    )]
    OtherVersion {
        /// The name asked for.
        name: String,
        /// What the index has.
        found: String,
        /// What was asked for.
        wanted: String,
        /// Where it was looked for.
        suite: String,
    },
    /// apt cannot satisfy the build dependencies from the pinned index.
    #[error(
        "the build dependencies of {package} cannot be satisfied from the pinned index; apt says: {apt}"
    )]
    Unsatisfiable {
        /// The source package.
        package: String,
        /// apt's own words.
        apt: String,
    },
    /// The environment's packages do not make an environment.
    #[error("cannot make the build environment: {step}: {why}")]
    Environment {
        /// Which step.
        step: String,
        /// What was found.
        why: String,
    },
    /// A recipe file does not fit what lies beside it.
    #[error("the recipe cannot be built: {why}")]
    Recipe {
        /// What was found, what was needed.
        why: String,
    },
    /// What was to be learned of the publisher's build cannot be used.
    #[error(transparent)]
    Learned(#[from] LearnedError),
    /// The machine cannot run a sandbox, or a sandboxed step passed a limit.
    #[error(transparent)]
    Sandbox(SandboxError),
    /// A wheel cannot be rebuilt from what the registry has.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// The store of inputs failed.
    #[error(transparent)]
    Cas(#[from] CasError),
    /// The disk is full.
    #[error("no space left on the disk of {}; free some and run again", .0.display())]
    NoSpace(PathBuf),
    /// Something that this version does not do.
    #[error("{0} is not supported yet")]
    Unsupported(String),
    /// Anything else that the file system said.
    #[error("{what} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The user stopped it.
    #[error("stopped; nothing half-made was left behind")]
    Cancelled,
}

impl RebuildError {
    /// Names a full disk as such.
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull {
            return Self::NoSpace(path.to_owned());
        }
        Self::Io { what, path: path.to_owned(), source }
    }
}

/// A stop and a full disk are the same wherever they happened.
impl From<FetchProblem> for RebuildError {
    fn from(problem: FetchProblem) -> Self {
        match problem {
            FetchProblem::Cancelled { .. } => Self::Cancelled,
            FetchProblem::NoSpace { path } => Self::NoSpace(PathBuf::from(path)),
            other => Self::Fetch(other),
        }
    }
}

impl From<SandboxError> for RebuildError {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Cancelled => Self::Cancelled,
            SandboxError::NoSpace(path) => Self::NoSpace(path),
            other => Self::Sandbox(other),
        }
    }
}

fn near(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        return String::new();
    }
    format!(" (near: {})", suggestions.join(", "))
}
