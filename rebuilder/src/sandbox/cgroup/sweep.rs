//! Groups that a killed builder left (step 3): ended and removed at the next start.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{PREFIX, REMOVE_TRIES, remove};
use crate::limits;

/// Ends and removes every group of ours below `mount` that no living builder holds. The next start
/// may be in another group than the last, so all of the hierarchy is looked at.
pub(super) fn sweep(mount: &Path) {
    let mut left = vec![mount.to_owned()];
    for _ in 0..limits::CGROUPS_SWEPT {
        let Some(directory) = left.pop() else {
            return;
        };
        for group in inner(&directory) {
            if is_ours(&group) { clear(&group) } else { left.push(group) }
        }
    }
}

fn inner(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path())
}

fn is_ours(group: &Path) -> bool {
    let name = group.file_name().unwrap_or_default();
    name.to_str().is_some_and(|name| name.starts_with(PREFIX))
}

fn clear(group: &Path) {
    let Ok(lock) = File::open(group) else {
        return;
    };
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    let members = members(group);
    for process in &members {
        end(group, *process);
    }
    let tries = if members.is_empty() { 1 } else { REMOVE_TRIES };
    if let Err(error) = remove(group, tries) {
        tracing::debug!(path = %group.display(), %error, "a control group of a killed build stays");
    }
}

fn members(group: &Path) -> Vec<i32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A number may be another process's by now: it is asked again once the process is held.
fn end(group: &Path, process: i32) {
    let held = Pid::from_raw(process).and_then(|p| pidfd_open(p, PidfdFlags::empty()).ok());
    if let Some(held) = held.filter(|_| members(group).contains(&process)) {
        let _gone_already = pidfd_send_signal(&held, Signal::KILL);
    }
}
