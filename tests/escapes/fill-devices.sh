# A build tries to fill /dev and /sys, file systems in memory without a bound of their own.
# inside: refused
# outside: never (it would fill the host's)
for place in /dev /sys /proc/irq /dev/pts; do
    head -c 60000000 /dev/zero > $place/filled && exit 0
    mkdir $place/filled && exit 0
done
exit 1
