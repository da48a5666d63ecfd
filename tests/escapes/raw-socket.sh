# A build tries to send packets of its own making.
# inside: refused
# outside: works for root
perl -MSocket -e 'socket(S,AF_INET,SOCK_RAW,1) or exit 1'
