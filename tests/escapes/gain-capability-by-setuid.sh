# A build tries to become root by the setuid programs of its environment, and by one of its own.
# inside: refused
# outside: never (it would ask for a password)
cp /bin/sh ./sh && chmod 4755 ./sh && ./sh -p -c 'grep -E "CapEff:.*[1-9a-f]" /proc/self/status' && exit 0
for program in su mount newgrp passwd chsh; do
    path=$(command -v $program) || continue
    "$path" -c 'grep -qE "CapEff:.*[1-9a-f]" /proc/self/status' </dev/null >/dev/null 2>&1 && exit 0
done
exit 1
