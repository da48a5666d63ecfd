# A build opens files without end.
# inside: limit open files
# outside: never (inside it ends itself after 5000, should nothing else)
perl -e 'for (1..5000) { open($f[$_], "<", "/dev/null") or die "cannot open: $!" }'
