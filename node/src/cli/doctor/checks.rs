//! The checks of `reattest doctor`: each looks at one thing, and says what to do about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reattest_rebuilder::fetch::Endpoints;
use reattest_rebuilder::sandbox::{Limits, Mechanism, Sandbox, SandboxError, probe};
use reattest_rebuilder::{Reference, Workshop};

use super::{Check, State};
use crate::config::{Archive, Config, Directories};
use crate::confine::{self, Landlocked};
use crate::setup;

/// What a first environment and a small build take.
const DISK_BYTES: u64 = 8 << 30;
/// A compiler and a linker of a larger program at once.
const MEMORY_BYTES: u64 = 2 << 30;

/// Every check, in the order in which a build needs them.
pub(super) fn all(directories: &Directories, config: Option<&Config>, online: bool) -> Vec<Check> {
    let sandbox = probe(None);
    let mut checks = vec![kernel(), bubblewrap(), the_sandbox(&sandbox)];
    checks.extend(limits(sandbox.as_ref().ok()));
    checks.extend(sandbox.as_ref().ok().map(|sandbox| overlay(sandbox, &directories.cache)));
    checks.extend([memory(), cores()]);
    checks.push(disk("disk of the cache", &directories.cache));
    let scratch = directories.cache.join("scratch");
    checks.push(disk("disk of builds", &scratch));
    checks.push(keyring(config));
    checks.extend(archive(config, directories, online));
    checks.push(landlock());
    checks
}

fn check(name: &'static str, state: State, found: impl Into<String>, fix: Option<&str>) -> Check {
    Check { name, state, found: found.into(), fix: fix.map(str::to_owned) }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn kernel() -> Check {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    check("kernel", State::Info, format!("Linux {release}, {}", std::env::consts::ARCH), None)
}

fn bubblewrap() -> Check {
    let output = Command::new("bwrap").arg("--version").output();
    let version = output.ok().filter(|output| output.status.success());
    let Some(version) = version else {
        let fix = Some("install the package bubblewrap, 0.8 or newer");
        return check("bubblewrap", State::Missing, "not in PATH", fix);
    };
    check("bubblewrap", State::Fine, String::from_utf8_lossy(&version.stdout).trim(), None)
}

/// The probe tries all of it: namespaces, capabilities, filters, masks, read-only root, limits.
fn the_sandbox(sandbox: &Result<Sandbox, SandboxError>) -> Check {
    match sandbox {
        Ok(_) => {
            let found =
                "namespaces, no capability, system call filter, masked /proc: tried, all hold";
            check("sandbox", State::Fine, found, None)
        }
        Err(error) => {
            let spaces = read("/proc/sys/user/max_user_namespaces").unwrap_or_default();
            let found = format!("{error} (user.max_user_namespaces = {spaces})");
            check(
                "sandbox",
                State::Missing,
                found,
                Some("see above; in a container, allow user namespaces"),
            )
        }
    }
}

fn limits(sandbox: Option<&Sandbox>) -> Vec<Check> {
    let Some(confinement) = sandbox.map(Sandbox::confinement) else {
        return Vec::new();
    };
    let limits = Limits::build();
    let of = |name, mechanism: Mechanism, bound: String| {
        let found = format!("{bound}, held by {mechanism}");
        let fix = "held, but a moment late; for a control group run as root, or in a systemd \
                   service with Delegate=yes and DelegateSubgroup=node";
        match mechanism {
            Mechanism::CgroupV2 | Mechanism::CgroupV1 => check(name, State::Fine, found, None),
            Mechanism::Watcher => check(name, State::Lesser, found, Some(fix)),
        }
    };
    let hours = |time: std::time::Duration| time.as_secs() / 3600;
    let others = format!(
        "{} h, disk {}, one file {}, log {}, {} open files",
        hours(limits.wall),
        size(limits.disk_bytes),
        size(limits.file_bytes),
        size(limits.log_bytes),
        limits.open_files
    );
    vec![
        of("limit on memory", confinement.memory, size(limits.memory_bytes)),
        of("limit on processes", confinement.processes, limits.processes.to_string()),
        of("limit on CPU time", confinement.cpu_time, format!("{} h", hours(limits.cpu))),
        check("other limits", State::Fine, others, None),
    ]
}

/// Tried on the file system of the cache, where the layers are.
fn overlay(sandbox: &Sandbox, cache: &Path) -> Check {
    let place = existing(cache);
    match sandbox.check_overlay(place) {
        Ok(()) => check("overlayfs", State::Fine, "mounts without rights: tried", None),
        Err(error) => {
            let fix = "environments are layers: move the cache with XDG_CACHE_HOME, or use Linux 5.11 or newer";
            check("overlayfs", State::Missing, error.to_string(), Some(fix))
        }
    }
}

/// A directory that may not be there yet will be on its parent's file system.
fn existing(place: &Path) -> &Path {
    place.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"))
}

fn memory() -> Check {
    let info = rustix::system::sysinfo();
    let total = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit));
    let few = total < MEMORY_BYTES;
    let state = if few { State::Lesser } else { State::Fine };
    check("memory", state, size(total), few.then_some("large builds need 2 GiB and more"))
}

fn cores() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    check("cores", State::Info, cores.to_string(), None)
}

fn disk(name: &'static str, place: &Path) -> Check {
    let existing = existing(place);
    let Ok(stat) = rustix::fs::statvfs(existing) else {
        return check(
            name,
            State::Missing,
            format!("{}: unreadable", existing.display()),
            Some("make it readable"),
        );
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} free at {}", size(free), existing.display());
    if free < DISK_BYTES {
        let fix = "an environment and a build need 8 GiB: free some, or set XDG_CACHE_HOME";
        return check(name, State::Lesser, found, Some(fix));
    }
    check(name, State::Fine, found, None)
}

fn keyring(config: Option<&Config>) -> Check {
    let path = config
        .and_then(|config| config.archive.keyring.clone())
        .unwrap_or_else(|| PathBuf::from(Workshop::KEYRING));
    if fs::File::open(&path).is_ok() {
        return check("keyring", State::Fine, path.display().to_string(), None);
    }
    let found = format!("{} cannot be read", path.display());
    let fix = "install debian-archive-keyring, or name a keyring in the configuration ([archive] keyring)";
    check("keyring", State::Missing, found, Some(fix))
}

fn archive(config: Option<&Config>, directories: &Directories, online: bool) -> Vec<Check> {
    let archive = config.map(|config| config.archive.clone()).unwrap_or_default();
    let from_apt = archive.debian.is_empty();
    let endpoints = if from_apt {
        Endpoints::of_apt(Path::new("/etc/apt"))
    } else {
        Ok(Endpoints::given(archive.debian.clone()))
    };
    let fix = "add a deb entry to apt's sources, or [archive] debian to the configuration";
    let found = match endpoints {
        Ok(endpoints) if !endpoints.debian().is_empty() => endpoints.debian().join(", "),
        Ok(_) => return vec![check("archive", State::Missing, "none in apt's sources", Some(fix))],
        Err(error) => return vec![check("archive", State::Missing, error.to_string(), Some(fix))],
    };
    let origin = if from_apt { "apt's sources" } else { "the configuration" };
    let mut checks = vec![check("archive", State::Fine, format!("{found} (from {origin})"), None)];
    if online {
        checks.push(answer(directories, &archive));
    }
    checks
}

/// Looks up a package that every archive has: the index is fetched, its signature checked.
fn answer(directories: &Directories, archive: &Archive) -> Check {
    let mut workshop = Workshop::new(&directories.cache);
    if let Some(keyring) = archive.keyring.clone() {
        workshop.keyring = keyring;
    }
    let known: Reference = match "deb:base-files".parse() {
        Ok(reference) => reference,
        Err(error) => return check("index", State::Missing, error.to_string(), None),
    };
    match setup::look_up(&known, &workshop, archive) {
        Ok(_) => check("index", State::Fine, "fetched, its signature holds", None),
        Err(fault) => {
            let fix = Some("check the network, or name another mirror");
            check("index", State::Missing, fault.to_string(), fix)
        }
    }
}

/// Tried on a thread of its own, which ends with its walls.
fn landlock() -> Check {
    let fix = "the signer of a node is held by its system call filter alone; use Linux 6.12 or newer, \
               with landlock among its lsm=";
    match confine::landlock_here() {
        Landlocked::Fully => check(
            "Landlock",
            State::Fine,
            "a signer opens its own files and no others: tried",
            None,
        ),
        Landlocked::Partly => check("Landlock", State::Lesser, "of an older kernel", Some(fix)),
        Landlocked::Not => check("Landlock", State::Lesser, "not in this kernel", Some(fix)),
    }
}

/// A number of bytes in the unit that a person would say.
fn size(bytes: u64) -> String {
    let (unit, name) = if bytes >= 1 << 30 { (1 << 30, "GiB") } else { (1 << 20, "MiB") };
    let tenths = bytes / (unit / 10);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_in_the_unit_that_fits() {
        for (bytes, text) in [(0, "0.0 MiB"), (256 << 20, "256.0 MiB"), (3 << 29, "1.5 GiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
