# A build tries system calls by the numbers of 32-bit programs (int 0x80) and of x32.
# inside: refused
# outside: works where the kernel runs 32-bit programs
cat > other.c <<'C'
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
    long pid = -1;
    if (argc > 1) {
        __asm__ volatile("int $0x80" : "=a"(pid) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
        return pid == getpid() ? 0 : 1;
    }
    pid = syscall(0x40000000 + SYS_getpid);
    return pid == getpid() ? 0 : 1;
}
C
gcc -o other other.c && { ./other || ./other int80; }
