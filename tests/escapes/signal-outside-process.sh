# A build tries to signal a process of the host.
# inside: refused
# outside: works
kill -0 @PROCESS@
