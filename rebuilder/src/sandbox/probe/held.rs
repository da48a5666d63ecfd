//! Judges what a command saw in the sandbox against what the spec promises (step 3, pure).

use crate::sandbox::spec::TEMPORARY;
use crate::sandbox::{SandboxError, Spec};

/// The namespaces that a command has of its own, as `/proc/self/ns` names them.
pub(super) const NAMESPACES: &[&str] = &["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// Lines of `/proc/self/status` that a confined process has; see `proc_pid_status(5)`.
const CONFINED: &[(&str, &str)] = &[
    ("NoNewPrivs:", "1"),
    ("Seccomp:", "2"),
    ("CapInh:", "0000000000000000"),
    ("CapEff:", "0000000000000000"),
    ("CapPrm:", "0000000000000000"),
    ("CapBnd:", "0000000000000000"),
    ("CapAmb:", "0000000000000000"),
];

/// All that `/dev` holds.
const DEVICES: &[&str] = &[
    "core", "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
    "tty", "urandom", "zero",
];

/// Every promise; the first that is broken is the error.
pub(super) fn all(said: &str, spec: &Spec, outside: &[String]) -> Result<(), SandboxError> {
    status(said)?;
    filters(said, spec)?;
    namespaces(said, outside)?;
    network(said)?;
    mounts(said)?;
    places(said, spec)?;
    resource_limits(said, spec)
}

fn leaks(found: &str, needed: &str) -> SandboxError {
    SandboxError::Leaks { what: format!("found {found}, needed {needed}") }
}

/// What follows a word at the beginning of a line, for each such line.
fn lines<'a>(said: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    said.lines().filter_map(move |line| line.strip_prefix(start)).map(str::trim)
}

fn status(said: &str) -> Result<(), SandboxError> {
    for (name, needed) in CONFINED {
        let found = lines(said, name).next().unwrap_or("nothing");
        if found != *needed {
            return Err(leaks(&format!("{name} {found}"), needed));
        }
    }
    Ok(())
}

/// Kernels from 5.9 on tell how many programs there are; before that `Seccomp:` alone.
fn filters(said: &str, spec: &Spec) -> Result<(), SandboxError> {
    let needed = spec.filter.programs()?.len().to_string();
    match lines(said, "Seccomp_filters:").next() {
        // One that this process runs under itself counts, too.
        Some(found) if found.parse::<usize>().ok() < needed.parse().ok() => {
            Err(leaks(&format!("{found} system call filters"), &needed))
        }
        _ => Ok(()),
    }
}

/// `ls -l` ends each line with `NAME -> NAME:[NUMBER]`.
fn namespaces(said: &str, outside: &[String]) -> Result<(), SandboxError> {
    for name in NAMESPACES {
        let start = format!("{name} -> ");
        let found = said.lines().find_map(|line| line.split_once(&start).map(|(_, link)| link));
        match found {
            Some(link) if !outside.iter().any(|own| own == link) => {}
            Some(_) => return Err(leaks(&format!("the host's {name} namespace"), "another")),
            None => return Err(leaks(&format!("no {name} namespace"), "one of its own")),
        }
    }
    Ok(())
}

/// The first two lines of `/proc/net/dev` are its heading.
fn network(said: &str) -> Result<(), SandboxError> {
    let names: Vec<&str> =
        lines(said, "interface:").skip(2).filter_map(|line| line.split(':').next()).collect();
    if names == ["lo"] {
        return Ok(());
    }
    Err(leaks(&format!("network interfaces {names:?}"), "lo alone"))
}

/// Whatever may be written is memory of the sandbox's own, a device, or made read-only from within.
fn mounts(said: &str) -> Result<(), SandboxError> {
    let mut read_only = Vec::new();
    for line in lines(said, "mount:") {
        let mut words = line.split(' ');
        let (place, options) = (words.nth(4).unwrap_or_default(), words.next().unwrap_or_default());
        if options.split(',').any(|option| option == "ro") {
            read_only.push(place);
        } else if !(TEMPORARY.contains(&place) || place.starts_with("/dev/") || place == "/proc") {
            return Err(leaks(&format!("{place} writable"), "it read-only"));
        }
    }
    for needed in ["/", "/proc/sys", "/sys", "/dev"] {
        if !read_only.contains(&needed) {
            return Err(leaks(&format!("no read-only mount at {needed}"), "one"));
        }
    }
    Ok(())
}

fn places(said: &str, spec: &Spec) -> Result<(), SandboxError> {
    let name = lines(said, "name:").next().unwrap_or("nothing");
    if name != spec.hostname {
        return Err(leaks(&format!("host name {name}"), &spec.hostname));
    }
    let device =
        |path: &&str| path.strip_prefix("/dev/").is_some_and(|name| DEVICES.contains(&name));
    if let Some(found) = lines(said, "device:").find(|path| !device(path)) {
        return Err(leaks(&format!("the device {found}"), "none but those without hardware"));
    }
    // A pattern that matches nothing stays as it is.
    if let Some(found) = lines(said, "hardware:").find(|path| *path != "/sys/*") {
        return Err(leaks(found, "nothing in /sys"));
    }
    // A directory can be opened, and is empty.
    for line in lines(said, "opened:") {
        let empty = line.split_once(' ').is_some_and(|(path, inner)| inner == format!("{path}/*"));
        if !empty || !is_mounted_over(said, line) {
            return Err(leaks(&format!("{line} open"), "it hidden"));
        }
    }
    Ok(())
}

/// Empty is not enough: the kernel's own directory may have nothing to show at this moment.
fn is_mounted_over(said: &str, line: &str) -> bool {
    let path = line.split(' ').next();
    lines(said, "mount:").any(|mount| mount.split(' ').nth(4) == path)
}

/// `Max open files   SOFT   HARD   files` and the like; see `proc_pid_limits(5)`.
fn resource_limits(said: &str, spec: &Spec) -> Result<(), SandboxError> {
    let table = [
        ("Max open files", spec.limits.open_files),
        ("Max file size", spec.limits.file_bytes),
        ("Max core file size", 0),
    ];
    for (name, most) in table {
        let hard = lines(said, name).next().and_then(|line| line.split_whitespace().nth(1));
        let found = hard.unwrap_or("nothing");
        if found.parse::<u64>().ok().is_none_or(|found| found > most) {
            return Err(leaks(&format!("{name} {found}"), &format!("at most {most}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::sandbox::probe::harmless;

    const FINE: &str = "\
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000000
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t4
Max core file size        0                    0                    bytes
Max file size             9                    9                    bytes
Max open files            9                    9                    files
lrwxrwxrwx 1 u u 0 Nov 1 1:00 cgroup -> cgroup:[11]
lrwxrwxrwx 1 u u 0 Nov 1 1:00 ipc -> ipc:[12]
lrwxrwxrwx 1 u u 0 Nov 1 1:00 mnt -> mnt:[13]
lrwxrwxrwx 1 u u 0 Nov 1 1:00 net -> net:[14]
lrwxrwxrwx 1 u u 0 Nov 1 1:00 pid -> pid:[15]
lrwxrwxrwx 1 u u 0 Nov 1 1:00 user -> user:[16]
lrwxrwxrwx 1 u u 0 Nov 1 1:00 uts -> uts:[17]
interface: Inter-|   Receive
interface:  face |bytes
interface:     lo:       0
mount: 1 2 8:1 / / ro,nosuid shared:1 - ext4 /dev/x rw
mount: 3 1 0:9 / /tmp rw,nosuid - tmpfs tmpfs rw
mount: 4 1 0:9 / /proc/irq ro - tmpfs tmpfs ro
mount: 5 1 0:9 / /proc/sys ro - proc proc ro
mount: 6 1 0:9 / /dev ro - tmpfs tmpfs ro
mount: 7 1 0:9 / /sys ro - tmpfs tmpfs ro
name: probe
device: /dev/null
hardware: /sys/*
opened: /proc/irq /proc/irq/*
";

    fn outside() -> Vec<String> {
        (1..=7).map(|number| format!("net:[{number}]")).collect()
    }

    #[test]
    fn each_promise_that_is_broken_is_a_leak() {
        let spec = harmless(&[]);
        all(FINE, &spec, &outside()).unwrap();
        let table = [
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("Seccomp:\t2", "Seccomp:\t0"),
            ("Seccomp_filters:\t4", "Seccomp_filters:\t3"),
            ("CapEff:\t0", "CapEff:\t1"),
            ("CapInh:", "Cap:"),
            ("net:[14]", "net:[4]"),
            ("uts -> ", "uts "),
            ("    lo:", "    eth0:"),
            ("    lo:       0", "    lo: 0\ninterface: eth0: 0"),
            (" / / ro,", " / / rw,"),
            (" / / ro,", " / /other ro,"),
            ("mount: 3", "mount: 9 1 0:9 / /home rw - a b c\nmount: 3"),
            ("/proc/sys ro", "/proc/sys rw"),
            ("mount: 5", "other: 5"),
            ("name: probe", "name: host"),
            ("/dev/null", "/dev/vda"),
            ("/sys/*", "/sys/kernel"),
            ("opened: /proc/irq /proc/irq/*", "opened: /proc/irq /proc/irq/1 /proc/irq/2"),
            ("opened: /proc/irq /proc/irq/*", "opened: /proc/kcore /proc/kcore/*"),
            ("Max open files            9                    9 ", "Max open files  9  unlimited "),
            ("Max core file size        0                    0", "Max core file size 0 1"),
        ];
        for (found, leaky) in table {
            assert!(FINE.contains(found), "{found}");
            let error = all(&FINE.replace(found, leaky), &spec, &outside()).unwrap_err();
            assert!(matches!(error, SandboxError::Leaks { .. }), "{leaky}: {error}");
        }
        assert!(all("", &spec, &outside()).is_err());
    }
}
