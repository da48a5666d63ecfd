# A build tries to ask a resolver for another machine's address.
# inside: refused
# outside: works
perl -MSocket -e '
socket(S,AF_INET,SOCK_DGRAM,0) or exit 1;
connect(S,sockaddr_in(@UDP@,INADDR_LOOPBACK)) or exit 1;
send(S,"query",0) or exit 1;
$r=""; vec($r,fileno(S),1)=1; select($r,undef,undef,2) or exit 1;
recv(S,$b,9,0); exit($b eq "answer" ? 0 : 1)'
