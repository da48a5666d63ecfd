# A build talks without end.
# inside: limit log size
# outside: never (it has no end)
yes
