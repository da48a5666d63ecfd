# A source tarball has names with `..`, an absolute name, and members behind links that lead out.
# inside: kept in
# outside: never (an older tar would write there)
perl -e '
sub member { my ($name, $type, $link, $data) = @_;
  my $head = pack("a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a32 a32 a8 a8 a155 x12", $name, "0000644", "0001750", "0001750",
    sprintf("%011o", length $data), "00000000000", "", $type, $link, "ustar", "00", "u", "g", "", "", "");
  substr($head, 148, 8) = sprintf("%06o\0 ", unpack("%32C*", $head));
  return $head . $data . "\0" x (-length($data) % 512); }
print member("evil/../../../escaped-dots", 0, "", "x"), member("/build/escaped-absolute", 0, "", "x"),
  member("evil/out", 2, "/build", ""), member("evil/out/escaped-link", 0, "", "x"),
  member("evil/hard", 1, "/etc/passwd", ""), member("evil/passwd", 2, "/etc/passwd", ""), member("evil/passwd", 0, "", "x"),
  "\0" x 1024;' > evil_1.orig.tar
gzip evil_1.orig.tar
cat > evil_1.dsc <<'D'
Format: 1.0
Source: evil
Version: 1
Maintainer: Nobody <nobody@example.org>
D
sum=$(md5sum < evil_1.orig.tar.gz | cut -d' ' -f1); size=$(stat -c %s evil_1.orig.tar.gz)
mv evil_1.orig.tar.gz evil_1.tar.gz
printf 'Files:\n %s %s evil_1.tar.gz\n' "$sum" "$size" >> evil_1.dsc
dpkg-source --no-check -x evil_1.dsc made; tar -xPf evil_1.tar.gz
test ! -e /build/escaped-dots && test ! -e /build/escaped-absolute && test ! -e /build/escaped-link &&
    test ! -e /escaped-dots && ! grep -q '^x' /etc/passwd
