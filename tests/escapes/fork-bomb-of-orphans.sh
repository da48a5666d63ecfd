# A build starts processes that start processes and leave them, each in a session of its own.
# inside: limit processes
# outside: never (a fork bomb; inside it ends itself after 300 processes, should nothing else)
perl -MPOSIX -e 'for (1..300) { if (!fork) { setsid; if (!fork) { sleep 20 } exit } } sleep 5'
