//! Which of `/proc` a sandboxed command sees (step 3): its own processes and a short list (pure).
//!
//! A list of what stays, not of what is hidden: whatever a kernel adds to `/proc` is hidden by itself.
//! It matters most to a builder that runs as root, whose builds own these files.

use std::ffi::OsString;

/// What compilers, test suites and `make` read: the machine's size and load, its name, and the
/// network and shared memory of the reader's own namespaces.
const VISIBLE: &[&str] = &[
    "cpuinfo",
    "filesystems",
    "loadavg",
    "meminfo",
    "mounts",
    "net",
    "self",
    "stat",
    "sys",
    "sysvipc",
    "thread-self",
    "uptime",
    "version",
    "vmstat",
];

/// One entry of the kernel's `/proc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mask {
    /// Its name.
    pub(super) name: String,
    /// Whether it is a directory.
    pub(super) directory: bool,
}

/// Those of these entries, by name and kind, that are to be hidden.
pub(super) fn hidden(entries: impl Iterator<Item = (String, bool)>) -> Vec<Mask> {
    let process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let kept = |name: &str| process(name) || VISIBLE.contains(&name);
    let hidden = entries.filter(|(name, _)| !kept(name));
    let mut masks: Vec<Mask> = hidden.map(|(name, directory)| Mask { name, directory }).collect();
    masks.sort_by(|a, b| a.name.cmp(&b.name));
    masks
}

/// Bubblewrap's arguments for them: an empty directory nobody can write to, or a device that a
/// read-only bind does not let anybody open.
///
/// What stays and can be written belongs to root, so the kernel lets the builds of a builder that
/// runs as root write to it, `core_pattern` among it: it is made read-only by a bind of its own.
/// Bubblewrap means to do that, and does not where the directory itself has no right to write.
pub(super) fn arguments(masks: &[Mask]) -> impl Iterator<Item = OsString> {
    let settings = ["--ro-bind", "/proc/sys", "/proc/sys"].map(OsString::from);
    let hidden = masks.iter().flat_map(|mask| {
        let path = format!("/proc/{}", mask.name);
        if mask.directory { empty(&path) } else { closed(path) }
    });
    settings.into_iter().chain(hidden)
}

/// A directory without content; the smallest size is a page.
pub(super) fn empty(path: &str) -> Vec<OsString> {
    let words = ["--perms", "0555", "--size", "4096", "--tmpfs", path, "--remount-ro", path];
    words.map(OsString::from).to_vec()
}

fn closed(path: String) -> Vec<OsString> {
    vec!["--ro-bind".into(), "/dev/null".into(), path.into()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn whatever_is_not_on_the_list_is_hidden() {
        let entries = [
            ("17", true),
            ("self", false),
            ("cpuinfo", false),
            ("kcore", false),
            ("irq", true),
            ("of-a-later-kernel", false),
        ];
        let entries = entries.map(|(name, directory)| (name.to_owned(), directory));
        let masks = hidden(entries.into_iter());
        let names: Vec<&str> = masks.iter().map(|mask| mask.name.as_str()).collect();
        assert_eq!(names, ["irq", "kcore", "of-a-later-kernel"]);
        let words: Vec<String> =
            arguments(&masks).map(|word| word.into_string().unwrap()).collect();
        let text = words.join(" ");
        assert!(text.starts_with(
            "--ro-bind /proc/sys /proc/sys --perms 0555 --size 4096 --tmpfs /proc/irq "
        ));
        assert!(text.ends_with("--ro-bind /dev/null /proc/of-a-later-kernel"), "{text}");
    }
}
