# A build tries to connect to a service on the host's loopback.
# inside: refused
# outside: works
perl -MSocket -e 'socket(S,AF_INET,SOCK_STREAM,0) or exit 1; connect(S,sockaddr_in(@TCP@,INADDR_LOOPBACK)) or exit 1'
