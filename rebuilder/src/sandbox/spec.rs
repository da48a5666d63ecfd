//! What a sandboxed command may see and do, as data, and the same as bubblewrap's arguments (step 3, pure).
//!
//! Whatever is not named here is not there: no host file, no network, no other process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::limits::Limits;
use super::masks::{self, Mask};
use super::overlay::Root;
use super::seccomp::Filter;

/// One sandboxed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// What becomes `/`.
    pub root: Root,
    /// Whether the command may write to it.
    pub root_access: Access,
    /// What else is visible, in this order; a later one may cover a part of an earlier one.
    pub binds: Vec<Bind>,
    /// Who the command believes to be.
    pub identity: Identity,
    /// The network name that it sees.
    pub hostname: String,
    /// Its environment variables; it has no others.
    pub environment: BTreeMap<String, String>,
    /// Its working directory, inside.
    pub directory: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Which system calls it is denied.
    pub filter: Filter,
    /// What it may use.
    pub limits: Limits,
}

/// Whether something visible may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    ReadOnly,
    /// Reading and writing.
    Writable,
}

/// A host directory or file that is visible inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Where it is on the host.
    pub source: PathBuf,
    /// Where it is inside.
    pub target: String,
    /// Whether it may be written.
    pub access: Access,
}

/// The one user and group that exist inside; both are the caller outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Root by name, without any capability: package scripts ask for it.
    Administrator,
    /// User and group 1000, as on a build daemon.
    Builder,
    /// User and group 4321, without a name: for the run that varies what a build can see.
    Stranger,
}

impl Identity {
    /// User and group id inside.
    pub fn id(self) -> u32 {
        match self {
            Self::Administrator => 0,
            Self::Builder => 1000,
            Self::Stranger => 4321,
        }
    }
}

/// Namespaces and rights: the same for every command, so that none can be left out by mistake.
const CONFINEMENT: &[&str] = &[
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-net",
    "--unshare-uts",
    "--unshare-cgroup",
    "--disable-userns",
    "--cap-drop",
    "ALL",
    "--die-with-parent",
    "--new-session",
    "--clearenv",
];

/// Mounted over the root after it; these hide nothing that a build may want to keep.
pub(super) const TEMPORARY: &[&str] = &["/tmp", "/run", "/dev/shm"];

/// Bubblewrap passes on the caller's umask, and a build's result may depend on it. The line that is
/// read is the second gate: a builder that was killed before it opened it leaves an end of file, and
/// the command never begins.
const BEHIND_THE_GATE: &[&str] =
    &["/bin/sh", "-c", "umask 022 && read -r go && exec \"$@\" </dev/null", "sh"];

impl Spec {
    /// Bubblewrap's arguments; `filters` are the descriptors of the compiled seccomp programs, `masks`
    /// what this kernel has in `/proc` beyond what a build sees.
    pub(super) fn arguments(&self, filters: &[i32], masks: &[Mask]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = CONFINEMENT.iter().map(OsString::from).collect();
        self.add_identity(&mut arguments);
        self.add_mounts(&mut arguments, masks);
        for (name, value) in &self.environment {
            extend(&mut arguments, ["--setenv", name, value]);
        }
        for filter in filters {
            extend(&mut arguments, ["--add-seccomp-fd", &filter.to_string()]);
        }
        extend(&mut arguments, ["--chdir", &self.directory, "--"]);
        extend(&mut arguments, BEHIND_THE_GATE.iter().copied());
        extend(&mut arguments, self.command.iter().map(String::as_str));
        arguments
    }

    /// Host directories that the command may fill.
    pub(super) fn writable(&self) -> Vec<PathBuf> {
        let binds = self.binds.iter().filter(|bind| bind.access == Access::Writable);
        let root = (self.root_access == Access::Writable).then(|| self.root.written());
        binds.map(|bind| bind.source.clone()).chain(root).collect()
    }

    fn add_identity(&self, arguments: &mut Vec<OsString>) {
        let id = self.identity.id().to_string();
        extend(arguments, ["--uid", &id, "--gid", &id, "--hostname", &self.hostname]);
    }

    fn add_mounts(&self, arguments: &mut Vec<OsString>, masks: &[Mask]) {
        let root =
            Bind { source: self.root.path(), target: "/".to_owned(), access: self.root_access };
        add_bind(arguments, &root);
        extend(arguments, ["--dev", "/dev", "--proc", "/proc"]);
        for place in TEMPORARY {
            let size = self.limits.tmpfs_bytes.to_string();
            extend(arguments, ["--perms", "1777", "--size", &size, "--tmpfs", place]);
        }
        // A file system in memory without a bound of its own.
        extend(arguments, ["--remount-ro", "/dev"]);
        arguments.extend(masks::arguments(masks));
        arguments.extend(masks::empty("/sys"));
        self.binds.iter().for_each(|bind| add_bind(arguments, bind));
    }
}

fn add_bind(arguments: &mut Vec<OsString>, bind: &Bind) {
    let option = match bind.access {
        Access::ReadOnly => "--ro-bind",
        Access::Writable => "--bind",
    };
    arguments.push(option.into());
    arguments.push(bind.source.clone().into());
    arguments.push(bind.target.clone().into());
}

fn extend<'a>(arguments: &mut Vec<OsString>, more: impl IntoIterator<Item = &'a str>) {
    arguments.extend(more.into_iter().map(OsString::from));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn spec() -> Spec {
        Spec {
            root: Root::Directory(PathBuf::from("/env")),
            root_access: Access::ReadOnly,
            binds: vec![Bind {
                source: PathBuf::from("/scratch/1"),
                target: "/build/reproducible-path".to_owned(),
                access: Access::Writable,
            }],
            identity: Identity::Builder,
            hostname: "reattest".to_owned(),
            environment: BTreeMap::from([("LC_ALL".to_owned(), "C.UTF-8".to_owned())]),
            directory: "/build".to_owned(),
            command: vec!["true".to_owned()],
            filter: Filter::Build,
            limits: Limits::build(),
        }
    }

    fn text(spec: &Spec) -> String {
        let mask = Mask { name: "kcore".to_owned(), directory: false };
        let words = spec.arguments(&[10, 11], &[mask]);
        words.iter().map(|w| w.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_part_of_a_spec_has_its_arguments() {
        type Row = (&'static str, fn(&mut Spec), &'static str);
        let table: &[Row] = &[
            ("root is read-only", |_| (), "--ro-bind /env /"),
            ("root is writable", |s| s.root_access = Access::Writable, "--bind /env /"),
            ("a builder", |_| (), "--uid 1000 --gid 1000"),
            ("an administrator", |s| s.identity = Identity::Administrator, "--uid 0 --gid 0"),
            ("the scratch", |_| (), "--bind /scratch/1 /build/reproducible-path"),
            ("the environment", |_| (), "--clearenv --uid"),
            ("a variable", |_| (), "--setenv LC_ALL C.UTF-8"),
            ("the filters", |_| (), "--add-seccomp-fd 10 --add-seccomp-fd 11"),
            ("the name", |_| (), "--hostname reattest"),
            ("the place", |_| (), "--chdir /build --"),
            ("the command", |_| (), "exec \"$@\" </dev/null sh true"),
            ("the gate before it", |_| (), "&& read -r go &&"),
            ("temporary files", |s| s.limits.tmpfs_bytes = 99, "--size 99 --tmpfs /dev/shm"),
            ("devices", |_| (), "--remount-ro /dev --"),
            ("nothing of the kernel", |_| (), "--ro-bind /dev/null /proc/kcore"),
            ("nothing of the hardware", |_| (), "--tmpfs /sys --remount-ro /sys"),
            ("no network", |_| (), "--unshare-net"),
            ("no capability", |_| (), "--cap-drop ALL"),
            ("no nested namespace", |_| (), "--disable-userns"),
            ("ends with us", |_| (), "--die-with-parent"),
        ];
        for (claim, change, expected) in table {
            let mut spec = spec();
            change(&mut spec);
            let found = text(&spec);
            assert!(found.contains(expected), "{claim}: {expected:?} not in {found}");
        }
    }

    #[test]
    fn nothing_is_shared_that_the_spec_does_not_name() {
        let found = text(&spec());
        assert_eq!(found.matches("bind ").count(), 4, "{found}");
        for forbidden in ["--share-net", "--dev-bind", "--cap-add", "-try", "/etc", "/home"] {
            assert!(!found.contains(forbidden), "{forbidden} in {found}");
        }
    }

    #[test]
    fn a_command_cannot_become_an_option() {
        let mut spec = spec();
        spec.command = vec!["--share-net".to_owned()];
        let words = spec.arguments(&[], &[]);
        let end = words.iter().position(|w| w == "--").unwrap();
        assert!(words.iter().position(|w| w == "--share-net").unwrap() > end);
    }
}
