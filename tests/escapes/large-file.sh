# A build writes one file that is too large.
# inside: limit file size
# outside: never (it would fill the host's disk)
head -c 30000000 /dev/zero > large
