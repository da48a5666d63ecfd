# A build fills the disk with files that have names and nothing else.
# inside: limit disk space
# outside: never (it would fill the host's)
perl -e 'for (1..30000) { open(F, ">", "empty-$_") } sleep 40'
