# A build fills its shared memory.
# inside: limit temporary files
# outside: never (it would fill the host's)
head -c 60000000 /dev/zero > /dev/shm/full
