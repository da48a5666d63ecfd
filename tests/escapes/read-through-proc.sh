# A build tries to reach the host's files through another process's root or descriptors.
# inside: refused
# outside: works
for root in /proc/[0-9]*/root /proc/[0-9]*/cwd; do cat "$root@KEY@" 2>/dev/null && exit 0; done; exit 1
