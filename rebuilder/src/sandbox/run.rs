//! Runs one spec with bubblewrap (step 3): log, limits, cancelling, and an end that is complete.
//!
//! However it ends, no process of the sandbox is left: its first process is the init of a pid
//! namespace, and the kernel ends all others before that one is gone, which is what is waited for.
#![expect(
    clippy::disallowed_methods,
    reason = "a shell: a thread reads the log while the command runs"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, pidfd_open, pidfd_send_signal, prlimit,
};

use super::{Access, Root, Sandbox, SandboxError, Spec, overlay, seccomp};
use crate::clock::Stopwatch;
use crate::progress::Cancel;
use crate::scratch;

/// How a command ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Exit code 0.
    Success,
    /// Another exit code; 128 and the number where a signal ended it.
    Failure(i32),
}

/// How often a running command is looked at.
const TICK: Duration = Duration::from_millis(10);
/// Ticks between two measurements of the disk: walking a large tree takes time from the build.
const DISK_TICKS: u64 = 500;
/// The kernel needs milliseconds to end a pid namespace; a process stuck in a dead disk needs longer.
const END_WAIT_SECONDS: i64 = 30;
/// Less free space than this after a failure, and the disk was full for the command.
const FULL_BELOW: u64 = 16 << 20;
/// How a first line begins that no command of the sandbox said.
const BY_THE_SANDBOX: &[&str] = &["bwrap: ", "unshare: ", "mount: "];
/// The tail of a log that is searched for the system's words for a full disk.
const TAIL_BYTES: u64 = 64 << 10;

impl Sandbox {
    /// Runs a command to its end and appends what it says to `log`.
    pub fn run(&self, spec: &Spec, log: &Path, cancel: &Cancel) -> Result<Ended, SandboxError> {
        let killed_before = killed_for_memory();
        let start = fs::metadata(log).map_or(0, |m| m.len());
        let mut running = self.start(spec, log)?;
        let ended = running.watch(spec, cancel);
        running.end();
        running.finish_log();
        let status = ended?;
        if status.success() {
            return Ok(Ended::Success);
        }
        own_fault(spec, log, start)?;
        if killed_for_memory() > killed_before {
            return Err(SandboxError::Broken("the kernel ran out of memory".to_owned()));
        }
        match (status.code(), status.signal()) {
            (Some(code), _) => Ok(Ended::Failure(code)),
            (None, signal) => {
                Err(SandboxError::Broken(format!("bubblewrap ended by signal {signal:?}")))
            }
        }
    }

    /// Bubblewrap, or what becomes bubblewrap when the root's layers are mounted.
    fn command(&self, spec: &Spec) -> io::Result<Command> {
        match &spec.root {
            Root::Directory(_) => Ok(Command::new(self.bwrap())),
            Root::Layers(layers) => {
                let mounts = (spec.root_access, &*overlay::targets(spec));
                self.tools().command(layers, mounts, self.bwrap())
            }
        }
    }

    fn start(&self, spec: &Spec, log: &Path) -> Result<Running, SandboxError> {
        let mut log = open_log(log).map_err(io_error("open the log"))?;
        let (output, output_in) = io::pipe().map_err(io_error("make a pipe"))?;
        let (status, status_in) = io::pipe().map_err(io_error("make a pipe"))?;
        let (gate, mut gate_in) = io::pipe().map_err(io_error("make a pipe"))?;
        let mut command = self.command(spec).map_err(io_error("prepare the root"))?;
        let mut inherit = Inherit::new().map_err(io_error("read /proc/self/fdinfo"))?;
        let status_fd = inherit.add(status_in.into());
        let gate_fd = inherit.add(gate.into());
        let mut filters = Vec::new();
        for program in spec.filter.programs()? {
            let file = seccomp::as_file(&program).map_err(io_error("make a memory file"))?;
            filters.push(inherit.add(file.into()));
        }
        command.args([
            "--json-status-fd",
            &status_fd.to_string(),
            "--block-fd",
            &gate_fd.to_string(),
        ]);
        command.args(spec.arguments(&filters)).stdin(Stdio::null()).env_clear();
        command.stdout(output_in.try_clone().map_err(io_error("copy a pipe"))?).stderr(output_in);
        // A Ctrl-C is for us, who then end it in order and say so.
        command.process_group(0);
        let mappings = inherit.mappings;
        command.fd_mappings(mappings).map_err(|e| SandboxError::Broken(e.to_string()))?;
        let child = command.spawn().map_err(io_error("start bubblewrap"))?;
        // The command holds our copies of the pipes' writing ends; without this no end is ever seen.
        drop(command);
        let overflow = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&overflow);
        let limit = spec.limits.log_bytes;
        let reader = thread::spawn(move || copy_bounded(output, &mut log, limit, &flag));
        let mut running =
            Running { child, init: None, overflow, reader: Some(reader), status: Some(status) };
        running.confine(spec)?;
        match gate_in.write_all(b"x") {
            // Nobody waits at it: bubblewrap ended, and says why in the log.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(running),
            opened => opened.map(|()| running).map_err(io_error("open the gate")),
        }
    }
}

struct Running {
    child: Child,
    init: Option<OwnedFd>,
    overflow: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    status: Option<PipeReader>,
}

impl Running {
    /// The namespace's init waits at the gate, so limits set on it now hold for everything in it.
    fn confine(&mut self, spec: &Spec) -> Result<(), SandboxError> {
        let Some(pid) = self.init_pid() else {
            return Ok(());
        };
        self.init = pidfd_open(pid, PidfdFlags::empty()).ok();
        let size =
            Rlimit { current: Some(spec.limits.disk_bytes), maximum: Some(spec.limits.disk_bytes) };
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        for (resource, limit) in [(Resource::Fsize, size), (Resource::Core, none)] {
            // Gone already: bubblewrap says why in the log.
            if self.init.is_some() {
                prlimit(Some(pid), resource, limit)
                    .map_err(|e| SandboxError::Io { what: "set a limit", source: e.into() })?;
            }
        }
        Ok(())
    }

    /// Bubblewrap's first status line is `{ "child-pid": 123 }` or a longer object with that member.
    fn init_pid(&mut self) -> Option<Pid> {
        let mut line = Vec::new();
        let status = self.status.as_mut()?;
        let mut byte = [0];
        while line.len() < 4096 && status.read(&mut byte).is_ok_and(|n| n == 1) && byte != *b"\n" {
            line.extend_from_slice(&byte);
        }
        let value: serde_json::Value = serde_json::from_slice(&line).ok()?;
        let pid = value.get("child-pid")?.as_i64()?;
        Pid::from_raw(i32::try_from(pid).ok()?)
    }

    fn watch(&mut self, spec: &Spec, cancel: &Cancel) -> Result<ExitStatus, SandboxError> {
        let started = Stopwatch::start();
        for tick in 1_u64.. {
            if let Some(status) = self.child.try_wait().map_err(io_error("wait for bubblewrap"))? {
                return Ok(status);
            }
            if cancel.is_cancelled() {
                return Err(SandboxError::Cancelled);
            }
            self.check_limits(spec, started, tick)?;
            thread::sleep(TICK);
        }
        Err(SandboxError::Cancelled)
    }

    fn check_limits(&self, spec: &Spec, started: Stopwatch, tick: u64) -> Result<(), SandboxError> {
        let limits = &spec.limits;
        if started.elapsed() > limits.wall {
            return Err(passed("wall time", format!("{} s", limits.wall.as_secs())));
        }
        if self.overflow.load(Ordering::SeqCst) {
            return Err(passed("log size", format!("{} bytes", limits.log_bytes)));
        }
        if tick.is_multiple_of(DISK_TICKS)
            && writable(spec).map(scratch::size).sum::<u64>() > limits.disk_bytes
        {
            return Err(passed("disk space", format!("{} bytes", limits.disk_bytes)));
        }
        Ok(())
    }

    /// Ends what still runs: background processes of a command that ended well, too.
    fn end(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(init) = self.init.take() {
            // Bubblewrap asks to be ended with its parent only some moments after its start.
            let _ = pidfd_send_signal(&init, Signal::KILL);
            let mut wait = [PollFd::new(&init, PollFlags::IN)];
            let limit = Timespec { tv_sec: END_WAIT_SECONDS, tv_nsec: 0 };
            let _ = poll(&mut wait, Some(&limit));
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
        self.end();
    }
}

/// What a child gets besides its standard streams, each under a number that is free in this process.
struct Inherit {
    mappings: Vec<FdMapping>,
    next: i32,
}

impl Inherit {
    /// Descriptors that this process itself inherited (a job server's, a careless parent's) would
    /// pass through bubblewrap into the build: each is covered by `/dev/null`.
    fn new() -> io::Result<Self> {
        let mut inherit = Self { mappings: Vec::new(), next: 3 };
        for entry in fs::read_dir("/proc/self/fdinfo")? {
            let entry = entry?;
            let Some(number) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok())
            else {
                continue;
            };
            inherit.next = inherit.next.max(number.saturating_add(1));
            // One that is gone by now was the listing itself.
            let info = fs::read_to_string(entry.path()).unwrap_or_default();
            if number > 2 && is_inheritable(&info) {
                let parent_fd = File::open("/dev/null")?.into();
                inherit.mappings.push(FdMapping { parent_fd, child_fd: number });
            }
        }
        Ok(inherit)
    }

    fn add(&mut self, parent_fd: OwnedFd) -> i32 {
        let child_fd = self.next;
        self.next = self.next.saturating_add(1);
        self.mappings.push(FdMapping { parent_fd, child_fd });
        child_fd
    }
}

/// `flags:` in octal, close-on-exec is 02000000; see `proc_pid_fdinfo(5)`.
fn is_inheritable(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & 0o2_000_000 == 0)
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Past the limit it reads on and drops, so that the writer does not block before it is ended.
fn copy_bounded(mut from: PipeReader, to: &mut File, limit: u64, overflow: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    let mut left = limit;
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            return;
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        left = left.saturating_sub(count as u64);
        if left == 0 || to.write_all(bytes).is_err() {
            overflow.store(true, Ordering::SeqCst);
            left = 0;
        }
    }
}

fn writable(spec: &Spec) -> impl Iterator<Item = &Path> {
    let binds = spec.binds.iter().filter(|bind| bind.access == Access::Writable);
    binds.map(|bind| bind.source.as_path())
}

/// A failure that this machine caused must not pass for one of the command.
fn own_fault(spec: &Spec, log: &Path, start: u64) -> Result<(), SandboxError> {
    for place in writable(spec) {
        if free(place).is_some_and(|free| free < FULL_BELOW) {
            return Err(SandboxError::NoSpace(place.to_owned()));
        }
    }
    let (head, tail) = ends(log, start);
    if tail.contains("No space left on device") {
        return Err(SandboxError::NoSpace(spec.root.written()));
    }
    match head.lines().next() {
        Some(line) if BY_THE_SANDBOX.iter().any(|name| line.starts_with(name)) => {
            Err(SandboxError::Broken(line.to_owned()))
        }
        _ => Ok(()),
    }
}

fn free(place: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(place).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The beginning and the end of what was said since `start`.
fn ends(log: &Path, start: u64) -> (String, String) {
    let read = |from: u64, limit: u64| -> io::Result<String> {
        let mut file = File::open(log)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let length = fs::metadata(log).map_or(0, |m| m.len());
    let tail = length.saturating_sub(TAIL_BYTES).max(start);
    (read(start, 4096).unwrap_or_default(), read(tail, TAIL_BYTES).unwrap_or_default())
}

/// How many processes the kernel ended for want of memory since it started; 0 where it does not tell.
fn killed_for_memory() -> u64 {
    let vmstat = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let line = vmstat.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

fn passed(limit: &'static str, bound: String) -> SandboxError {
    SandboxError::Limit { limit, bound }
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> SandboxError {
    move |source| SandboxError::Io { what, source }
}
