# A build tries to list the host's sockets (netlink, sock_diag) or to hear of its devices (uevent).
# inside: refused
# outside: works
perl -MSocket -e 'socket(S,16,SOCK_RAW,4) or exit 1; socket(T,16,SOCK_DGRAM,15) or exit 1'
