# A build tries to reach the host's shadow file; the environment has one of its own.
# inside: refused
# outside: works
test "$(stat -c %i:%Y /etc/shadow)" = '@SHADOW@'
