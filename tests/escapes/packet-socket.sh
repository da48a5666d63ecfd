# A build tries to open a packet socket, which sees every frame.
# inside: refused
# outside: works for root
perl -MSocket -e 'socket(S,17,SOCK_RAW,0x0300) or exit 1'
