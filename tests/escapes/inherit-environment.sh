# A build tries to find a variable of the builder in its own environment.
# inside: refused
# outside: works
env | grep -q '^@MARKER@='
