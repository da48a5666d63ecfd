//! A root of layers over each other (step 3): overlayfs in a user and mount namespace of its own, in
//! which bubblewrap then starts.
//!
//! Bubblewrap mounts overlays from 0.11 on, distributions have older ones, and mounting here would
//! need a process of our own without threads. So `unshare` and `mount` of util-linux do it and become
//! bubblewrap by exec: one process from start to end, so its end is the mount's end as well.
//!
//! No path of a layer is ever an option of the mount: options name short links beside the mount point,
//! so there is nothing to escape, and no length limit to meet.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::spec::TEMPORARY;
use super::{Access, SandboxError, Spec};
use crate::scratch;

/// What becomes `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// A directory as it is.
    Directory(PathBuf),
    /// Directories over each other.
    Layers(Overlay),
}

/// Directories over each other, seen as one. The layers themselves are never written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// The topmost first.
    pub layers: Vec<PathBuf>,
    /// A directory of this run alone, on the file system where things may be written. In a writable
    /// root, `upper` in it takes the changes; what stands there before is part of the root.
    pub place: PathBuf,
}

/// The programs that make an overlay.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) unshare: PathBuf,
    pub(super) mount: PathBuf,
    pub(super) shell: PathBuf,
}

/// `$1` are the options, `$2` is `mount`; the rest is what runs in the namespace.
const MOUNT: &str =
    r#"options=$1 mount=$2; shift 2; "$mount" -t overlay overlay -o "$options" root && exec "$@""#;
/// Reading through, writing and deleting, and bubblewrap starts inside.
const TRY: &str = r#"test -e root/below && : >root/new && command -p rm root/below && exec "$@""#;
/// Where bubblewrap mounts by itself; a layer may come from anywhere and lack one.
const MOUNT_POINTS: &[&str] = &["dev", "proc", "sys", "tmp", "run"];

impl Root {
    /// The directory that bubblewrap binds.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Directory(path) => path.clone(),
            Self::Layers(overlay) => overlay.mount().join("root"),
        }
    }

    /// Where changes of the root arrive on the disk.
    pub(super) fn written(&self) -> PathBuf {
        match self {
            Self::Directory(path) => path.clone(),
            Self::Layers(overlay) => overlay.upper(),
        }
    }
}

impl Overlay {
    /// Where the changes of a writable root are.
    pub fn upper(&self) -> PathBuf {
        self.place.join("upper")
    }

    fn mount(&self) -> PathBuf {
        self.place.join("mount")
    }

    /// Everything that the mount needs, and its options.
    ///
    /// A read-only root has no upper directory at all: its mount points are the topmost layer. They
    /// are made outside, as real directories, so that no link of a package can lead them elsewhere.
    pub(super) fn prepare(&self, access: Access, targets: &[&str]) -> io::Result<String> {
        let mount = self.mount();
        // Of an earlier step of the same run; its mount is gone with its namespace.
        scratch::remove_if_there(&mount);
        make(&mount.join("root"))?;
        let mut lower: Vec<String> = Vec::new();
        if access == Access::ReadOnly {
            let points = mount.join("points");
            make(&points)?;
            let ours = targets.iter().map(|target| target.trim_start_matches('/'));
            for point in MOUNT_POINTS.iter().copied().chain(ours) {
                make_below(&points, point)?;
            }
            lower.push("points".to_owned());
        }
        for (number, layer) in self.layers.iter().enumerate() {
            symlink(fs::canonicalize(layer)?, mount.join(number.to_string()))?;
            lower.push(number.to_string());
        }
        let lower = lower.join(":");
        if access == Access::ReadOnly {
            return Ok(format!("lowerdir={lower},userxattr"));
        }
        make(&mount.join("work"))?;
        make(&self.upper())?;
        Ok(format!("lowerdir={lower},upperdir=../upper,workdir=work,userxattr"))
    }
}

fn make(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    // The topmost layer's mode is the mode of `/`, whatever our umask is.
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}

fn make_below(root: &Path, path: &str) -> io::Result<()> {
    let mut directory = root.to_owned();
    for part in path.split('/') {
        directory.push(part);
        make(&directory)?;
    }
    Ok(())
}

impl Tools {
    /// A command that becomes `program` in the namespace where the overlay is mounted.
    pub(super) fn command(
        &self,
        overlay: &Overlay,
        spec: (Access, &[&str]),
        program: &Path,
    ) -> io::Result<Command> {
        let options = overlay.prepare(spec.0, spec.1)?;
        let mut command = Command::new(&self.unshare);
        command.args(["--user", "--map-root-user", "--mount", "--"]).arg(&self.shell);
        command.args(["-c", MOUNT, "sh", &options]).arg(&self.mount).arg(program);
        command.current_dir(overlay.mount());
        Ok(command)
    }

    /// Whether an overlay can be mounted and written in this directory, with bubblewrap inside.
    pub(super) fn probe(&self, bwrap: &Path, place: &Path) -> Result<(), SandboxError> {
        let io = |source| SandboxError::Io { what: "try an overlay", source };
        let directory = tempfile::tempdir_in(place).map_err(io)?;
        let lower = directory.path().join("lower");
        fs::create_dir(&lower).and_then(|()| fs::write(lower.join("below"), "")).map_err(io)?;
        let place = directory.path().join("place");
        let overlay = Overlay { layers: vec![lower], place };
        let mut command =
            self.command(&overlay, (Access::Writable, &[]), &self.shell).map_err(io)?;
        command.args(["-c", TRY, "sh"]).arg(bwrap);
        command.args(["--unshare-user", "--ro-bind", "/", "/", "--"]).arg(&self.shell);
        command.args(["-c", ":"]).stdin(Stdio::null()).env_clear();
        let output = command.output().map_err(io)?;
        // The work directory that overlayfs leaves has no permissions at all.
        scratch::remove(directory.path());
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.lines().next().unwrap_or("it failed without a word").to_owned();
        Err(SandboxError::NoOverlay { place: overlay.place, why })
    }
}

/// The places where bubblewrap mounts the binds of a spec, but for those in its own fresh ones.
pub(super) fn targets(spec: &Spec) -> Vec<&str> {
    let is_own = |target: &str| TEMPORARY.iter().any(|place| Path::new(target).starts_with(place));
    let targets = spec.binds.iter().map(|bind| bind.target.as_str());
    targets.filter(|target| !is_own(target)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn overlay(place: &Path) -> Overlay {
        let layers = ["odd,name:x\\ \"", "base"].map(|name| place.join(name));
        for layer in &layers {
            fs::create_dir_all(layer).unwrap();
        }
        Overlay { layers: layers.into(), place: place.join("place") }
    }

    #[test]
    fn no_path_of_a_layer_is_an_option() {
        let place = tempfile::tempdir().unwrap();
        let overlay = overlay(place.path());
        let table = [
            (Access::ReadOnly, "lowerdir=points:0:1,userxattr"),
            (Access::Writable, "lowerdir=0:1,upperdir=../upper,workdir=work,userxattr"),
        ];
        for (access, expected) in table {
            assert_eq!(overlay.prepare(access, &["/build/inputs"]).unwrap(), expected);
            assert_eq!(overlay.prepare(access, &["/build/inputs"]).unwrap(), expected, "again");
            let link = fs::read_link(overlay.mount().join("0")).unwrap();
            assert!(link.ends_with("odd,name:x\\ \""), "{}", link.display());
        }
        assert!(overlay.upper().is_dir());
    }

    #[test]
    fn mount_points_are_real_directories_of_one_mode() {
        let place = tempfile::tempdir().unwrap();
        let overlay = overlay(place.path());
        overlay.prepare(Access::ReadOnly, &["/build/inputs"]).unwrap();
        for point in ["", "dev", "build", "build/inputs"] {
            let found = fs::symlink_metadata(overlay.mount().join("points").join(point)).unwrap();
            assert_eq!((found.is_dir(), found.permissions().mode() & 0o7777), (true, 0o755));
        }
        assert!(!overlay.upper().exists(), "a read-only root has nothing to write to");
    }
}
