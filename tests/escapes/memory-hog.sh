# A build takes memory without end.
# inside: limit memory
# outside: never (inside it ends itself at 600 MB, should nothing else)
head -c 600000000 /dev/zero | tail -n 1 | wc -c
