# A build tries to type into the terminal of whoever started the builder.
# inside: refused
# outside: never (it would type)
perl -e 'for $place ("/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1", "/dev/console") {
  open(T, "+<", $place) or next; $byte = "x"; ioctl(T, 0x5412, $byte) and exit 0;
} exit 1'
