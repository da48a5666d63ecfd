# A build fills its temporary file system.
# inside: limit temporary files
# outside: never (it would fill the host's)
head -c 60000000 /dev/zero > /tmp/full
