//! What the processes of a sandbox use (step 3): counted from `/proc`, where no control group counts it.
//!
//! The sandbox's processes are the descendants of its first one: whoever loses a parent there is
//! given to that one by the kernel, so none can leave. Read is only what no process can hide.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Sums over all processes of one sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Processes and threads.
    pub(super) processes: u64,
    /// CPU time, with that of children that ended.
    pub(super) cpu: Duration,
    /// Bytes of memory of their own; what several share after a fork counts in each.
    pub(super) memory: u64,
}

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    parent: u32,
    ticks: u64,
    threads: u64,
}

/// Counts the sandbox whose first process is `init`; `proc` is `/proc`.
pub(super) fn count(proc: &Path, init: u32) -> Census {
    let rows = rows(proc);
    let mut census = Census::default();
    let mut ticks = 0_u64;
    for process in below(&rows, init) {
        let Some(row) = rows.get(&process) else { continue };
        census.processes = census.processes.saturating_add(row.threads);
        census.memory = census.memory.saturating_add(memory(proc, process));
        ticks = ticks.saturating_add(row.ticks);
    }
    let second = rustix::param::clock_ticks_per_second().max(1);
    census.cpu = Duration::from_millis(ticks.saturating_mul(1000) / second);
    census
}

/// The same memory with every shared page counted once: slower, so asked only before an end for it.
pub(super) fn proportional_memory(proc: &Path, init: u32) -> u64 {
    let rows = rows(proc);
    let of = |process: u32| {
        let text = fs::read_to_string(proc.join(format!("{process}/smaps_rollup")));
        let kilobytes = text.ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        });
        // A process that hides its maps is counted in full.
        kilobytes.map_or_else(|| memory(proc, process), |kilobytes| kilobytes.saturating_mul(1024))
    };
    below(&rows, init).into_iter().map(of).fold(0, u64::saturating_add)
}

/// `MemAvailable` of the machine in bytes; `None` where the kernel does not tell.
pub(super) fn available(proc: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc.join("meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes.saturating_mul(1024))
}

fn rows(proc: &Path) -> BTreeMap<u32, Row> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let processes = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    processes
        .filter_map(|process| {
            let text = fs::read(proc.join(format!("{process}/stat"))).ok()?;
            Some((process, row(&String::from_utf8_lossy(&text))?))
        })
        .collect()
}

/// Fields after the name, which may hold anything but ends with the last bracket: `proc_pid_stat(5)`.
fn row(stat: &str) -> Option<Row> {
    let after: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // The first word here is field 3.
    let field = |number: usize| after.get(number.checked_sub(3)?)?.parse::<u64>().ok();
    let mut ticks = 0_u64;
    for number in 14..=17 {
        ticks = ticks.saturating_add(field(number)?);
    }
    Some(Row { parent: u32::try_from(field(4)?).ok()?, ticks, threads: field(20)? })
}

/// `init` and its descendants.
fn below(rows: &BTreeMap<u32, Row>, init: u32) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (process, row) in rows {
        children.entry(row.parent).or_default().push(*process);
    }
    let mut found = BTreeSet::new();
    let mut left = vec![init];
    while let Some(process) = left.pop() {
        if found.insert(process) {
            left.extend(children.get(&process).into_iter().flatten());
        }
    }
    found
}

/// Resident pages that are not of files, from `statm`, which everybody may read.
fn memory(proc: &Path, process: u32) -> u64 {
    let text = fs::read_to_string(proc.join(format!("{process}/statm"))).unwrap_or_default();
    let mut numbers = text.split_whitespace().map(|word| word.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (numbers.nth(1).unwrap_or(0), numbers.next().unwrap_or(0));
    resident.saturating_sub(shared).saturating_mul(rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn process(proc: &Path, id: u32, name: &str, parent: u32, pages: u64) {
        let directory = proc.join(id.to_string());
        fs::create_dir(&directory).unwrap();
        let stat =
            format!("{id} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 100 50 25 25 20 0 3 0 9 9 9");
        fs::write(directory.join("stat"), stat).unwrap();
        fs::write(directory.join("statm"), format!("9999 {} 10 1 0 1 0", pages + 10)).unwrap();
    }

    #[test]
    fn descendants_count_and_nothing_else() {
        let proc = tempfile::tempdir().unwrap();
        // A process may call itself anything.
        let table = [(10, "bwrap", 1), (11, "a) R 1 (", 10), (12, "sh", 11), (20, "other", 1)];
        for (id, name, parent) in table {
            process(proc.path(), id, name, parent, 4);
        }
        fs::create_dir(proc.path().join("99")).unwrap();
        let census = count(proc.path(), 10);
        let page = rustix::param::page_size() as u64;
        let second = rustix::param::clock_ticks_per_second();
        assert_eq!((census.processes, census.memory), (9, 3 * 4 * page));
        assert_eq!(census.cpu, Duration::from_millis(600 * 1000 / second));
        assert_eq!(proportional_memory(proc.path(), 10), 3 * 4 * page, "without maps: in full");
        let rollup = "00-11 ---p\nPss: 100 kB\nPss_Anon:       2 kB\n";
        fs::write(proc.path().join("11/smaps_rollup"), rollup).unwrap();
        assert_eq!(proportional_memory(proc.path(), 10), 2 * 4 * page + 2048);
    }

    #[test]
    fn a_process_among_its_own_ancestors_ends_the_count() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 5, "a", 6, 1);
        process(proc.path(), 6, "b", 5, 1);
        assert_eq!(count(proc.path(), 5).processes, 6);
    }

    #[test]
    fn this_process_has_memory_and_the_machine_has_some_left() {
        let census = count(Path::new("/proc"), std::process::id());
        assert!(census.processes >= 1 && census.memory > 0, "{census:?}");
        assert!(available(Path::new("/proc")).unwrap() > 0);
    }
}
