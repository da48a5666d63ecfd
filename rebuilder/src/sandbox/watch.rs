//! Looks whether a running command keeps its limits (step 3), as far as the kernel does not.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::fs::fstatvfs;

use super::cgroup::{Enforced, Group};
use super::disk::Meter;
use super::limits::{share, total_memory};
use super::spec::TEMPORARY;
use super::start::Running;
use super::{Limits, SandboxError, Spec, census};
use crate::clock::Stopwatch;
use crate::limits;

/// Between two counts at least; and counting takes at most a twentieth of one core.
const COUNT_TICK: Duration = Duration::from_millis(20);
const COUNT_SHARE: u32 = 20;
/// Between two counts at most, however slow they are.
const COUNT_TICK_MOST: Duration = Duration::from_millis(500);

/// The looks at one command.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Limits,
    started: Stopwatch,
    disk: Meter,
    next_count: Duration,
}

impl Watch {
    pub(super) fn new(spec: &Spec) -> Result<Self, SandboxError> {
        let disk = Meter::new(&spec.writable(), spec.limits.disk_bytes)?;
        let (limits, started) = (spec.limits, Stopwatch::start());
        Ok(Self { limits, started, disk, next_count: Duration::ZERO })
    }

    /// One look while it runs.
    pub(super) fn look(&mut self, running: &Running) -> Result<(), SandboxError> {
        let now = self.started.elapsed();
        if now > self.limits.wall {
            return Err(passed("wall time", format!("{} s", self.limits.wall.as_secs_f64())));
        }
        self.look_at_log(running)?;
        self.disk.step(now)?;
        if now >= self.next_count {
            self.look_at_group(running.group.as_ref())?;
            self.count(running)?;
            let took = self.started.elapsed().saturating_sub(now);
            let pause = took.saturating_mul(COUNT_SHARE).clamp(COUNT_TICK, COUNT_TICK_MOST);
            self.next_count = now.saturating_add(pause);
        }
        Ok(())
    }

    /// What was passed between the last look and the end.
    pub(super) fn look_back(&mut self, running: &Running) -> Result<(), SandboxError> {
        self.look_at_log(running)?;
        self.look_at_group(running.group.as_ref())?;
        self.disk.finish()
    }

    fn look_at_log(&self, running: &Running) -> Result<(), SandboxError> {
        if running.overflow.load(Ordering::SeqCst) {
            return Err(passed("log size", format!("{} bytes", self.limits.log_bytes)));
        }
        Ok(())
    }

    fn look_at_group(&self, group: Option<&Group>) -> Result<(), SandboxError> {
        let Some(group) = group else {
            return Ok(());
        };
        match group.enforced() {
            Some(Enforced::Memory) => return Err(self.passed_memory()),
            Some(Enforced::Processes) => return Err(self.passed_processes()),
            None => {}
        }
        self.look_at_cpu(group.cpu().unwrap_or_default())
    }

    fn look_at_cpu(&self, used: Duration) -> Result<(), SandboxError> {
        if used > self.limits.cpu {
            return Err(passed("CPU time", format!("{} s", self.limits.cpu.as_secs_f64())));
        }
        Ok(())
    }

    /// Only what no control group counts.
    fn count(&self, running: &Running) -> Result<(), SandboxError> {
        let (Some(init), Some(group)) = (&running.init, &running.group) else {
            return Ok(());
        };
        if group.counts_all() {
            return Ok(());
        }
        let proc = Path::new("/proc");
        let census = census::count(proc, init.id);
        if !group.counts_processes() && census.processes > self.limits.processes {
            return Err(self.passed_processes());
        }
        if group.cpu().is_none() {
            self.look_at_cpu(census.cpu)?;
        }
        if group.counts_memory() {
            return Ok(());
        }
        let temporary = self.temporary_bytes(running);
        let bound = self.limits.memory_bytes;
        let least = share(total_memory(), limits::FREE_MEMORY_SHARE);
        let short = census::available(proc).is_some_and(|available| available < least);
        if short
            || (census.memory.saturating_add(temporary) > bound
                && census::proportional_memory(proc, init.id).saturating_add(temporary) > bound)
        {
            return Err(self.passed_memory());
        }
        Ok(())
    }

    /// What its temporary file systems hold; one that cannot be asked counts as full.
    fn temporary_bytes(&self, running: &Running) -> u64 {
        let unasked = TEMPORARY.len().saturating_sub(running.temporary.len()) as u64;
        let used = running.temporary.iter().map(|place| {
            fstatvfs(place).map_or(self.limits.tmpfs_bytes, |stat| {
                stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize)
            })
        });
        used.fold(unasked.saturating_mul(self.limits.tmpfs_bytes), u64::saturating_add)
    }

    /// Whether a command that failed had filled one of its temporary file systems.
    pub(super) fn full_temporary(&self, running: &Running) -> Result<(), SandboxError> {
        let full = |place| fstatvfs(place).is_ok_and(|stat| stat.f_bfree == 0 && stat.f_blocks > 0);
        if running.temporary.iter().any(full) {
            let bound = format!("{} bytes each", self.limits.tmpfs_bytes);
            return Err(passed("temporary files", bound));
        }
        Ok(())
    }

    fn passed_memory(&self) -> SandboxError {
        passed("memory", format!("{} bytes", self.limits.memory_bytes))
    }

    fn passed_processes(&self) -> SandboxError {
        passed("processes", self.limits.processes.to_string())
    }
}

pub(super) fn passed(limit: &'static str, bound: String) -> SandboxError {
    SandboxError::Limit { limit, bound }
}
