# A build tries to mount, also in namespaces of its own.
# inside: refused
# outside: works where user namespaces do
unshare -Urm mount -t tmpfs none /mnt || mount -t tmpfs none /mnt
