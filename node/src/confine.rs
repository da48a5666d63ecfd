//! The kernel's walls around the signer, Landlock and seccomp, taken before a byte comes from outside;
//! and that the builder has no network.
//!
//! What has the key reaches its own state and its two links: no other file, no socket of its own, no
//! program, no process, and nobody of the same user may look into its memory. The links were opened by
//! the node, and the key is read before the walls stand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use libc::c_long;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use crate::disk::FileSystem;
use crate::fault::Fault;
use crate::store::durable;

/// The newest rules that are asked for (Linux 6.12); an older kernel holds what it knows of them.
const RULES: ABI = ABI::V6;

/// What a thread needs that computes, reads and writes files that it may open, and speaks over sockets
/// that it has. Everything else answers "not permitted".
const ALLOWED: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_getdents64,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mkdirat,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_prlimit64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvmsg,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendmsg,
    libc::SYS_set_robust_list,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_tgkill,
    libc::SYS_umask,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
];

/// The older names of some of these, which this architecture still has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_rename,
    libc::SYS_stat,
    libc::SYS_unlink,
];

#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// Shuts this process in: of all files it reaches those below `state`, and of all else what it has.
///
/// To be called by the only thread there is; threads that it starts are shut in with it.
pub(crate) fn signer(state: &Path) -> Result<(), Fault> {
    durable::create_directory(&FileSystem, state)
        .map_err(|error| Fault::new(state.display().to_string(), error))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| failed("its memory cannot be hidden", error))?;
    let held = landlock(Some(state)).map_err(|error| failed("Landlock refuses", error))?;
    if held != Landlocked::Fully {
        // The filter below holds without it, and both are what this kernel has.
        tracing::warn!(
            "this kernel does not know all of Landlock: the signer could open other files"
        );
    }
    for filter in [no_clone3(), allow_list()] {
        let program = filter.map_err(|error| failed("its filter is none", error))?;
        apply_filter(&program).map_err(|error| failed("seccomp refuses", error))?;
    }
    Ok(())
}

/// Checks that this process has no network, so that no build and no parser of what strangers made has
/// one: the node starts its builder in a network namespace with nothing in it.
pub(crate) fn builder() -> Result<(), Fault> {
    let table = fs::read_to_string("/proc/self/net/dev")
        .map_err(|error| Fault::new("/proc/self/net/dev", error))?;
    let names: Vec<&str> = interfaces(&table).filter(|name| *name != "lo").collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Fault::text(format!(
        "the builder found the network interface {}, needed none; it is started by a node, with unshare(1)",
        names.join(", ")
    )))
}

/// Two lines of headings, then a name and a colon at the beginning of each; `proc_pid_net(5)`.
fn interfaces(table: &str) -> impl Iterator<Item = &str> {
    table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim()))
}

fn failed(what: &str, error: impl std::fmt::Display) -> Fault {
    Fault::text(format!(
        "the signer cannot be shut in: {what}: {error}; it does not sign without walls"
    ))
}

/// How much of what is asked of Landlock a kernel holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landlocked {
    Fully,
    Partly,
    Not,
}

/// What this kernel would hold of a signer's rules.
#[expect(clippy::disallowed_methods, reason = "walls stay with the thread that took them")]
pub(crate) fn landlock_here() -> Landlocked {
    let tried = std::thread::spawn(|| landlock(None).unwrap_or(Landlocked::Not)).join();
    tried.unwrap_or(Landlocked::Not)
}

/// Of all files, those below `state`.
fn landlock(state: Option<&Path>) -> Result<Landlocked, Box<dyn std::error::Error>> {
    let all = AccessFs::from_all(RULES);
    let mut rules = Ruleset::default()
        .handle_access(all)?
        .handle_access(AccessNet::from_all(RULES))?
        .scope(Scope::from_all(RULES))?
        .create()?;
    if let Some(state) = state {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(state)?, all & !AccessFs::Execute))?;
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Landlocked::Fully,
        RulesetStatus::PartiallyEnforced => Landlocked::Partly,
        RulesetStatus::NotEnforced => Landlocked::Not,
    })
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

fn compiled(
    rules: Rules,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let architecture = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, others, these, architecture)?.try_into()?)
}

fn allow_list() -> Result<BpfProgram, seccompiler::Error> {
    let mut rules: Rules = ALLOWED.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let makes_thread =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), thread)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![makes_thread])?]);
    // Refused by the other filter, in words that the C library understands.
    rules.insert(libc::SYS_clone3, Vec::new());
    compiled(rules, SeccompAction::Errno(libc::EPERM.unsigned_abs()), SeccompAction::Allow)
}

/// Its flags are in memory, where no filter can see them; the C library then takes the older call.
fn no_clone3() -> Result<BpfProgram, seccompiler::Error> {
    let rules = Rules::from([(libc::SYS_clone3, Vec::new())]);
    compiled(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]
    use super::*;
    use std::io::{ErrorKind, Write as _};
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    const PLACE: &str = "REATTEST_CONFINED";

    /// Runs itself once more, in a process of its own: walls stay.
    #[test]
    fn behind_its_walls_a_signer_reaches_its_state_and_nothing_else() {
        if let Some(place) = std::env::var_os(PLACE) {
            return inside(Path::new(&place));
        }
        let place = tempfile::tempdir().unwrap();
        // A server of the same machine, and a file of the same user.
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        fs::write(place.path().join("key"), "secret").unwrap();
        fs::write(place.path().join("port"), server.local_addr().unwrap().port().to_string())
            .unwrap();
        let name = "confine::tests::behind_its_walls_a_signer_reaches_its_state_and_nothing_else";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(PLACE, place.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("held:"), "{said}{errors}");
    }

    #[test]
    fn interfaces_are_read_as_the_kernel_writes_them() {
        let table = "Inter-|   Receive    |  Transmit\n face |bytes    packets |bytes\n    lo:  1 2\n  eth0:3 4\n";
        assert_eq!(interfaces(table).collect::<Vec<_>>(), ["lo", "eth0"]);
    }

    fn inside(place: &Path) {
        let port = fs::read_to_string(place.join("port")).unwrap().parse::<u16>().unwrap();
        // Each of these works before, or its failure would tell nothing.
        assert!(fs::read(place.join("key")).is_ok() && Command::new("true").status().is_ok());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let state = place.join("signer");
        std::thread::scope(|scope| scope.spawn(|| walled(place, &state, port)).join()).unwrap();
    }

    fn walled(place: &Path, state: &Path, port: u16) {
        signer(state).unwrap();
        fs::create_dir(state.join("log")).unwrap();
        fs::write(state.join("log/state"), "head").unwrap();
        fs::rename(state.join("log/state"), state.join("log/done")).unwrap();
        assert_eq!(fs::read(state.join("log/done")).unwrap(), b"head");
        std::thread::scope(|scope| scope.spawn(|| ()).join()).unwrap();
        let denied = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
        assert!(denied(std::net::TcpStream::connect(("127.0.0.1", port)).unwrap_err()));
        assert!(denied(UnixStream::pair().unwrap_err()));
        assert!(denied(Command::new("/bin/true").status().unwrap_err()));
        assert_eq!(
            rustix::process::dumpable_behavior().unwrap_err(),
            rustix::io::Errno::PERM,
            "prctl is not among its calls"
        );
        let has_landlock = fs::read("/proc/self/status").is_err();
        if has_landlock {
            assert!(denied(fs::read(place.join("key")).unwrap_err()));
            assert!(denied(fs::read("/etc/passwd").unwrap_err()));
            assert!(denied(fs::write(place.join("new"), "x").unwrap_err()));
            assert!(denied(fs::rename(state.join("log/done"), place.join("out")).unwrap_err()));
        }
        writeln!(std::io::stdout(), "held: with Landlock {has_landlock}").unwrap();
    }
}
