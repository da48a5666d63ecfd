//! Where this process may make control groups (step 3): read from the kernel, then tried.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::Held;
use super::sweep::sweep;
use crate::sandbox::confinement::{Confinement, Mechanism};

/// A directory below which groups can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Place {
    pub(super) parent: PathBuf,
    pub(super) mount: PathBuf,
    pub(super) mechanism: Mechanism,
}

/// One for each resource that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sandbox) struct Places {
    pub(super) memory: Option<Place>,
    pub(super) processes: Option<Place>,
    pub(super) cpu: Option<Place>,
}

/// A mounted hierarchy and this process's own group in it.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    /// The controllers of an older one; `None` for the one hierarchy of version 2.
    controllers: Option<Vec<String>>,
    mount: PathBuf,
    own: PathBuf,
}

impl Places {
    /// Those of this process; what killed builders left below them is swept on the way.
    pub(in crate::sandbox) fn find() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let found = hierarchies(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        let unified = found.iter().filter(|h| h.controllers.is_none()).find_map(unified_place);
        let places = match unified {
            Some(place) => Self {
                memory: Some(place.clone()),
                processes: Some(place.clone()),
                cpu: Some(place),
            },
            None => Self {
                memory: own_place(&found, "memory", "memory.limit_in_bytes"),
                processes: own_place(&found, "pids", "cgroup.procs"),
                cpu: own_place(&found, "cpuacct", "cpuacct.usage"),
            },
        };
        let mut mounts: Vec<&Path> = places.all().map(|place| place.mount.as_path()).collect();
        mounts.dedup();
        mounts.into_iter().for_each(sweep);
        places
    }

    fn all(&self) -> impl Iterator<Item = &Place> {
        [&self.memory, &self.processes, &self.cpu].into_iter().flatten()
    }

    /// Which mechanism that makes for each limit.
    pub(in crate::sandbox) fn confinement(&self) -> Confinement {
        let of = |place: &Option<Place>| place.as_ref().map_or(Mechanism::Watcher, |p| p.mechanism);
        Confinement {
            memory: of(&self.memory),
            processes: of(&self.processes),
            cpu_time: of(&self.cpu),
        }
    }
}

/// Version 2 keeps processes out of inner groups, so the place is our own group only where it is
/// the root; else the nearest one above that is delegated to us. Moving a process asks for leave in
/// the nearest group above both ends, which is the same one.
fn unified_place(hierarchy: &Hierarchy) -> Option<Place> {
    let ancestors = hierarchy.own.ancestors().take_while(|p| p.starts_with(&hierarchy.mount));
    for (distance, parent) in ancestors.enumerate() {
        // Farther away, what is handed down is for the administrator to say.
        if has_controllers(parent, distance < 2)
            && access(parent.join("cgroup.procs"), Access::WRITE_OK).is_ok()
            && can_make(parent, "memory.max")
        {
            let mount = hierarchy.mount.clone();
            return Some(Place {
                parent: parent.to_owned(),
                mount,
                mechanism: Mechanism::CgroupV2,
            });
        }
    }
    None
}

fn has_controllers(group: &Path, may_enable: bool) -> bool {
    let names = |file: &str| fs::read_to_string(group.join(file)).unwrap_or_default();
    let both =
        |text: String| ["memory", "pids"].iter().all(|c| text.split_whitespace().any(|w| w == *c));
    if both(names("cgroup.subtree_control")) {
        return true;
    }
    let control = group.join("cgroup.subtree_control");
    may_enable && both(names("cgroup.controllers")) && fs::write(control, "+memory +pids").is_ok()
}

fn own_place(found: &[Hierarchy], controller: &str, file: &str) -> Option<Place> {
    let has = |h: &&Hierarchy| h.controllers.iter().flatten().any(|name| name == controller);
    let hierarchy = found.iter().find(has)?;
    let (parent, mount) = (hierarchy.own.clone(), hierarchy.mount.clone());
    let place = Place { parent, mount, mechanism: Mechanism::CgroupV1 };
    can_make(&place.parent, file).then_some(place)
}

/// Being told that a directory is writable is not enough: containers mount these read-only.
fn can_make(parent: &Path, file: &str) -> bool {
    Held::make(parent).is_ok_and(|trial| access(trial.path.join(file), Access::WRITE_OK).is_ok())
}

/// `/proc/self/mountinfo` and `/proc/self/cgroup`; see `proc_pid_mountinfo(5)` and `cgroups(7)`.
fn hierarchies(mounts: &str, own: &str) -> Vec<Hierarchy> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let dash = words.iter().position(|word| *word == "-").unwrap_or(words.len());
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        let (root, mount) = (word(3), word(4));
        let controllers = match word(dash.saturating_add(1)) {
            "cgroup2" => None,
            "cgroup" => {
                let options = word(dash.saturating_add(3));
                Some(options.split(',').map(str::to_owned).collect::<Vec<_>>())
            }
            _ => continue,
        };
        let Some(group) = own_group(own, controllers.as_deref()) else {
            continue;
        };
        // A container sees a part of the hierarchy, from its own group downwards.
        let inner = Path::new(group).strip_prefix(root).unwrap_or(Path::new(""));
        let mount = PathBuf::from(mount);
        let own = if inner.as_os_str().is_empty() { mount.clone() } else { mount.join(inner) };
        found.push(Hierarchy { controllers, mount, own });
    }
    found
}

/// `ID:CONTROLLERS:PATH`, with nothing for the controllers of version 2.
fn own_group<'a>(own: &'a str, controllers: Option<&[String]>) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        let fits = match controllers {
            None => names.is_empty(),
            Some(list) => names.split(',').all(|name| list.iter().any(|known| known == name)),
        };
        fits.then_some(path)
    })
}

#[cfg(test)]
impl Place {
    pub(super) fn below(parent: &Path, mechanism: Mechanism) -> Self {
        Self { parent: parent.to_owned(), mount: parent.to_owned(), mechanism }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const HYBRID: &str = "\
24 22 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
25 24 0:21 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw
26 24 0:22 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
27 24 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
28 24 0:24 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
";
    const OWN: &str = "4:memory:/a/b\n3:cpu,cpuacct:/\n1:name=systemd:/c\n0::/d\n";

    #[test]
    fn every_mounted_hierarchy_is_found_with_our_own_group_in_it() {
        let found = hierarchies(HYBRID, OWN);
        let rows: Vec<(bool, &str)> =
            found.iter().map(|h| (h.controllers.is_none(), h.own.to_str().unwrap())).collect();
        let expected = [
            (true, "/sys/fs/cgroup/unified/d"),
            (false, "/sys/fs/cgroup/cpu,cpuacct"),
            (false, "/sys/fs/cgroup/memory/a/b"),
            (false, "/sys/fs/cgroup/systemd/c"),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_container_sees_its_part_only() {
        let mounts = "30 24 0:23 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let found = hierarchies(mounts, "4:memory:/docker/x/y\n");
        assert_eq!(found.first().unwrap().own, Path::new("/sys/fs/cgroup/memory/y"));
        let found = hierarchies(mounts, "4:memory:/\n");
        assert_eq!(found.first().unwrap().own, Path::new("/sys/fs/cgroup/memory"));
    }

    #[test]
    fn nonsense_makes_no_place() {
        for text in ["", "- cgroup2", "1 2 3 4 5 - cgroup", "\n\n", "a - - - cgroup2 b"] {
            assert!(hierarchies(text, text).iter().all(|h| !can_make(&h.own, "cgroup.procs")));
        }
    }

    #[test]
    fn an_older_hierarchy_that_cannot_be_written_leaves_the_watcher() {
        assert_eq!(Places::default().confinement().memory, Mechanism::Watcher);
    }

    #[test]
    fn version_2_is_used_in_the_nearest_group_that_hands_its_controllers_down() {
        let mount = tempfile::tempdir().unwrap();
        let (outer, own) = (mount.path().join("user"), mount.path().join("user/session"));
        fs::create_dir_all(&own).unwrap();
        for group in [mount.path(), &outer, &own] {
            fs::write(group.join("cgroup.controllers"), "cpu memory pids\n").unwrap();
            fs::write(group.join("cgroup.procs"), "").unwrap();
        }
        let controls = |group: &Path, text: &str| {
            fs::write(group.join("cgroup.subtree_control"), text).unwrap();
            has_controllers(group, false)
        };
        assert!(!controls(&own, ""));
        assert!(!controls(&outer, "memory\n"));
        assert!(controls(&outer, "cpu memory pids\n"));
    }
}
