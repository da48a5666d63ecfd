# A build tries to connect to a socket of the host that has a path.
# inside: refused
# outside: works
perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0) or exit 1; connect(S,pack_sockaddr_un("@SOCKET@")) or exit 1'
