# A build tries calls that no build needs: each must be refused by the filter, not by chance.
# inside: refused
# outside: works
cat > calls.c <<'C'
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>
/* With these arguments an unfiltered kernel answers EFAULT, EINVAL, EBADF or success. */
#define TRY(call, wanted, ...) \
    if (!(syscall(call, ##__VA_ARGS__) == -1 && errno == wanted)) { printf("%s: %d\n", #call, errno); open++; }
int main(void) {
    int open = 0;
    TRY(SYS_keyctl, EPERM, 0, -1, 0)
    TRY(SYS_add_key, EPERM, 0, 0, 0, 0, 0)
    TRY(SYS_request_key, EPERM, 0, 0, 0, 0)
    TRY(SYS_userfaultfd, EPERM, -1)
    TRY(SYS_perf_event_open, EPERM, 0, 0, 0, 0, 0)
    TRY(SYS_io_uring_setup, EPERM, 0, 0)
    TRY(SYS_process_vm_readv, EPERM, getpid(), 0, 0, 0, 0, 0)
    TRY(SYS_process_vm_writev, EPERM, getpid(), 0, 0, 0, 0, 0)
    TRY(SYS_kcmp, EPERM, getpid(), getpid(), 0, 0, 0)
    TRY(SYS_pidfd_getfd, EPERM, -1, 0, 0)
    TRY(SYS_memfd_secret, EPERM, -1)
    TRY(SYS_fanotify_init, EPERM, -1, 0)
    TRY(SYS_move_pages, EPERM, 0, 0, 0, 0, 0, 0)
    TRY(SYS_name_to_handle_at, EPERM, -1, 0, 0, 0, 0)
    TRY(SYS_modify_ldt, EPERM, 99, 0, 0)
    TRY(SYS_personality, EPERM, ADDR_COMPAT_LAYOUT)
    TRY(SYS_personality, EPERM, READ_IMPLIES_EXEC)
    TRY(SYS_vmsplice, ENOSYS, -1, 0, 0, 0)
    TRY(SYS_ustat, ENOSYS, 0, 0)
    TRY(SYS_bpf, EPERM, -1, 0, 0)
    TRY(SYS_fsopen, EPERM, 0, 0)
    return open ? 0 : 1;
}
C
gcc -o calls calls.c && ./calls
