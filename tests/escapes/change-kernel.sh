# A build tries to change the kernel's settings, as the builder's root would be allowed to.
# inside: refused
# outside: works for root
# Opening for writing is enough to show it, and changes nothing: no byte is written.
for file in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/* /proc/sys/vm/* /proc/irq/*/smp_affinity; do
    test -f "$file" && (: >> "$file") 2>/dev/null && exit 0
done
exit 1
