//! System call filters as data (step 3): what a build is denied, and what an installer is told it did.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

use super::{SandboxError, calls};

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

/// The x32 numbers of x86-64 begin here; they would go past a filter that compares numbers.
#[cfg(target_arch = "x86_64")]
const X32_CALLS: u32 = 0x4000_0000;

impl Filter {
    /// The compiled programs, as bubblewrap reads them: each an array of `struct sock_filter`.
    pub fn programs(self) -> Result<Vec<Vec<u8>>, SandboxError> {
        let mut programs = vec![
            compile(denied()?, libc::EPERM)?,
            compile(absent(), libc::ENOSYS)?,
            compile(unreachable_sockets()?, libc::EAFNOSUPPORT)?,
        ];
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

fn denied() -> Result<Rules, SandboxError> {
    let mut rules = all(calls::DENIED);
    let (mut clone, mut unshare) = (Vec::new(), Vec::new());
    for flag in calls::NEW_NAMESPACES {
        let flag = u64::from(flag.unsigned_abs());
        clone.push(rule(&[(0, SeccompCmpOp::MaskedEq(flag), flag)])?);
        unshare.push(rule(&[(0, SeccompCmpOp::MaskedEq(flag), flag)])?);
    }
    // In `clone` this bit belongs to the signal of a child's end; only `unshare` and `clone3` know it.
    let time = u64::from(libc::CLONE_NEWTIME.unsigned_abs());
    unshare.push(rule(&[(0, SeccompCmpOp::MaskedEq(time), time)])?);
    rules.insert(libc::SYS_clone, clone);
    rules.insert(libc::SYS_unshare, unshare);
    let typing = calls::TYPING.iter().map(|request| rule(&[(1, SeccompCmpOp::Eq, *request)]));
    rules.insert(libc::SYS_ioctl, typing.collect::<Result<_, _>>()?);
    let harmless = calls::PERSONALITIES.iter().map(|value| (0, SeccompCmpOp::Ne, *value));
    rules.insert(libc::SYS_personality, vec![rule(&harmless.collect::<Vec<_>>())?]);
    let raw =
        raw_sockets().iter().map(|conditions| rule(conditions)).collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_socket, raw);
    Ok(rules)
}

/// Packets of one's own making; netlink calls its only kind so, and is judged by its protocol.
fn raw_sockets() -> [[Condition; 2]; 2] {
    let netlink = u64::from(libc::AF_NETLINK.unsigned_abs());
    // The upper bits are flags.
    [libc::SOCK_RAW, calls::SOCK_PACKET].map(|kind| {
        [
            (0, SeccompCmpOp::Ne, netlink),
            (1, SeccompCmpOp::MaskedEq(0xf), u64::from(kind.unsigned_abs())),
        ]
    })
}

/// A family outside the list, and any netlink but the one that lists network interfaces.
fn unreachable_sockets() -> Result<Rules, SandboxError> {
    let value = |family: i32| u64::from(family.unsigned_abs());
    let others = calls::FAMILIES.iter().map(|family| (0, SeccompCmpOp::Ne, value(*family)));
    let netlink = [
        (0, SeccompCmpOp::Eq, value(libc::AF_NETLINK)),
        (2, SeccompCmpOp::Ne, value(libc::NETLINK_ROUTE)),
    ];
    let refused = vec![rule(&others.collect::<Vec<_>>())?, rule(&netlink)?];
    Ok(BTreeMap::from([(libc::SYS_socket, refused)]))
}

fn absent() -> Rules {
    all(calls::ABSENT)
}

/// Argument, comparison, value.
type Condition = (u8, SeccompCmpOp, u64);

/// Holds when every condition does; the upper half of a register is no part of these arguments.
fn rule(conditions: &[Condition]) -> Result<SeccompRule, SandboxError> {
    let conditions = conditions.iter().map(|(index, operation, value)| {
        SeccompCondition::new(*index, SeccompCmpArgLen::Dword, operation.clone(), *value)
    });
    let conditions = conditions.collect::<Result<Vec<_>, _>>().map_err(|e| refused(&e))?;
    SeccompRule::new(conditions).map_err(|e| refused(&e))
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
        assert!(PRETENDED.iter().all(|call| !calls::DENIED.contains(call)));
    }
}
