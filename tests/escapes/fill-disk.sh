# A build fills the disk.
# inside: limit disk space
# outside: never (it would fill the host's)
for i in 1 2 3 4 5 6; do head -c 15000000 /dev/zero > part-$i; done; sleep 20
