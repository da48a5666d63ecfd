# A build takes memory in many processes, each of them modest.
# inside: limit memory
# outside: never (inside it ends itself at 270 MB, should nothing else)
for i in 1 2 3 4 5 6 7 8 9; do
    (head -c 30000000 /dev/zero; sleep 6) | tail -n 1 | wc -c &
done; wait
