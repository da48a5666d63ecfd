# A build tries to attach to a process of the host.
# inside: refused
# outside: works where attaching is allowed
perl -e 'exit(syscall(101, 16, @PROCESS@, 0, 0) == 0 ? 0 : 1)'
