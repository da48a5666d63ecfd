# A build tries to write anywhere outside its own directory, by every path that it can name.
# inside: refused
# outside: never (it would write there)
for place in / /usr /usr/bin /etc /var /var/lib /home /root /opt /boot /build /proc /dev /sys '@CACHE@' '@SIGNER@'; do
    (echo x > "$place/reattest-escape") 2>/dev/null && exit 0
done
ln -s '@SIGNER@' link 2>/dev/null && (echo x > link/reattest-escape) 2>/dev/null && exit 0
(echo x >> '@KEY@') 2>/dev/null && exit 0
exit 1
