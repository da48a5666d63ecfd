# A build tries to read the kernel's memory, symbols, messages, keys or timers.
# inside: refused
# outside: works for root
for file in kcore kallsyms kmsg keys key-users timer_list sched_debug slabinfo iomem config.gz mtrr; do
    dd if=/proc/$file bs=1 count=1 2>/dev/null | grep -q . && exit 0
done
for directory in acpi irq scsi bus fs driver; do
    test -n "$(ls -A /proc/$directory 2>/dev/null)" && exit 0
done
test -n "$(ls -A /sys 2>/dev/null)"
