# A build tries every namespace by clone, unshare and setns; clone3 must not be there at all.
# inside: refused
# outside: works where user namespaces do
cat > clone.c <<'C'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    int kinds[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP};
    for (int i = 0; i < 7; i++) {
        long child = syscall(SYS_clone, kinds[i] | SIGCHLD, 0, 0, 0, 0);
        if (child == 0) _exit(0);
        if (child > 0) { waitpid(child, 0, 0); return 0; }
        if (unshare(kinds[i]) == 0) return 0;
    }
    if (syscall(SYS_clone3, 0, 0) == -1 && errno != ENOSYS) return 0;
    return setns(open("/proc/1/ns/net", O_RDONLY), 0) == 0 ? 0 : 1;
}
C
gcc -o clone clone.c && ./clone
