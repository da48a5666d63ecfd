# A build starts processes without end.
# inside: limit processes
# outside: never (a fork bomb; inside it ends itself after 300 processes, should nothing else)
i=0; while test $i -lt 300; do sleep 20 & i=$((i+1)); done; wait
