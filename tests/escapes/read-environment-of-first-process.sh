# A build tries to read the environment of process 1 and of every other: the builder's is there.
# inside: refused
# outside: works
cat /proc/1/environ /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -q '^@MARKER@='
