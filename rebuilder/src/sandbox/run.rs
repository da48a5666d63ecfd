//! Runs one spec to its end (step 3): watched, cancelled, and ended so that nothing is left.
//!
//! However it ends, no process of the sandbox is left: its first process is the init of a pid
//! namespace, and the kernel ends all others before that one is gone, which is what is waited for.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::cgroup::Group;
use super::start::{Running, io_error};
use super::watch::{Watch, passed};
use super::{Limits, Sandbox, SandboxError, Spec, said};
use crate::progress::Cancel;

/// How a command ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Exit code 0.
    Success,
    /// Another exit code; 128 and the number where a signal ended it.
    Failure(i32),
}

/// How often a running command is looked at, 10 ms; its end is seen at once.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
/// The kernel needs milliseconds to end a pid namespace; a process stuck in a dead disk needs longer.
const END_WAIT: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };
/// Less free space than this after a failure, and the disk was full for the command.
const FULL_BELOW: u64 = 16 << 20;
/// How a first line begins that no command of the sandbox said; the last two before it began only.
const BY_BUBBLEWRAP: &str = "bwrap: ";
const BEFORE_THE_COMMAND: &[&str] = &["unshare: ", "mount: "];
/// The exit code after the signal for a file that grew too large.
const FILE_TOO_LARGE: i32 = 128 + 25;

impl Sandbox {
    /// Runs a command to its end and appends what it says to `log`.
    pub fn run(&self, spec: &Spec, log: &Path, cancel: &Cancel) -> Result<Ended, SandboxError> {
        let killed_before = killed_for_memory();
        let start = fs::metadata(log).map_or(0, |m| m.len());
        let mut running = self.start(spec, log)?;
        // After the start, which makes the places that a root of layers writes to.
        let mut watch = Watch::new(spec)?;
        let ended = running.watch(&mut watch, cancel);
        running.end();
        running.finish_log();
        let status = ended?;
        watch.look_back(&running)?;
        if status.success() {
            return Ok(Ended::Success);
        }
        watch.full_temporary(&running)?;
        own_fault(spec, (log, start), status, running.begun)?;
        // A control group tells of its own processes alone, and was asked above.
        let counted = running.group.as_ref().is_some_and(Group::counts_memory);
        if !counted && killed_for_memory() > killed_before {
            return Err(SandboxError::Broken("the kernel ran out of memory".to_owned()));
        }
        match (status.code(), status.signal()) {
            (Some(code), _) => Ok(Ended::Failure(code)),
            (None, signal) => {
                Err(SandboxError::Broken(format!("bubblewrap ended by signal {signal:?}")))
            }
        }
    }
}

impl Running {
    fn watch(&mut self, watch: &mut Watch, cancel: &Cancel) -> Result<ExitStatus, SandboxError> {
        let bubblewrap = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let bubblewrap = bubblewrap.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        loop {
            if let Some(status) = self.child.try_wait().map_err(io_error("wait for bubblewrap"))? {
                return Ok(status);
            }
            if cancel.is_cancelled() {
                return Err(SandboxError::Cancelled);
            }
            watch.look(self)?;
            wait(bubblewrap.as_ref(), &TICK);
        }
    }

    /// Ends what still runs: background processes of a command that ended well, too.
    fn end(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(init) = self.init.take() {
            let _ = pidfd_send_signal(&init.held, Signal::KILL);
            wait(Some(&init.held), &END_WAIT);
        }
    }

    fn finish_log(&mut self) {
        if let Some(reader) = self.reader.take() {
            // A reader that panicked lost a part of a log and nothing else.
            let _ = reader.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Before the control group goes away, which is busy until then.
        self.end();
    }
}

/// Until a process is gone, or so long.
fn wait(process: Option<&impl AsFd>, most: &Timespec) {
    let process = process.map(|process| PollFd::new(process, PollFlags::IN));
    // An interrupted wait is a short one.
    let _ = poll(&mut Vec::from_iter(process), Some(most));
}

/// A failure that this machine caused must not pass for one of the command.
fn own_fault(
    spec: &Spec,
    log: (&Path, u64),
    status: ExitStatus,
    begun: bool,
) -> Result<(), SandboxError> {
    for place in spec.writable() {
        if free(&place).is_some_and(|free| free < FULL_BELOW) {
            return Err(SandboxError::NoSpace(place));
        }
    }
    let (head, tail) = said::ends(log.0, log.1);
    if tail.contains("No space left on device") {
        return Err(SandboxError::NoSpace(spec.root.written()));
    }
    resource_limit(&spec.limits, &tail, status)?;
    match head.lines().next() {
        Some(line)
            if line.starts_with(BY_BUBBLEWRAP)
                || (!begun && BEFORE_THE_COMMAND.iter().any(|name| line.starts_with(name))) =>
        {
            Err(SandboxError::Broken(line.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Limits of single processes are told to the process alone. A build that says these words for
/// another reason is ended without an outcome, which harms nobody but itself.
fn resource_limit(limits: &Limits, tail: &str, status: ExitStatus) -> Result<(), SandboxError> {
    let large = ["File too large", "File size limit exceeded"];
    if status.code() == Some(FILE_TOO_LARGE) || large.iter().any(|words| tail.contains(words)) {
        return Err(passed("file size", format!("{} bytes", limits.file_bytes)));
    }
    if tail.contains("Too many open files") {
        return Err(passed("open files", limits.open_files.to_string()));
    }
    Ok(())
}

fn free(place: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(place).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// How many processes the kernel ended for want of memory since it started; 0 where it does not tell.
fn killed_for_memory() -> u64 {
    let vmstat = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let line = vmstat.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
