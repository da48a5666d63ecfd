//! Which mechanism holds each limit (step 3): found once, told with every rebuild.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What counts and bounds a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// A control group of the one hierarchy: the kernel refuses or ends at the bound.
    CgroupV2,
    /// A control group of this resource's own, older hierarchy: the same.
    CgroupV1,
    /// The builder counts what `/proc` tells of the sandbox's processes and ends it past the bound:
    /// a few hundredths of a second late, with resource limits of each process as a second wall.
    Watcher,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CgroupV2 => "cgroup v2",
            Self::CgroupV1 => "cgroup v1",
            Self::Watcher => "watcher",
        })
    }
}

/// How the limits that depend on the machine are held. The others are held alike everywhere: file
/// size and open files by resource limits, wall time, log and disk by the builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confinement {
    /// Memory.
    pub memory: Mechanism,
    /// Processes and threads.
    pub processes: Mechanism,
    /// CPU time.
    pub cpu_time: Mechanism,
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, processes, cpu_time } = self;
        if memory == processes && memory == cpu_time {
            return write!(f, "memory, processes and CPU time by {memory}");
        }
        write!(f, "memory by {memory}, processes by {processes}, CPU time by {cpu_time}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_confinement_is_told_in_words_and_as_a_document() {
        let one = Mechanism::CgroupV1;
        let all = Confinement { memory: one, processes: one, cpu_time: one };
        assert_eq!(all.to_string(), "memory, processes and CPU time by cgroup v1");
        let some = Confinement { cpu_time: Mechanism::Watcher, ..all };
        assert_eq!(
            some.to_string(),
            "memory by cgroup v1, processes by cgroup v1, CPU time by watcher"
        );
        let text = serde_json::to_string(&some).unwrap();
        assert_eq!(text, r#"{"memory":"cgroup-v1","processes":"cgroup-v1","cpuTime":"watcher"}"#);
        assert_eq!(serde_json::from_str::<Confinement>(&text).unwrap(), some);
    }
}
