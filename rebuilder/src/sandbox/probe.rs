//! Whether this machine can hold a sandbox (step 3): asked before anything else, never best effort.
//!
//! One harmless command runs in a whole sandbox and tells what it sees there; `held` judges it.

mod held;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cgroup::Places;
use super::masks::{self, Mask};
use super::overlay::Tools;
use super::{Access, Confinement, Ended, Filter, Identity, Limits, Root, SandboxError, Spec};
use crate::progress::Cancel;

/// A machine that was found to hold a sandbox; only [`probe`] makes one.
#[derive(Debug, Clone)]
pub struct Sandbox {
    bwrap: PathBuf,
    tools: Tools,
    places: Places,
    masks: Vec<Mask>,
    live: bool,
}

/// A sandbox starts in 20 ms where it was measured.
const PROBE_WALL: Duration = Duration::from_mins(1);
/// The name that the probe's command must see.
const PROBE_NAME: &str = "probe";

/// Starts one harmless command in a sandbox and looks at what it sees.
pub fn probe(bwrap: Option<&Path>) -> Result<Sandbox, SandboxError> {
    let bwrap = match bwrap {
        Some(given) if given.is_file() => given.to_owned(),
        Some(given) => return Err(missing(&given.display().to_string())),
        None => find("bwrap").ok_or_else(|| missing("bwrap in PATH"))?,
    };
    let masks = masks::hidden(proc_entries()?);
    let sandbox = Sandbox { bwrap, tools: tools()?, places: Places::find(), masks, live: false };
    let log = tempfile::NamedTempFile::new()
        .map_err(|source| SandboxError::Io { what: "make a temporary file", source })?;
    let spec = harmless(&sandbox.masks);
    let ended = sandbox.run(&spec, log.path(), &Cancel::new());
    let said = fs::read_to_string(log.path()).unwrap_or_default();
    match ended {
        Ok(Ended::Success) => {
            held::all(&said, &spec, &namespaces()?)?;
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
    /// The same, and what its commands say goes to standard error, too, while they run.
    #[must_use]
    pub fn live(self) -> Self {
        Self { live: true, ..self }
    }

    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Which mechanism holds the limits on this machine, for the record of a build.
    pub fn confinement(&self) -> Confinement {
        self.places.confinement()
    }

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

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    pub(super) fn masks(&self) -> &[Mask] {
        &self.masks
    }

    /// The same machine as if it had no control groups.
    #[cfg(test)]
    pub(super) fn without_groups(mut self) -> Self {
        self.places = Places::default();
        self
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

/// Every instance of `/proc` has the same entries beside its processes.
fn proc_entries() -> Result<impl Iterator<Item = (String, bool)>, SandboxError> {
    let entries =
        fs::read_dir("/proc").map_err(|source| SandboxError::Io { what: "read /proc", source })?;
    Ok(entries.flatten().filter_map(|entry| {
        let directory = entry.file_type().ok()?.is_dir();
        Some((entry.file_name().into_string().ok()?, directory))
    }))
}

/// This process's own namespaces, none of which the command may share.
fn namespaces() -> Result<Vec<String>, SandboxError> {
    let of = |name: &&str| {
        let link = fs::read_link(format!("/proc/self/ns/{name}"))
            .map_err(|source| SandboxError::Io { what: "read /proc/self/ns", source })?;
        Ok(link.to_string_lossy().into_owned())
    };
    held::NAMESPACES.iter().map(of).collect()
}

/// The one command that sees the host's own root: there is no environment yet, and it is ours. Little
/// of it is more than the shell itself, since each start of a program costs a millisecond.
fn harmless(masks: &[Mask]) -> Spec {
    let hidden: Vec<String> = masks.iter().map(|mask| format!("/proc/{}", mask.name)).collect();
    let script = format!(
        "cat /proc/self/status /proc/self/limits; ls -l /proc/self/ns; \
         sed s/^/interface:\\ / /proc/net/dev; sed s/^/mount:\\ / /proc/self/mountinfo; \
         read -r name < /proc/sys/kernel/hostname; echo name: $name; \
         for file in /dev/*; do echo device: $file; done; \
         for file in /sys/*; do echo hardware: $file; done; \
         for file in {}; do if true 2>/dev/null <$file; then echo opened: $file $file/*; fi; done",
        hidden.join(" ")
    );
    Spec {
        root: Root::Directory(PathBuf::from("/")),
        root_access: Access::ReadOnly,
        binds: Vec::new(),
        identity: Identity::Builder,
        hostname: PROBE_NAME.to_owned(),
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        directory: "/".to_owned(),
        command: vec!["sh".to_owned(), "-c".to_owned(), script],
        filter: Filter::Build,
        limits: Limits { wall: PROBE_WALL, ..Limits::step() },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn no_bubblewrap_says_what_to_install() {
        let error = probe(Some(Path::new("/nonexistent/bwrap"))).unwrap_err();
        assert!(error.to_string().contains("install the package bubblewrap"), "{error}");
    }
}
