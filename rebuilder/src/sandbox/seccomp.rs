//! System call filters as data (step 3): what a build is denied, and what an installer is told it did.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

use super::SandboxError;

/// Which filters a command runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// For a build: the denials below.
    Build,
    /// For package scripts in a root with one mapped user: the denials, and changes of owner and of
    /// identity answer success without doing anything, so that neither root nor subordinate ids
    /// are needed (Charliecloud's trick).
    Install,
}

/// Kernel surface that no build needs: each answers EPERM.
const DENIED: &[c_long] = &[
    // Mounts and namespaces: with user namespaces off they would fail anyway; this is the second wall.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    // Interfaces with a long record of kernel holes.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Key rings are not in a namespace.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // The machine itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    // Opens files by handle, past any mount.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
];

/// Answered with success and not done.
#[cfg(target_arch = "x86_64")]
const PRETENDED: &[c_long] = &[
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
];

/// Answered with success and not done; this architecture has no `chown` and `lchown`.
#[cfg(not(target_arch = "x86_64"))]
const PRETENDED: &[c_long] = &[
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
];

/// Sockets of these families reach past the network namespace or into rarely tested kernel code.
const DENIED_SOCKETS: &[i32] = &[libc::AF_VSOCK, libc::AF_ALG, libc::AF_PACKET, libc::AF_KEY];

/// The x32 numbers of x86-64 begin here; they would go past a filter that compares numbers.
#[cfg(target_arch = "x86_64")]
const X32_CALLS: u32 = 0x4000_0000;

impl Filter {
    /// The compiled programs, as bubblewrap reads them: each an array of `struct sock_filter`.
    pub fn programs(self) -> Result<Vec<Vec<u8>>, SandboxError> {
        let mut programs = vec![denials()?, compile(no_clone3(), libc::ENOSYS)?];
        if self == Self::Install {
            programs.push(compile(all(PRETENDED), 0)?);
        }
        #[cfg(target_arch = "x86_64")]
        programs.push(no_x32());
        Ok(programs.iter().map(|p| encode(p)).collect())
    }
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

fn all(calls: &[c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn denials() -> Result<BpfProgram, SandboxError> {
    let mut rules = all(DENIED);
    let mut families = Vec::new();
    for family in DENIED_SOCKETS {
        families.push(argument(0, SeccompCmpOp::Eq, family.unsigned_abs().into())?);
    }
    rules.insert(libc::SYS_socket, families);
    let namespace = u64::from(libc::CLONE_NEWUSER.unsigned_abs());
    let masked = SeccompCmpOp::MaskedEq(namespace);
    rules.insert(libc::SYS_clone, vec![argument(0, masked, namespace)?]);
    // TIOCSTI types into a terminal, TIOCLINUX pastes into a console.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX];
    let typing = typing.map(|request| argument(1, SeccompCmpOp::Eq, request));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Result<_, _>>()?);
    compile(rules, libc::EPERM)
}

/// Its flags are behind a pointer, which a filter cannot read; the C library falls back to `clone`.
fn no_clone3() -> Rules {
    all(&[libc::SYS_clone3])
}

fn argument(index: u8, operation: SeccompCmpOp, value: u64) -> Result<SeccompRule, SandboxError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operation, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|e| refused(&e))
}

fn compile(rules: Rules, errno: i32) -> Result<BpfProgram, SandboxError> {
    let architecture = std::env::consts::ARCH.try_into().map_err(|e| refused(&e))?;
    let action = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, action, architecture)
        .and_then(TryInto::try_into)
        .map_err(|e| refused(&e))
}

fn refused(error: &dyn std::fmt::Display) -> SandboxError {
    let architecture = std::env::consts::ARCH.to_owned();
    SandboxError::Filter { architecture, why: error.to_string() }
}

/// `if nr >= X32_CALLS return ENOSYS else allow`, in classic BPF (linux/filter.h, linux/seccomp.h).
#[cfg(target_arch = "x86_64")]
fn no_x32() -> BpfProgram {
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        instruction(0x20, 0, 0, 0),
        instruction(0x35, 0, 1, X32_CALLS),
        instruction(0x06, 0, 0, 0x0005_0000 | libc::ENOSYS.unsigned_abs()),
        instruction(0x06, 0, 0, 0x7fff_0000),
    ]
}

fn encode(program: &[sock_filter]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for instruction in program {
        bytes.extend_from_slice(&instruction.code.to_ne_bytes());
        bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
        bytes.extend_from_slice(&instruction.k.to_ne_bytes());
    }
    bytes
}

/// A compiled program in an anonymous file that a child can inherit.
pub(super) fn as_file(program: &[u8]) -> io::Result<std::fs::File> {
    use std::io::{Seek, Write};
    let descriptor = rustix::fs::memfd_create("filter", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(descriptor);
    file.write_all(program)?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_filter_compiles_to_whole_instructions_within_the_kernels_bound() {
        for filter in [Filter::Build, Filter::Install] {
            for program in filter.programs().unwrap() {
                assert_eq!(program.len() % 8, 0);
                assert!(program.len() / 8 <= 4096);
            }
        }
    }

    #[test]
    fn only_an_installer_is_told_that_owners_changed() {
        let build = Filter::Build.programs().unwrap();
        let install = Filter::Install.programs().unwrap();
        assert_eq!(install.len(), build.len() + 1);
        assert!(PRETENDED.iter().all(|call| !DENIED.contains(call)));
    }
}
