# A build tries families that reach past the network namespace (vsock) or into rarely tested code (alg).
# inside: refused
# outside: works where the kernel has one of them
perl -MSocket -e 'exit(socket(S,40,SOCK_STREAM,0) || socket(S,38,SOCK_SEQPACKET,0) || socket(S,15,SOCK_RAW,2) ? 0 : 1)'
