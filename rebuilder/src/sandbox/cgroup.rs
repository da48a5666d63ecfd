//! One control group for one command (step 3): made before it runs, counted while it runs, gone after it.

mod places;
mod sweep;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::confinement::Mechanism;
use super::limits::Limits;

pub(super) use places::{Place, Places};

/// Names of our groups begin so; what else lies there is not ours.
const PREFIX: &str = "reattest-";
/// The kernel lets go of a group some moments after its last process is gone.
const REMOVE_WAIT: Duration = Duration::from_millis(5);
/// How often that is tried; what stays is swept at the next start.
const REMOVE_TRIES: u32 = 200;
/// A name is taken, or swept, at most by what starts at this very moment.
const MAKE_TRIES: u32 = 16;

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// The groups of one command; removed on drop.
#[derive(Debug)]
pub(super) struct Group {
    made: Vec<Held>,
    memory: Option<Joined>,
    processes: Option<Joined>,
    cpu: Option<Joined>,
}

/// A directory of ours; the lock says that it is in use, and goes away with this process.
#[derive(Debug)]
struct Held {
    parent: PathBuf,
    path: PathBuf,
    _lock: File,
}

#[derive(Debug)]
struct Joined {
    path: PathBuf,
    mechanism: Mechanism,
}

impl Group {
    /// Makes the groups and sets their bounds; nothing is in them yet.
    pub(super) fn make(places: &Places, limits: &Limits) -> io::Result<Self> {
        let mut group = Self { made: Vec::new(), memory: None, processes: None, cpu: None };
        group.memory = group.join_place(places.memory.as_ref())?;
        group.processes = group.join_place(places.processes.as_ref())?;
        group.cpu = group.join_place(places.cpu.as_ref())?;
        if let Some(memory) = &group.memory {
            memory.bound_memory(limits.memory_bytes)?;
        }
        if let Some(processes) = &group.processes {
            fs::write(processes.path.join("pids.max"), limits.processes.to_string())?;
        }
        Ok(group)
    }

    /// Several resources may be counted in one directory: it is made once.
    fn join_place(&mut self, place: Option<&Place>) -> io::Result<Option<Joined>> {
        let Some(place) = place else {
            return Ok(None);
        };
        let made = self.made.iter().find(|held| held.parent == place.parent);
        let path = if let Some(held) = made {
            held.path.clone()
        } else {
            let held = Held::make(&place.parent)?;
            let path = held.path.clone();
            self.made.push(held);
            path
        };
        Ok(Some(Joined { path, mechanism: place.mechanism }))
    }

    /// Whether memory is counted here.
    pub(super) fn counts_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Whether processes are counted here.
    pub(super) fn counts_processes(&self) -> bool {
        self.processes.is_some()
    }

    /// Whether there is nothing that somebody else must count.
    pub(super) fn counts_all(&self) -> bool {
        self.counts_memory() && self.counts_processes() && self.cpu.is_some()
    }

    /// Moves a process in; its children are born there.
    pub(super) fn add(&self, process: i32) -> io::Result<()> {
        self.made
            .iter()
            .try_for_each(|held| fs::write(held.path.join("cgroup.procs"), process.to_string()))
    }

    /// The bound that the kernel enforced, if it had to.
    pub(super) fn enforced(&self) -> Option<Enforced> {
        let memory = self.memory.as_ref().is_some_and(Joined::ended_for_memory);
        if memory {
            return Some(Enforced::Memory);
        }
        let refused = |joined: &Joined| member(&joined.path.join("pids.events"), "max");
        let processes = self.processes.as_ref().and_then(refused).is_some_and(|count| count > 0);
        processes.then_some(Enforced::Processes)
    }

    /// CPU time of everything that ran in it; `None` where no group counts it.
    pub(super) fn cpu(&self) -> Option<Duration> {
        let joined = self.cpu.as_ref()?;
        if joined.mechanism == Mechanism::CgroupV2 {
            return member(&joined.path.join("cpu.stat"), "usage_usec").map(Duration::from_micros);
        }
        let text = fs::read_to_string(joined.path.join("cpuacct.usage")).ok()?;
        text.trim().parse().ok().map(Duration::from_nanos)
    }
}

#[cfg(test)]
impl Group {
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.made.iter().map(|held| held.path.clone()).collect()
    }

    /// What the death of this process does.
    #[expect(clippy::used_underscore_binding, reason = "it is held, and used nowhere else")]
    pub(super) fn forget_locks(&self) {
        let unlock = |held: &Held| flock(&held._lock, FlockOperation::Unlock).unwrap_or_default();
        self.made.iter().for_each(unlock);
    }
}

/// What the kernel had to refuse or to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enforced {
    Memory,
    Processes,
}

impl Held {
    /// A starting builder that sweeps may come between making and locking: then another is made.
    fn make(parent: &Path) -> io::Result<Self> {
        for _ in 0..MAKE_TRIES {
            let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{}-{serial}", std::process::id()));
            match fs::create_dir(&path) {
                // Of a process of another pid namespace, or of an earlier one with this number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            let Ok(lock) = File::open(&path) else {
                continue;
            };
            if flock(&lock, FlockOperation::NonBlockingLockShared).is_ok() && path.exists() {
                return Ok(Self { parent: parent.to_owned(), path, _lock: lock });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path, REMOVE_TRIES) {
            tracing::warn!(path = %self.path.display(), %error, "a control group of an ended build stays");
        }
    }
}

impl Joined {
    fn bound_memory(&self, bytes: u64) -> io::Result<()> {
        let bytes = bytes.to_string();
        if self.mechanism == Mechanism::CgroupV2 {
            fs::write(self.path.join("memory.max"), &bytes)?;
            // One process ended alone would leave a build that goes on without it.
            fs::write(self.path.join("memory.oom.group"), "1")?;
            return write_if_there(&self.path.join("memory.swap.max"), "0");
        }
        fs::write(self.path.join("memory.limit_in_bytes"), &bytes)?;
        // Memory and swap together; absent where swap is not counted.
        write_if_there(&self.path.join("memory.memsw.limit_in_bytes"), &bytes)
    }

    fn ended_for_memory(&self) -> bool {
        let events = match self.mechanism {
            Mechanism::CgroupV2 => "memory.events",
            Mechanism::CgroupV1 | Mechanism::Watcher => "memory.oom_control",
        };
        member(&self.path.join(events), "oom_kill").is_some_and(|count| count > 0)
    }
}

fn write_if_there(path: &Path, value: &str) -> io::Result<()> {
    if path.exists() { fs::write(path, value) } else { Ok(()) }
}

/// A flat keyed file: `NAME VALUE` on each line.
fn member(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(key, _)| *key == name).find_map(|(_, value)| value.trim().parse().ok())
}

/// A group that still holds a dying process is busy.
fn remove(path: &Path, tries: u32) -> io::Result<()> {
    for _ in 0..tries {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(REMOVE_WAIT),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            ended => return ended,
        }
    }
    fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// A plain directory stands for the kernel's: it keeps what was written.
    fn group(mechanism: Mechanism) -> (tempfile::TempDir, Group) {
        let parent = tempfile::tempdir().unwrap();
        let place = || Some(Place::below(parent.path(), mechanism));
        let places = Places { memory: place(), processes: place(), cpu: place() };
        let limits = Limits { memory_bytes: 4096, processes: 7, ..Limits::build() };
        let group = Group::make(&places, &limits).unwrap();
        (parent, group)
    }

    fn path(group: &Group, file: &str) -> PathBuf {
        group.made.first().unwrap().path.join(file)
    }

    #[test]
    fn each_version_gets_its_bounds_in_its_own_words() {
        let two: &[_] = &[("memory.max", "4096"), ("memory.oom.group", "1"), ("pids.max", "7")];
        let one: &[_] = &[("memory.limit_in_bytes", "4096"), ("pids.max", "7")];
        for (mechanism, files) in [(Mechanism::CgroupV2, two), (Mechanism::CgroupV1, one)] {
            let (_parent, group) = group(mechanism);
            assert_eq!(group.made.len(), 1, "one directory for all three");
            for (file, value) in files {
                assert_eq!(fs::read_to_string(path(&group, file)).unwrap(), *value);
            }
            group.add(42).unwrap();
            assert_eq!(fs::read_to_string(path(&group, "cgroup.procs")).unwrap(), "42");
        }
    }

    #[test]
    fn what_the_kernel_had_to_enforce_is_read_from_either_version() {
        for (mechanism, events) in
            [(Mechanism::CgroupV2, "memory.events"), (Mechanism::CgroupV1, "memory.oom_control")]
        {
            let (_parent, group) = group(mechanism);
            assert_eq!(group.enforced(), None);
            fs::write(path(&group, events), "max 9\noom_kill 0\n").unwrap();
            fs::write(path(&group, "pids.events"), "max 0\n").unwrap();
            assert_eq!(group.enforced(), None);
            fs::write(path(&group, "pids.events"), "max 3\n").unwrap();
            assert_eq!(group.enforced(), Some(Enforced::Processes));
            fs::write(path(&group, events), "max 9\noom_kill 1\n").unwrap();
            assert_eq!(group.enforced(), Some(Enforced::Memory));
        }
    }

    #[test]
    fn cpu_time_is_read_from_either_version() {
        let (_parent, two) = group(Mechanism::CgroupV2);
        fs::write(path(&two, "cpu.stat"), "usage_usec 1500000\nuser_usec 1\n").unwrap();
        assert_eq!(two.cpu(), Some(Duration::from_millis(1500)));
        let (_parent, one) = group(Mechanism::CgroupV1);
        fs::write(path(&one, "cpuacct.usage"), "1500000000\n").unwrap();
        assert_eq!(one.cpu(), Some(Duration::from_millis(1500)));
    }
}
