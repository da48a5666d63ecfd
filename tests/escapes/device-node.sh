# A build tries to make a device that is the host's disk.
# inside: refused
# outside: never (a device node would stay)
mknod disk b 8 0 || mknod /tmp/disk b 8 0 || mknod /tmp/memory c 1 1
