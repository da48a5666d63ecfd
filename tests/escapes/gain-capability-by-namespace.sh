# A build tries to gain capabilities in a user namespace of its own.
# inside: refused
# outside: works where user namespaces do
unshare -Ur sh -c 'grep CapEff: /proc/self/status | grep -q [1-9a-f]'
