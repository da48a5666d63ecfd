# A build computes without end, in many processes that start over and over.
# cpu: 2
# inside: limit CPU time
# outside: never (it has no end)
for i in 1 2 3 4; do (while :; do (x=0; while test $x -lt 20000; do x=$((x+1)); done); done) & done; wait
