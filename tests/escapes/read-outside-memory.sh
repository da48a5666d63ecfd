# A build tries to read the memory of a process of the host, and of its own first one.
# inside: refused
# outside: works where attaching is allowed
perl -e '
for $process (@PROCESS@, 1) {
  open(M, "<", "/proc/$process/maps") or next; $start = hex((split /-/, <M>)[0]);
  $buffer = "\0" x 8; $local = pack("P Q", $buffer, 8); $remote = pack("Q Q", $start, 8);
  exit 0 if syscall(310, $process, $local, 1, $remote, 1, 0) == 8;
}
exit 1'
