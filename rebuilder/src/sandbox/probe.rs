//! Whether this machine can hold a sandbox (step 3): asked before anything else, never best effort.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::overlay::Tools;
use super::{Access, Ended, Filter, Identity, Limits, Root, SandboxError, Spec};
use crate::progress::Cancel;

/// A machine that was found to hold a sandbox; only [`probe`] makes one.
#[derive(Debug, Clone)]
pub struct Sandbox {
    bwrap: PathBuf,
    tools: Tools,
}

/// A sandbox starts in 10 ms where it was measured.
const PROBE_WALL: Duration = Duration::from_secs(30);

/// Lines of `/proc/self/status` that a confined process has; see `proc_pid_status(5)`.
const CONFINED: &[(&str, &str)] = &[
    ("NoNewPrivs:", "1"),
    ("Seccomp:", "2"),
    ("CapEff:", "0000000000000000"),
    ("CapPrm:", "0000000000000000"),
    ("CapBnd:", "0000000000000000"),
    ("CapAmb:", "0000000000000000"),
];

/// Starts one harmless command in a sandbox and looks at what the kernel says of it.
pub fn probe(bwrap: Option<&Path>) -> Result<Sandbox, SandboxError> {
    let bwrap = match bwrap {
        Some(given) if given.is_file() => given.to_owned(),
        Some(given) => return Err(missing(&given.display().to_string())),
        None => find("bwrap").ok_or_else(|| missing("bwrap in PATH"))?,
    };
    let sandbox = Sandbox { bwrap, tools: tools()? };
    let log = tempfile::NamedTempFile::new()
        .map_err(|source| SandboxError::Io { what: "make a temporary file", source })?;
    let ended = sandbox.run(&harmless(), log.path(), &Cancel::new());
    let said = std::fs::read_to_string(log.path()).unwrap_or_default();
    match ended {
        Ok(Ended::Success) => {
            check(&said)?;
            sandbox.check_overlay(&env::temp_dir())?;
            Ok(sandbox)
        }
        Ok(Ended::Failure(_)) | Err(SandboxError::Broken(_)) => {
            Err(SandboxError::NoNamespaces { why: said.trim().to_owned() })
        }
        Err(error) => Err(error),
    }
}

impl Sandbox {
    pub(super) fn bwrap(&self) -> &Path {
        &self.bwrap
    }

    pub(super) fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Whether roots of layers can be made in this directory: it depends on its file system.
    pub fn check_overlay(&self, place: &Path) -> Result<(), SandboxError> {
        self.tools.probe(&self.bwrap, place)
    }
}

fn missing(looked: &str) -> SandboxError {
    SandboxError::NoBubblewrap { looked: format!("looked for {looked}") }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

fn tools() -> Result<Tools, SandboxError> {
    let tool = |name| {
        let why = format!("found no {name} in PATH; install util-linux");
        find(name).ok_or_else(|| SandboxError::NoOverlay { place: env::temp_dir(), why })
    };
    Ok(Tools { unshare: tool("unshare")?, mount: tool("mount")?, shell: tool("sh")? })
}

/// The one command that sees the host's own root: there is no environment yet, and it is ours.
fn harmless() -> Spec {
    Spec {
        root: Root::Directory(PathBuf::from("/")),
        root_access: Access::ReadOnly,
        binds: Vec::new(),
        identity: Identity::Builder,
        hostname: "probe".to_owned(),
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        directory: "/".to_owned(),
        command: vec!["cat".to_owned(), "/proc/self/status".to_owned()],
        filter: Filter::Build,
        limits: Limits { wall: PROBE_WALL, ..Limits::step() },
    }
}

fn check(status: &str) -> Result<(), SandboxError> {
    for (name, needed) in CONFINED {
        let line = status.lines().find(|line| line.starts_with(name));
        let found = line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or("nothing");
        if found != *needed {
            let what = format!("found {name} {found}, needed {needed}");
            return Err(SandboxError::Leaks { what });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const FINE: &str = "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n\
        CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";

    #[test]
    fn a_process_that_kept_a_right_is_a_leak() {
        check(FINE).unwrap();
        for (found, leaky) in
            [("Privs:\t1", "Privs:\t0"), ("comp:\t2", "comp:\t0"), ("Eff:\t0", "Eff:\t1")]
        {
            let error = check(&FINE.replace(found, leaky)).unwrap_err();
            assert!(matches!(error, SandboxError::Leaks { .. }), "{error}");
        }
        assert!(check("").is_err());
    }

    #[test]
    fn no_bubblewrap_says_what_to_install() {
        let error = probe(Some(Path::new("/nonexistent/bwrap"))).unwrap_err();
        assert!(error.to_string().contains("install the package bubblewrap"), "{error}");
    }
}
