# A build does nothing without end.
# wall: 1
# inside: limit wall time
# outside: never (it has no end)
sleep 600
