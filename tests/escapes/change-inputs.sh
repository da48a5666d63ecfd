# A build tries to change its inputs, also by hard links: the next build would get them.
# inside: refused
# outside: never (there are none)
(echo x >> @INPUTS@/input) 2>/dev/null && exit 0
ln @INPUTS@/input hard && (echo x >> hard) && exit 0
chmod u+w @INPUTS@/input && exit 0
rm -f @INPUTS@/input && test ! -e @INPUTS@/input && exit 0
exit 1
