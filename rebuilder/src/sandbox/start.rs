//! Starts one spec with bubblewrap (step 3): two gates, so that nothing runs before it is bounded and
//! bound to this process.
//!
//! Bubblewrap's first process waits at the first gate until it is in its control group and has its
//! resource limits. The command waits at the second one until that process is bound to bubblewrap,
//! as bubblewrap is to this one. Whoever dies before it opens the second gate closes it for ever: both
//! gates read an end of file, and the command ends before it begins.
#![expect(
    clippy::disallowed_methods,
    reason = "a shell: a thread reads the log while the command runs"
)]

use std::fs::{self, File};
use std::io::{self, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, memfd_create, openat};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, getrlimit, pidfd_open, prlimit};

use super::cgroup::Group;
use super::spec::TEMPORARY;
use super::{Limits, Root, Sandbox, SandboxError, Spec, overlay, said, seccomp};
use crate::clock::Stopwatch;
use crate::limits;

/// Between two looks at a process that is about to bind itself.
const BIND_TICK: Duration = Duration::from_micros(200);
/// It takes 5 ms where it was measured; a machine under load may take seconds.
const BIND_WAIT: Duration = Duration::from_mins(1);
/// A process that takes more CPU time than all may take together has gone past the watcher; seconds.
const CPU_SLACK_SECONDS: u64 = 10;
/// The kernel refuses processes only far beyond the bound at which the watcher ends the build: a
/// refusal before that would look like the build's own failure.
const PROCESS_SLACK: u64 = 4;
/// The first process that the kernel ends when the machine itself is out of memory.
const FIRST_TO_END: &str = "1000";

/// A command in its sandbox.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) init: Option<Init>,
    /// Its temporary file systems, in the order of the spec; held, so that they can be asked later.
    pub(super) temporary: Vec<OwnedFd>,
    pub(super) group: Option<Group>,
    /// Whether the second gate was opened: from then on the command itself speaks.
    pub(super) begun: bool,
    pub(super) overflow: Arc<AtomicBool>,
    pub(super) reader: Option<JoinHandle<()>>,
    status: File,
}

/// The first process of the sandbox's pid namespace.
#[derive(Debug)]
pub(super) struct Init {
    pub(super) id: u32,
    pub(super) held: OwnedFd,
}

/// The writing ends that open the gates.
struct Gates {
    first: PipeWriter,
    second: PipeWriter,
}

impl Sandbox {
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

    pub(super) fn start(&self, spec: &Spec, log: &Path) -> Result<Running, SandboxError> {
        let group =
            Group::make(self.places(), &spec.limits).map_err(io_error("make a control group"))?;
        let mut log = said::open_log(log).map_err(io_error("open the log"))?;
        let (output, output_in) = io::pipe().map_err(io_error("make a pipe"))?;
        // Not a pipe: bubblewrap would die of a closed one and leave its child waiting for it.
        let status = memory_file().map_err(io_error("make a memory file"))?;
        let (first, first_in) = io::pipe().map_err(io_error("make a pipe"))?;
        let (second, second_in) = io::pipe().map_err(io_error("make a pipe"))?;
        let mut inherit = Inherit::new().map_err(io_error("read /proc/self/fdinfo"))?;
        let status_in = status.try_clone().map_err(io_error("copy a memory file"))?;
        let status_fd = inherit.add(status_in.into()).to_string();
        let gate_fd = inherit.add(first.into()).to_string();
        let mut filters = Vec::new();
        for program in spec.filter.programs()? {
            let file = seccomp::as_file(&program).map_err(io_error("make a memory file"))?;
            filters.push(inherit.add(file.into()));
        }
        let mut command = self.command(spec).map_err(io_error("prepare the root"))?;
        command.args(["--json-status-fd", &status_fd, "--block-fd", &gate_fd]);
        command.args(spec.arguments(&filters, self.masks())).stdin(second).env_clear();
        command.stdout(output_in.try_clone().map_err(io_error("copy a pipe"))?).stderr(output_in);
        // A Ctrl-C is for us, who then end it in order and say so.
        command.process_group(0);
        let mappings = inherit.mappings;
        command.fd_mappings(mappings).map_err(|e| SandboxError::Broken(e.to_string()))?;
        let child = command.spawn().map_err(io_error("start bubblewrap"))?;
        // The command holds our copies of the pipes' other ends; without this no end is ever seen.
        drop(command);
        let overflow = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&overflow);
        let (limit, live) = (spec.limits.log_bytes, self.is_live());
        let copy = move || said::copy_bounded(output, &mut log, limit, &flag, live);
        let reader = thread::spawn(copy);
        let (init, temporary, begun) = (None, Vec::new(), false);
        let (group, reader) = (Some(group), Some(reader));
        let mut running =
            Running { child, init, temporary, group, begun, overflow, reader, status };
        running.confine(&spec.limits)?;
        running.open(Gates { first: first_in, second: second_in })?;
        Ok(running)
    }
}

impl Running {
    /// Everything in the namespace descends from its first process, so bounds set on it hold for all.
    fn confine(&mut self, bounds: &Limits) -> Result<(), SandboxError> {
        // Gone already, here and below: bubblewrap says why in the log.
        let Some(pid) = self.init_pid()? else {
            return Ok(());
        };
        let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(());
        };
        let number = pid.as_raw_nonzero().get();
        self.init = Some(Init { id: number.unsigned_abs(), held });
        if let Some(group) = &self.group {
            group.add(number).map_err(io_error("move the sandbox into its control group"))?;
        }
        // A wish: the other walls do not rest on it.
        let _refused = fs::write(format!("/proc/{number}/oom_score_adj"), FIRST_TO_END);
        for (resource, wanted) in resource_limits(bounds) {
            prlimit(Some(pid), resource, wanted)
                .map_err(|e| SandboxError::Io { what: "set a limit", source: e.into() })?;
        }
        Ok(())
    }

    /// Bubblewrap's first status line is `{ "child-pid": 123 }` or a longer object with that member.
    /// It has bound itself to this process before it writes it. `None` when it ended before.
    fn init_pid(&mut self) -> Result<Option<Pid>, SandboxError> {
        let waited = Stopwatch::start();
        while waited.elapsed() < BIND_WAIT {
            let ended = self.child.try_wait().map_err(io_error("wait for bubblewrap"))?.is_some();
            let mut bytes = [0; 4096];
            let count = self.status.read_at(&mut bytes, 0).map_err(io_error("read the status"))?;
            let said = bytes.get(..count).unwrap_or_default();
            if let Some(end) = said.iter().position(|byte| *byte == b'\n') {
                return Ok(child_pid(said.get(..end).unwrap_or_default()));
            }
            if ended {
                return Ok(None);
            }
            thread::sleep(BIND_TICK);
        }
        Err(SandboxError::Broken("it did not come up".to_owned()))
    }

    fn open(&mut self, mut gates: Gates) -> Result<(), SandboxError> {
        pass(&mut gates.first)?;
        if self.is_bound()? {
            self.hold_temporary();
            self.begun = true;
            pass(&mut gates.second)?;
        }
        Ok(())
    }

    /// Waits until the first process has bound itself to bubblewrap; it takes the filters just after
    /// that, and those are to be seen. `false` when there is nothing left to wait for.
    fn is_bound(&mut self) -> Result<bool, SandboxError> {
        let Some(init) = &self.init else {
            return Ok(false);
        };
        let status = format!("/proc/{}/status", init.id);
        let waited = Stopwatch::start();
        while waited.elapsed() < BIND_WAIT {
            let text = fs::read_to_string(&status).unwrap_or_default();
            if text.lines().any(|line| line == "Seccomp:\t2") {
                return Ok(true);
            }
            if self.child.try_wait().map_err(io_error("wait for bubblewrap"))?.is_some() {
                return Ok(false);
            }
            thread::sleep(BIND_TICK);
        }
        Err(SandboxError::Broken("it did not come up".to_owned()))
    }

    /// Nothing of the command has run, so these places are what the spec says.
    fn hold_temporary(&mut self) {
        let Some(init) = &self.init else {
            return;
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |place: &&str| {
            openat(CWD, format!("/proc/{}/root{place}", init.id), flags, Mode::empty()).ok()
        };
        self.temporary = TEMPORARY.iter().filter_map(open).collect();
    }
}

/// Bounds of each process that the kernel keeps by itself. Not the address space: compilers and
/// sanitizers reserve far more than they use.
fn resource_limits(bounds: &Limits) -> [(Resource, Rlimit); 5] {
    let cpu = bounds.cpu.as_secs().saturating_add(CPU_SLACK_SECONDS);
    let processes = bounds.processes.saturating_mul(PROCESS_SLACK);
    let start = bounds.open_files.min(limits::OPEN_FILES_AT_START);
    let of = |resource, soft, hard| (resource, lowered(resource, soft, hard));
    [
        of(Resource::Fsize, bounds.file_bytes, bounds.file_bytes),
        of(Resource::Core, 0, 0),
        of(Resource::Nofile, start, bounds.open_files),
        of(Resource::Nproc, processes, processes),
        of(Resource::Cpu, cpu, cpu),
    ]
}

/// Nobody may raise what he was given himself.
fn lowered(resource: Resource, soft: u64, hard: u64) -> Rlimit {
    let given = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    Rlimit { current: Some(soft.min(given)), maximum: Some(hard.min(given)) }
}

fn memory_file() -> io::Result<File> {
    Ok(memfd_create("status", MemfdFlags::CLOEXEC)?.into())
}

fn child_pid(line: &[u8]) -> Option<Pid> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    let pid = value.get("child-pid")?.as_i64()?;
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn pass(gate: &mut PipeWriter) -> Result<(), SandboxError> {
    match gate.write_all(b"\n") {
        // Nobody waits at it: bubblewrap ended, and says why in the log.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        opened => opened.map_err(io_error("open the gate")),
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

pub(super) fn io_error(what: &'static str) -> impl Fn(io::Error) -> SandboxError {
    move |source| SandboxError::Io { what, source }
}
