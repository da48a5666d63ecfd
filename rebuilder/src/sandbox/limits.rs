//! What one sandboxed command may use (step 3): every bound as data, with defaults for this machine.

use std::time::Duration;

use crate::limits;

/// What a command may use; past any of these it ends, and with it all its processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall time.
    pub wall: Duration,
    /// CPU time of all its processes together.
    pub cpu: Duration,
    /// Memory of all its processes and temporary files together, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads at a time.
    pub processes: u64,
    /// Open files of one process.
    pub open_files: u64,
    /// Bytes of its log.
    pub log_bytes: u64,
    /// Bytes that it may leave in the writable places together.
    pub disk_bytes: u64,
    /// Bytes of any single file.
    pub file_bytes: u64,
    /// Bytes of each of its temporary file systems.
    pub tmpfs_bytes: u64,
}

impl Limits {
    /// For a build.
    pub fn build() -> Self {
        let memory_bytes = share(total_memory(), limits::MEMORY_SHARE);
        Self {
            wall: limits::BUILD_WALL,
            cpu: limits::BUILD_CPU,
            memory_bytes,
            processes: limits::BUILD_PROCESSES,
            open_files: limits::OPEN_FILES,
            log_bytes: limits::LOG_BYTES,
            disk_bytes: limits::SCRATCH_BYTES,
            file_bytes: limits::FILE_BYTES,
            // Temporary files are memory: a full one alone must not end a build on a small machine.
            tmpfs_bytes: limits::TMPFS_BYTES.min(memory_bytes / 4),
        }
    }

    /// For solving and configuring.
    pub fn step() -> Self {
        Self { wall: limits::STEP_WALL, ..Self::build() }
    }
}

/// Bytes of this machine's memory.
pub(super) fn total_memory() -> u64 {
    let info = rustix::system::sysinfo();
    // The type of both differs between architectures.
    let (units, unit) = (info.totalram as u64, u64::from(info.mem_unit));
    units.saturating_mul(unit)
}

/// A fraction of a number of bytes.
pub(super) fn share(of: u64, (part, whole): (u64, u64)) -> u64 {
    (of / whole).saturating_mul(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_leaves_memory_for_the_node() {
        let total = total_memory();
        let limits = Limits::build();
        assert!(total > 0 && limits.memory_bytes <= total / 4 * 3);
        assert!(limits.tmpfs_bytes <= limits.memory_bytes / 4);
        assert!(limits.file_bytes <= limits.disk_bytes);
    }
}
