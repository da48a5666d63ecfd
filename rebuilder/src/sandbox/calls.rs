//! Which system calls a build is denied, as tables with reasons (step 3).
//!
//! A list of what is denied, not of what is allowed: builds run compilers, interpreters and test
//! suites of every kind, and a call that fails here and nowhere else is a false outcome. Namespaces
//! and the absence of capabilities are the first wall; this is the second.

use libc::c_long;

/// Answered EPERM, as to any user without rights.
pub(super) const DENIED: &[c_long] = &[
    // Mounts and namespaces.
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
    OPEN_TREE_ATTR,
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
    // Into other processes. They are all of this build; `ptrace` stays, since leak checkers and the
    // test suites of debuggers trace their children, and has a way around none of the walls.
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Memory that is counted nowhere and that not even the kernel can look into.
    libc::SYS_memfd_secret,
    // Watching or holding up the file accesses of others.
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    // The machine itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    // Opens files by handle, past any mount.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Ports and segments: of the machine, or of emulators alone.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// New in Linux 6.15, the same number everywhere; libc has no name for it yet.
const OPEN_TREE_ATTR: c_long = 467;
/// New in Linux 6.8, the same numbers everywhere: they list mounts with their places on the host.
const STATMOUNT: c_long = 457;
const LISTMOUNT: c_long = 458;

/// Answered ENOSYS, as by an older kernel: callers have another way.
pub(super) const ABSENT: &[c_long] = &[
    // Its flags are behind a pointer, which a filter cannot read; the C library falls back to `clone`.
    libc::SYS_clone3,
    // Lends pages to the kernel while the caller may still change them.
    libc::SYS_vmsplice,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    STATMOUNT,
    LISTMOUNT,
    // Of earlier decades; what is left of them nobody tests.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
];

/// Flags of `clone` and `unshare`; the other flags of `unshare` concern the caller alone.
pub(super) const NEW_NAMESPACES: &[i32] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// `TIOCSTI` types into a terminal, `TIOCLINUX` pastes into a console.
pub(super) const TYPING: &[u64] = &[libc::TIOCSTI, libc::TIOCLINUX];

/// Linux, 32-bit names of it, an old version number, no randomised addresses (some compilers dump
/// their memory), and the question. All others turn protections off or run other systems' programs.
pub(super) const PERSONALITIES: &[u64] =
    &[0, 0x0008, 0x2_0000, 0x2_0008, 0x4_0000, 0x4_0008, 0xffff_ffff];

/// Sockets that builds use: their own processes, the loopback of their own network namespace, and the
/// list of its interfaces. All others reach past namespaces (vsock) or into rarely tested code.
pub(super) const FAMILIES: &[i32] =
    &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// The way to packets before `AF_PACKET`; the kernel still knows it, libc calls it deprecated.
pub(super) const SOCK_PACKET: i32 = 10;
