//! Where untrusted commands run (step 3): a pure [`Spec`], a [`probe`](fn@probe), and one file that runs it.

mod limits;
mod spec;
mod overlay;
mod masks;
mod calls;
mod seccomp;
mod confinement;
mod cgroup;
mod probe;
mod start;
mod census;
mod disk;
mod watch;
mod said;
mod run;

use std::io;
use std::path::PathBuf;

pub use confinement::{Confinement, Mechanism};
pub use limits::Limits;
pub use overlay::{Overlay, Root};
pub use probe::{Sandbox, probe};
pub use run::Ended;
pub use seccomp::Filter;
pub use spec::{Access, Bind, Identity, Spec};

/// Why a command gave no answer. Always an own fault: a command that fails by itself is `Ended`.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No bubblewrap.
    #[error(
        "found no bubblewrap ({looked}); needed it to run builds without network: install the package bubblewrap"
    )]
    NoBubblewrap {
        /// Where it was looked for.
        looked: String,
    },
    /// The kernel or its settings refuse user namespaces.
    #[error(
        "bubblewrap cannot make a sandbox here: {why}; needed unprivileged user namespaces: set sysctl kernel.unprivileged_userns_clone=1 and user.max_user_namespaces above 0 (in a container, allow them there)"
    )]
    NoNamespaces {
        /// What bubblewrap said.
        why: String,
    },
    /// The kernel, its settings or the file system refuse overlays in user namespaces.
    #[error(
        "cannot lay directories over each other in {}: {why}; needed Linux 5.11 or newer, unprivileged user namespaces, and a file system that takes overlays (ext4, xfs, btrfs, tmpfs): move the cache with XDG_CACHE_HOME", .place.display()
    )]
    NoOverlay {
        /// Where it was tried.
        place: PathBuf,
        /// What was said.
        why: String,
    },
    /// The sandbox stands but does not hold what the spec asks.
    #[error("the sandbox does not hold on this machine: {what}; nothing was built")]
    Leaks {
        /// What was found open.
        what: String,
    },
    /// A filter does not compile for this machine.
    #[error(
        "cannot make the system call filter for {architecture}: {why}; needed x86_64 or aarch64 Linux"
    )]
    Filter {
        /// This machine.
        architecture: String,
        /// What the compiler said.
        why: String,
    },
    /// A limit was passed; every process of the sandbox is gone.
    #[error(
        "the sandboxed step passed its limit on {limit} ({bound}); it was ended: raise the limit or use a faster machine"
    )]
    Limit {
        /// Which limit.
        limit: &'static str,
        /// Its value, with unit.
        bound: String,
    },
    /// The disk is full.
    #[error("no space left on the disk of {} during a sandboxed step; free some and run again", .0.display())]
    NoSpace(PathBuf),
    /// Bubblewrap itself was killed or could not start the command.
    #[error("the sandbox ended by itself: {0}; this machine ended it (out of memory?): run again")]
    Broken(String),
    /// The user stopped it.
    #[error("stopped; every process of the sandbox is gone")]
    Cancelled,
    /// Anything else that the system said.
    #[error("cannot run the sandbox: {what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod limit_tests;
