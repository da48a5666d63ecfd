# A build tries to add a network interface over netlink, in its own namespace at least.
# inside: refused
# outside: never (it would change the host's network)
perl -MSocket -e '
socket(S,16,SOCK_RAW,0) or exit 1;
$name = pack("S S Z8", 12, 3, "veth77"); $kind = pack("S S Z8", 10, 1, "dummy"); $kind .= "\0" x (-length($kind) % 4);
$link = pack("S S", 4 + length($kind), 18) . $kind;
$body = pack("C x S l L L", 0, 0, 0, 0, 0) . $name . $link;
$message = pack("L S S L L", 16 + length($body), 16, 0x605, 1, 0) . $body;
send(S, $message, 0) or exit 1;
recv(S, $answer, 4096, 0); ($length, $type, $flags, $sequence, $port, $error) = unpack("L S S L L l", $answer);
exit($type == 2 && $error == 0 ? 0 : 1)'
