# A build tries to connect to an abstract socket of the host.
# inside: refused
# outside: works
perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0) or exit 1; connect(S,pack_sockaddr_un("\0@ABSTRACT@")) or exit 1'
