# A build tries to reach another machine by its address.
# inside: refused
# outside: works where there is a route
# Connecting a datagram socket only asks for a route, so no packet leaves.
perl -MSocket -e 'socket(S,AF_INET,SOCK_DGRAM,0) or exit 1; connect(S,sockaddr_in(9,inet_aton("192.0.2.1"))) or exit 1'
